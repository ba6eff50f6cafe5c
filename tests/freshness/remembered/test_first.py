"""
What comes before a remembered error: results, old results; and what a timeout is.
"""

from __future__ import annotations

import pytest

from memotier import ComputeTimeout, tiered_cache

from ...engine.worlds import Gate
from ..conftest import engine_of
from .conftest import OPTIONS, TTL, NotFound, failures_of


def test_an_old_result_is_served_rather_than_a_remembered_error(tiers, call, fails, source, clock):
    """
    While stale_if_error allows it, and for as long; error_backoff says when it is tried again.
    """
    read = call.cached(cache=tiers, stale_if_error=20, error_backoff=3, **OPTIONS)(source.read)
    call(read(1))
    source.error = NotFound()
    clock.advance(TTL)
    for asked in (2, 2):
        assert "value 1" == call(read(1))
        assert asked == source.asked
    clock.advance(3)
    assert "value 1" == call(read(1))
    assert 3 == source.asked
    assert not failures_of(tiers)

    clock.advance(17)
    fails(read), fails(read)
    assert 4 == source.asked


def test_an_old_result_below_is_served_rather_than_a_remembered_error(
    make_cache, call, fails, source, clock
):
    """
    Also one that another process has brought since, and that this one never had.
    """
    options = {**OPTIONS, "namespace": "n", "stale_if_error": 1000, "error_ttl_max": 10_000}
    options |= {"error_ttl": 9_000, "error_backoff": 1}
    read = call.cached(cache=make_cache("disk"), **options)(source.read)
    source.error = NotFound()
    fails(read)
    source.error = None
    other = call.cached(cache=make_cache("disk"), **options)(source.read)
    assert "value 2" == call(other(1))
    clock.advance(TTL)
    source.error = NotFound()

    assert "value 2" == call(read(1))


def test_a_result_of_another_process_is_served_rather_than_a_remembered_error(
    make_cache, call, fails, source
):
    """
    The disk is looked at before: an error that only this process knows hides no result.
    """
    options = {**OPTIONS, "namespace": "n"}
    read = call.cached(cache=make_cache("disk"), **options)(source.read)
    source.error = NotFound()
    fails(read)
    source.error = None
    other = call.cached(cache=make_cache("disk"), **options)(source.read)
    assert "value 2" == call(other(1))

    assert "value 2" == call(read(1))


def test_a_failure_in_the_background_is_remembered_when_the_window_is_over(
    tiers, call, fails, source, clock, settle
):
    """
    While the old result is served it is not; a failed refresh raises nothing.
    """
    read = call.cached(cache=tiers, stale_while_revalidate=10, error_backoff=1, **OPTIONS)(
        source.read
    )
    call(read(1))
    source.error = NotFound()
    clock.advance(TTL)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert (2, 0) == (source.asked, len(failures_of(tiers)))
    assert 1 == tiers.get_stats()["background"]["failed"]
    clock.advance(10)
    fails(read), fails(read)

    assert 3 == source.asked
    assert 1 == tiers.get_stats()["errors_served"]


def test_a_refresh_in_the_background_heeds_a_remembered_error(
    cache, call, fails, source, clock, settle
):
    """
    The function has just failed, in a ``refresh()``: the old result is served and it rests.
    """
    read = call.cached(
        cache=cache, stale_while_revalidate=50, error_backoff=1, error_ttl=20, **OPTIONS
    )(source.read)
    call(read(1))
    clock.advance(TTL - 1)
    source.error = NotFound()
    fails(read.refresh)
    clock.advance(1)
    assert "value 1" == call(read(1))
    settle(cache)
    assert 2 == source.asked
    clock.advance(20)
    source.error = None
    assert "value 1" == call(read(1))
    settle(cache)

    assert "value 3" == call(read(1))


def test_a_timeout_of_its_own_is_not_a_failure(cache):
    """
    The function goes on: who calls again waits for it, whatever is named.
    """
    gate = Gate()

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=TimeoutError)
    def read():
        gate.wait()
        return 1

    with pytest.raises(ComputeTimeout):
        read()
    assert gate.entered.wait(10)
    assert not failures_of(cache)
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)

    assert 1 == read()


def test_a_timeout_of_a_function_it_calls_is(cache):
    """
    It is an error like any other that the function raises.
    """
    asked = []

    @tiered_cache(cache=cache, cache_exceptions=ComputeTimeout)
    def outer():
        asked.append(1)
        raise ComputeTimeout("inner did not return")

    for _ in range(2):
        with pytest.raises(ComputeTimeout, match="inner"):
            outer()

    assert 1 == len(asked)


def test_a_failure_after_the_timeout_is_remembered(cache):
    """
    What went on in the background failed in the end: the next caller is told at once.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=NotFound)
    def read():
        asked.append(1)
        gate.wait()
        raise NotFound

    with pytest.raises(ComputeTimeout):
        read()
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)
    for _ in range(2):
        with pytest.raises(NotFound):
            read()

    assert 1 == len(asked)


def test_a_failure_of_changed_arguments_is_not_remembered(cache):
    """
    The caller has gone on and has changed what he asked for: it may be another call's error.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=NotFound)
    def read(keys):
        asked.append(list(keys))
        gate.wait()
        raise NotFound

    keys = [1]
    with pytest.raises(ComputeTimeout):
        read(keys)
    assert gate.entered.wait(10)
    keys.append(2)
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)

    assert not failures_of(cache)
