"""
The disk beside diskcache and joblib, invalidation by tag, and what an event loop feels.

    python benchmarks/tiers.py [--quick]

Hits and misses go past memory: the memory tier is left out. The pause of the event loop is the
longest time that one ``asyncio.sleep(0)`` took while other tasks read and wrote.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diskcache
from measure import Row, Table, compare, installed, main

from memotier import CacheLevelConfig, MultiLevelCache, tiered_cache

COMMAND = "python benchmarks/tiers.py"
MEMOIZE = "diskcache memoize"
OPERATIONS, HOT = 100, 8
SMALL = {"id": 7, "name": "a name", "roles": ["admin", "author"], "place": {"lat": 51.5}}
DOCUMENT = {"rows": [{"id": n, "name": f"name-{n}", "score": n / 7} for n in range(200)]}


# --- hits and misses ------------------------------------------------------------------------


def stores(home: Path, value: Any) -> dict[str, Callable[[int], Any]]:
    """
    By name: the function of a number whose results are on disk.
    """

    def compute(number: int) -> Any:
        return value

    raw = diskcache.Cache(str(home / "diskcache"))
    cache = MultiLevelCache(
        l1_maxsize=0,
        l2_config=CacheLevelConfig(
            max_size=1_000_000, enable_persistence=True, persistence_path=home / "memotier"
        ),
    )
    found: dict[str, Callable[[int], Any]] = {
        MEMOIZE: raw.memoize(name="compute", expire=3600)(compute)
    }
    if joblib := installed("joblib"):
        found["joblib Memory"] = joblib.Memory(home / "joblib", verbose=0).cache(compute)
    found["memotier"] = tiered_cache(name="compute", namespace="bench", ttl=3600, cache=cache)(
        compute
    )
    return found


def hits(function: Callable[[int], Any]) -> Row:
    for number in range(HOT):
        function(number)
    return repeated(function, itertools.cycle(range(HOT)))


def repeated(function: Callable[[int], Any], numbers: Iterator[int]) -> Row:
    def run() -> float:
        chosen = list(itertools.islice(numbers, OPERATIONS))
        begin = time.perf_counter_ns()
        for number in chosen:
            function(number)
        return (time.perf_counter_ns() - begin) / OPERATIONS

    return run


def disk(title: str, value: Any, rounds: int) -> Iterator[Table]:
    with tempfile.TemporaryDirectory() as home:
        found = stores(Path(home), value)
        raw = diskcache.Cache(str(Path(home) / "raw"))
        for number in range(HOT):
            raw.set(number, value)
        rows = {name: hits(function) for name, function in found.items()}
        rows["diskcache get, by key"] = repeated(raw.get, itertools.cycle(range(HOT)))
        settings: dict[str, Any] = {"rounds": rounds, "unit": "us", "best": statistics.median}
        yield compare(f"Hit on disk, {title}", COMMAND, rows, MEMOIZE, **settings)

        fresh = itertools.count(1000)
        rows = {name: repeated(function, fresh) for name, function in found.items()}
        rows["diskcache set, by key"] = repeated(lambda n: raw.set(n, value), fresh)
        yield compare(f"Miss and store on disk, {title}", COMMAND, rows, MEMOIZE, **settings)


# --- tags -----------------------------------------------------------------------------------


def invalidations(quick: bool) -> Table:
    """
    One tag, on few entries and on many.
    """
    most = 10_000 if quick else 100_000
    title = "Invalidate one tag"
    table = Table(title, COMMAND, ("1,000 entries, us", f"{most:,} entries, us"))
    with tempfile.TemporaryDirectory() as home:
        ways: dict[str, Callable[[int], list[float]]] = {
            "memotier, in memory": lambda n: mine(n, None),
            "memotier, on disk": lambda n: mine(n, Path(home) / f"memotier-{n}"),
            "diskcache evict": lambda n: theirs(n, Path(home) / f"diskcache-{n}"),
        }
        for name, way in ways.items():
            medians = [statistics.median(way(count)) / 1e3 for count in (1000, most)]
            table.lines.append((name, *(f"{value:,.0f}" for value in medians)))
    table.note = "On disk memotier waits until the invalidation is on it (fsync)."
    return table


def mine(count: int, home: Path | None) -> list[float]:
    room = CacheLevelConfig(max_size=2 * count)
    below = CacheLevelConfig(
        max_size=2 * count, enable_persistence=home is not None, persistence_path=home
    )
    with MultiLevelCache(room, below if home else None) as cache:
        found = []
        for _ in range(5):
            for start in range(0, count, 1000):
                batch = {f"k{n}": n for n in range(start, start + 1000)}
                cache.sync.set_many(batch, tags=["hot"])
            # What was just stored is on the disk from here on, so that only one thing is timed.
            cache.sync.invalidate_tags("other")
            found.append(timed(lambda: cache.sync.invalidate_tags("hot")))
            assert cache.sync.get("k0") is None
        return found


def theirs(count: int, home: Path) -> list[float]:
    with diskcache.Cache(str(home), tag_index=True) as cache:
        found = []
        for _ in range(5):
            with cache.transact():
                for number in range(count):
                    cache.set(number, number, tag="hot")
            found.append(timed(lambda: cache.evict("hot")))
        return found


def timed(function: Callable[[], Any]) -> float:
    begin = time.perf_counter_ns()
    function()
    return float(time.perf_counter_ns() - begin)


# --- the event loop -------------------------------------------------------------------------


async def pause(work: Callable[[], Any]) -> float:
    """
    Milliseconds: the longest pause of the loop while *work* ran in it.
    """
    longest, busy = 0.0, True

    async def watch() -> None:
        nonlocal longest
        while busy:
            begin = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begin)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await work()
    busy = False
    await watcher
    return longest * 1e3


async def my_pause(home: Path, locked: bool) -> float:
    async with MultiLevelCache(directory=home, l1_maxsize=0) as cache:
        await cache.set("first", 1)

        async def work() -> None:
            keys = [cache.get_or_compute(f"k{n}", lambda: SMALL) for n in range(300)]
            await asyncio.gather(*keys)

        with lock_of(next(home.rglob("cache.db")), locked):  # noqa: ASYNC240
            return await pause(work)


async def their_pause(home: Path, locked: bool) -> float:
    """
    With ``get`` and ``set``: diskcache's memoize would try for ever to write what is locked.
    """
    raw = diskcache.Cache(str(home), timeout=1)

    async def call(number: int) -> None:
        if raw.get(number) is None:
            try:
                raw.set(number, SMALL)
            except diskcache.Timeout:
                pass

    async def work() -> None:
        await asyncio.gather(*(call(number) for number in range(3 if locked else 300)))

    with lock_of(home / "cache.db", locked):
        return await pause(work)


class lock_of:
    """
    Another connection that holds the write lock of *database*, if *wanted*.
    """

    def __init__(self, database: Path, wanted: bool) -> None:
        self._other = sqlite3.connect(database, isolation_level=None)
        self._wanted = wanted

    def __enter__(self) -> None:
        if self._wanted:
            self._other.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._other.close()


def pauses() -> Table:
    table = Table(
        "Event loop, longest pause", COMMAND, ("memotier, ms", "diskcache in the loop, ms")
    )
    for name, locked in (("reading and writing", False), ("while the database is locked", True)):
        line = [name]
        for way in (my_pause, their_pause):
            with tempfile.TemporaryDirectory() as home:
                line.append(f"{asyncio.run(way(Path(home), locked)):,.1f}")
        table.lines.append(line)
    return table


def tables(quick: bool) -> list[Table]:
    rounds = 2 if quick else 21
    found = [*disk("200 B", SMALL, rounds), *disk("10 KB", DOCUMENT, rounds)]
    return [*found, invalidations(quick), pauses()]


if __name__ == "__main__":
    main(__doc__, tables)
