"""
What it costs to know: hits and misses with analytics, and a measurement by itself.

    python benchmarks/insight.py [--quick]

Hits are counted and everything else is measured in any case; ``CacheAnalytics`` adds which keys
are asked for, and windows of time. The last table is what one measurement takes.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hit
from measure import Row, Table, compare, main

from memotier import CacheAnalytics, MultiLevelCache, tiered_cache
from memotier.analytics import snapshot
from memotier.engine.meter import COMPUTE
from memotier.engine.places import Shelf

COMMAND = "python benchmarks/insight.py"
WITHOUT, WITH = "without analytics", "CacheAnalytics attached"
PRICED = "with cost="
HOUR, MISSES, TIMES = 3600, 1000, 2000


def hits(quick: bool) -> list[Table]:
    """
    The same function in two caches, one of which has analytics.
    """
    shapes = {"f(int)": hit.hits_of_one, "f(str, int, kw=str)": hit.hits_of_several}
    found = []
    with MultiLevelCache(l1_maxsize=10_000) as plain, MultiLevelCache(l1_maxsize=10_000) as seen:
        analytics = CacheAnalytics(seen)
        for shape, make in shapes.items():
            rows = {
                name: make(tiered_cache(cache=cache, ttl=HOUR, name=name, **options))
                for name, cache, options in (
                    (WITHOUT, plain, {}),
                    (WITH, seen, {}),
                    (PRICED, seen, {"cost": lambda _: 1}),
                )
            }
            title = f"Hit in memory, {shape}"
            found.append(compare(title, COMMAND, rows, WITHOUT, rounds=5 if quick else 201))
        assert analytics.get_hit_rate() > 0.5
    return found


def misses(with_analytics: bool, on_disk: bool) -> Row:
    """
    New calls of a new cache, with room for all of them.
    """
    numbers = itertools.count(1000)

    def run() -> float:
        with (
            tempfile.TemporaryDirectory() as place,
            MultiLevelCache(
                directory=Path(place) if on_disk else None, l1_maxsize=2 * MISSES
            ) as cache,
        ):
            kept: Any = CacheAnalytics(cache) if with_analytics else None
            function = tiered_cache(cache=cache, name="look_up", ttl=HOUR)(hit.one)
            function(0)
            keys = list(itertools.islice(numbers, MISSES))
            begin = time.thread_time_ns()
            for key in keys:
                function(key)
            took = (time.thread_time_ns() - begin) / MISSES
            del kept
            return took

    return run


def all_misses(quick: bool) -> list[Table]:
    found = []
    for title, on_disk in (("memory", False), ("memory and on disk", True)):
        rows = {name: misses(name is WITH, on_disk) for name in (WITHOUT, WITH)}
        title = f"Miss and store in {title}, f(int)"
        rounds = 3 if quick else 11 if on_disk else 41
        found.append(compare(title, COMMAND, rows, WITHOUT, rounds=rounds, unit="us"))
    return found


def measuring() -> Row:
    """
    Two looks at the clock and one count.
    """
    meter, shelf = (
        MultiLevelCache()._keyed.engine.meter,
        Shelf(namespace="insight", identity="one", label="one"),
    )
    clock = time.monotonic

    def run() -> float:
        begin = time.thread_time_ns()
        for _ in range(TIMES):
            began = clock()
            meter.note(COMPUTE, clock() - began, shelf)
        return (time.thread_time_ns() - begin) / TIMES

    return run


def explaining(arguments: Callable[[int], tuple[Any, ...]]) -> Row:
    """
    What a miss notes of its arguments for ``explain()``.
    """
    function = tiered_cache(cache=MultiLevelCache(), name="look_up")(lambda where, unit: where)
    function(0, 0)
    memo: Any = function._self_memo  # type: ignore[attr-defined]
    numbers = itertools.count()

    def run() -> float:
        calls = [memo.locate(arguments(next(numbers))) for _ in range(TIMES)]
        add = memo.shelf.known.add
        begin = time.thread_time_ns()
        for call in calls:
            add(call)
        return (time.thread_time_ns() - begin) / TIMES

    return run


def evicting() -> Row:
    """
    What is noted of an entry that leaves memory.
    """
    cache = MultiLevelCache()
    cache.sync.set("k", 1)
    engine = cache._keyed.engine
    (resident,) = engine.local_residents(None)

    def run() -> float:
        evicted = engine.evidence.evicted
        begin = time.thread_time_ns()
        for _ in range(TIMES):
            evicted(resident, resident.table, 1.0, 1)
        return (time.thread_time_ns() - begin) / TIMES

    return run


def asking(entries: int) -> Row:
    """
    One snapshot of a cache with so many entries in memory.
    """
    cache = MultiLevelCache(l1_maxsize=entries)
    for key in range(entries):
        cache.sync.set(key, key)

    def run() -> float:
        begin = time.thread_time_ns()
        snapshot(cache, asks_store=False)
        return float(time.thread_time_ns() - begin)

    return run


def tables(quick: bool) -> list[Table]:
    rounds = 5 if quick else 101
    one = compare("One measurement", COMMAND, {"meter": measuring()}, "meter", rounds=rounds)
    sizes = (100, 1000) if quick else (100, 1000, 10_000)
    noted: dict[str, Row] = {
        "evicted entry": evicting(),
        "missed call (str, str)": explaining(lambda x: (f"city {x}", "c")),
        "missed call (int, str)": explaining(lambda x: (x, "c")),
        "missed call (list, str)": explaining(lambda x: ([x, 2, 3], "c")),
        "missed call (dict, str)": explaining(lambda x: ({"a": x, "b": "x" * 50}, "c")),
    }
    explained = compare("Noted for explain()", COMMAND, noted, "evicted entry", rounds=rounds)
    rows = {f"{size:,} entries": asking(size) for size in sizes}
    asked = compare("One snapshot", COMMAND, rows, "100 entries", rounds=rounds, unit="us")
    return [*hits(quick), *all_misses(quick), one, explained, asked]


if __name__ == "__main__":
    main(__doc__, tables)
