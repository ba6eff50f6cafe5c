"""
``merge``: the snapshots of several processes as one.

Counters, sizes of memory and histograms are added. The second tier is one for all, so of its size
the newest snapshot tells; what it removed is counted by each process for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..engine.histogram import Histogram
from ..errors import ConfigError
from .byscope import folded
from .counters import WINDOWED, added
from .reported import ranked
from .taking import FORMAT, MOST_KEYS, MOST_SCOPES, MOST_TAGS

#: Seconds; what happened in one of these is one point of a merged history.
CELL: Final = 60.0


def merge(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    One snapshot with the sum of *snapshots*, each of another process, in any order.

    Raises:
        ConfigError: If there is none, or one does not have the form of this version.
    """
    given = sorted(map(checked, snapshots), key=lambda one: one["taken"])
    if not given:
        raise ConfigError("merge() was given no snapshot; give those of one process or more")
    newest = given[-1]
    return {
        "format": FORMAT,
        "cache": newest["cache"],
        "processes": [name for one in given for name in one["processes"]],
        "taken": newest["taken"],
        "since": min(one["since"] for one in given),
        "write_policy": newest["write_policy"],
        "tiers": {
            "l1": _memory([one["tiers"]["l1"] for one in given]),
            "l2": _below([one["tiers"]["l2"] for one in given if one["tiers"]["l2"] is not None]),
        },
        "pending_writes": sum(one["pending_writes"] for one in given),
        "functions": functions_summed(one for each in given for one in each["functions"]),
        "latency": _latencies(one["latency"] for one in given),
        "failures": _sum(one["failures"] for one in given),
        "tags": _ranked([one for each in given for one in each["tags"]], ("tag",), "hits")[
            :MOST_TAGS
        ],
        "scopes": folded([row for one in given for row in one.get("scopes", ())], MOST_SCOPES),
        "hot_keys": _ranked(
            [one for each in given for one in each["hot_keys"]],
            ("key", "namespace", "function"),
            "accesses",
        )[:MOST_KEYS],
        "arguments": ranked(row for one in given for row in one.get("arguments", ())),
        "history": _history(point for one in given for point in one["history"]),
    }


def checked(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    *snapshot* itself.

    Raises:
        ConfigError: If it does not have the form of this version.
    """
    form = snapshot.get("format") if isinstance(snapshot, Mapping) else None
    if form != FORMAT:
        raise ConfigError(f"a snapshot of format {form!r} cannot be read: this reads {FORMAT}")
    return snapshot


def _sum(dicts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for one in dicts:
        total = added(total, dict(one))
    return total


def _memory(tiers: list[Mapping[str, Any]]) -> dict[str, Any]:
    bounds = ("max_size", "max_bytes")
    total = _sum({k: v for k, v in one.items() if k not in bounds} for one in tiers)
    return {**total, **{name: _bound(one[name] for one in tiers) for name in bounds}}


def _bound(bounds: Iterable[Any]) -> Any:
    found = list(bounds)
    return None if None in found else sum(found)


def _below(tiers: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not tiers:
        return None
    shared = ("kind", "size", "max_size", "bytes", "max_bytes")
    counted = _sum({k: v for k, v in one.items() if k not in shared} for one in tiers)
    return {**{name: tiers[-1][name] for name in shared}, **counted}


def _latencies(dicts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Histogram] = {}
    for latencies in dicts:
        for operation, written in latencies.items():
            found.setdefault(operation, Histogram()).merge(Histogram.of_json(written))
    return {operation: one.to_json() for operation, one in found.items()}


def functions_summed(functions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    same: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in functions:
        same.setdefault((one["namespace"], one["function"]), []).append(one)
    found = []
    for at in sorted(same):
        twins = same[at]
        found.append(
            {
                **{name: twins[-1][name] for name in ("namespace", "function", "kind", "label")},
                "entries": sum(one["entries"] for one in twins),
                "bytes": sum(one["bytes"] for one in twins),
                "counters": _sum(one["counters"] for one in twins),
                "latency": _latencies(one["latency"] for one in twins),
                "windows": _windows([one["windows"] for one in twins]),
            }
        )
    return found


def _windows(windows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """
    They are of one length but for chance; the longest says how long.
    """
    found = {}
    for name in windows[-1]:
        ours = [one[name] for one in windows if name in one]
        found[name] = {**_sum(ours), "seconds": max(one["seconds"] for one in ours)}
    return found


def _ranked(given: list[Mapping[str, Any]], same: tuple[str, ...], by: str) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in given:
        at = tuple(row[name] for name in same)
        numbers = {name: value for name, value in row.items() if name not in same}
        found[at] = added(found.get(at, {}), numbers)
    rows = [{**dict(zip(same, at, strict=True)), **numbers} for at, numbers in found.items()]
    return sorted(rows, key=lambda row: (-row[by], *map(str, (row[n] for n in same))))


def _history(points: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    cells: dict[int, dict[str, Any]] = {}
    for point in points:
        at = int(point["at"] // CELL)
        before = cells.get(at)
        numbers = {name: point[name] for name in WINDOWED}
        cells[at] = {
            "at": point["at"] if before is None else max(before["at"], point["at"]),
            "seconds": max(point["seconds"], 0 if before is None else before["seconds"]),
            **(numbers if before is None else {n: before[n] + numbers[n] for n in WINDOWED}),
        }
    return [cells[at] for at in sorted(cells)]
