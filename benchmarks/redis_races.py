"""
Processes at one Redis: a stampede on a cold key, and how soon an invalidation is seen.

Both are parts of ``redis_tier.py``, which is to be run; this file is also the program of the
processes that it starts. All clocks are the machine's monotonic one.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from measure import Table, installed
from redis_peers import Ways

COMMAND = "python benchmarks/redis_tier.py"
PROCESSES = 4
#: Seconds that the function takes on which all processes meet.
TAKES = 0.05
#: Seconds that a reader waits between two calls. A thread that never waits keeps the thread that
#: hears of invalidations from the interpreter, for up to 5 ms (sys.getswitchinterval).
PAUSE = 1e-4
#: Waiters of dogpile ask every 0.1 s, unless they are told otherwise (lock_sleep).
LOCK = {"distributed_lock": True, "thread_local_lock": False, "lock_timeout": 10}
NEVER_WAITS = "memotier, a thread that never waits"


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One row: how to make its function, and how to invalidate it at 1.
    """

    package: str
    make: Callable[[Ways, Any], Any]
    invalidate: Callable[[Any], Any] = lambda made: made.invalidate(1)
    is_async: bool = False


STAMPEDE = {
    "memotier": Peer("memotier", lambda ways, f: ways.memotier(f, "stampede")),
    "memotier, async": Peer(
        "memotier", lambda ways, f: ways.memotier(f, "stampede-async"), is_async=True
    ),
    "dogpile.cache, distributed_lock": Peer(
        "dogpile.cache", lambda ways, f: ways.dogpile(f, "stampede", **LOCK)
    ),
    "... lock_sleep=0.01": Peer(
        "dogpile.cache", lambda ways, f: ways.dogpile(f, "stampede-often", **LOCK, lock_sleep=0.01)
    ),
    "aiocache, cached_stampede": Peer(
        "aiocache", lambda ways, f: ways.aiocache(f, "stampede", lease=2), is_async=True
    ),
    "cashews, lock=True": Peer(
        "cashews", lambda ways, f: ways.cashews(f, "stampede", lock=True), is_async=True
    ),
}

HEARD = {
    "memotier": Peer("memotier", lambda ways, f: ways.memotier(f, "heard")),
    NEVER_WAITS: Peer("memotier", lambda ways, f: ways.memotier(f, "busy")),
    "memotier, async": Peer(
        "memotier",
        lambda ways, f: ways.memotier(f, "heard-async"),
        is_async=True,
    ),
    "cashews, client side, async": Peer(
        "cashews",
        lambda ways, f: ways.cashews_with_memory(f, "heard"),
        is_async=True,
    ),
    "dogpile.cache, no memory": Peer("dogpile.cache", lambda ways, f: ways.dogpile(f, "heard")),
    "aiocache, no memory, async": Peer(
        "aiocache",
        lambda ways, f: ways.aiocache(f, "heard"),
        lambda made: made.cache.delete(":1"),
        is_async=True,
    ),
}


# --- in the processes -----------------------------------------------------------------------


class Played:
    """
    One peer in a process of its own.

    Sync functions are called by the same code as coroutines: what is awaited there never waits,
    so no event loop is needed, and none is there.
    """

    def __init__(
        self, peer: Peer, ways: Ways, function: Callable[[int], Any], pause: float
    ) -> None:
        self._peer = peer
        self._loop = ways.loop
        self.pause = pause

        async def coroutine(x: int) -> Any:
            return function(x)

        self.made = peer.make(ways, coroutine if peer.is_async else function)

    def play(self, role: Callable[..., Any], *words: str) -> None:
        coroutine = role(self, *words)
        if self._peer.is_async:
            self._loop.run_until_complete(coroutine)
            return
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise AssertionError("a sync function has waited for an event loop")

    async def call(self, x: int) -> Any:
        return await self.made(x) if self._peer.is_async else self.made(x)

    async def invalidate(self) -> None:
        found = self._peer.invalidate(self.made)
        if inspect.isawaitable(found):
            await found

    async def wait(self, seconds: float) -> None:
        if self._peer.is_async:
            await asyncio.sleep(seconds)
        elif seconds > 0:
            time.sleep(seconds)  # noqa: ASYNC251


async def meet(played: Played) -> None:
    """
    Call with the numbers, and at the moments, that come in.
    """
    await played.call(-1)
    print("ready", flush=True)
    for line in sys.stdin:
        number, moment = line.split()
        await played.wait(float(moment) - time.monotonic())
        assert await played.call(int(number)) == int(number)
        print(time.monotonic(), flush=True)


async def read(played: Played) -> None:
    """
    Call in a loop until SIGTERM. A result is the moment at which it was computed.
    """
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    last, changes = await played.call(1), []
    print("ready", flush=True)
    while not over:
        began = time.monotonic_ns()
        value = await played.call(1)
        if value != last:
            changes.append((value, began))
            last = value
        await played.wait(played.pause)
    print(json.dumps(changes))


