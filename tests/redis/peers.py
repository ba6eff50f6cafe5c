"""
Processes that compute one function of one cache, and can be held, stopped and killed while they do.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time

from ..stores.support import ROOT
from .support import soon

#: Obeys lines: "call KEY", "async KEY", "many KEY KEY", "get KEY" (get_or_compute); "burst CALLERS
#: KEYS"; "state" (of both breakers). A key that begins with "held" is computed until there is a
#: file of that name; one that begins with "lambda" has a result that no codec carries.
PEER = """
import asyncio, json, logging, os, pathlib, random, sys, threading, time
logging.basicConfig(stream=sys.stderr)
from memotier import MultiLevelCache, tiered_cache
from memotier.stores.redis.bells import Bells
from memotier.stores.redis.leases import Leases
url, name, folder, options = sys.argv[1:]
folder, options = pathlib.Path(folder), json.loads(options)
if options.pop("deaf", False):
    Bells.ring = lambda self, place: None
reach = options.pop("reach", "cluster")
for one, value in options.items():
    setattr(Leases, one, tuple(value) if one == "pauses" else value)
cache = MultiLevelCache(redis_url=url, name=name)

def note(what, where):
    with open(folder / where, "a") as file:
        file.write(f"{what} {os.getpid()}\\n")

make_bell = Leases.bell
def bell(self):
    note("-", "waiting")  # it was refused a lease, and listens from now on
    return make_bell(self)
Leases.bell = bell

def work(x):
    note(x, "log")
    while x.startswith("held") and not (folder / x).exists():
        time.sleep(0.005)
    if x.startswith("slow"):
        time.sleep(0.05)
    answer = f"{x}-{os.getpid()}"
    return (lambda: answer) if x.startswith("lambda") else answer

def show(result):
    return result() if callable(result) else result

how = dict(namespace="n", cache=cache, version=1, ttl=3600, single_flight=reach, copy=False)

@tiered_cache(name="f", **how)
def f(x):
    return work(x)

@tiered_cache(name="f", **how)
async def g(x):
    return await asyncio.to_thread(work, x)

@tiered_cache.many(name="m", **how)
def m(xs: list[str]) -> dict[str, str]:
    return {x: work(x) for x in xs}

def burst(callers, keys):
    gate = threading.Barrier(callers)
    def caller():
        mine = [f"slow{n}" for n in range(keys)]
        random.shuffle(mine)
        gate.wait()
        for key in mine:
            f(key)
    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for one in threads: one.start()
    for one in threads: one.join()
    return "done"

store = cache._keyed.engine.store
for line in sys.stdin:
    what, *rest = line.split()
    if what == "call":
        answer = show(f(*rest))
    elif what == "async":
        answer = show(asyncio.run(g(*rest)))
    elif what == "many":
        answer = " ".join(m(rest).values())
    elif what == "get":
        answer = cache.sync.get_or_compute(rest[0], lambda: work(rest[0]), namespace="n")
    elif what == "burst":
        answer = burst(*map(int, rest))
    elif what == "leave":
        threading.Thread(target=f, args=rest, daemon=True).start()
        while not store.claims._ours:
            time.sleep(0.005)
        sys.stdin.readline()
        sys.exit()
    else:
        answer = f"{store.reading.state} {store.writing.state}"
    print(answer, flush=True)
cache.sync.close()
"""


class Peer:
    """
    One of them.
    """

    def __init__(self, url: str, name: str, folder, **options) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", PEER, url, name, str(folder), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.pid = self.child.pid
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self._lines.put(line.strip())

    def say(self, line: str) -> Peer:
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self

    def answer(self, seconds: float = 30.0) -> str:
        """What it says next."""
        return self._lines.get(timeout=seconds)

    def __call__(self, line: str) -> str:
        return self.say(line).answer()

    def has_answered(self) -> bool:
        return not self._lines.empty()

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def end(self) -> None:
        self.kill()
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            pipe.close()


class Peers:
    """
    All of a test, and what they computed.
    """

    def __init__(self, name: str, folder) -> None:
        self.name, self.folder = name, folder
        self.log = folder / "log"
        self.log.touch()
        (folder / "waiting").touch()
        self._all: list[Peer] = []

    def add(self, server, *, patient: bool = False, **options) -> Peer:
        """
        One more.

        Args:
            patient: Whether it waits for answers as long as a busy machine takes.
        """
        url = f"{server.url}?socket_timeout=20" if patient else server.url
        peer = Peer(url, self.name, self.folder, **options)
        self._all.append(peer)
        peer("state")  # it has begun
        return peer

    def runs(self, key: str | None = None) -> list[int]:
        """Who has begun to compute *key*, or anything."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [int(pid) for what, pid in lines if key in (None, what)]

    def wait_for_runs(self, number: int, key: str | None = None) -> None:
        soon(lambda: len(self.runs(key)) >= number)

    def wait_for_waiting(self, number: int) -> None:
        """Until so many wait for somebody else's lease."""
        soon(lambda: len((self.folder / "waiting").read_text().splitlines()) >= number)

    def open(self, key: str) -> None:
        """Let *key* be computed to its end."""
        (self.folder / key).touch()

    def end(self) -> None:
        for peer in self._all:
            peer.end()


def let_pass(seconds: float) -> None:
    """
    Real time, where what must not happen is waited for.
    """
    time.sleep(seconds)
