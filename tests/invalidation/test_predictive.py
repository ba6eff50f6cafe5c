"""
Predictive refresh: hot results of functions are computed anew before they end.
"""

from __future__ import annotations

import pytest

from memotier import CacheInvalidator, InvalidationStrategy, tiered_cache
from memotier.engine.drive import drive

from ..engine.worlds import Gate


@pytest.fixture(params=["memory", "disk"])
def cache(request, make_cache):
    return make_cache(request.param, default_ttl=100)


def function_of(cache, call, source, **options):
    return call.cached(cache=cache, name="f", version=1, namespace="f", **options)(source.read)


@pytest.mark.parametrize("strategy", ["PREDICTIVE", "HYBRID"])
def test_a_hot_result_is_refreshed_before_it_ends(
    cache,
    call,
    source,
    settle,
    clock,
    strategy,
):
    """
    After so many calls, the one that comes in the last fifth has it refreshed; nobody waits.
    """
    CacheInvalidator(cache, InvalidationStrategy[strategy], predictive_refresh_threshold=3)
    f = function_of(cache, call, source, ttl=100)
    assert ["value 1"] * 4 == [call(f(1)) for _ in range(4)]
    clock.advance(81)
    assert "value 1" == call(f(1))
    settle(cache)
    assert "value 2" == call(f(1))
    clock.advance(50)
    assert "value 2" == call(f(1))

    settle(cache)
    assert 2 == source.asked


def test_a_cold_result_is_not(cache, call, source, settle, clock):
    """
    With fewer calls it ends when it ends.
    """
    CacheInvalidator(cache, predictive_refresh_threshold=10)
    f = function_of(cache, call, source, ttl=100)
    for _ in range(5):
        call(f(1))
    clock.advance(81)
    assert "value 1" == call(f(1))
    settle(cache)
    assert 1 == source.asked
    clock.advance(20)
    assert "value 2" == call(f(1))


@pytest.mark.parametrize(
    "arguments",
    [{"strategy": "manual"}, {"strategy": "ttl"}, {"predictive_refresh_threshold": None}],
)
def test_others_refresh_nothing(cache, call, source, settle, clock, arguments):
    """
    Strategies without it, and None.
    """
    CacheInvalidator(cache, **arguments)
    f = function_of(cache, call, source, ttl=100)
    for _ in range(20):
        call(f(1))
    clock.advance(90)
    call(f(1))
    settle(cache)

    assert 1 == source.asked


def test_functions_that_are_in_use_already(cache, call, source, settle, clock):
    """
    What is computed after the invalidator was made is refreshed; what was there before ends.
    """
    f = function_of(cache, call, source, ttl=100)
    for _ in range(5):
        call(f(1))
    CacheInvalidator(cache, predictive_refresh_threshold=3)
    clock.advance(90)
    call(f(1))
    settle(cache)
    assert 1 == source.asked
    clock.advance(11)
    for _ in range(5):
        assert "value 2" == call(f(1))
    clock.advance(90)
    call(f(1))
    settle(cache)
    assert 3 == source.asked


def test_closing_ends_it(cache, call, source, settle, clock):
    """
    A closed invalidator refreshes nothing more.
    """
    with CacheInvalidator(cache, predictive_refresh_threshold=1):
        f = function_of(cache, call, source, ttl=100)
        for _ in range(5):
            call(f(1))
    clock.advance(90)
    call(f(1))
    settle(cache)

    assert 1 == source.asked


def test_a_function_keeps_its_own_refresh_ahead(cache, call, source, settle, clock):
    """
    Who says when to refresh is refreshed then, hot or not.
    """
    CacheInvalidator(cache, predictive_refresh_threshold=1000)
    f = function_of(cache, call, source, ttl=100, refresh_ahead=0.5)
    call(f(1))
    clock.advance(51)
    call(f(1))
    settle(cache)

    assert 2 == source.asked


def test_a_refresh_that_fails_leaves_the_result(cache, call, source, settle, clock):
    """
    The old result is served until it ends, then the error is the caller's.
    """
    CacheInvalidator(cache, predictive_refresh_threshold=2)
    f = function_of(cache, call, source, ttl=100)
    for _ in range(5):
        call(f(1))
    source.error = ValueError("down")
    clock.advance(90)
    assert "value 1" == call(f(1))
    settle(cache)
    assert "value 1" == call(f(1))
    clock.advance(20)
    with pytest.raises(ValueError, match="down"):
        call(f(1))


def test_an_invalidation_wins_over_a_refresh(cache, call, source, settle, clock):
    """
    What was invalidated while it was refreshed is not there afterwards.
    """
    invalidator = CacheInvalidator(cache, predictive_refresh_threshold=2)

    def read(n):
        source.asked += 1
        if source.asked == 2:
            invalidator.sync.invalidate_tag("t")
        return source.asked

    f = call.cached(cache=cache, name="f", version=1, namespace="f", ttl=100, tags=["t"])(read)
    for _ in range(5):
        assert 1 == call(f(1))
    clock.advance(90)
    assert 1 == call(f(1))
    settle(cache)

    assert 3 == call(f(1))


