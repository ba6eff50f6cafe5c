"""
Keys that are asked for most: found, in bounded memory, and not shown.
"""

from __future__ import annotations

import random

import pytest

from memotier import CacheAnalytics, ConfigError
from memotier.analytics import snapshot


def test_counts_are_those_of_the_calls(call, tiers):
    """
    Hits in memory, hits below, misses: each key with its own.
    """
    analytics = CacheAnalytics(tiers)

    @call.cached(cache=tiers, name="double", namespace="a", version=1)
    def double(x):
        return 2 * x

    for x, count in ((1, 5), (2, 3), (3, 1)):
        for _ in range(count):
            call(double(x))
    found = analytics.get_hot_keys(top_n=2)

    assert [(5, 4, 1), (3, 2, 1)] == [
        (one.access_count, one.hit_count, one.miss_count) for one in found
    ]
    assert {("a", "double", 0)} == {(one.namespace, one.function, one.error) for one in found}


def test_keys_of_the_cache_object(cache):
    """
    Also those that were asked for and not there.
    """
    analytics = CacheAnalytics(cache)
    cache.sync.set("here", 1, namespace="tool")
    for _ in range(3):
        cache.sync.get("here", namespace="tool")
    cache.sync.get("not here", namespace="tool")
    here, missing = analytics.get_hot_keys()

    assert (3, 3, 0) == (here.access_count, here.hit_count, here.miss_count)
    assert (1, 0, 1) == (missing.access_count, missing.hit_count, missing.miss_count)
    assert "tool" == here.namespace


def test_what_was_evicted_is_not_forgotten(call, make_cache):
    """
    The hits of an entry that has left memory count on.
    """
    cache = make_cache(l1_maxsize=1)
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="double")
    def double(x):
        return 2 * x

    for x in (1, 1, 1, 2, 1):
        call(double(x))
    first = analytics.get_hot_keys(1)[0]

    assert (4, 2, 2) == (first.access_count, first.hit_count, first.miss_count)


def test_twins_are_two_keys(call, cache):
    """
    1, 1.0 and True are three keys.
    """
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="same")
    def same(x):
        return x

    for x in (1, 1.0, True, "1"):
        call(same(x))

    assert [1, 1, 1, 1] == [one.access_count for one in analytics.get_hot_keys()]


def test_memory_is_bounded_and_the_hottest_survive(call, make_cache):
    """
    Among 20,000 calls of which a quarter are of 5 keys and all others of different ones, 50 that
    are remembered are enough to find those; each count is right to within its error, which is at
    most what the sketch promises.
    """
    cache = make_cache(l1_maxsize=10)
    analytics = CacheAnalytics(cache, hot_key_window=50)
    dice, calls = random.Random(1), {}

    @call.cached(cache=cache, name="same", namespace="a")
    def same(x):
        return x

    for number in range(20_000):
        x = -dice.randrange(1, 6) if dice.random() < 0.25 else number
        calls[x] = calls.get(x, 0) + 1
        call(same(x))
    hot = cache._keyed.engine.meter.watcher.hot
    found = analytics.get_hot_keys(5)
    exact = sorted((calls[-x] for x in range(1, 6)), reverse=True)

    assert len(hot.known) <= 100
    assert hot.floor <= 20_000 / 50
    for one, count in zip(found, exact, strict=True):
        assert one.access_count <= count <= one.access_count + one.error + 30
    assert min(exact) > 900 and all(one.access_count > 500 for one in found)


CANARY = "canary-4711"


def test_arguments_are_not_shown(call, tiers):
    """
    Neither in keys nor in tags, in no form of the figures; unless that was asked for.
    """
    analytics = CacheAnalytics(tiers)

    @call.cached(cache=tiers, name="load", tags=["web", "user:{user}", "{user}"])
    def load(user):
        return user

    for _ in range(3):
        call(load(CANARY))
    tiers.sync.set(CANARY, CANARY, tags=[f"key:{CANARY}"])
    tiers.sync.get(CANARY)
    call(load.invalidate(CANARY))
    tiers.sync.clear()
    call(load(CANARY))
    call(load(CANARY))

    for shown in (
        snapshot(tiers),
        analytics.get_comprehensive_stats(),
        analytics.get_hot_keys(),
        analytics.sync.export_to_prometheus(),
        analytics.get_recommendations(),
        analytics,
        analytics._access_log,
    ):
        assert CANARY not in repr(shown)
    tags = {row["tag"] for row in snapshot(tiers)["tags"]}
    assert {"web", "user:*", "*"} <= tags

    open_ = CacheAnalytics(tiers, show_keys=True)
    assert open_.get_hot_keys(1)[0].key.endswith(f"load('{CANARY}')")
    assert f"user:{CANARY}" in {row["tag"] for row in open_.snapshot()["tags"]}


def test_digits_are_those_of_the_address(call, make_cache):
    """
    Where there is a second tier, a key's digits lead to its entry.
    """
    cache = make_cache("disk")
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="double", namespace="a")
    def double(x):
        return 2 * x

    call(double(1))
    key = double.cache_key(1).partition(":")[2]

    assert key.startswith(analytics.get_hot_keys(1)[0].key.partition("#")[2])


def test_nothing_is_tracked_unasked(call, cache):
    """
    ``track_hot_keys=False`` counts no key.
    """
    analytics = CacheAnalytics(cache, track_hot_keys=False)
    cache.sync.get("x")

    assert [] == analytics.get_hot_keys()
    assert cache._keyed.engine.meter.watcher.hot is None


@pytest.mark.parametrize("top_n", [-1, 2.0, None, True])
def test_a_count_is_a_count(cache, top_n):
    """
    Anything else is refused with its value.
    """
    with pytest.raises(ConfigError, match="top_n="):
        CacheAnalytics(cache).get_hot_keys(top_n)
