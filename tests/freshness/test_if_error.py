"""
``stale_if_error``: the old value if the function raises, and an end that nothing outlives.
"""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from memotier import tiered_cache

from ..engine.worlds import Gate

TTL, WINDOW, BACKOFF = 10, 20, 3


class Down(Exception):
    pass


@pytest.fixture
def read(tiers, call, source):
    options = {"ttl": TTL, "stale_if_error": WINDOW, "error_backoff": BACKOFF}
    return call.cached(cache=tiers, name="read", **options)(source.read)


def test_the_old_value_is_served_if_the_function_raises(read, tiers, call, clock, source, caplog):
    """
    Past ttl every call tries; if that fails it gets the old value, and one log line has the type.
    """
    call(read(1))
    clock.advance(TTL)
    source.error = Down("secret")
    with caplog.at_level(logging.WARNING, "memotier"):
        assert "value 1" == call(read(1))
        clock.advance(BACKOFF)
        assert "value 1" == call(read(1))

    assert 3 == source.asked
    assert 2 == tiers.get_stats()["stale"]["if_error"]
    (record,) = caplog.records
    assert "Down" in record.getMessage()
    assert "secret" not in caplog.text


def test_without_a_failure_the_new_value_is_waited_for(read, call, clock, source):
    """
    Nothing stale is served while the function works.
    """
    call(read(1))
    clock.advance(TTL)

    assert "value 2" == call(read(1))


def test_a_failure_is_not_tried_again_for_error_backoff(read, call, clock, source):
    """
    So long the entry counts as fresh, on the hit path as well.
    """
    call(read(1))
    clock.advance(TTL)
    source.error = Down()
    for _ in range(3):
        assert "value 1" == call(read(1))
    assert 2 == source.asked

    clock.advance(BACKOFF)
    source.error = None
    assert "value 3" == call(read(1))


def test_the_end_is_hard(read, call, clock, source):
    """
    From ttl + stale_if_error on the error is raised, whatever the backoff.
    """
    call(read(1))
    clock.advance(TTL + WINDOW - 1)
    source.error = Down()
    assert "value 1" == call(read(1))
    clock.advance(1)

    with pytest.raises(Down):
        call(read(1))


def test_a_computation_that_fails_after_the_end_raises(tiers, call, clock):
    """
    What counts is the moment of the failure, not of the call.
    """
    slow = []

    @call.cached(cache=tiers, name="read", ttl=TTL, stale_if_error=WINDOW)
    def read():
        if slow:
            clock.advance(WINDOW)
            raise Down
        return 1

    call(read())
    clock.advance(TTL)
    slow.append(True)

    with pytest.raises(Down):
        call(read())


def test_a_cold_key_raises(read, call, source):
    """
    There is nothing to fall back on.
    """
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


def test_what_is_invalidated_is_not_fallen_back_on(read, call, clock, source):
    """
    An invalidation is hard: rather the error than that value.
    """
    call(read(1))
    clock.advance(TTL)
    call(read.invalidate(1))
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


@pytest.mark.parametrize("how", ["key", "tag", "all"])
def test_what_is_invalidated_while_it_fails_is_not_fallen_back_on(tiers, call, clock, how):
    """
    The invalidation comes after the stale value was looked up, and wins.
    """
    fails = []

    def body():
        if not fails:
            return 1
        if how == "key":
            # As another caller would: through the engine, whatever the colour.
            threads = threading.Thread(target=invalidate)
            threads.start()
            threads.join(10)
        elif how == "tag":
            tiers.sync.invalidate_tags("t")
        else:
            tiers.sync.clear()
        raise Down

    read = call.cached(cache=tiers, name="read", ttl=TTL, stale_if_error=WINDOW, tags=["t"])(body)

    def invalidate():
        answer = read.invalidate()
        return asyncio.run(answer) if call.is_async else answer

    call(read())
    clock.advance(TTL)
    fails.append(True)

    with pytest.raises(Down):
        call(read())


def test_cancellation_and_interrupts_are_not_failures(cache, clock):
    """
    What ends the caller is not answered with an old value.
    """
    raises = []

    @tiered_cache(cache=cache, ttl=TTL, stale_if_error=WINDOW)
    def read():
        if raises:
            raise KeyboardInterrupt
        return 1

    read()
    clock.advance(TTL)
    raises.append(True)

    with pytest.raises(KeyboardInterrupt):
        read()


def test_everyone_who_waits_gets_the_old_value(cache, clock):
    """
    One failing computation, one value for all that joined it.
    """
    gate, counted = Gate(), []

    @tiered_cache(cache=cache, ttl=TTL, stale_if_error=WINDOW)
    def read():
        counted.append(1)
        if len(counted) > 1:
            gate.wait()
            raise Down
        return [1]

    first = read()
    clock.advance(TTL)
    got = []
    threads = [threading.Thread(target=lambda: got.append(read())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert gate.entered.wait(10)
    gate.open()
    for thread in threads:
        thread.join(10)

    assert [[1]] * 4 == got
    assert 2 == len(counted)
    assert len({id(one) for one in [first, *got]}) == 5, "copies, as ever"


def test_a_record_of_the_second_tier_is_fallen_back_on(make_cache, call, clock, source):
    """
    A restarted process has the old value too, until the same end.
    """
    options = {"name": "r", "namespace": "n", "ttl": TTL, "stale_if_error": WINDOW}
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    clock.advance(TTL + 1)
    source.error = Down()
    second = call.cached(cache=make_cache("disk"), error_backoff=BACKOFF, **options)(source.read)

    assert ["value 1"] * 2 == [call(second(1)), call(second(1))]
    assert 2 == source.asked
    clock.advance(WINDOW - 1)
    with pytest.raises(Down):
        call(second(1))


def test_both_windows_together(tiers, call, clock, source, settle):
    """
    First at once and behind, then waiting and only in need, then not at all.
    """
    read = call.cached(
        cache=tiers, name="r", ttl=TTL, stale_while_revalidate=5, stale_if_error=20, error_backoff=1
    )(source.read)
    call(read(1))
    source.error = Down()
    clock.advance(TTL)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert 1 == tiers.get_stats()["background"]["failed"]
    clock.advance(6)
    assert "value 1" == call(read(1))
    assert 1 == tiers.get_stats()["stale"]["if_error"]
    clock.advance(14)

    with pytest.raises(Down):
        call(read(1))


def test_a_new_result_that_is_not_kept_takes_the_old_one_away(tiers, call, clock):
    """
    ``cache_if`` says no to the new result: what is older is not served after it.
    """
    values = iter([1, None, None])
    read = call.cached(
        cache=tiers, name="r", ttl=TTL, stale_if_error=WINDOW, cache_if=lambda x: x is not None
    )(lambda: next(values))
    call(read())
    clock.advance(TTL)
    assert call(read()) is None
    assert call(read()) is None

    with pytest.raises((StopIteration, RuntimeError)):
        call(read())


def test_refresh_raises_and_keeps_the_old_value(read, call, clock, source):
    """
    Who asks for a new value is told that there is none.
    """
    call(read(1))
    source.error = Down()
    with pytest.raises(Down):
        call(read.refresh(1))

    assert "value 1" == call(read(1))
