"""
Whether more room would bring anything: misses of keys that had been evicted shortly before.
"""

from __future__ import annotations

import math
import random

import pytest

from memotier import CacheAnalytics, CacheLevelConfig, MultiLevelCache, tiered_cache
from memotier.analytics import figures, snapshot
from memotier.analytics.advice import advise
from memotier.engine import departed


def came_back(cache):
    """
    Look-ups of keys that had been evicted, and of these the computations.
    """
    counters = figures.total(snapshot(cache))
    return counters["evicted_asked"], counters["evicted_computed"]


def advised(cache, **options):
    return {one.kind: one for one in advise(snapshot(cache), **options)}


@pytest.mark.parametrize("read", ["one by one", "get_many"])
def test_keys_that_never_repeat_ask_for_no_room(cache, call, make_cache, read):
    """
    Every access evicts, and none of it is asked for again: nobody recommends more memory.
    """
    cache = make_cache(l1_maxsize=100)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for x in range(1000):
        if read == "get_many":
            cache.sync.get_many([str(x)])
            cache.sync.set(str(x), x)
        else:
            call(f(x))

    assert (0, 0) == came_back(cache)
    found = advised(cache)
    assert "high_eviction_rate" not in found
    assert "room" not in found["low_hit_rate"].action
    assert found["low_hit_rate"].change is None
    assert 0 == found["low_hit_rate"].evidence["evicted_computed"]


def test_keys_that_come_back_are_counted_and_said(call, make_cache):
    """
    A loop that twice the room would hold: all rounds but the first are of keys that had been
    evicted, and both recommendations have that number.
    """
    cache = make_cache(l1_maxsize=100)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(4):
        for x in range(150):
            call(f(x))

    assert (450, 450) == came_back(cache)
    found = advised(cache)
    assert 450 == found["high_eviction_rate"].evidence["evicted_asked"]
    assert "75 points" in found["high_eviction_rate"].expected_impact
    assert 450 == found["low_hit_rate"].evidence["evicted_computed"]
    assert {"l1": {"max_size": 200}} == found["low_hit_rate"].change
    assert "more room" in found["low_hit_rate"].action


def test_a_loop_that_twice_the_room_does_not_hold_is_no_reason_to_double_it(call, make_cache):
    """
    With LRU neither 100 nor 200 entries hold anything of a loop of 250.
    """
    cache = make_cache(l1_maxsize=100)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(4):
        for x in range(250):
            call(f(x))

    assert (0, 0) == came_back(cache)
    assert "high_eviction_rate" not in advised(cache)


def _hits(size, keys):
    """
    Hits of a real cache of *size*, the misses of keys that had been evicted, and all evictions.
    """
    with MultiLevelCache(l1_config=CacheLevelConfig(max_size=size, ttl=math.inf)) as cache:

        @tiered_cache(cache=cache, name="f")
        def f(x):
            return None

        for key in keys:
            f(key)
        return f.cache_info().hits, came_back(cache)[0]


def test_what_came_back_is_what_twice_the_room_would_have_hit():
    """
    Key by key, with LRU and entries of one size: the count is the difference of two real caches.
    """
    chance = random.Random(5)
    keys = [int(chance.paretovariate(0.6)) % 3000 for _ in range(20_000)]
    single, back = _hits(200, keys)
    double, _ = _hits(400, keys)

    assert double - single == back > 300


def test_of_a_large_memory_a_sample_is_enough(monkeypatch):
    """
    No more keys are remembered than the bound, and the count is within a tenth all the same.
    """
    chance = random.Random(6)
    keys = [int(8000 * chance.random() ** 0.8) for _ in range(40_000)]
    _, exact = _hits(4000, keys)
    monkeypatch.setattr(departed, "MOST", 1000)
    _, sampled = _hits(4000, keys)

    assert exact > 5000
    assert sampled == pytest.approx(exact, rel=0.1)


def test_only_so_many_are_remembered(make_cache):
    """
    As many as there are entries in memory, and never more than the bound.
    """
    for size, most in ((10, 10), (3 * departed.MOST, 1.5 * departed.MOST)):
        cache = make_cache(l1_config=CacheLevelConfig(max_size=size, ttl=math.inf))

        @tiered_cache(cache=cache)
        def f(x):
            return None

        for x in range(3 * size):
            f(x)
        assert 0 < len(cache._keyed.engine.evidence.departed) <= min(most, departed.MOST)


