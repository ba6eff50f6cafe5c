"""
The figures of all processes as ``stats`` and ``top`` show them: plain data with stable names.

Both print the same: ``--json`` as it is, for people as tables. docs/guide/cli.md says what each
field means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..analytics import figures, merge
from ..analytics.windows import SPANS

#: By what the functions can be ordered.
SORTS: Final = ("calls", "hits", "misses", "rate", "saved", "entries")


def figured(
    snapshots: list[dict[str, Any]], namespace: str | None = None, sort: str = "calls"
) -> dict[str, Any]:
    """
    What *snapshots* of one cache come down to.
    """
    whole = merge(snapshots)
    chosen = figures.functions(whole, namespace)
    functions = [_function(one) for one in chosen]
    total = figures.total(whole, namespace)
    return {
        "cache": whole["cache"],
        "taken": whole["taken"],
        "since": whole["since"],
        "processes": [_process(one) for one in snapshots],
        "total": {
            **_counts(total),
            "evictions": total["evictions"],
            "errors": total["failed"],
            "entries": sum(one["entries"] for one in chosen),
        },
        "windows": {span: _window(figures.total(whole, namespace, span)) for span in SPANS},
        "tiers": {
            name: None if tier is None else {**tier, "utilization": figures.utilization(tier)}
            for name, tier in whole["tiers"].items()
        },
        "pending_writes": whole["pending_writes"],
        "failures": whole["failures"],
        "latency": {
            operation: figures.summary(figures.latency(whole, operation))
            for operation in figures.operations(whole)
        },
        "functions": ordered(functions, sort),
        "scopes": whole["scopes"],
    }


def ordered(functions: Iterable[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """
    The most first; of those that are equal the one whose name comes first.
    """
    field = {"rate": "hit_rate", "saved": "seconds_saved"}.get(sort, sort)
    return sorted(functions, key=lambda one: (-one[field], one["namespace"], one["function"]))


def _process(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": ", ".join(snapshot["processes"]),
        "cache": snapshot["cache"],
        "ended": snapshot["ended"],
        "since": snapshot["since"],
        "taken": snapshot["taken"],
        **_counts(figures.total(snapshot)),
    }


def _counts(counters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "calls": counters["hits"] + counters["misses"],
        "hits": counters["hits"],
        "misses": counters["misses"],
        "hit_rate": figures.hit_rate(counters),
        **{name: counters[name] for name in ("l1_hits", "l2_hits", "joined", "computed")},
        "seconds_saved": counters["seconds_saved"],
        "cost_saved": counters["cost_saved"],
    }


def _window(counters: Mapping[str, Any]) -> dict[str, Any]:
    return {"seconds": counters["seconds"], **_counts(counters)}


def _function(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "namespace": one["namespace"],
        "function": one["function"],
        "label": one["label"],
        "kind": one["kind"],
        "entries": one["entries"],
        "bytes": one["bytes"],
        **_counts(one["counters"]),
        "evictions": one["counters"]["evictions"],
        "errors": one["counters"]["failed"],
        "balance_seconds": figures.balance_seconds(one),
        "windows": {span: _window(one["windows"][span]) for span in SPANS},
        "latency": {
            operation: figures.summary(figures.latency({}, operation, [one]))
            for operation in sorted(one["latency"])
        },
    }
