"""
Figures as text for Prometheus, and by name as the guide from which this API comes has them.

Names end in their unit, counters in ``_total``; labels are namespaces, functions, tiers and
operations, never keys. For a server that is scraped there is a collector (``memotier.
integrations``); this is for whoever wants the text.

Source:
    Prometheus: Exposition formats, text-based format 0.0.4.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, Final

from . import figures

#: Of a function's counters: the metric, what it counts, and its labels.
_COUNTERS: Final = (
    ("memotier_hits_total", "Calls answered without running the function.", "l1_hits", "l1"),
    ("memotier_hits_total", "", "l2_hits", "l2"),
    ("memotier_hits_total", "", "joined", "joined"),
    ("memotier_misses_total", "Calls that nobody could answer.", "misses", ""),
    ("memotier_computations_total", "Runs of the function.", "computed", ""),
    ("memotier_failures_total", "Runs of the function that raised.", "failed", ""),
    ("memotier_bypassed_total", "Calls past the cache.", "bypassed", ""),
    ("memotier_unstored_total", "Results that could not be stored.", "unstored", ""),
    ("memotier_evictions_total", "Entries that left memory for others.", "evictions", ""),
    ("memotier_expirations_total", "Entries that left memory by age.", "expirations", ""),
    ("memotier_invalidations_total", "Entries removed on demand.", "invalidations", ""),
    ("memotier_saved_seconds_total", "Computing that hits saved.", "seconds_saved", ""),
    ("memotier_saved_cost_total", "By cost=, in its own unit.", "cost_saved", ""),
)
_QUANTILES: Final = (0.5, 0.95, 0.99)


class Exposition(str):
    """
    The text; ``items()`` and ``metrics["cache_hit_rate"]`` are the main figures by name.
    """

    figures: Mapping[str, float]

    @classmethod
    def of(cls, text: str, named: Mapping[str, float]) -> Exposition:
        made = cls(text)
        made.figures = dict(named)
        return made

    def items(self) -> ItemsView[str, float]:
        return self.figures.items()

    def keys(self) -> Any:
        return self.figures.keys()

    def __contains__(self, at: Any) -> bool:
        return at in self.figures or super().__contains__(at)

    def __getitem__(self, at: Any) -> Any:
        return self.figures[at] if isinstance(at, str) else super().__getitem__(at)


def exposition(snapshot: figures.Snapshot) -> str:
    """
    *snapshot* in the text format.
    """
    return "".join(f"{line}\n" for line in _lines(snapshot))


def _lines(snapshot: figures.Snapshot) -> Iterator[str]:
    cache, described = snapshot["cache"], set()
    for metric, text, counter, tier in _COUNTERS:
        if metric not in described:
            described.add(metric)
            yield from _head(metric, "counter", text)
        for one in snapshot["functions"]:
            labels = _whose(cache, one)
            if tier:
                labels["tier"] = tier
            yield _sample(metric, labels, max(0, one["counters"][counter]))
    yield from _tiers(snapshot)
    yield from _latencies(snapshot)


def _tiers(snapshot: figures.Snapshot) -> Iterator[str]:
    tiers = {name: tier for name, tier in snapshot["tiers"].items() if tier is not None}
    for metric, text, field in (
        ("memotier_entries", "Entries in a tier.", "size"),
        ("memotier_max_entries", "The bound of that.", "max_size"),
        ("memotier_size_bytes", "Room that a tier takes.", "bytes"),
        ("memotier_max_size_bytes", "The bound of that.", "max_bytes"),
    ):
        yield from _head(metric, "gauge", text)
        for name, tier in tiers.items():
            if tier[field] is not None:
                yield _sample(metric, {"cache": snapshot["cache"], "tier": name}, tier[field])
    metric = "memotier_utilization_ratio"
    yield from _head(metric, "gauge", "Of its room what a tier uses.")
    for name, tier in tiers.items():
        labels = {"cache": snapshot["cache"], "tier": name}
        yield _sample(metric, labels, figures.utilization(tier))
    yield from _head("memotier_pending_writes", "gauge", "Entries the second tier is owed.")
    yield _sample(
        "memotier_pending_writes", {"cache": snapshot["cache"]}, snapshot["pending_writes"]
    )
    yield from _head("memotier_operation_failures_total", "counter", "Failures of the second tier.")
    for operation, count in sorted(snapshot["failures"].items()):
        labels = _operation({"cache": snapshot["cache"]}, operation)
        yield _sample("memotier_operation_failures_total", labels, count)


def _latencies(snapshot: figures.Snapshot) -> Iterator[str]:
    metric = "memotier_operation_seconds"
    yield from _head(metric, "summary", "How long operations took.")
    for operation in figures.operations(snapshot):
        histogram = figures.latency(snapshot, operation)
        labels = _operation({"cache": snapshot["cache"]}, operation)
        for share, value in zip(_QUANTILES, histogram.quantiles(_QUANTILES), strict=True):
            yield _sample(metric, {**labels, "quantile": str(share)}, value)
        yield _sample(f"{metric}_sum", labels, histogram.total)
        yield _sample(f"{metric}_count", labels, histogram.count)


def _whose(cache: str, one: figures.Function) -> dict[str, str]:
    return {"cache": cache, "namespace": one["namespace"], "function": one["function"]}


def _operation(labels: Mapping[str, str], operation: str) -> dict[str, str]:
    tier, _, name = operation.partition(".")
    return {**labels, "tier": tier, "operation": name}


def _head(metric: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {metric} {text}"
    yield f"# TYPE {metric} {kind}"


def _sample(metric: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{metric}{{{shown}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
