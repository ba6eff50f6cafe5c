"""
Processes that end with much to write, and servers that fork.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import time as systime
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memotier import MultiLevelCache, WritePolicy

from .worlds import database_of

OWING = textwrap.dedent(
    """
    import logging, signal, sys
    from memotier import CacheLevelConfig, MultiLevelCache, WritePolicy
    logging.basicConfig()
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=None, max_bytes=2**30),
        l2_config=CacheLevelConfig(max_size=None, persistence_path=sys.argv[1]),
        write_policy=WritePolicy.WRITE_BACK, flush_interval="1h",
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for n in range(int(sys.argv[2])):
        cache.sync.set(f"k{n}", n)
    assert int(sys.argv[2]) == cache.get_stats()["pending_writes"]
    print("full", flush=True)
    sys.stdin.read()
    """
)


def ends(
    directory: Path, count: int, how: str, meanwhile: Callable[[], Any] = lambda: None
) -> tuple[float, int, str]:
    """
    Let a process with *count* entries to write end: seconds that took, code, what it said.

    Args:
        meanwhile: Done before, when it owes them all.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", OWING, str(directory), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "full\n" == child.stdout.readline()
    meanwhile()
    began = systime.monotonic()
    if how == "SIGTERM":
        child.terminate()
    _, said = child.communicate(timeout=60)
    return systime.monotonic() - began, child.returncode, said


def stored(directory: Path) -> int:
    with database_of(directory) as connection:
        return int(connection.execute("SELECT count(*) FROM Cache").fetchone()[0])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exit", "SIGTERM"])
def test_fault_51_a_full_queue_at_the_end(tmp_path: Path, how: str) -> None:
    """
    Whatever is not written in two seconds is counted: nothing is lost in silence.
    """
    seconds, code, said = ends(tmp_path, 20_000, how)
    assert 0 == code
    lost = 20_000 - stored(tmp_path)
    if lost:
        assert f"{lost} entries were not written before the interpreter ended" in said
    else:
        assert "not written" not in said
    assert seconds < 10  # two, and a machine that is busy


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exit", "SIGTERM"])
def test_fault_51_a_full_queue_and_a_locked_database(tmp_path: Path, how: str) -> None:
    """
    Somebody keeps the database locked: the interpreter ends all the same, and says what is lost.
    """
    with MultiLevelCache(directory=tmp_path) as cache:
        cache.sync.set("k", 1)
    with closing(sqlite3.connect(next(tmp_path.rglob("cache.db")), isolation_level=None)) as other:
        seconds, code, said = ends(tmp_path, 5000, how, lambda: other.execute("BEGIN IMMEDIATE"))
        other.execute("ROLLBACK")
    assert 0 == code
    assert "5000 entries were not written before the interpreter ended" in said
    assert seconds < 10


def test_fault_51_close_ends_every_thread(tmp_path: Path) -> None:
    """
    After ``close()`` of a cache that owed much, no thread of ours is left.
    """
    import threading

    before = set(threading.enumerate())
    with MultiLevelCache(
        directory=tmp_path, write_policy=WritePolicy.WRITE_BACK, flush_interval=0.05
    ) as cache:
        for n in range(500):
            cache.sync.set(f"k{n}", n)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread.name
    assert 500 == stored(tmp_path)


