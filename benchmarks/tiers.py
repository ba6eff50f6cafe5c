"""
The second tier beside diskcache itself, and what an event loop feels of it.

    python benchmarks/tiers.py          # half a minute; prints two tables

Times are medians over the rounds; each round times every row, in a new order. The loop's lag
is the longest time that ``asyncio.sleep(0)`` took while other tasks read and wrote.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diskcache

from memotier import MultiLevelCache, tiered_cache

ROUNDS, OPERATIONS = 15, 200
SMALL = {"id": 7, "name": "a name", "roles": ["admin", "author"], "place": {"lat": 51.5}}
DOCUMENT = {"rows": [{"id": n, "name": f"name-{n}", "score": n / 7} for n in range(200)]}


def rows(home: Path, value: Any) -> dict[str, Callable[[int], Any]]:
    """
    Hits and misses; the argument is a number that was never used before.
    """
    cache = MultiLevelCache(directory=home / "memotier", l1_maxsize=0)
    raw = diskcache.Cache(str(home / "diskcache"))

    def compute(number: int) -> Any:
        return value

    mine = tiered_cache(namespace="bench", name="f", ttl="never", cache=cache)(compute)
    theirs = raw.memoize()(compute)
    for number in range(8):
        mine(number), theirs(number), raw.set(str(number), value)
    return {
        "hit: diskcache get": lambda n: raw.get(str(n % 8)),
        "hit: diskcache memoize": lambda n: theirs(n % 8),
        "hit: memotier": lambda n: mine(n % 8),
        "miss: diskcache set": lambda n: raw.set(f"new{n}", value),
        "miss: diskcache memoize": lambda n: theirs(n + 100),
        "miss: memotier": lambda n: mine(n + 100),
    }


def measure(value: Any) -> dict[str, float]:
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as home:
        found = rows(Path(home), value)
        times: dict[str, list[float]] = {name: [] for name in found}
        order = list(found)
        for _ in range(ROUNDS):
            random.shuffle(order)
            for name in order:
                function = found[name]
                begin = time.perf_counter()
                for _ in range(OPERATIONS):
                    function(next(numbers))
                times[name].append((time.perf_counter() - begin) / OPERATIONS * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


async def lag(home: Path, locked: bool) -> float:
    """
    Milliseconds: the longest pause of the loop during 300 reads and writes.
    """
    cache = MultiLevelCache(directory=home, l1_maxsize=0)
    await cache.set("first", 1)
    longest, busy = 0.0, True

    async def watch() -> None:
        nonlocal longest
        while busy:
            begin = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begin)

    watcher = asyncio.create_task(watch())
    database = next(home.rglob("cache.db"))  # noqa: ASYNC240 - nothing is measured yet
    other = sqlite3.connect(database, isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")
    tasks = [cache.get_or_compute(f"k{n}", lambda: SMALL) for n in range(300)]
    await asyncio.gather(*tasks)
    busy = False
    await watcher
    other.close()
    await cache.close()
    return longest * 1e3


def main() -> None:
    for title, value in (("a small dict", SMALL), ("a 10 KB document", DOCUMENT)):
        found = measure(value)
        print(f"\n{title:30}{'us':>8}  {'÷ diskcache':>12}")
        for name, value_in_us in found.items():
            reference = found[f"{name.split(':')[0]}: diskcache memoize"]
            print(f"{name:30}{value_in_us:8.1f}  {value_in_us / reference:12.2f}")

    print(f"\n{'event loop, longest pause':30}{'ms':>8}")
    for title, locked in (("reading and writing", False), ("... a locked database", True)):
        with tempfile.TemporaryDirectory() as home:
            print(f"{title:30}{asyncio.run(lag(Path(home), locked)):8.1f}")


if __name__ == "__main__":
    main()
