"""
The collector, read by prometheus-client's own parser.
"""

from __future__ import annotations

import gc
import math
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import memotier
from memotier import tiered_cache
from memotier.analytics.exposition import exposition
from memotier.analytics.families import FAMILIES, LATENCY, SUMMARY
from memotier.engine.histogram import Histogram
from memotier.errors import ConfigError
from memotier.integrations import prometheus
from memotier.integrations.prometheus import BUCKETS, cumulated
from memotier.policies.rising import SLACK


class Page:
    """
    What a registry says now, by name and labels.
    """

    def __init__(self, registry):
        self.text = generate_latest(registry).decode()
        families = list(text_string_to_metric_families(self.text))
        self.types = {family.name: family.type for family in families}
        self.samples = [sample for family in families for sample in family.samples]

    def __call__(self, name, **labels):
        """The sum of the samples called *name* with *labels*."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def counters(self):
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for sample in self.samples
            if sample.name.endswith(("_total", "_bucket", "_count", "_sum"))
        }


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def page(registry):
    return lambda: Page(registry)


def forget_functions(cache, left=0):
    """
    What nobody holds any more goes, once none of its entries is in memory, and the policy has
    swept out the places of those that have left.
    """
    for _ in range(3):
        for number in range(SLACK + 1):
            cache.sync.set(f"{number}", number)
        cache.sync.clear()
    gc.collect()
    assert left == sum(bool(shelf.identity) for shelf in cache._keyed.engine.shelves)


def test_it_has_the_figures_of_each_function(call, tiers, registry, page):
    """
    Hits by tier, misses, what was computed and how long that took, by function and namespace.
    """
    prometheus.register(registry, [tiers])

    @call.cached(cache=tiers, name="app.f", namespace="a.b")
    def f(x):
        return [x]

    for x in (1, 1, 1, 2):
        call(f(x))
    said = page()

    mine = {"cache": tiers._keyed.engine.options.name, "namespace": "a.b", "function": "app.f"}
    assert 2 == said("memotier_hits_total", **mine, tier="l1")
    assert 2 == said("memotier_misses_total", **mine)
    assert 2 == said("memotier_computations_total", **mine)
    assert 2 == said("memotier_entries", cache=mine["cache"], tier="l1")
    assert 2 == said(f"{LATENCY}_count", **mine, tier="call", operation="compute")
    assert 2 == said(f"{LATENCY}_bucket", **mine, operation="compute", tier="call", le="+Inf")


def test_names_are_those_of_the_text(tiers, registry, page):
    """
    One table for both: every metric but the latencies has the same name, type and help.
    """
    analytics = memotier.CacheAnalytics(tiers)
    prometheus.register(registry, [tiers])
    ours = {family.full_name for family in FAMILIES}

    def heads(text):
        return {
            line
            for line in text.splitlines()
            if line.startswith(("# HELP", "# TYPE")) and line.split()[2] not in (LATENCY, SUMMARY)
        }

    assert heads(exposition(analytics.snapshot())) == heads(page().text)
    assert ours == {head.split()[2] for head in heads(page().text)}


def test_names_end_in_their_unit(tiers, registry, page):
    """
    Counters in _total; seconds, bytes and ratios say so.
    """
    prometheus.register(registry, [tiers])
    for family in FAMILIES:
        assert family.name.endswith(family.unit)
        assert (family.kind == "counter") == family.full_name.endswith("_total")
    assert LATENCY.endswith("_seconds") and "histogram" == page().types[LATENCY]


def test_no_argument_is_shown(call, cache, registry, page):
    """
    Neither keys nor arguments nor tags are labels.
    """
    prometheus.register(registry, [cache])
    memotier.CacheAnalytics(cache)

    @call.cached(cache=cache, tags=["user:{user}"])
    def f(user):
        return user

    call(f("sesame"))
    call(f("sesame"))

    assert "sesame" not in page().text
    assert {
        *("cache", "namespace", "function", "tier", "operation", "reason", "le"),
    } >= {name for sample in page().samples for name in sample.labels}


def test_a_function_that_is_gone_keeps_its_counters(call, cache, registry, page):
    """
    A function of a function is collected; its counters stay, and those of its next life are added.
    """
    prometheus.register(registry, [cache])

    def live():
        @call.cached(cache=cache, name="local")
        def local(x):
            return x

        for _ in range(5):
            call(local(1))

    live()
    before = page().counters()
    forget_functions(cache)
    between = page().counters()
    live()
    after, said = page().counters(), page()

    assert before.keys() <= between.keys() <= after.keys()
    assert all(between[at] >= value for at, value in before.items())
    assert all(after[at] >= value for at, value in between.items())
    assert 8 == said("memotier_hits_total")
    assert 2 == said("memotier_computations_total", function="local")
    assert 2 == said(f"{LATENCY}_count", function="local", operation="compute")


def test_two_of_one_name_of_which_one_goes(cache, registry, page):
    """
    What is left says less than both together did; the sum does not fall, and nothing is counted
    twice.
    """
    prometheus.register(registry, [cache])

    def make():
        @tiered_cache(cache=cache, name="same", version="1")
        def f(x):
            return x

        return f

    first, second = make(), make()
    for _ in range(10):
        first(1)
    second(2)
    second(2)
    assert 10 == page()("memotier_hits_total")
    del first
    forget_functions(cache, left=1)
    assert 10 == page()("memotier_hits_total")
    second(2)
    second(2)

    assert 11 == page()("memotier_hits_total")


def test_a_cache_that_is_closed_and_opened_anew(registry, page):
    """
    configure() closes the default cache; its last figures are read, and the next one's added.
    """
    prometheus.register(registry)

    @tiered_cache(name="f")
    def f(x):
        return x

    for _ in range(3):
        f(1)
    assert 2 == page()("memotier_hits_total")
    f(1)
    memotier.configure(default_ttl=60)
    assert 3 == page()("memotier_hits_total")
    for _ in range(3):
        f(1)

    assert 5 == page()("memotier_hits_total")
    assert 2 == page()("memotier_misses_total")
    assert 1 == page()("memotier_entries", tier="l1")


def test_counters_never_fall_whatever_happens(cache, registry, page):
    """
    Scrapes while functions come, compute and go in threads: no counter is ever less than before.
    """
    prometheus.register(registry, [cache])
    stop = threading.Event()

    def busy(name):
        while not stop.is_set():

            @tiered_cache(cache=cache, name=name)
            def f(x):
                return x

            for x in (1, 2, 1, 1):
                f(x)

    threads = [threading.Thread(target=busy, args=(f"f{n % 2}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        last = {}
        for _ in range(30):
            now = page().counters()
            fallen = {at: (last[at], now.get(at)) for at in last if now.get(at, -1) < last[at]}
            assert {} == fallen
            last = now
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_named_caches_that_are_open(registry, page):
    """
    Without *caches* a scrape opens none; with a name it is about that one.
    """
    prometheus.register(registry)
    other = CollectorRegistry()
    prometheus.register(other, "default")
    assert 0 == len(page().samples)

    memotier.get_cache().sync.set("k", 1)

    assert 1 == page()("memotier_entries", tier="l1")
    assert 1 == Page(other)("memotier_entries", cache="default", tier="l1")


def test_twice_in_one_registry_is_refused(cache, registry):
    """
    The error says what to do, and unregister() makes room.
    """
    made = prometheus.register(registry, [cache])
    with pytest.raises(ConfigError, match=r"unregister\(\)"):
        prometheus.register(registry, [cache])
    registry.unregister(made)
    prometheus.register(registry, [cache])

    with pytest.raises(ConfigError, match=r"caches=\[7\]"):
        prometheus.CacheCollector([7])


def test_a_cache_that_cannot_be_read_spoils_no_page(cache, make_cache, registry, page, monkeypatch):
    """
    The others are told all the same.
    """
    prometheus.register(registry, [cache, make_cache(name="broken")])
    from memotier.integrations import reading

    real = reading.snapshot

    def snapshot(one, **options):
        if "broken" == one._keyed.engine.options.name:
            raise RuntimeError
        return real(one, **options)

    monkeypatch.setattr(reading, "snapshot", snapshot)

    assert {"cache"} == {sample.labels["cache"] for sample in page().samples}


def test_buckets_count_what_took_no_longer():
    """
    Of many durations, but for those within 1 % of a bound.
    """
    histogram = Histogram()
    durations = [1.37**n * 1e-7 for n in range(60)]
    for seconds in durations:
        histogram.add(seconds)

    for most, count in cumulated(histogram):
        clear = sum(d <= most * 0.99 for d in durations)
        most_possible = sum(d <= most * 1.01 for d in durations)
        assert clear <= count <= most_possible
    assert [*BUCKETS, math.inf] == [most for most, _ in cumulated(histogram)]
