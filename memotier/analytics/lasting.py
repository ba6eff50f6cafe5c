"""
Counters that never go down, whatever becomes of functions and caches.

A snapshot tells of what there is: a function that was defined inside another one takes its
counters with it, and a cache that was closed and opened anew begins at 0. Monitoring systems take
a counter that is less than before for one that began again. So whoever exports figures keeps one
of these, which adds up what passed between two looks.

Each *source* (a cache object) is known by what it last said. Where a function's counters are
less than that, some of what they were the sum of is gone: the sum goes on from where it was. So
nothing is ever counted twice; what a function did after the last look before it went is lost.

It does no I/O, and its caller holds a lock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from ..engine.histogram import Histogram
from .merging import merge
from .taking import FORMAT

#: Cache, namespace, function; the last two are None for what belongs to no function.
_Owner = tuple[str, str | None, str | None]
_Numbers = dict[tuple[Any, ...], float]
_Rows = dict[_Owner, _Numbers]

#: Counters that only a function that is gone makes less. (A miss is taken back when it turns out
#: that another call computes the same; saved seconds are net of the look-ups.)
_STEADY: Final = frozenset(
    {
        *("l1_hits", "l2_hits", "joined", "computed", "failed", "bypassed", "unstored"),
        *("evictions", "expirations", "invalidations", "replacements", "stale_served"),
    }
)
#: Of the tiers' figures those that are counters.
_TIER_COUNTERS: Final = ("evictions", "refused")


class Lasting:
    """
    What all looks at some caches come to.
    """

    def __init__(self) -> None:
        self._last: dict[Hashable, _Rows] = {}
        #: What is to be added to what the sources say now; and the most that was ever told.
        self._gone: _Rows = {}
        self._told: _Rows = {}
        self._known: dict[_Owner, dict[str, Any]] = {}

    def look(self, readings: Mapping[Hashable, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """
        One snapshot per name of a cache, with the sums of everything since the first look.

        Args:
            readings: The snapshot of each source that there is now.
        """
        rows = {source: self._rows_of(taken) for source, taken in readings.items()}
        for source, before in self._last.items():
            now = rows.get(source, {})
            for owner, old in before.items():
                self._keep(owner, old, now.get(owner))
        self._last = rows
        for owner in {*self._gone, *(one for each in rows.values() for one in each)}:
            self._tell(owner)
        return list(self._snapshots(list(readings.values())))

    def _rows_of(self, taken: Mapping[str, Any]) -> _Rows:
        cache = taken["cache"]
        rows: _Rows = {(cache, None, None): _of_cache(taken)}
        for one in taken["functions"]:
            owner = (cache, one["namespace"], one["function"])
            rows[owner] = _of_function(one)
            self._known[owner] = {
                name: one[name] for name in ("namespace", "function", "kind", "label")
            }
        return rows

    def _keep(self, owner: _Owner, old: _Numbers, new: _Numbers | None) -> None:
        """
        Go on from *old*, if that is not what *new* goes on from.
        """
        if new is None:
            new, lost = {}, set(old)
        elif owner[1] is None:
            lost = {at for at, value in old.items() if new.get(at, 0) < value}
        elif any(new.get(at, 0) < value for at, value in old.items() if at[-1] in _STEADY):
            lost = {*old, *new}
        else:
            return
        gone = self._gone.setdefault(owner, {})
        for at in lost:
            gone[at] = gone.get(at, 0) + old.get(at, 0) - new.get(at, 0)

    def _tell(self, owner: _Owner) -> None:
        total = dict(self._gone.get(owner, {}))
        for rows in self._last.values():
            for at, value in rows.get(owner, {}).items():
                total[at] = total.get(at, 0) + value
        told = self._told.setdefault(owner, {})
        for at, value in total.items():
            told[at] = max(told.get(at, 0), value)

    # -- as snapshots ------------------------------------------------------------------------

    def _snapshots(self, taken: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for cache in sorted({owner[0] for owner in self._told}):
            ours = [one for one in taken if one["cache"] == cache]
            yield self._lasting(cache, merge(ours) if ours else _nothing(cache))

    def _lasting(self, cache: str, snapshot: dict[str, Any]) -> dict[str, Any]:
        there = {(cache, one["namespace"], one["function"]): one for one in snapshot["functions"]}
        told = self._told[cache, None, None]
        for tier, figures in snapshot["tiers"].items():
            if figures is not None:
                counted = {at[2]: value for at, value in told.items() if at[:2] == ("tier", tier)}
                figures.update(counted)
        functions = []
        for owner, known in self._known.items():
            if owner[0] == cache:
                one = there.get(owner) or {**known, "entries": 0, "bytes": 0, "windows": {}}
                numbers = self._told[owner]
                functions.append(
                    {
                        **one,
                        "counters": {
                            at[1]: value for at, value in numbers.items() if at[0] == "counter"
                        },
                        "latency": _histograms(numbers),
                    }
                )
        return {
            **snapshot,
            "functions": sorted(functions, key=lambda one: (one["namespace"], one["function"])),
            "latency": _histograms(told),
            "failures": {at[1]: value for at, value in told.items() if at[0] == "failure"},
        }


def _of_function(one: Mapping[str, Any]) -> _Numbers:
    return {
        **{("counter", name): value for name, value in one["counters"].items()},
        **_of_latency(one["latency"]),
    }


def _of_cache(taken: Mapping[str, Any]) -> _Numbers:
    return {
        **{("failure", operation): count for operation, count in taken["failures"].items()},
        **_of_latency(taken["latency"]),
        **{
            ("tier", name, field): tier[field]
            for name, tier in taken["tiers"].items()
            if tier is not None
            for field in _TIER_COUNTERS
            if field in tier
        },
    }


def _of_latency(latency: Mapping[str, Any]) -> _Numbers:
    found: _Numbers = {}
    for operation, written in latency.items():
        found["latency", operation, "total"] = written["total_seconds"]
        found.update({("latency", operation, at): count for at, count in written["buckets"]})
    return found


def _histograms(numbers: _Numbers) -> dict[str, Any]:
    found: dict[str, Histogram] = {}
    for at, value in numbers.items():
        if at[0] != "latency":
            continue
        histogram = found.setdefault(at[1], Histogram())
        if at[2] == "total":
            histogram.total = value
        else:
            histogram.counts[at[2]] = value
    return {operation: one.to_json() for operation, one in found.items()}


def _nothing(cache: str) -> dict[str, Any]:
    """
    The snapshot of a cache that is gone.
    """
    return {
        "format": FORMAT,
        "cache": cache,
        "processes": [],
        "tiers": {"l1": None, "l2": None},
        "pending_writes": 0,
        "functions": [],
        "latency": {},
        "failures": {},
    }
