"""
Text for Prometheus.
"""

from __future__ import annotations

import re

import pytest

from memotier import CacheAnalytics
from memotier.analytics.exposition import exposition

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(
    rf"(?P<name>[a-z_]+)\{{(?P<labels>{LABEL}(?:,{LABEL})*)\}} (?P<value>[-+0-9.e]+)"
)
HEAD = re.compile(r"# (?P<what>HELP|TYPE) (?P<name>[a-z_]+) (?P<text>.+)")
#: What a name may end in: units, and things that are counted.
UNITS = ("_total", "_seconds", "_bytes", "_ratio", "_entries", "_writes", "_sum", "_count")


def parsed(text):
    """
    Samples by name and labels, types by name; as strict as the format.
    """
    samples, types, last = {}, {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        head = HEAD.fullmatch(line)
        if head:
            if head["what"] == "TYPE":
                assert head["name"] not in types, "described twice"
                types[head["name"]] = head["text"]
                last = head["name"]
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample["name"].removesuffix("_sum").removesuffix("_count") == last, "not together"
        assert sample[0].rpartition(" ")[0] not in samples, "there twice"
        samples[sample["name"] + "{" + sample["labels"] + "}"] = float(sample["value"])
    return samples, types


@pytest.fixture
def used(call, tiers):
    analytics = CacheAnalytics(tiers)

    @call.cached(cache=tiers, name='odd "name"\\with\nall', namespace="a")
    def f(x):
        return x

    for x in (1, 1, 1, 2):
        call(f(x))
    return analytics


def test_it_is_valid(used):
    """
    Every line has the form, every metric is described once and stands together.
    """
    samples, types = parsed(used.sync.export_to_prometheus())

    assert {"counter", "gauge", "summary"} == set(types.values())
    assert all(name.startswith("memotier_") and name.endswith(UNITS) for name in types)
    assert all(kind != "counter" or name.endswith("_total") for name, kind in types.items())
    assert 2.0 in samples.values()


def test_it_has_the_figures(used):
    """
    Those of the snapshot, by function.
    """
    samples, _ = parsed(used.sync.export_to_prometheus())
    hits = {name: value for name, value in samples.items() if name.startswith("memotier_hits")}

    assert 2 == sum(hits.values())
    assert 2 == sum(v for n, v in samples.items() if n.startswith("memotier_misses_total"))
    assert 2 == sum(v for n, v in samples.items() if n.startswith("memotier_computations"))
    assert any('operation="compute",quantile="0.99"' in name for name in samples)


def test_by_name_as_the_guide_has_it(call, used):
    """
    ``items()`` gives the main figures; awaited it is the same as from a thread.
    """

    async def exported():
        return await used.export_to_prometheus()

    metrics = call(exported()) if call.is_async else used.sync.export_to_prometheus()
    figures = dict(metrics.items())

    assert 0.5 == metrics["cache_hit_rate"] == figures["cache_hit_rate"]
    assert {
        *("cache_hit_rate", "cache_miss_rate", "cache_eviction_rate", "cache_latency_avg_ms"),
        *("cache_latency_p95_ms", "cache_latency_p99_ms", "cache_l1_utilization"),
        *("cache_l2_utilization", "cache_total_accesses", "cache_hot_keys"),
    } <= set(metrics.keys())
    assert 4 == figures["cache_total_accesses"]
    assert isinstance(metrics, str) and metrics.startswith("# HELP") and "#" == metrics[0]


def test_nothing_used_is_valid_too(cache):
    """
    A cache that nobody asked anything.
    """
    samples, _ = parsed(exposition(CacheAnalytics(cache).snapshot()))

    assert 0.0 == samples['memotier_entries{cache="cache",tier="l1"}']
