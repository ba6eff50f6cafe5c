"""
What is measured, in the test's time: everything but hits in memory.
"""

from __future__ import annotations

import pytest

from memotier import CacheLevelConfig
from memotier.analytics import figures, snapshot
from memotier.engine.meter import (
    COMPUTE,
    L1_GET,
    L2_BUMP,
    L2_DELETE,
    L2_GET,
    L2_SET,
    REFRESH,
    SLOW,
    WAIT,
)
from memotier.errors import StoreError


def took(cache, operation):
    return figures.latency(snapshot(cache, asks_store=False), operation)


def near(seconds):
    return pytest.approx(seconds, abs=1e-5)


def test_each_operation_is_measured(call, make_cache, clock, slow):
    """
    Computing, looking below, writing, deleting, invalidating, and the whole of a call: each took
    what it took, in a thread as in a task.
    """
    cache = make_cache("disk")

    @call.cached(cache=cache, namespace="tool", name="work", tags=["t"])
    def work(x):
        clock.advance(3.0)
        return x

    call(work(0))  # opens the store
    slow(cache, get=0.02, set=0.5, delete=0.07, bump=0.9)
    before = {name: took(cache, name).total for name in (COMPUTE, L2_GET, L2_SET, SLOW)}
    call(work(1))

    assert 3.0 == near(took(cache, COMPUTE).total - before[COMPUTE])
    assert 0.02 == near(took(cache, L2_GET).total - before[L2_GET])
    assert 0.5 == near(took(cache, L2_SET).total - before[L2_SET])
    assert 3.52 == near(took(cache, SLOW).total - before[SLOW])

    call(work.invalidate(1))
    cache.sync.invalidate_tags("t")
    assert 0.07 == near(took(cache, L2_DELETE).total)
    assert 0.9 == near(took(cache, L2_BUMP).total)


def test_figures_belong_to_their_function(call, make_cache, clock):
    """
    What one function took is not the other's; a function that raises took its time, too.
    """
    cache = make_cache()

    @call.cached(cache=cache, name="slow", namespace="a")
    def slow_one(x):
        clock.advance(2.0)
        raise LookupError

    @call.cached(cache=cache, name="fast", namespace="b")
    def fast_one(x):
        clock.advance(0.1)

    with pytest.raises(LookupError):
        call(slow_one(1))
    call(fast_one(1))
    one, other = snapshot(cache)["functions"]

    assert ("slow", 2.0) == (one["function"], near(one["latency"][COMPUTE]["total_seconds"]))
    assert ("fast", 0.1) == (other["function"], near(other["latency"][COMPUTE]["total_seconds"]))
    assert (1, 0) == (one["counters"]["failed"], other["counters"]["failed"])


def test_a_hit_is_not_measured(call, cache):
    """
    Hits leave no trace in any histogram.
    """

    @call.cached(cache=cache)
    def double(x):
        return 2 * x

    call(double(1))
    shelf = next(iter(cache._keyed.engine.shelves))
    before = {name: one.count for name, one in shelf.latencies.items()}
    for _ in range(10):
        call(double(1))

    assert before == {name: one.count for name, one in shelf.latencies.items()}
    assert {} == cache._keyed.engine.meter.latencies
    assert 10 == double.cache_info().l1_hits


def test_looks_into_memory_are_tried(cache):
    """
    Whoever asks gets the time of looks that were tried, which count as no hits.
    """
    cache.sync.set("k", 1)
    tried = took(cache, L1_GET)

    assert tried.count and tried.mean < 1e-6
    assert 0 == cache.get_stats()["l1"]["hits"]


def test_many_at_once_share_what_it_took(make_cache, slow):
    """
    Of one question about four keys each has a quarter; keys of two namespaces, each its part.
    """
    cache = make_cache("disk")
    cache.sync.set("k", 1, namespace="a")
    slow(cache, get=0.4)
    cache.sync.get_many(["w", "x", "y", "z"], namespace="a")
    histogram = took(cache, L2_GET)

    assert (4, 0.4) == (histogram.count, near(histogram.total))
    assert 0.1 == pytest.approx(histogram.quantile(0.5), rel=0.01)


def test_an_operation_that_failed_is_counted_not_measured(call, make_cache, monkeypatch):
    """
    A second tier that is away says nothing of how long it takes.
    """
    cache = make_cache(l2_config=CacheLevelConfig(max_size=10))

    @call.cached(cache=cache, name="double")
    def double(x):
        return 2 * x

    def away(*_):
        raise StoreError("away")

    monkeypatch.setattr(cache._keyed.engine.store, "get", away)

    assert 2 == call(double(1))
    assert {L2_GET: 1} == snapshot(cache, asks_store=False)["failures"]
    assert 0 == took(cache, L2_GET).count


def test_waiting_for_another_call_is_told_apart(cache, two_at_once):
    """
    Who waits for somebody else's computation computes nothing, and is answered by it.
    """
    two_at_once(cache)

    assert (1, 1) == (took(cache, COMPUTE).count, took(cache, WAIT).count)
    assert 1 == figures.total(snapshot(cache))["joined"]


def test_a_refresh_is_no_computing_for_a_caller(call, cache, clock):
    """
    ``refresh()`` is measured apart from what callers waited for.
    """

    @call.cached(cache=cache)
    def work(x):
        clock.advance(1.0)
        return x

    call(work(1))
    call(work.refresh(1))

    assert (1, 1) == (took(cache, COMPUTE).count, took(cache, REFRESH).count)


def test_a_batch_is_measured_by_its_parts(call, cache, clock):
    """
    One call that brings four results took a quarter for each.
    """
    from memotier import tiered_cache

    @tiered_cache.many(cache=cache)
    @call.define
    def work(ids):
        clock.advance(2.0)
        return {one: one for one in ids}

    call(work([1, 2, 3, 4]))
    histogram = took(cache, COMPUTE)

    assert (4, 2.0) == (histogram.count, near(histogram.total))
