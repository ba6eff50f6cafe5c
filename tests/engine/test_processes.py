"""
Several processes on one directory: results survive, killed ones leave no harm, forks work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time as systime
from pathlib import Path
from typing import Any

import pytest

from memotier import CacheLevelConfig, MultiLevelCache, tiered_cache

from .worlds import database_of


def run(script: str, *arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def started(script: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


TOOL = """
    import asyncio, os, sys
    from dataclasses import dataclass
    from memotier import CacheLevelConfig, MultiLevelCache, tiered_cache
    cache = MultiLevelCache(directory=sys.argv[1])
    runs = 0
    @dataclass
    class Point:
        x: int
        y: tuple
    @tiered_cache(namespace="p", cache=cache, name="f", tags=["x:{x}"])
    def f(x) -> Point:
        global runs; runs += 1
        return Point(x, (x, "t"))
    @tiered_cache(namespace="p", cache=cache, name="g")
    async def g(x) -> set[int]:
        global runs; runs += 1
        return {x}
"""


def test_results_survive_a_restart_with_their_types(tmp_path: Path) -> None:
    """
    A second process gets sync and async results back without computing them.
    """
    use = TOOL + "    print([f(n) for n in range(5)], asyncio.run(g(1)), runs)\n"
    first, second = run(use, tmp_path), run(use, tmp_path)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.replace(" 6\n", " 0\n") == second.stdout


def test_an_invalidation_is_seen_by_a_process_that_starts_later(tmp_path: Path) -> None:
    """
    Tags are kept below: what one process invalidated, no later one finds.
    """
    run(TOOL + "    [f(n) for n in range(3)]; cache.sync.invalidate_tags('x:1')\n", tmp_path)
    later = run(TOOL + "    [f(n) for n in range(3)]; print(runs)\n", tmp_path)
    assert "1\n" == later.stdout, later.stderr


@pytest.mark.slow
def test_fault_35_killed_writers_lose_nothing_they_acknowledged(tmp_path: Path) -> None:
    """
    Writers are killed at random moments: the file is whole and every set that returned reads.
    """
    script = """
        import itertools, sys
        from memotier import CacheLevelConfig, MultiLevelCache
        below = CacheLevelConfig(max_size=None, persistence_path=sys.argv[1])
        cache = MultiLevelCache(l2_config=below)
        print("ready", flush=True)
        for n in itertools.count():
            cache.sync.set(f"{sys.argv[2]}-{n}", "v" * (n % 900))
            # A machine so busy that the lock could not be had in a second: counted, not stored.
            assert not cache._keyed.engine.l2_errors
            sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
    """
    acknowledged: dict[str, int] = {}
    for number in range(6):
        writers = {f"{number}.{at}": started(script, tmp_path, f"{number}.{at}") for at in range(4)}
        for writer in writers.values():
            assert writer.stdout is not None
            writer.stdout.readline()
        systime.sleep(0.05 + 0.02 * number)
        for name, writer in writers.items():
            writer.send_signal(signal.SIGKILL)
            said = writer.communicate()[0].split("\n")
            # The last line may be torn; the one before was written whole.
            acknowledged[name] = int(said[-2]) if len(said) > 1 else -1

    began = systime.monotonic()
    below = CacheLevelConfig(max_size=None, persistence_path=tmp_path)
    with MultiLevelCache(l2_config=below, l1_maxsize=0) as cache:
        cache.sync.get("open")
        assert systime.monotonic() - began < 5
        for name, last in acknowledged.items():
            for n in range(last + 1):
                assert "v" * (n % 900) == cache.sync.get(f"{name}-{n}"), (name, n)
    assert sum(acknowledged.values()) > 0
    with database_of(tmp_path) as connection:
        assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()
    assert [] == list(tmp_path.rglob("*.val"))


def test_fault_36_a_killed_leader_leaves_no_lock(tmp_path: Path) -> None:
    """
    A process that is killed while it computes keeps nobody else from computing.
    """
    stuck = started(
        TOOL
        + """
    @tiered_cache(namespace="p", cache=cache, name="h")
    def h(x):
        print("inside", flush=True); sys.stdin.read()
    h(1)
