"""
A collector for prometheus-client: figures are read when somebody scrapes, and nothing is counted
for it on the way of a call.

::

    from memotier.integrations import prometheus

    prometheus.register()          # from now on memotier_* is on the page of metrics

Under prometheus-client's multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) collectors are not
written to the shared files, as it says of all custom ones: scrape each worker, or register this
in one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..analytics.families import FAMILIES, LATENCY, LATENCY_TEXT, Family, families, measured
from ..cache import MultiLevelCache
from ..engine.histogram import Histogram, middle_of
from ..errors import ConfigError
from .reading import Reading

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        "memotier.integrations.prometheus needs prometheus-client: pip install memotier[prometheus]"
    ) from error

#: Where the buckets of ``memotier_latency_seconds`` end, in seconds. What falls within 0.6 % of
#: such a bound may be counted on its other side.
BUCKETS: Final = (
    *(1e-6, 1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_LABELS: Final = ("cache", "namespace", "function", "tier", "operation")


class CacheCollector(Collector):
    """
    What some caches say, as metrics.

    Args:
        caches: Caches, or names of configured ones; None: every named cache that is open at the
            time of a scrape.

        asks_store: Whether the second tier is asked for its size at each scrape, which is I/O.

    Raises:
        ConfigError: If one of *caches* is none.
    """

    def __init__(
        self, caches: Iterable[MultiLevelCache | str] | None = None, *, asks_store: bool = True
    ) -> None:
        self._reading = Reading(caches, asks_store=asks_store)

    def describe(self) -> Iterator[Metric]:
        """
        The metrics without samples, so that registering reads nothing.
        """
        yield from (_empty(family) for family in FAMILIES)
        yield HistogramMetricFamily(LATENCY, LATENCY_TEXT, labels=_LABELS)

    def collect(self) -> Iterator[Metric]:
        taken = self._reading.read()
        metrics: dict[str, Any] = {family.name: _empty(family) for family in FAMILIES}
        for snapshot in taken:
            for family, samples in families(snapshot):
                metric = metrics[family.name]
                for labels, value in samples:
                    metric.add_sample(family.full_name, labels, value)
        yield from metrics.values()
        yield _latencies(taken)


def register(
    registry: CollectorRegistry = REGISTRY,
    caches: Iterable[MultiLevelCache | str] | None = None,
    *,
    asks_store: bool = True,
) -> CacheCollector:
    """
    Have *registry* tell of *caches* from now on; ``registry.unregister(...)`` of what this returns
    ends that. Arguments as for ``CacheCollector``.

    Raises:
        ConfigError: If one of *caches* is none, or *registry* has such a collector already.
    """
    made = CacheCollector(caches, asks_store=asks_store)
    try:
        registry.register(made)
    except ValueError:
        raise ConfigError(
            "this registry has memotier's metrics already: register all caches in one call, or "
            "registry.unregister() what register() returned before"
        ) from None
    return made


def _empty(family: Family) -> Metric:
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    return make(family.name, family.text)


def _latencies(taken: list[dict[str, Any]]) -> Metric:
    metric = HistogramMetricFamily(LATENCY, LATENCY_TEXT, labels=_LABELS)
    for snapshot in taken:
        for labels, histogram in measured(snapshot):
            metric.add_metric(
                [labels[name] for name in _LABELS],
                buckets=[(_bound(most), count) for most, count in cumulated(histogram)],
                sum_value=histogram.total,
            )
    return metric


def cumulated(histogram: Histogram) -> list[tuple[float, float]]:
    """
    For each of BUCKETS, and infinity, how many took no longer.
    """
    ordered = [(middle_of(at), count) for at, count in sorted(histogram.counts.items())]
    found, at, seen = [], 0, 0.0
    for most in BUCKETS:
        while at < len(ordered) and ordered[at][0] <= most:
            seen += ordered[at][1]
            at += 1
        found.append((most, seen))
    return [*found, (float("inf"), histogram.count)]


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else repr(seconds)
