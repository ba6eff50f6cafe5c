"""
The metrics: what each is called, what it counts, and its samples in a snapshot.

The one source of names for the text (exposition.py), for Prometheus' client and for
OpenTelemetry. Names end in their unit, counters in ``_total``; labels are caches, namespaces,
functions, tiers, operations and reasons: never a key, an argument or a tag.

How long operations took is no family: the text has quantiles of it, Prometheus' client buckets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..engine.histogram import Histogram
from . import figures

Labels = dict[str, str]
Sample = tuple[Labels, float]

#: The same histogram, as buckets; and its summary in the text.
LATENCY: Final = "memotier_latency_seconds"
SUMMARY: Final = "memotier_operation_seconds"
LATENCY_TEXT: Final = "How long operations took."


@dataclass(frozen=True, slots=True)
class Family:
    """
    One metric. *name* is without ``_total``; *unit* is what it ends in, or "" for things counted.
    """

    name: str
    kind: Literal["counter", "gauge"]
    text: str
    unit: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name


#: A field of a function's counters, and the labels that it has beside whose it is.
_Part = tuple[str, Mapping[str, str]]


def _counter(
    name: str, text: str, *parts: _Part, unit: str = ""
) -> tuple[Family, tuple[_Part, ...]]:
    return Family(f"memotier_{name}", "counter", text, unit), parts


_OF_FUNCTIONS: Final = (
    _counter(
        "hits",
        "Calls answered without running the function.",
        ("l1_hits", {"tier": "l1"}),
        ("l2_hits", {"tier": "l2"}),
        ("joined", {"tier": "joined"}),
    ),
    _counter("misses", "Calls that nobody could answer.", ("misses", {})),
    _counter("computations", "Runs of the function.", ("computed", {})),
    _counter("failures", "Runs of the function that raised.", ("failed", {})),
    _counter("bypassed", "Calls past the cache.", ("bypassed", {})),
    _counter("unstored", "Results that could not be stored.", ("unstored", {})),
    _counter("evictions", "Entries that left memory for others.", ("evictions", {})),
    _counter("expirations", "Entries that left memory by age.", ("expirations", {})),
    _counter("invalidations", "Entries removed on demand.", ("invalidations", {})),
    _counter(
        "evicted_asked",
        "Misses of memory that twice its room would have answered.",
        ("evicted_asked", {}),
    ),
    _counter(
        "evicted_computed", "Those of them that nobody could answer.", ("evicted_computed", {})
    ),
    _counter("replacements", "Entries that gave way to newer values.", ("replacements", {})),
    _counter(
        "stale_served",
        "Calls answered with a stale result.",
        ("stale_served", {"reason": "revalidating"}),
        ("stale_on_error", {"reason": "error"}),
        ("stale_on_timeout", {"reason": "timeout"}),
    ),
    _counter("timeouts", "Calls that waited too long for the function.", ("timeouts", {})),
    _counter("errors_served", "Calls given a remembered error.", ("errors_served", {})),
    _counter("errors_returned", "Results that were errors, by is_error=.", ("errors_returned", {})),
    _counter(
        "undeclared_effects",
        "Runs that did more than the function declares.",
        ("undeclared_effects", {}),
    ),
    _counter("denied", "Results found that authorize= did not let out.", ("denied", {})),
    _counter("verified", "Hits compared with a fresh result.", ("verified", {})),
    _counter("verified_differs", "Those that were not the same.", ("verified_differs", {})),
    _counter("saved_seconds", "Computing that hits saved.", ("seconds_saved", {}), unit="seconds"),
    _counter("saved_cost", "By cost=, in its own unit.", ("cost_saved", {})),
    _counter("paid_cost", "By cost=, in its own unit.", ("cost_paid", {})),
)

_SIZES: Final = (
    (Family("memotier_function_entries", "gauge", "Entries in memory."), "entries"),
    (
        Family("memotier_function_size_bytes", "gauge", "Room they take in memory.", "bytes"),
        "bytes",
    ),
)

#: What tiers say of themselves. A bound that is not there has no sample.
_OF_TIERS: Final = (
    (Family("memotier_entries", "gauge", "Entries in a tier."), "size"),
    (Family("memotier_max_entries", "gauge", "The bound of that."), "max_size"),
    (Family("memotier_size_bytes", "gauge", "Room that a tier takes.", "bytes"), "bytes"),
    (Family("memotier_max_size_bytes", "gauge", "The bound of that.", "bytes"), "max_bytes"),
    (
        Family("memotier_tier_evictions", "counter", "Entries that left a tier for others."),
        "evictions",
    ),
    (Family("memotier_refused_records", "counter", "Stored records not accepted."), "refused"),
)
_UTILIZATION: Final = Family(
    "memotier_utilization_ratio", "gauge", "Of its room what a tier uses.", "ratio"
)
_PENDING: Final = Family("memotier_pending_writes", "gauge", "Entries the second tier is owed.")
_FAILURES: Final = Family("memotier_operation_failures", "counter", "Failures of the second tier.")

#: All of them, in the order in which they are told.
FAMILIES: Final = (
    *(family for family, _ in _OF_FUNCTIONS),
    *(family for family, _ in _SIZES),
    *(family for family, _ in _OF_TIERS),
    *(_UTILIZATION, _PENDING, _FAILURES),
)


def families(snapshot: figures.Snapshot) -> Iterator[tuple[Family, list[Sample]]]:
    """
    Each of FAMILIES with its samples in *snapshot*, in this order.
    """
    cache, functions = snapshot["cache"], snapshot["functions"]
    tiers = {name: tier for name, tier in snapshot["tiers"].items() if tier is not None}
    of_tier = {name: {"cache": cache, "tier": name} for name in tiers}
    for family, parts in _OF_FUNCTIONS:
        yield (
            family,
            [
                ({**whose(cache, one), **labels}, max(0, one["counters"].get(field, 0)))
                for field, labels in parts
                for one in functions
            ],
        )
    for family, field in _SIZES:
        yield family, [(whose(cache, one), one[field]) for one in functions]
    for family, field in _OF_TIERS:
        yield (
            family,
            [
                (of_tier[name], tier[field])
                for name, tier in tiers.items()
                if tier.get(field) is not None
            ],
        )
    yield _UTILIZATION, [(of_tier[name], figures.utilization(tier)) for name, tier in tiers.items()]
    yield _PENDING, [({"cache": cache}, snapshot["pending_writes"])]
    yield (
        _FAILURES,
        [
            (of_operation({"cache": cache}, operation), count)
            for operation, count in sorted(snapshot["failures"].items())
        ],
    )


def whose(cache: str, one: figures.Function) -> Labels:
    return {"cache": cache, "namespace": one["namespace"], "function": one["function"]}


def of_operation(labels: Mapping[str, Any], operation: str) -> Labels:
    """
    *labels*, with the tier and the name of an operation such as ``l2.get``.
    """
    tier, _, name = operation.partition(".")
    return {**labels, "tier": tier, "operation": name}


def measured(snapshot: figures.Snapshot) -> Iterator[tuple[Labels, Histogram]]:
    """
    How long each operation took, by function; first what belongs to none.
    """
    nobody = {"namespace": "", "function": "", "latency": snapshot["latency"]}
    for one in (nobody, *snapshot["functions"]):
        for operation, written in sorted(one["latency"].items()):
            labels = of_operation(whose(snapshot["cache"], one), operation)
            yield labels, Histogram.of_json(written)
