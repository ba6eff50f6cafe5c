"""
What is predicted is what comes: simulated hit rates beside those of real caches.
"""

from __future__ import annotations

import math
import random
from statistics import median

import pytest

from memotier import CacheLevelConfig, ConfigError, EvictionPolicy, MultiLevelCache, tiered_cache
from memotier.analytics import Setup, record_trace, simulate
from memotier.analytics.simulation import recorded_setup, setups
from memotier.analytics.traces import plain
from memotier.policies import POLICIES
from memotier.testing import FakeClock

from .habits import HABITS, habit

REQUESTS = 3000


def real(keys, *, size, policy, ttl=math.inf, gap=1.0, recorder=None, sample=1.0):
    """
    The hit rate of a decorated function that is called with *keys*, *gap* seconds apart; with
    *recorder* also the trace.
    """
    clock = FakeClock()
    level = CacheLevelConfig(max_size=size, ttl=ttl, eviction_policy=EvictionPolicy(policy))
    cache = MultiLevelCache(l1_config=level, clock=clock)

    @tiered_cache(cache=cache)
    def square(x):
        clock.advance(0.25)
        return x * x

    recording = record_trace(cache, sample=sample).start() if recorder else None
    for key in keys:
        clock.advance(gap)
        square(key)
    trace = None if recording is None else recording.stop()
    info = square.cache_info()
    cache.sync.close()
    return info.hits / (info.hits + info.misses), trace


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", HABITS)
def test_a_plain_trace_gives_the_hit_rate_of_a_real_cache(name, policy):
    """
    The same policies, the same tier: the same hits, but for keys that clock2q mixes up.
    """
    keys = habit(name, REQUESTS)
    for size in (30, 200):
        expected, _ = real(keys, size=size, policy=policy)
        found = simulate(plain(keys), Setup(max_size=size, policy=policy))

        assert expected == pytest.approx(found.hit_rate, abs=0.01 if policy == "clock2q" else 1e-9)


@pytest.mark.parametrize("name", HABITS)
def test_what_was_recorded_under_one_setup_predicts_others(name):
    """
    Other sizes, policies and ttls than those that held: within two points of what they bring.
    """
    keys = habit(name, REQUESTS)
    measured, trace = real(keys, size=50, policy="lru", ttl=2000.0, recorder=True)
    base = recorded_setup(trace)

    assert Setup(max_size=50, max_bytes=64_000_000, policy="lru") == base
    assert measured == pytest.approx(trace.measured_hit_rate)
    assert measured == pytest.approx(simulate(trace, base).hit_rate, abs=0.005)
    for other in setups(base, sizes=(20, 400), policies=("lru", "clock2q"), ttls=(300.0, 5000.0)):
        expected, _ = real(keys, size=other.max_size, policy=other.policy, ttl=other.ttl)
        assert expected == pytest.approx(simulate(trace, other).hit_rate, abs=0.02), other


def test_a_share_of_the_keys_is_enough():
    """
    With a fifth of the keys, the size in proportion, and the correction for popular ones: which
    keys are drawn is chance, so it is the middle one of several recordings that is near.
    """
    keys = habit("zipf", 20_000)
    traces = [real(keys, size=50, policy="lru", recorder=True, sample=0.2)[1] for _ in range(9)]

    for trace in traces:
        assert 0.05 < len(trace.keys) / len(keys) < 0.5
        assert 20_000 == trace.accesses
    for size in (200, 800):
        expected, _ = real(keys, size=size, policy="lru")
        found = median(simulate(trace, Setup(max_size=size)).hit_rate for trace in traces)
        assert expected == pytest.approx(found, abs=0.05)


def test_bytes_bound_it_as_they_do_in_memory():
    """
    Entries of different sizes, bounded by bytes alone.
    """
    clock = FakeClock()
    chance = random.Random(3)
    keys = habit("zipf", 3000)
    length = {key: chance.choice((10, 2000)) for key in set(keys)}

    def run(most, recorder=False):
        cache = MultiLevelCache(
            l1_config=CacheLevelConfig(max_size=None, max_bytes=most, ttl=math.inf), clock=clock
        )

        @tiered_cache(cache=cache)
        def text(x):
            return "x" * length[x]

        recording = record_trace(cache).start() if recorder else None
        for key in keys:
            text(key)
        trace = recording.stop() if recorder else None
        info = text.cache_info()
        cache.sync.close()
        return info.hits / 3000, trace

    _, trace = run(10_000_000, recorder=True)
    for most in (50_000, 300_000):
        expected, _ = run(most)
        found = simulate(trace, Setup(max_size=None, max_bytes=most))
        assert expected == pytest.approx(found.hit_rate, abs=0.01)
        assert 0.8 * most < found.bytes <= most


def test_seconds_saved_are_those_of_the_results_that_were_hit():
    """
    Each hit saves what computing its own key took; per hour by the time of the trace.
    """
    clock = FakeClock(tick=0)
    cache = MultiLevelCache(clock=clock)

    @tiered_cache(cache=cache)
    def slow(seconds):
        clock.advance(seconds)

    with record_trace(cache) as recording:
        for seconds in (1.0, 10.0, 1.0, 10.0, 10.0):
            slow(seconds)
        clock.advance(3600 - 11)
        slow(1.0)
        trace = recording.trace()
    found = simulate(trace, Setup(max_size=10, ttl=math.inf))
    cache.sync.close()

    assert (6, 4) == (found.accesses, found.hits)
    assert 22.0 == pytest.approx(found.seconds_saved)
    assert 22.0 == pytest.approx(found.seconds_saved_per_hour, rel=0.01)
    assert 3 == simulate(trace, Setup(max_size=10)).hits  # after 5 minutes it has expired


@pytest.mark.parametrize(
    "wrong", [{"max_size": -1}, {"max_size": 1.5}, {"policy": "best"}, {"ttl": 0}]
)
def test_what_cannot_be_simulated_is_said(wrong):
    """
    With the value and what it should be.
    """
    with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
        Setup(**wrong)


def test_memory_that_is_left_out_hits_nothing():
    """
    A size of 0 is what it is in a cache.
    """
    found = simulate(plain([1, 1, 1]), Setup(max_size=0))

    assert (3, 0, 0.0) == (found.accesses, found.hits, found.hit_rate)