""",
        tmp_path,
    )
    assert stuck.stdout is not None
    assert "inside\n" == stuck.stdout.readline()
    stuck.kill()
    stuck.communicate()
    with MultiLevelCache(directory=tmp_path) as cache:
        h = tiered_cache(namespace="p", cache=cache, name="h")(lambda x: "computed")
        assert "computed" == h(1)


def _child_uses(cache: MultiLevelCache, number: int) -> bool:
    cache.sync.set(f"child{number}", number)
    return (
        cache.sync.get(f"child{number}") == number
        and cache.sync.get("parent") == "p"
        and cache.sync.get_or_compute("shared", lambda: 1) == 1
    )


@pytest.mark.slow
def test_fault_40_fork_while_threads_write(tmp_path: Path) -> None:
    """
    Every child of a busy process reads and writes, whatever its parent was doing.
    """
    cache = MultiLevelCache(directory=tmp_path)
    cache.sync.set("parent", "p")
    stop = threading.Event()

    def write(at: int) -> None:
        n = 0
        while not stop.is_set():
            cache.sync.set(f"w{at}-{n % 50}", n)
            cache.sync.get_or_compute(f"c{at}-{n % 50}", lambda: 1)
            n += 1

    threads = [threading.Thread(target=write, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    outcomes = []
    try:
        for number in range(40):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                os._exit(0 if _child_uses(cache, number) else 1)
            outcomes.append(os.waitpid(pid, 0)[1])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [0] * 40 == outcomes
    assert 7 == cache.sync.get("child7")
    cache.sync.close()


def test_fault_40_fork_inside_a_function_that_is_being_computed(tmp_path: Path) -> None:
    """
    The child has no flights of its parent, so it does not wait for one.
    """
    with MultiLevelCache(directory=tmp_path) as cache:

        @tiered_cache(namespace="fork", cache=cache, name="f")
        def f(x: int) -> int:
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                done = cache.sync.get_or_compute("other", lambda: 5) == 5 and g(x) == -x
                os._exit(0 if done else 1)
            return os.waitpid(pid, 0)[1]

        @tiered_cache(namespace="fork", cache=cache, name="g")
        def g(x: int) -> int:
            return -x

        assert 0 == f(3)


def test_fault_40_a_forked_child_does_not_write_what_its_parent_owes(tmp_path: Path) -> None:
    """
    The write-back queue is flushed once, by the parent.
    """
    script = """
        import os, sys
        from memotier import MultiLevelCache, WritePolicy
        cache = MultiLevelCache(directory=sys.argv[1], write_policy=WritePolicy.WRITE_BACK,
                                flush_interval="1h")
        cache.sync.set("k", 1)
        pid = os.fork()
        if pid == 0:
            print(cache.get_stats()["pending_writes"], cache.sync.get("k"), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        print(cache.get_stats()["pending_writes"])
    """
    done = run(script, tmp_path)
    assert "0 1\n1\n" == done.stdout, done.stderr
    with MultiLevelCache(directory=tmp_path) as cache:
        assert 1 == cache.sync.get("k")


def _work(directory: str) -> int:
    with MultiLevelCache(directory=directory) as cache:
        return int(cache.sync.get_or_compute("pool", lambda: 41)) + 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_fault_40_multiprocessing(tmp_path: Path, method: str) -> None:
    """
    Pools of every start method share the directory.
    """
    with MultiLevelCache(directory=tmp_path) as cache:
        cache.sync.set("pool", 41)
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            assert [42] * 6 == pool.map(_work, [str(tmp_path)] * 6)


@pytest.mark.slow
def test_fault_41_many_processes_on_one_directory(tmp_path: Path) -> None:
    """
    Eight processes, mixed operations: nobody sees an exception or a foreign value.
    """
    script = """
        import random, sys
        from memotier import MultiLevelCache
        cache = MultiLevelCache(directory=sys.argv[1], l1_maxsize=50)
        pick = random.Random(sys.argv[2])
        for n in range(1500):
            key = pick.randrange(200)
            what = pick.random()
            if what < 0.45:
                cache.sync.set(f"k{key}", [key] * 3, tags=[f"t{key % 7}"])
            elif what < 0.9:
                assert cache.sync.get(f"k{key}") in (None, [key] * 3)
            elif what < 0.95:
                cache.sync.delete(f"k{key}")
            else:
                cache.sync.invalidate_tags(f"t{key % 7}")
        print("errors", cache.get_stats()["l2"]["errors"])
    """
    workers = [started(script, tmp_path, at) for at in range(8)]
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [0] * 8 == [worker.returncode for worker in workers]
    assert all(line.startswith("errors ") for line in said)


def test_fault_14_scripts_with_one_name_do_not_share_results(tmp_path: Path) -> None:
    """
    Two scripts called tool.py, each with a function f, keep their results apart.
    """
    code = textwrap.dedent(
        """
        import sys
        from memotier import CacheLevelConfig, MultiLevelCache, tiered_cache
        cache = MultiLevelCache(directory=sys.argv[1])
        @tiered_cache(namespace="s", cache=cache, version=1)
        def f(x): return {answer!r}
        print(f(1), f.cache_info().misses)
        """
    )
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.py").write_text(code.replace("{answer!r}", repr(folder)))

    def script(folder: str) -> str:
        command = [sys.executable, tmp_path / folder / "tool.py", tmp_path / "cache"]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    assert ["a 1\n", "b 1\n", "a 0\n", "b 0\n"] == [script(f) for f in ("a", "b", "a", "b")]


def test_fault_52_a_record_of_another_format_is_a_miss(tmp_path: Path) -> None:
    """
    A newer version's records neither crash this one nor are taken for its own.
    """
    with MultiLevelCache(directory=tmp_path) as cache:
        cache.sync.set("k", 1)
        with database_of(tmp_path) as connection:
            (value,) = connection.execute("SELECT value FROM Cache").fetchone()
            newer = value[:2] + bytes([value[2] + 1]) + value[3:]
            connection.execute("UPDATE Cache SET value = ?", (newer,))
    with MultiLevelCache(directory=tmp_path) as cache:
        assert cache.sync.get("k") is None
        cache.sync.set("k", 2)
        assert 2 == cache.sync.get("k")