def test_memory_looks_below_as_often_as_before(make_cache, call, source, clock):
    """
    A cold result does not stay in memory beyond memory's own ttl: what another process stored
    meanwhile is seen.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    CacheInvalidator(ours, predictive_refresh_threshold=50)
    f = function_of(ours, call, source)
    g = call.cached(cache=theirs, name="f", version=1, namespace="f")(source.read)
    assert "value 1" == call(f(1))
    assert "value 2" == call(g.refresh(1))
    assert "value 1" == call(f(1))
    clock.advance(301)

    assert "value 2" == call(f(1))


def test_callables_of_get_or_compute_are_not_called_again(cache, settle, clock):
    """
    They may close over what has changed since: the key's value ends, and whoever asks computes.
    """
    CacheInvalidator(cache, predictive_refresh_threshold=1)
    runs = []
    for _ in range(5):
        cache.sync.get_or_compute("k", lambda: runs.append(1), ttl=100)
    clock.advance(90)
    cache.sync.get_or_compute("k", lambda: runs.append(1), ttl=100)

    assert [1] == runs


def test_arguments_that_change_are_not_trusted(cache, clock):
    """
    A list that the caller changes before the refresh reads it does not give another call's result.
    """
    CacheInvalidator(cache, predictive_refresh_threshold=1)
    gate, runs = Gate(), []

    @tiered_cache(cache=cache, name="f", version=1, namespace="f", ttl=100)
    def total(numbers):
        runs.append(1)
        if len(runs) == 2:
            gate.wait()
        return sum(numbers)

    numbers = [1, 2]
    for _ in range(4):
        assert 3 == total(numbers)
    clock.advance(90)
    assert 3 == total(numbers)
    gate.entered.wait(10)
    numbers[0] = 40
    gate.open()
    for thread in list(cache._keyed.engine.background._threads):
        thread.join(10)

    assert 2 == len(runs)
    assert 3 == total([1, 2])


def test_a_call_from_before_the_invalidator_refreshes_nothing(cache, clock):
    """
    Nobody noted what its arguments were, so a refresh could not tell whether they changed.
    """

    @tiered_cache(cache=cache, name="f", version=1, namespace="f", ttl=100)
    def total(numbers):
        return sum(numbers)

    numbers = [1, 2]
    total(numbers)
    total.invalidate(numbers)
    _, early = total._self_memo.begin((numbers,))
    CacheInvalidator(cache, predictive_refresh_threshold=1)
    for _ in range(3):
        assert 3 == total([1, 2])
    clock.advance(90)
    numbers[0] = 40
    assert 3 == drive(early)
    for thread in list(cache._keyed.engine.background._threads):
        thread.join(10)

    assert 3 == total([1, 2])


@pytest.mark.parametrize("way", ["call", "tag", "function"])
def test_a_soft_invalidation_is_a_hard_one_as_before(cache, call, source, way):
    """
    That an invalidator refreshes what is hot gives no function a use for stale results: what was
    invalidated is not served, in neither tier.
    """
    CacheInvalidator(cache)
    f = function_of(cache, call, source, ttl=100, tags=["t"])
    for times in range(1, 4):
        assert f"value {times}" == call(f(1))
        if way == "call":
            call(f.expire(1))
        elif way == "tag":
            cache.sync.invalidate_tags("t", soft=True)
        else:
            call(f.cache_expire())
    assert "value 4" == call(f(1))


def test_a_soft_invalidation_leaves_what_the_function_allows(cache, call, source, clock):
    """
    With a window for errors the old result covers a failure, and does nothing else.
    """
    CacheInvalidator(cache)
    f = function_of(cache, call, source, ttl=100, tags=["t"], stale_if_error=50, error_backoff=1)
    call(f(1))
    cache.sync.invalidate_tags("t", soft=True)
    assert "value 2" == call(f(1))
    cache.sync.invalidate_tags("t", soft=True)
    source.error = ZeroDivisionError()
    assert "value 2" == call(f(1))
    clock.advance(50)
    with pytest.raises(ZeroDivisionError):
        call(f(1))


def test_another_invalidator_takes_nothing_away(cache, call, source, settle, clock):
    """
    Of two invalidators of one cache the lower number of calls holds, until its own is closed.
    """
    few = CacheInvalidator(cache, predictive_refresh_threshold=3)
    f = function_of(cache, call, source, ttl=100)
    many = CacheInvalidator(cache, predictive_refresh_threshold=100)
    refreshed = []
    for ended in (None, many, many, few, few):
        if ended is not None:
            ended.close()
        call(f.refresh(1))
        before = source.asked
        for _ in range(5):
            call(f(1))
        clock.advance(90)
        call(f(1))
        settle(cache)
        refreshed.append(source.asked > before)
    assert [True, True, True, False, False] == refreshed
