"""
Assertions about calls: what they let pass, what they do not, and that they leave no trace.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from memotier import ConfigError, MultiLevelCache, disabled, tiered_cache
from memotier.testing import assert_computed, assert_computed_once, assert_hit, assert_miss


@pytest.fixture
def f(call, tiers):
    @call.cached(cache=tiers, name="f", ttl=60)
    def f(x):
        return [x]

    return f


def test_hits_and_misses(f, call):
    """
    The call is made and its result handed on.
    """
    assert [1] == call(assert_miss(f, 1))
    assert [1] == call(assert_hit(f, 1))
    assert [1] == call(assert_hit(f, x=1))


def test_what_is_not_so_is_said(f, call):
    """
    With the name of the function, and with nothing of its arguments or results.
    """
    with pytest.raises(AssertionError, match=r"f was computed, where its cache") as caught:
        call(assert_hit(f, 12345))
    assert "12345" not in str(caught.value)
    with pytest.raises(AssertionError, match=r"f was not computed: its cache"):
        call(assert_miss(f, 12345))


def test_runs_are_counted(f, call):
    """
    Once, not at all, or as often as said; also in a block that is left early.
    """
    with assert_computed_once(f) as computations:
        for _ in range(3):
            call(f(1))
        assert 1 == computations.count
    with assert_computed(f, times=0):
        call(f(1))
    with assert_computed(f, times=2):
        call(f(2))
        call(f.refresh(2))
    with (
        pytest.raises(AssertionError, match="f was computed not at all, not once"),
        assert_computed_once(f),
    ):
        call(f(1))
    with (
        pytest.raises(AssertionError, match="f was computed 2 times, not once"),
        assert_computed_once(f),
    ):
        assert call(f.bypass(1)) == call(f.bypass(1))
    with pytest.raises(ZeroDivisionError), assert_computed_once(f):
        raise ZeroDivisionError


def test_nothing_is_left(f, call):
    """
    The function is its own again, whoever ended counting first.
    """
    memo = f._self_memo
    function = memo.function
    one, two = assert_computed(f, times=1), assert_computed(f, times=2)
    one.__enter__()
    call(f(1))
    two.__enter__()
    call(f(2))
    with pytest.raises(AssertionError):
        one.__exit__(None, None, None)
    call(f(3))
    two.__exit__(None, None, None)

    assert memo.function is function


def test_disabled_and_errors(f, call):
    """
    A call past the cache runs the function, and so does one that raises.
    """
    call(f(1))
    with disabled():
        call(assert_miss(f, 1))

    @tiered_cache
    def fails():
        raise KeyError

    with assert_computed(fails, times=2):
        for _ in range(2):
            with pytest.raises(KeyError):
                fails()


def test_a_recursive_function():
    """
    Its own inner hits do not make a hit of a call that was computed.
    """

    @tiered_cache
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert 55 == assert_miss(fib, 10)
    assert 55 == assert_hit(fib, 10)
    with assert_computed(fib, times=2):
        fib(12)


def test_a_refresh_in_the_background_is_no_miss(clock):
    """
    The old result was served; that somebody computes behind it is counted apart.
    """
    go_on, ran = threading.Event(), threading.Event()
    cache = MultiLevelCache(clock=clock)

    @tiered_cache(cache=cache, ttl=10, stale_while_revalidate=60)
    def f(x):
        if threading.current_thread() is not threading.main_thread():
            ran.set()
            assert go_on.wait(10)
        return x

    f(1)
    clock.advance(11)
    with assert_computed(f, times=0) as computations:
        assert 1 == assert_hit(f, 1)
        assert ran.wait(10)
        go_on.set()
        cache.sync.close()
        assert (0, 1) == (computations.count, computations.behind)


def test_many_at_once():
    """
    One computation for all who wait, in threads and in tasks; assertions may overlap.
    """

    @tiered_cache
    async def f(x):
        await asyncio.sleep(0)
        return x

    async def ask():
        with assert_computed_once(f):
            await asyncio.gather(*(f(1) for _ in range(10)))
        await asyncio.gather(assert_hit(f, 1), assert_hit(f, 1))
        assert [2, 1] == await asyncio.gather(assert_miss(f, 2), f(1))

    asyncio.run(ask())


def test_batches_and_methods():
    """
    A batch is a hit if nobody had to be asked; a method is given with its instance.
    """

    @tiered_cache.many
    def many(ids):
        return {one: one * 10 for one in ids}

    assert {1: 10, 2: 20} == assert_miss(many, [1, 2])
    assert {1: 10} == assert_hit(many, [1])
    with assert_computed_once(many):
        many([1, 2, 3])

    class Thing:
        @tiered_cache(ignore=("self",))
        def size(self, x):
            return x

    thing = Thing()
    assert 3 == assert_miss(thing.size, 3)
    assert 3 == assert_hit(thing.size, 3)
    assert 3 == assert_hit(Thing.size, thing, 3)


def test_streams_are_counted_not_judged():
    """
    Whether a stream is a hit shows when it is read.
    """

    @tiered_cache
    def numbers(n):
        yield from range(n)

    with assert_computed_once(numbers):
        assert [0, 1] == list(numbers(2)) == list(numbers(2))
    with pytest.raises(ConfigError, match=r"numbers is a stream.*assert_computed"):
        assert_hit(numbers, 2)


@pytest.mark.parametrize("check", [assert_hit, assert_miss, assert_computed_once])
def test_what_is_not_decorated(check):
    """
    It could never be a hit, and is not a miss either.
    """
    with pytest.raises(ConfigError, match=r"len is not decorated with @tiered_cache"), check(len):
        pass
