"""
The memory tier beside others: a miss, threads, and what an entry takes.

    python benchmarks/memory.py [--quick]

An entry is measured in a process of its own for each cache: 100,000 entries int -> float with
a ttl, resident bytes with key and value.
"""

from __future__ import annotations

import functools
import gc
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from measure import Row, Table, compare, installed, main

from memotier import MultiLevelCache, tiered_cache

COMMAND = "python benchmarks/memory.py"
CACHETOOLS = "cachetools TTLCache + RLock"
TTL, MISSES, HOT = 3600, 2000, 512

Remembered = Callable[[int], Any]


def makers() -> dict[str, Callable[[int], Remembered]]:
    """
    By name: makes a fresh cached ``to_float`` with room for so many entries.
    """
    found: dict[str, Callable[[int], Remembered]] = {
        "functools.lru_cache(typed=True), no ttl": lambda room: functools.lru_cache(
            room, typed=True
        )(to_float)
    }
    if cachetools := installed("cachetools"):
        found[CACHETOOLS] = lambda room: cachetools.cached(
            cachetools.TTLCache(room, TTL), lock=threading.RLock()
        )(to_float)
    if cachebox := installed("cachebox"):
        found["cachebox TTLCache"] = lambda room: cachebox.cached(cachebox.TTLCache(room, TTL))(
            to_float
        )
    found["memotier"] = lambda room: tiered_cache(
        ttl=TTL, cache=MultiLevelCache(l1_maxsize=room), name="to_float"
    )(to_float)
    return found


def to_float(x: int) -> float:
    return float(x)


def misses(make: Callable[[int], Remembered]) -> Row:
    """
    New keys in a new cache with room for all of them.
    """
    numbers = itertools.count(1000)

    def run() -> float:
        function = make(4 * MISSES)
        function(0)
        keys = list(itertools.islice(numbers, MISSES))
        begin = time.thread_time_ns()
        for key in keys:
            function(key)
        return (time.thread_time_ns() - begin) / MISSES

    return run


def threaded(function: Remembered, count: int, repeats: int) -> Row:
    """
    Hits of *function* by *count* threads: wall time of all of them for one hit.
    """
    keys = list(range(HOT))

    def hits(begun: threading.Barrier) -> None:
        begun.wait()
        for _ in range(repeats):
            for key in keys:
                function(key)

    def run() -> float:
        begun = threading.Barrier(count + 1)
        threads = [threading.Thread(target=hits, args=(begun,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        begun.wait()
        begin = time.perf_counter_ns()
        for thread in threads:
            thread.join()
        return (time.perf_counter_ns() - begin) / (count * repeats * HOT)

    for key in keys:
        function(key)
    return run


def sizes(quick: bool) -> Table:
    entries = 10_000 if quick else 100_000
    title = f"Memory for an entry, {entries:,} entries int -> float"
    table = Table(title, COMMAND, ("bytes", "÷ plain dict"))
    base = 0.0
    for name in ("plain dict", *makers()):
        words = [sys.executable, __file__, "--child", json.dumps([name, entries])]
        each = float(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
        base = base or each
        table.lines.append((name, f"{each:.0f}", f"{each / base:.2f}"))
    return table


def child(name: str, entries: int) -> float:
    """
    Resident bytes for each of *entries* entries of the cache called *name*.
    """
    plain: dict[int, float] = {}
    fill: Callable[[int], Any] = lambda key: plain.setdefault(key, float(key))  # noqa: E731
    if name != "plain dict":
        fill = makers()[name](2 * entries)
    for key in range(-100, 0):
        fill(key)
    gc.collect()
    before = resident()
    for key in range(1000, 1000 + entries):
        fill(key)
    gc.collect()
    return (resident() - before) / entries


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tables(quick: bool) -> list[Table]:
    found = makers()
    rows = {name: misses(make) for name, make in found.items()}
    title = "Miss and store in memory, f(int)"
    first = compare(title, COMMAND, rows, CACHETOOLS, rounds=3 if quick else 41)

    repeats, rounds = (4, 3) if quick else (40, 15)
    rows = {
        f"{name}, {count} thread{'s' * (count > 1)}": threaded(make(2 * HOT), count, repeats)
        for name, make in found.items()
        for count in (1, 4, 8)
    }
    title = "Threads that hit one function"
    reference = "memotier, 1 thread"
    second = compare(title, COMMAND, rows, reference, rounds=rounds)
    return [first, second, *([sizes(quick)] if os.path.exists("/proc/self/statm") else [])]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(child(*json.loads(sys.argv[2])))
    else:
        main(__doc__, tables)
