"""
What a snapshot comes down to: rates, latencies, savings. Pure; works on merged ones as well.

Each function takes a snapshot, one of its ``functions``, or counters, and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..durations import is_below
from ..engine.histogram import Histogram, merged
from ..engine.meter import COMPUTE, L1_GET, L2_GET, L2_SET, SLOW, WAIT
from ..types import Seconds
from .counters import COUNTERS, WINDOWED

Snapshot = Mapping[str, Any]
Function = Mapping[str, Any]
Counters = Mapping[str, Any]


def functions(snapshot: Snapshot, namespace: str | None = None) -> list[Function]:
    """
    Those of *namespace* and below it; None: all.
    """
    found: list[Function] = snapshot["functions"]
    if namespace is None:
        return found
    return [one for one in found if is_below(one["namespace"], namespace)]


def total(
    snapshot: Snapshot, namespace: str | None = None, window: str | None = None
) -> dict[str, float]:
    """
    The sum of all counters: of one namespace and those below it, and of a window (``"1m"``,
    ``"1h"``, ``"1d"``), whose ``seconds`` are then the time they were counted over.
    """
    chosen = functions(snapshot, namespace)
    if window is None:
        return {name: sum(one["counters"].get(name, 0) for one in chosen) for name in COUNTERS}
    windows = [one["windows"][window] for one in chosen if window in one["windows"]]
    summed = {name: sum(one.get(name, 0) for one in windows) for name in WINDOWED}
    return {"seconds": max((one["seconds"] for one in windows), default=0.0), **summed}


def by_namespace(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """
    Counters of each namespace, without those below it.
    """
    found: dict[str, dict[str, float]] = {}
    for one in snapshot["functions"]:
        known = found.setdefault(one["namespace"], dict.fromkeys(COUNTERS, 0.0))
        for name in COUNTERS:
            known[name] += one["counters"].get(name, 0)
    return found


def accesses(counters: Counters) -> float:
    return float(counters["hits"] + counters["misses"])


def share(part: float, whole: float) -> float:
    """
    *part* of *whole*, 0 if there is nothing.
    """
    return part / whole if whole > 0 else 0.0


def hit_rate(counters: Counters) -> float:
    """
    Of all accesses those that were answered: by a tier, or together with another caller.
    """
    return share(counters["hits"], accesses(counters))


def miss_rate(counters: Counters) -> float:
    return share(counters["misses"], accesses(counters))


def eviction_rate(counters: Counters) -> float:
    """
    Entries that left memory for lack of room, for each access.
    """
    return share(counters["evictions"], accesses(counters))


def error_rate(counters: Counters) -> float:
    """
    Of the runs of functions those that raised.
    """
    return share(counters["failed"], counters["computed"])


# -- latency ---------------------------------------------------------------------------------


def latency(
    snapshot: Snapshot, operation: str, chosen: Iterable[Function] | None = None
) -> Histogram:
    """
    How long *operation* took: for all functions and what belongs to none, or for those *chosen*.
    """
    rows = snapshot["functions"] if chosen is None else list(chosen)
    found = [one["latency"][operation] for one in rows if operation in one["latency"]]
    if chosen is None and operation in snapshot["latency"]:
        found.append(snapshot["latency"][operation])
    return merged(map(Histogram.of_json, found))


def operations(snapshot: Snapshot) -> list[str]:
    """
    Those that anything is known of.
    """
    found = set(snapshot["latency"])
    for one in snapshot["functions"]:
        found |= set(one["latency"])
    return sorted(found)


def access_latency(snapshot: Snapshot, namespace: str | None = None) -> Histogram:
    """
    What looking took, whatever was found: hits in memory, each as long as looks into memory that
    were tried, and look-ups in the second tier. Without computing and storing.
    """
    chosen = functions(snapshot, namespace)
    made = latency(snapshot, L2_GET, chosen)
    tried = latency(snapshot, L1_GET)
    hits = sum(one["counters"]["l1_hits"] for one in chosen)
    if tried.count and hits:
        made.merge(tried, hits / tried.count)
    return made


def summary(histogram: Histogram) -> dict[str, float]:
    """
    ``count``, ``avg_ms``, ``p50_ms``, ``p95_ms``, ``p99_ms``: milliseconds, 0 if nothing is known.
    """
    p50, p95, p99 = histogram.quantiles((0.5, 0.95, 0.99))
    return {
        "count": histogram.count,
        "avg_ms": histogram.mean * 1e3,
        "p50_ms": p50 * 1e3,
        "p95_ms": p95 * 1e3,
        "p99_ms": p99 * 1e3,
    }


# -- is it worth it ----------------------------------------------------------------------------


def spent_seconds(function: Function) -> Seconds:
    """
    What the cache itself took of the callers of one function: look-ups and stores in the second
    tier, and where whole calls are known, everything that was neither computing nor waiting.
    """
    below = _seconds(function, L2_GET) + _seconds(function, L2_SET)
    inside = _seconds(function, SLOW) - _seconds(function, COMPUTE) - _seconds(function, WAIT)
    return max(below, inside)


def balance_seconds(function: Function) -> Seconds:
    """
    What the cache of one function has saved, less what it took; negative: it costs more than it
    saves. (``found_seconds`` are subtracted from ``seconds_saved``, but also in ``spent_seconds``.)
    """
    counters = function["counters"]
    gross = counters["seconds_saved"] + counters["found_seconds"]
    return float(gross - spent_seconds(function))


def _seconds(function: Function, operation: str) -> Seconds:
    written = function["latency"].get(operation)
    return 0.0 if written is None else float(written["total_seconds"])


# -- room --------------------------------------------------------------------------------------


def utilization(tier: Mapping[str, Any] | None) -> float:
    """
    Of its room what a tier uses: of its entries or its bytes, whichever is nearer to the bound.
    0 without a bound.
    """
    if tier is None:
        return 0.0
    parts = ((tier["size"], tier["max_size"]), (tier["bytes"], tier["max_bytes"]))
    return max((share(part, most) for part, most in parts if most), default=0.0)
