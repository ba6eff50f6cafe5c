"""
The figures of a forked process: those of its snapshot without what its parent had counted.

A fork copies all counters. What they were then is kept (``begun``, in the child, before anything
else runs there), and subtracted (``since``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..engine.histogram import Histogram
from ..keyed import Keyed
from ..types import Seconds
from .byscope import less, scopes_of
from .counters import Whose
from .taking import Before, before_now, functions_of, tiers_of

#: Figures of a tier that are what is there now.
_NOW = frozenset({"kind", "size", "max_size", "bytes", "max_bytes"})


class Begun(NamedTuple):
    """
    What had been counted when the process began.
    """

    at: Seconds
    tiers: Mapping[str, Any]
    functions: Mapping[Whose, Mapping[str, Any]]
    latency: Mapping[str, Any]
    failures: Mapping[str, int]
    scopes: Sequence[Mapping[str, Any]]
    #: Of tags and keys, which are chosen by what is left of them, so it is taken off there.
    before: Before


def begun(keyed: Keyed) -> Begun:
    """
    What has been counted so far.
    """
    engine = keyed.engine
    with engine.lock:
        functions = functions_of(engine, {})
    return Begun(
        engine.clock.wall(),
        tiers_of(keyed, keyed.stats(asks_store=False)),
        {(one["namespace"], one["function"]): one for one in functions},
        {name: one.to_json() for name, one in engine.meter.latencies.items()},
        dict(engine.meter.errors),
        scopes_of(engine, most=sys.maxsize),
        before_now(keyed),
    )


def since(snapshot: dict[str, Any], base: Begun) -> dict[str, Any]:
    """
    *snapshot*, which was taken with ``base.before``, without what is in *base*.
    """
    return {
        **snapshot,
        "since": max(base.at, snapshot["since"]),
        "tiers": {
            name: tier and _less(tier, base.tiers[name] or {}, but=_NOW)
            for name, tier in snapshot["tiers"].items()
        },
        "functions": [_function(one, base) for one in snapshot["functions"]],
        "latency": _latencies(snapshot["latency"], base.latency),
        "failures": _less(snapshot["failures"], base.failures),
        "scopes": less(snapshot["scopes"], base.scopes),
    }


def _function(one: dict[str, Any], base: Begun) -> dict[str, Any]:
    before = base.functions.get((one["namespace"], one["function"]))
    if before is None:
        return one
    return {
        **one,
        "counters": _less(one["counters"], before["counters"]),
        "latency": _latencies(one["latency"], before["latency"]),
    }


def _less(
    now: Mapping[str, Any], before: Mapping[str, Any], but: frozenset[str] = frozenset()
) -> dict[str, Any]:
    return {
        name: value if name in but else value - before.get(name, 0) for name, value in now.items()
    }


def _latencies(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for operation, written in now.items():
        histogram = Histogram.of_json(written)
        if operation in before:
            histogram.merge(Histogram.of_json(before[operation]), -1)
            histogram.counts = {at: n for at, n in histogram.counts.items() if n > 0}
        if histogram.counts:
            found[operation] = histogram.to_json()
    return found