def test_what_lies_below_comes_back_without_computing(call, make_cache):
    """
    Memory lacked the room, the second tier had them: counted for the memory, not as computed.
    """
    cache = make_cache("disk", l1_maxsize=10)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(2):
        for x in range(15):
            call(f(x))

    assert (15, 0) == came_back(cache)


@pytest.mark.parametrize("why", ["expired", "cleared", "key"])
def test_what_would_be_gone_anyway_does_not_count(call, make_cache, clock, why):
    """
    An entry that room would have kept until it expired, or was invalidated, is missed for that.
    """
    cache = make_cache(l1_maxsize=10)

    @call.cached(cache=cache, name="f", ttl=100)
    def f(x):
        return x

    for x in range(15):
        call(f(x))
    if why == "expired":
        clock.advance(101)
    elif why == "cleared":
        call(f.cache_clear())
    else:
        for x in range(5):
            call(f.invalidate(x))
    for x in range(5):
        call(f(x))

    assert (0, 0) == came_back(cache)


def test_batches_count_their_items(call, make_cache):
    """
    An item that had been evicted and is computed again came back, as a call would have.
    """
    cache = make_cache(l1_maxsize=10)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(2):
        call(f.map(range(15)))

    assert (5, 5) == came_back(cache)


def test_a_prediction_of_nothing_takes_the_recommendation_back(call, make_cache):
    """
    What a simulation says is worth less than a point is not recommended, or says so.
    """
    cache = make_cache(l1_maxsize=100)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(4):
        for x in range(150):
            call(f(x))

    def nothing(one):
        return {"hit_rate_now": 0.5, "hit_rate": 0.509}

    found = advised(cache, predict=nothing)
    assert "high_eviction_rate" not in found
    assert "less than 1 point" in found["low_hit_rate"].expected_impact
    assert "high_eviction_rate" in advised(cache, predict=lambda one: {"hit_rate": 0.5})


def test_a_slow_second_tier_is_not_mended_by_room_that_nobody_needs(make_cache, slow):
    """
    Look-ups below of keys that memory never had are no reason for more memory.
    """
    cache = make_cache("disk", l1_maxsize=50)
    slow(cache, get=0.02)

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return x

    for x in range(200):
        f(x)
    (one,) = [one for one in advise(snapshot(cache)) if one.kind == "slow_second_tier"]

    assert one.change is None
    assert "room" not in one.action


def test_figures_of_before_do_without(call, make_cache):
    """
    A snapshot that was written down before these counters existed is advised on all the same.
    """
    cache = make_cache(l1_maxsize=100)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for x in range(300):
        call(f(x))
    taken = snapshot(cache)
    for one in taken["functions"]:
        del one["counters"]["evicted_asked"], one["counters"]["evicted_computed"]

    kinds = {one.kind for one in advise(taken)}
    assert "low_hit_rate" in kinds and "high_eviction_rate" not in kinds


def test_analytics_says_the_same(call, make_cache):
    """
    In the process itself, whose figures are these.
    """
    cache = make_cache(l1_maxsize=100)
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for x in range(1000):
        call(f(x))

    assert "high_eviction_rate" not in {one.kind for one in analytics.get_recommendations()}


def test_a_memory_that_has_shrunk_is_not_counted_too_often(make_cache, monkeypatch):
    """
    When it has few entries again, each key that is remembered stands for as many as before.
    """
    monkeypatch.setattr(departed, "MOST", 50)
    cache = make_cache(l1_config=CacheLevelConfig(max_size=400, ttl=math.inf))

    @tiered_cache(cache=cache)
    def f(x):
        return None

    for x in range(1000):
        f(str(x))
    f.cache_clear()
    cache._keyed.engine.memory.max_size = 40
    before, _ = came_back(cache)
    for _ in range(21):
        for x in range(60):
            f(str(x))

    assert came_back(cache)[0] - before == pytest.approx(20 * 60, rel=0.4)
