"""
What recording costs: a hit, a miss, memory, a save; and what planning a warming takes.

    python benchmarks/recording.py [--quick]

The rows of a table take turns, as everywhere here. Saving and planning, with the 10,000 calls
that a history holds by default, are told in processor time and, disk and all, by the clock on the
wall; callers wait for neither.
"""

from __future__ import annotations

import gc
import itertools
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hit
from measure import Row, Table, compare, main

import memotier
from memotier import MultiLevelCache, tiered_cache
from memotier.recording.opening import FOLDER

COMMAND = "python benchmarks/recording.py"
WITHOUT, WITH = "without recording", "record=True"
CALLS, MISSES, HOUR = 10_000, 1000, 3600


@contextmanager
def apart(place: str) -> Iterator[None]:
    """
    Nothing of the user's own is read or made, and hours are those of UTC.
    """
    before = dict(os.environ)
    os.environ |= {"XDG_STATE_HOME": place, "XDG_CONFIG_HOME": place, "TZ": "UTC"}
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        time.tzset()


@contextmanager
def cache_in(folder: Path | None = None, room: int = 2 * CALLS) -> Iterator[MultiLevelCache]:
    """
    A cache over *folder*, or of memory alone; its history goes with it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="recording") as place,
        apart(place),
        MultiLevelCache(directory=folder, l1_maxsize=room) as cache,
    ):
        yield cache


def remembered(cache: MultiLevelCache, record: bool) -> Any:
    def look_up(x: int) -> int:
        return x

    return tiered_cache(cache=cache, name="look_up", ttl=HOUR, record=record)(look_up)


def hits(quick: bool) -> list[Table]:
    shapes = {"f(int)": hit.hits_of_one, "f(str, int, kw=str)": hit.hits_of_several}
    found = []
    with cache_in() as cache:
        for shape, make in shapes.items():
            rows = {
                name: make(tiered_cache(cache=cache, ttl=HOUR, name=name, record=record))
                for name, record in ((WITHOUT, False), (WITH, True))
            }
            title = f"Hit in memory, {shape}"
            found.append(compare(title, COMMAND, rows, WITHOUT, rounds=5 if quick else 201))
    return found


def misses(record: bool, on_disk: bool) -> Row:
    """
    New calls of a new cache, with room for all of them.
    """
    numbers = itertools.count(1000)

    def run() -> float:
        with (
            tempfile.TemporaryDirectory() as place,
            cache_in(Path(place) if on_disk else None) as c,
        ):
            function = remembered(c, record)
            function(0)
            keys = list(itertools.islice(numbers, MISSES))
            begin = time.thread_time_ns()
            for key in keys:
                function(key)
            return (time.thread_time_ns() - begin) / MISSES

    return run


def all_misses(quick: bool) -> list[Table]:
    found = []
    for title, on_disk in (("memory", False), ("memory and on disk", True)):
        rows = {name: misses(record, on_disk) for name, record in ((WITHOUT, False), (WITH, True))}
        title = f"Miss and store in {title}, f(int)"
        rounds = 3 if quick else 11 if on_disk else 41
        found.append(compare(title, COMMAND, rows, WITHOUT, rounds=rounds, unit="us"))
    return found


def bytes_each(calls: int) -> float:
    """
    What the recorder holds for each known call: with it, less without it.
    """
    held = []
    for record in (False, True):
        with cache_in() as cache:
            function = remembered(cache, record)
            function(0)
            gc.collect()
            tracemalloc.start()
            for key in range(1000, 1000 + calls - 1):
                function(key)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
    return (held[1] - held[0]) / calls


def once(work: Callable[[], Any]) -> tuple[float, float]:
    """
    Milliseconds of the processor, and on the wall.
    """
    begin, busy = time.perf_counter_ns(), time.process_time_ns()
    work()
    return (time.process_time_ns() - busy) / 1e6, (time.perf_counter_ns() - begin) / 1e6


def saving(quick: bool) -> Table:
    calls, rounds = (1000, 1) if quick else (CALLS, 5)
    times: dict[str, list[tuple[float, float]]] = {}

    def timed(what: str, work: Callable[[], Any]) -> None:
        times.setdefault(what, []).append(once(work))

    size = 0
    for _ in range(rounds):
        with cache_in() as cache:
            function = remembered(cache, True)

            def use(function: Any = function) -> None:
                for key in range(calls):
                    function(key)

            use()
            recorder = cache._keyed.recorder
            timed("save, all of them new", recorder.save)
            use()
            timed("save, all of them known", recorder.save)
            timed("save, nothing new", recorder.save)
            folder = recorder.history.folder
            assert folder.name == FOLDER
            size = sum(file.stat().st_size for file in folder.iterdir())
            timed("read", recorder.history.read)
            for top in (100, calls):
                timed(
                    f"plan, top={top:,}",
                    lambda top=top, cache=cache: memotier.warm(cache=cache, top=top, dry_run=True),
                )
    title = f"Saving and planning, {calls:,} recorded calls"
    table = Table(title, COMMAND, ("ms of processor", "ms"))
    for what, each in times.items():
        table.lines.append(
            (what, *(f"{statistics.median(ms):,.0f}" for ms in zip(*each, strict=True)))
        )
    table.lines.append(("bytes in memory for each", "", f"{bytes_each(calls):,.0f}"))
    table.lines.append(("bytes on disk for each", "", f"{size / calls:,.0f}"))
    return table


def tables(quick: bool) -> list[Table]:
    return [*hits(quick), *all_misses(quick), saving(quick)]


if __name__ == "__main__":
    main(__doc__, tables)
