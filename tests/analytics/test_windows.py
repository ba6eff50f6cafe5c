"""
The last minute, hour and day, without a thread.
"""

from __future__ import annotations

import pytest

from memotier import CacheAnalytics, ConfigError
from memotier.analytics import snapshot, tracker
from memotier.analytics.windows import SPANS


@pytest.fixture
def double(call, cache):
    return call.cached(cache=cache, name="double", namespace="a", ttl="30d")(lambda x: 2 * x)


def test_a_window_forgets_what_is_older(call, cache, clock, double):
    """
    A minute later the hit rate of the last minute is that of the calls in it; all time remembers.
    """
    analytics = CacheAnalytics(cache)
    for x in range(10):
        call(double(x))  # misses
    clock.advance(61)
    call(double("once"))  # takes a picture on its way
    clock.advance(61)
    for x in range(9):
        call(double(x))
    call(double("new"))

    assert 0.9 == analytics.get_hit_rate("1m")
    assert 9 / 21 == analytics.get_hit_rate("1h") == analytics.get_hit_rate()
    assert pytest.approx(0.1) == analytics.get_miss_rate("1m")


@pytest.mark.parametrize("window", SPANS)
def test_every_window_has_its_length(call, cache, clock, double, window):
    """
    With calls all the time it is about as long as it says: never shorter, and longer by less than
    the distance of its pictures and of the calls.
    """
    span, step = SPANS[window]
    analytics = CacheAnalytics(cache)
    for x in range(200):
        clock.advance(span / 100)
        call(double(x))
    seconds = snapshot(cache)["functions"][0]["windows"][window]["seconds"]

    assert span <= seconds <= span + max(step, span / 100) * 1.01 + 1
    assert 0.0 == analytics.get_hit_rate(window)


def test_a_young_process_says_how_young(call, cache, clock, double):
    """
    What was counted over less than the window says over how much.
    """
    CacheAnalytics(cache)
    clock.advance(7)
    call(double(1))
    found = snapshot(cache)["functions"][0]["windows"]["1d"]

    assert (1, 0) == (found["misses"], found["hits"])
    assert 7 == pytest.approx(found["seconds"], abs=0.1)


def test_pictures_are_bounded(call, cache, clock, double):
    """
    Whatever time passes, the rings hold about a hundred and forty; functions that do nothing share
    their numbers.
    """
    CacheAnalytics(cache)
    for x in range(3000):
        clock.advance(60)
        call(double(x % 5))
        if x % 5 == 0:
            double.cache_info()
            snapshot(cache, asks_store=False)
    rings = cache._keyed.engine.meter.watcher._windows._rings

    assert sum(map(len, rings.values())) <= 150
    assert all(len(ring) >= 50 for name, ring in rings.items() if name != "1m")


def test_idle_functions_share_their_numbers(call, cache, clock, double):
    """
    A picture of a function that was not called is the one before.
    """
    CacheAnalytics(cache)
    call(double(1))
    for _ in range(3):
        clock.advance(6)
        snapshot(cache)
    ring = cache._keyed.engine.meter.watcher._windows._rings["1m"]

    assert 1 == len({id(one.counted["a", "double"]) for one in list(ring)[-2:]})


def test_nobody_takes_pictures_unasked(call, cache, clock, double):
    """
    Without analytics no call takes any: the engine has no watcher.
    """
    for x in range(5):
        clock.advance(100)
        call(double(x))
    engine = cache._keyed.engine

    assert engine.meter.watcher is None is engine.memory.watcher


def test_a_caller_takes_no_expensive_picture(call, cache, clock, double, monkeypatch):
    """
    Of a cache with many entries only those who ask do.
    """
    monkeypatch.setattr(tracker, "CHEAP", 3)
    CacheAnalytics(cache)
    ring = cache._keyed.engine.meter.watcher._windows._rings["1m"]
    for x in range(10):
        clock.advance(10)
        call(double(x))

    assert len(ring) <= 5
    clock.advance(10)
    before = len(ring)
    snapshot(cache)
    assert before + 1 == len(ring)


def test_a_function_defined_anew_begins_at_zero(call, cache, clock):
    """
    Its counters start again; that is no negative number of calls.
    """

    def define():
        return call.cached(cache=cache, name="again", namespace="a")(lambda x: x)

    first = define()
    CacheAnalytics(cache)
    for x in range(5):
        call(first(x))
    clock.advance(61)
    snapshot(cache)
    del first
    cache._keyed.engine.shelves.clear()
    second = define()
    call(second(1))
    found = snapshot(cache)["functions"][0]["windows"]["1m"]

    assert 1 == found["misses"]
    assert all(value >= 0 for value in found.values())


@pytest.mark.parametrize("window", ["2m", 60, "", "1M"])
def test_other_windows_are_refused(cache, window):
    """
    With those that there are.
    """
    with pytest.raises(ConfigError, match="'1m', '1h', '1d'"):
        CacheAnalytics(cache).get_hit_rate(window)


def test_history_is_by_the_minute(call, cache, clock, double):
    """
    The report's points: what happened from picture to picture of the last hour.
    """
    CacheAnalytics(cache)
    for x in range(90):
        clock.advance(60)
        call(double(x))
        call(double(x))
    history = snapshot(cache)["history"]

    assert 58 <= len(history) <= 61
    assert 58 <= sum(point["hits"] for point in history) <= 61
    assert all(59 < point["seconds"] < 61 for point in history[:-1])
    assert sorted(point["at"] for point in history) == [point["at"] for point in history]
