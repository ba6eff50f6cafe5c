"""
The counters of one function, read off its shelf.
"""

from __future__ import annotations

from typing import Any, Final

from ..engine.engine import Engine
from ..engine.meter import L2_GET
from ..engine.places import Shelf
from ..engine.stats import hits_of, price_saved, verified

#: Which function: its namespace and identity; that is "" for a namespace of keys.
Whose = tuple[str, str]

COUNTERS: Final = (
    *("hits", "misses", "l1_hits", "l2_hits", "joined", "l1_misses", "l2_misses"),
    *("computed", "failed", "bypassed", "unstored"),
    *("evictions", "expirations", "invalidations", "replacements"),
    *("evicted_asked", "evicted_computed"),
    *("stale_served", "stale_on_error", "stale_on_timeout", "timeouts", "errors_served"),
    *("seconds_saved", "found_seconds", "cost_saved", "cost_paid"),
    *("denied", "verified", "verified_differs"),
    *("errors_returned", "undeclared_effects"),
)

#: Those that are kept for windows of time; the last two are look-ups below and their seconds.
WINDOWED: Final = (
    *("hits", "misses", "l1_hits", "l2_hits", "joined", "computed", "failed", "evictions"),
    *("seconds_saved", "cost_saved", "lookups", "lookup_seconds"),
)


def whose(shelf: Shelf) -> Whose:
    return shelf.namespace, shelf.identity


def in_use(engine: Engine) -> list[Shelf]:
    """
    The shelves that anything was ever asked of. Under the lock.
    """
    return [
        shelf
        for shelf in list(engine.shelves)
        if shelf.in_use() or shelf.computed or shelf.bypassed
    ]


def counters_of(shelf: Shelf) -> dict[str, float]:
    """
    COUNTERS of *shelf*. Under the engine's lock.
    """
    l1_hits, saved, _ = hits_of(shelf)
    l2_hits, joined = shelf.l2_hits, shelf.joined
    checked, differs = verified(shelf)
    return {
        "hits": l1_hits + l2_hits + joined,
        "misses": max(0, shelf.misses - l2_hits - joined),
        "l1_hits": l1_hits,
        "l2_hits": l2_hits,
        "joined": joined,
        "l1_misses": shelf.misses,
        "l2_misses": shelf.l2_misses,
        "computed": shelf.computed,
        "failed": shelf.failed,
        "bypassed": shelf.bypassed,
        "unstored": shelf.errors,
        "evictions": shelf.evictions,
        "expirations": shelf.expirations,
        "invalidations": shelf.invalidations,
        "replacements": shelf.replacements,
        "evicted_asked": shelf.evicted_asked,
        "evicted_computed": shelf.evicted_computed,
        "stale_served": shelf.stale_served,
        "stale_on_error": shelf.stale_on_error,
        "stale_on_timeout": shelf.stale_on_timeout,
        "timeouts": shelf.timeouts,
        "errors_served": shelf.errors_served,
        "seconds_saved": saved,
        "found_seconds": shelf.found_seconds,
        "cost_saved": price_saved(shelf),
        "cost_paid": shelf.price_paid,
        "denied": shelf.denied,
        "verified": checked,
        "verified_differs": differs,
        "errors_returned": shelf.errors_returned,
        "undeclared_effects": shelf.undeclared,
    }


def windowed_of(shelf: Shelf) -> tuple[float, ...]:
    """
    WINDOWED of *shelf*. Under the engine's lock.
    """
    counters = counters_of(shelf)
    below = shelf.latencies.get(L2_GET)
    lookups = (0.0, 0.0) if below is None else (below.count, below.total)
    return (*(counters[name] for name in WINDOWED[:-2]), *lookups)


def added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """
    The sum of two dicts of numbers, name by name.
    """
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
