"""
``cache_exceptions``: an error that is remembered is raised again, and the function not called.
"""

from __future__ import annotations

import threading

import pytest

from memotier import tiered_cache

from ...engine.worlds import Background, Gate, in_threads
from .conftest import FIRST, MOST, OPTIONS, TTL, Gone, NotFound, Other, failures_of


def test_a_remembered_error_is_raised_without_a_call(read, fails, source, clock, call):
    """
    For error_ttl, for its key alone; then the function is called again.
    """
    source.error = NotFound("page 1")
    first = fails(read)
    for _ in range(3):
        assert ("page 1",) == fails(read).args
    assert 1 == source.asked
    fails(read, NotFound, 2)
    assert 2 == source.asked

    clock.advance(FIRST - 0.1)
    assert type(first) is type(fails(read))
    assert 2 == source.asked
    clock.advance(0.1)
    source.error = None
    assert "value 3" == call(read(1))


def test_without_the_option_no_error_is_remembered(tiers, call, fails, source):
    """
    What is not asked for does not happen, and nothing is kept for it.
    """
    read = call.cached(cache=tiers, name="read", ttl=TTL)(source.read)
    source.error = NotFound()
    fails(read), fails(read)

    assert 2 == source.asked
    assert not failures_of(tiers)


def test_other_errors_are_not_remembered(read, fails, source):
    """
    Only what is named, and its subclasses.
    """
    source.error = Other()
    fails(read, Other), fails(read, Other)
    assert 2 == source.asked
    source.error = Gone()
    fails(read, Gone), fails(read, Gone)

    assert 3 == source.asked


def test_the_nearest_type_says_how_long(tiers, call, fails, source, clock):
    """
    A dict has a duration for each; None is error_ttl.
    """
    read = call.cached(
        cache=tiers,
        name="read",
        cache_exceptions={NotFound: "1m", Gone: 2, Other: None},
        error_ttl=3,
    )(source.read)
    for kind, ttl in ((Gone, 2), (NotFound, 60), (Other, 3)):
        source.asked, source.error = 0, kind()
        key = kind.__name__
        fails(read, kind, key)
        clock.advance(ttl - 0.1)
        fails(read, kind, key)
        assert 1 == source.asked
        clock.advance(0.1)
        fails(read, kind, key)
        assert 2 == source.asked


def test_each_further_failure_doubles_it_up_to_the_most(read, fails, source, clock):
    """
    5, 10, 20, 20, ... seconds: a source that is down is asked less and less, but always again.
    """
    source.error = NotFound()
    for number, ttl in enumerate((5, 10, 20, 20, 20), 1):
        fails(read)
        assert number == source.asked
        clock.advance(ttl - 0.1)
        fails(read)
        assert number == source.asked
        clock.advance(0.1)


def test_a_thousand_failures_in_a_row_are_no_overflow(read, fails, source, clock):
    """
    The count grows, the duration does not.
    """
    source.error = NotFound()
    for _ in range(1100):
        fails(read)
        clock.advance(MOST)
    fails(read), fails(read)

    assert 1101 == source.asked


def test_a_result_ends_the_run(tiers, fails, source, clock, call):
    """
    After a success the next failure is a first one.
    """
    read = call.cached(cache=tiers, **{**OPTIONS, "ttl": 1})(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    clock.advance(10)
    source.error = None
    call(read(1))
    clock.advance(1)
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


@pytest.mark.parametrize("room", [0, 100])
def test_a_result_of_another_process_ends_the_run(make_cache, call, fails, source, clock, room):
    """
    The source answers again, whoever has asked it; also if nothing is kept in memory.
    """
    options = {**OPTIONS, "namespace": "n", "ttl": 1}
    read = call.cached(cache=make_cache("disk", l1_maxsize=room), **options)(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    source.error = None
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    assert "value 3" == call(read(1))
    clock.advance(10)
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


def test_a_result_that_is_not_kept_ends_the_run_too(tiers, call, fails, source, clock):
    """
    What counts is that the source has answered.
    """
    read = call.cached(cache=tiers, cache_if=lambda _: False, **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    clock.advance(10)
    source.error = None
    call(read(1))
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


def test_a_run_ends_when_nobody_has_failed_for_long(read, fails, source, clock):
    """
    An outage of yesterday says nothing of today's: after error_ttl_max without a failure the
    next one is a first one.
    """
    source.error = NotFound()
    for ttl in (5, 10, 20):
        fails(read)
        clock.advance(ttl)
    clock.advance(MOST)
    fails(read)
    clock.advance(5)
    fails(read)

    assert 5 == source.asked


def test_failures_at_once_are_one(cache, clock):
    """
    Computations that began before the failure was known say nothing of how long it lasts.
    """
    gates, asked = [Gate(), Gate()], []

    @tiered_cache(cache=cache, single_flight=None, **OPTIONS)
    def read():
        asked.append(1)
        if len(asked) <= 2:
            gates[len(asked) - 1].wait()
        raise NotFound

    callers = []
    for gate in gates:
        callers.append(Background(read))
        assert gate.entered.wait(10)
    for gate, caller in zip(gates, callers, strict=True):
        gate.open()
        with pytest.raises(NotFound):
            caller.result()
    clock.advance(FIRST)
    with pytest.raises(NotFound):
        read()

    assert 3 == len(asked), "remembered for 5 s, not for 10"


@pytest.mark.parametrize("options", [{"l1_maxsize": 0}, {"l1_maxsize": 0, "tiers": "memory"}])
def test_it_needs_no_memory_tier(make_cache, call, fails, source, options):
    """
    Failures have a place of their own.
    """
    cache = make_cache(**{"tiers": "disk", **options})
    read = call.cached(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read), fails(read)

    assert 1 == source.asked


def test_what_is_remembered_is_bounded(cache, call, fails, source, clock):
    """
    A thousand keys; then the oldest is forgotten. Those whose run has ended go before.
    """
    read = call.cached(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    for key in range(1001):
        fails(read, NotFound, key)
    assert 1000 == len(failures_of(cache))
    fails(read, NotFound, 1)
    assert 1001 == source.asked
    fails(read, NotFound, 0)
    assert 1002 == source.asked
    clock.advance(FIRST + MOST)
    fails(read, NotFound, 2000)

    assert 1 == len(failures_of(cache))


def test_calls_that_got_it_are_counted(read, tiers, fails, source):
    """
    Neither as hits nor as misses.
    """
    source.error = NotFound()
    for _ in range(4):
        fails(read)

    info = read.cache_info()
    assert (0, 1, 3, 0) == (info.hits, info.misses, info.errors_served, info.currsize)
    assert 3 == tiers.get_stats()["errors_served"]


def test_joining_is_possible_while_it_is_recalled(tiers):
    """
    Many callers of a remembered error at once: none calls the function, none hangs.
    """
    asked = []

    @tiered_cache(cache=tiers, **OPTIONS)
    def read():
        asked.append(1)
        raise NotFound

    start = threading.Barrier(4)

    def caller():
        start.wait(10)
        kinds = set()
        for _ in range(50):
            try:
                read()
            except Exception as error:
                kinds.add(type(error))
        return kinds

    with pytest.raises(NotFound):
        read()

    assert [{NotFound}] * 4 == in_threads(*[caller] * 4)
    assert 1 == len(asked)