PREFORK = textwrap.dedent(
    """
    import os, signal, sys, threading
    from memotier import MultiLevelCache, WritePolicy, tiered_cache
    back = sys.argv[2] == "back"
    cache = MultiLevelCache(
        directory=sys.argv[1], flush_interval="1h",
        write_policy=WritePolicy.WRITE_BACK if back else WritePolicy.WRITE_THROUGH,
    )

    @tiered_cache(namespace="app", cache=cache, name="page", version=1, tags=["pages"])
    def page(x):
        return f"{x} by {os.getpid()}"

    # The master has used it before it forks, and has a thread that goes on using it.
    page("master"); cache.sync.set("owed", os.getpid())
    stop = threading.Event()
    def busy():
        n = 0
        while not stop.is_set():
            page(f"busy {n % 20}"); n += 1
    thread = threading.Thread(target=busy, daemon=True); thread.start()

    def pending():
        return cache.get_stats()["pending_writes"]

    def serve(commands, answers):
        for line in commands:
            act, _, x = line.strip().partition(" ")
            if act == "page": said = page(x)
            elif act == "drop": said = cache.sync.invalidate_tags("pages")
            elif act == "owed": said = f"{cache.sync.get('owed')} {pending()}"
            elif act == "set": said = cache.sync.set(x, os.getpid())
            elif act == "get": said = cache.sync.get(x)
            print(said, file=answers, flush=True)

    workers = {}
    def spawn(name):
        down, up = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(down[1]); os.close(up[0])
            for commands, answers, _ in workers.values():
                commands.close(); answers.close()
            serve(os.fdopen(down[0]), os.fdopen(up[1], "w"))
            if back: cache.sync.close()
            os._exit(0)
        os.close(down[0]); os.close(up[1])
        workers[name] = os.fdopen(down[1], "w"), os.fdopen(up[0]), pid

    for name in "abcd": spawn(name)
    print("ready", os.getpid(), flush=True)
    for line in sys.stdin:
        name, _, rest = line.strip().partition(" ")
        if rest == "kill":
            commands, answers, pid = workers.pop(name)
            os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
            commands.close(); answers.close()
            spawn(name)
            print("spawned", flush=True)
        else:
            commands, answers, _ = workers[name]
            print(rest, file=commands, flush=True)
            print(answers.readline().strip(), flush=True)
    stop.set(); thread.join()
    for commands, answers, pid in workers.values():
        commands.close(); os.waitpid(pid, 0)
    """
)


class Server:
    """
    A master with four workers a to d, that it forked after it had begun to use the cache.
    """

    def __init__(self, directory: Path, policy: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PREFORK, str(directory), policy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        self.master = self._child.stdout.readline().split()[1]

    def do(self, worker: str, act: str) -> str:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{worker} {act}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline().strip()
        assert answer, "the server has ended"
        return answer

    def end(self) -> int:
        self._child.communicate(timeout=60)
        return self._child.returncode


@pytest.mark.slow
def test_fault_40_a_server_that_forks_its_workers(tmp_path: Path) -> None:
    """
    Workers share results and invalidations, also one that was forked in the place of another
    that was killed.
    """
    server = Server(tmp_path, "through")
    assert f"master by {server.master}" == server.do("a", "page master")
    first = server.do("a", "page x")
    assert first == server.do("b", "page x") == server.do("c", "page x")
    server.do("c", "drop")
    second = server.do("d", "page x")
    assert second != first
    assert second == server.do("a", "page x") == server.do("b", "page x")

    assert "spawned" == server.do("b", "kill")
    assert second == server.do("b", "page x")
    server.do("b", "set key")
    assert server.do("a", "get key") == server.do("d", "get key")
    server.do("a", "drop")
    third = server.do("b", "page x")
    assert third != second
    assert third == server.do("c", "page x") == server.do("d", "page x")
    assert 0 == server.end()


@pytest.mark.slow
def test_fault_40_workers_do_not_write_what_the_master_owes(tmp_path: Path) -> None:
    """
    With write-back, what the master owed before it forked is written once, by the master; and
    each worker writes what it owes itself.
    """
    server = Server(tmp_path, "back")
    for worker in "abcd":
        assert f"{server.master} 0" == server.do(worker, "owed")
        server.do(worker, f"set mine-{worker}")
    assert 0 == server.end()
    with MultiLevelCache(directory=tmp_path) as cache:
        assert int(server.master) == cache.sync.get("owed")
        assert None not in [cache.sync.get(f"mine-{worker}") for worker in "abcd"]