async def write(played: Played, number: str) -> None:
    """
    Invalidate what the others have.
    """
    await played.call(1)
    print("ready", flush=True)
    sys.stdin.readline()
    said = []
    for _ in range(int(number)):
        await played.wait(random.uniform(0.02, 0.04))
        asked = time.monotonic_ns()
        await played.invalidate()
        said.append((asked, time.monotonic_ns()))
    print(json.dumps(said))


def slow(x: int) -> int:
    if x >= 0:
        print("runs", flush=True)
        time.sleep(TAKES)
    return x


def stamp(x: int) -> int:
    return time.monotonic_ns()


def process(kind: str, name: str, url: str, *words: str) -> None:
    ways = Ways(url, asyncio.new_event_loop())
    if kind == "meet":
        Played(STAMPEDE[name], ways, slow, 0).play(meet)
    else:
        pause = 0 if name == NEVER_WAITS else PAUSE
        Played(HEARD[name], ways, stamp, pause).play({"read": read, "write": write}[kind], *words)
    ways.close()


# --- from outside ---------------------------------------------------------------------------


def start(*words: Any) -> subprocess.Popen[str]:
    found = subprocess.Popen(
        [sys.executable, __file__, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert said(found) == "ready"
    return found


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def stampede(name: str, url: str, rounds: int) -> tuple[list[int], list[float]]:
    """
    For each round: how often the function ran, and milliseconds until all had the result.
    """
    children = [start("meet", name, url) for _ in range(PROCESSES)]
    runs, walls = [], []
    for number in range(rounds):
        moment = time.monotonic() + 0.05
        for child in children:
            assert child.stdin is not None
            child.stdin.write(f"{number} {moment}\n")
            child.stdin.flush()
        ran, ended = 0, moment
        for child in children:
            while (line := said(child)) == "runs":
                ran += 1
            ended = max(ended, float(line))
        runs.append(ran)
        walls.append((ended - moment) * 1e3)
    for child in children:
        child.communicate()
    return runs, walls


def stampedes(url: str, quick: bool) -> Table:
    table = Table(
        f"{PROCESSES} processes, one cold key at Redis",
        COMMAND,
        ("runs, median", "runs, most", "ms, median", "ms, most", f"÷ {TAKES * 1e3:.0f} ms"),
        note=f"The function takes {TAKES * 1e3:.0f} ms; 1 run is best. Each round is a new key.",
    )
    for name, peer in STAMPEDE.items():
        if installed(peer.package) is None:
            continue
        runs, walls = stampede(name, url, 3 if quick else 31)
        middle = statistics.median(walls)
        figures = (f"{middle:.1f}", f"{max(walls):.1f}", f"{middle / TAKES / 1e3:.2f}")
        table.lines.append((name, f"{statistics.median(runs):.0f}", str(max(runs)), *figures))
    return table


def race(name: str, url: str, number: int) -> tuple[list[float], list[float]]:
    """
    Milliseconds for each invalidation: until the other process saw it (infinite: it never did),
    and until the call returned.
    """
    writer = start("write", name, url, number)
    reader = start("read", name, url)
    told = json.loads(writer.communicate("go\n")[0].splitlines()[-1])
    time.sleep(0.5)  # for the last one
    reader.terminate()
    changes = json.loads(reader.communicate()[0].splitlines()[-1])
    seen, takes = [], []
    for asked, returned in told:
        first = next((began for value, began in changes if value >= asked), math.inf)
        seen.append((first - asked) / 1e6)
        takes.append((returned - asked) / 1e6)
    return seen, takes


def heard(url: str, quick: bool) -> Table:
    table = Table(
        "Until another process sees an invalidation, by Redis",
        COMMAND,
        ("median ms", "p99 ms", "max ms", "the call takes, ms", "never seen"),
        note="Counted from the moment the invalidation was asked for to the first call that begins "
        f"and does not get what was there before; readers call and wait {PAUSE * 1e3:g} ms in turn "
        "(asyncio.sleep or time.sleep).",
    )
    for name, peer in HEARD.items():
        if installed(peer.package) is None:
            continue
        seen, takes = race(name, url, 20 if quick else 300)
        there = sorted(one for one in seen if one < math.inf) or [math.inf]
        figures = (statistics.median(there), there[int(len(there) * 0.99)], there[-1])
        lost = len(seen) - sum(one < math.inf for one in seen)
        times = [f"{figure:.2f}" for figure in (*figures, statistics.median(takes))]
        table.lines.append((name, *times, f"{lost} of {len(seen)}"))
    return table


def tables(url: str, quick: bool) -> list[Table]:
    return [stampedes(url, quick), heard(url, quick)]


if __name__ == "__main__":
    process(*sys.argv[1:])
