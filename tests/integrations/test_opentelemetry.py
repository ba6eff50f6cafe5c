"""
Figures through the real SDK.
"""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from memotier import tiered_cache
from memotier.analytics.families import FAMILIES
from memotier.integrations import opentelemetry, reading
from memotier.integrations.opentelemetry import name_of


@pytest.fixture
def metrics():
    """
    A reader with the provider that it reads: ``collect()`` is points by the metric's name.
    """
    return Metrics()


class Metrics:
    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])
        self.units = {}

    def collect(self):
        data = self.reader.get_metrics_data()
        found = {}
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.units[metric.name] = metric.unit
                    found[metric.name] = {
                        tuple(sorted(point.attributes.items())): point.value
                        for point in metric.data.data_points
                    }
        return found


@pytest.fixture
def instrumented(metrics, cache):
    opentelemetry.instrument(meter_provider=metrics.provider, caches=[cache])
    yield metrics
    opentelemetry.uninstrument()
    metrics.provider.shutdown()


def test_figures_are_read_when_they_are_collected(call, cache, instrumented):
    """
    Hits and misses of a function since it was first called, at each collection anew.
    """

    @call.cached(cache=cache, name="app.f", namespace="a")
    def f(x):
        return x

    mine = (("cache", "cache"), ("function", "app.f"), ("namespace", "a"))
    for count in (1, 2):
        call(f(1))
        call(f(1))
        found = instrumented.collect()
        assert 2 * count - 1 == found["memotier.hits"][(*mine, ("tier", "l1"))]
        assert 1 == found["memotier.misses"][mine]

    computed = (*mine, ("operation", "compute"), ("tier", "call"))
    assert 1 == found["memotier.operations"][computed]
    assert 0 < found["memotier.operation_time"][computed]
    assert ("quantile", 0.95) in {
        pair for at in found["memotier.operation_quantile"] for pair in at
    }


def test_names_and_units(cache, instrumented):
    """
    Names do not repeat the unit that an instrument has; none is shared by two.
    """
    cache.sync.set("k", 1)
    instrumented.collect()

    assert {"memotier.saved", "memotier.size", "memotier.entries"} <= set(instrumented.units)
    assert "s" == instrumented.units["memotier.saved"]
    assert "By" == instrumented.units["memotier.size"]
    assert len(FAMILIES) == len({name_of(family) for family in FAMILIES})


def test_one_snapshot_for_a_collection(cache, instrumented, monkeypatch):
    """
    All instruments of a collection are told of one and the same look at the cache.
    """
    looks = []
    real = reading.snapshot
    monkeypatch.setattr(
        reading, "snapshot", lambda *given, **options: looks.append(1) or real(*given, **options)
    )
    cache.sync.set("k", 1)
    instrumented.collect()
    instrumented.collect()

    assert 2 == len(looks)


def test_again_after_uninstrument(cache, instrumented, caplog):
    """
    Silent in between; the same instruments tell again afterwards, and nobody complains of twins.
    """

    @tiered_cache(cache=cache)
    def f(x):
        return x

    f(1)
    opentelemetry.uninstrument()
    assert not instrumented.collect().get("memotier.misses")
    opentelemetry.instrument(meter_provider=instrumented.provider, caches=[cache])

    assert [1] == list(instrumented.collect()["memotier.misses"].values())
    assert "already" not in caplog.text
