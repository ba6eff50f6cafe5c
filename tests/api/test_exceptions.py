"""
Exceptions of the function: the very object, with its traceback, and never stored.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import sys
import threading
import traceback

import pytest

import memotier
from memotier import MISS, tiered_cache


class Custom(Exception):
    pass


class Final(BaseException):
    pass


ERRORS = [
    Custom("x"),
    KeyError("k"),
    TypeError("t"),
    AttributeError("a"),
    AssertionError(),
    MemoryError(),
    RecursionError(),
    StopAsyncIteration(1),
    OSError(2, "gone"),
    memotier.StoreError("mine"),
    memotier.UnkeyableArgument("mine"),
    memotier.SerializationError("mine"),
    ExceptionGroup("both", [Custom(1), Custom(2)]),
]
FINAL = [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), Final("x"), asyncio.CancelledError()]


def _name(error):
    return type(error).__name__


def _raising(cache, colour, error, seen):
    @colour.cached(cache=cache, name="f")
    def f(x):
        seen.append(x)
        raise error

    return f


def _nothing_is_left(cache, f):
    assert f.peek(1) is MISS
    assert 0 == f.cache_info().currsize
    assert not cache._keyed.engine.flights.table


@pytest.mark.parametrize("error", ERRORS, ids=_name)
def test_the_very_object_and_never_stored(call, tiers, error):
    """
    The caller gets the object that the function raised, and every call runs the function.
    """
    seen = []
    f = _raising(tiers, call, error, seen)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            call(f(1))
        assert error is caught.value
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
    assert [1, 1] == seen
    _nothing_is_left(tiers, f)


@pytest.mark.parametrize("error", FINAL, ids=_name)
def test_what_ends_the_caller(call, make_cache, error):
    """
    Interrupts, exits and cancellations pass through too. (Coroutines are driven by hand here:
    an event loop has its own way with these.)
    """
    seen = []
    cache = make_cache("memory" if call.is_async else "disk")
    f = _raising(cache, call, error, seen)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            f(1).send(None) if call.is_async else f(1)
        assert error is caught.value
        assert caught.value.__context__ is None
    assert [1, 1] == seen
    _nothing_is_left(cache, f)


@pytest.mark.parametrize("way", ["call", "refresh", "bypass", "disabled", "closed", "unkeyable"])
@pytest.mark.parametrize("error", [Custom("x"), KeyError("k"), MemoryError()], ids=_name)
def test_every_way_of_calling(call, cache, way, error):
    """
    The same whichever way the function is reached.
    """

    @call.cached(cache=cache, on_unkeyable="bypass")
    def f(x):
        raise error

    def reach():
        if way == "disabled":
            with memotier.disabled():
                return call(f(1))
        if way == "closed":
            cache.sync.close()
        if way == "unkeyable":
            return call(f(object()))
        return call(f(1) if way in ("call", "closed") else getattr(f, way)(1))

    with pytest.raises(type(error)) as caught:
        reach()
    assert error is caught.value
    assert caught.value.__context__ is None
    assert "raise error" in "".join(traceback.format_exception(caught.value))


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int


def test_an_exception_that_cannot_be_changed(call, cache):
    """
    Nothing is assigned to what the function raised: a frozen dataclass would refuse it.
    """
    error = Frozen(3)

    @call.cached(cache=cache)
    def f():
        raise error

    with pytest.raises(Frozen) as caught:
        call(f())
    assert error is caught.value


def test_stop_iteration(cache):
    """
    StopIteration passes through a function, although our plans are generators.
    """
    error = StopIteration(5)

    @tiered_cache(cache=cache)
    def f():
        raise error

    with pytest.raises(StopIteration) as caught:
        f()
    assert error is caught.value
    assert caught.value.__context__ is None


def test_stop_iteration_in_a_coroutine_is_what_python_makes_of_it(cache):
    """
    In a coroutine it is a RuntimeError, as without cache.
    """

    @tiered_cache(cache=cache)
    async def f():
        raise StopIteration(5)

    with pytest.raises(RuntimeError, match="coroutine raised StopIteration") as caught:
        asyncio.run(f())
    assert isinstance(caught.value.__cause__, StopIteration)


def test_traceback_reaches_the_function(call, cache):
    """
    The traceback ends where the function raised, and begins where it was called.
    """

    @call.cached(cache=cache)
    def f(x):
        def deeper():
            raise Custom("x")

        return deeper()

    for _ in range(2):
        with pytest.raises(Custom) as caught:
            call(f(1))
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert "test_traceback_reaches_the_function" == names[0]
        assert ["f", "deeper"] == names[-2:]


def test_cause_and_context_of_the_function_are_kept(call, cache):
    """
    What the function chained stays chained.
    """

    @call.cached(cache=cache)
    def f(x):
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Custom("outer") from error

    with pytest.raises(Custom) as caught:
        call(f(1))
    assert isinstance(caught.value.__cause__, KeyError)
    assert ("inner",) == caught.value.__context__.args
    assert caught.value.__context__.__context__ is None


def test_context_of_the_caller_is_kept(cache):
    """
    An error raised while the caller handles another has that one as its context, as always.
    """

    @tiered_cache(cache=cache)
    def f(x):
        raise Custom("x")

    def handle():
        try:
            raise outer
        except ValueError:
            f(1)

    outer = ValueError("outer")
    with pytest.raises(Custom) as caught:
        handle()
    assert outer is caught.value.__context__


def test_after_an_error_the_next_call_computes(call, tiers):
    """
    An error is forgotten at once; the first good result is kept.
    """
    outcomes = iter([Custom("x"), Custom("y"), 5])

    @call.cached(cache=tiers, name="f")
    def f(x):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    for message in "xy":
        with pytest.raises(Custom, match=message):
            call(f(1))
    assert [5, 5] == [call(f(1)), call(f(1))]


def test_a_failing_refresh_keeps_the_old_result(call, tiers):
    """
    What a refresh could not compute anew stays as it was.
    """
    outcomes = iter([5, Custom("x")])

    @call.cached(cache=tiers, name="f")
    def f(x):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert 5 == call(f(1))
    with pytest.raises(Custom):
        call(f.refresh(1))
    assert 5 == call(f(1))


def test_fault_38_a_leader_that_is_killed(cache):
    """
    Whoever waits for a computation that ends with an interrupt computes himself.
    """
    entered, go, results = threading.Event(), threading.Event(), []
    outcomes = iter([KeyboardInterrupt(), [5]])

    @tiered_cache(cache=cache)
    def f(x):
        outcome = next(outcomes)
        entered.set()
        assert go.wait(10)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def lead():
        with pytest.raises(KeyboardInterrupt):
            f(1)
        results.append("interrupted")

    leader = threading.Thread(target=lead)
    leader.start()
    assert entered.wait(10)
    follower = threading.Thread(target=lambda: results.append(f(1)))
    follower.start()
    flight = next(iter(cache._keyed.engine.flights.table.values()))
    while flight.future is None:
        pass
    go.set()
    leader.join(10)
    follower.join(10)

    assert ["interrupted", [5]] == sorted(results, key=str, reverse=True)
    assert [5] == f(1)
    assert not cache._keyed.engine.flights.table


@pytest.mark.parametrize("error", [Custom("x"), MemoryError()], ids=_name)
def test_fault_38_waiters_get_the_error_of_the_leader(cache, error):
    """
    Tasks that wait for one computation get its error, and nothing is stored.
    """

    async def main():
        go, seen = asyncio.Event(), []

        @tiered_cache(cache=cache)
        async def f(x):
            seen.append(x)
            await go.wait()
            raise error

        tasks = [asyncio.ensure_future(f(1)) for _ in range(3)]
        while not seen:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is error for result in results)
        assert [1] == seen
        assert f.peek(1) is MISS

    asyncio.run(main())
    assert not cache._keyed.engine.flights.table


def test_frames_of_a_recursive_function(call, cache):
    """
    A cached function that calls itself spends four frames on each level, its own included, so
    that Python's limit comes at a fifth of it and not much earlier.
    """
    depths = []

    def note():
        frame, depth = sys._getframe(), 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        depths.append(depth)

    if call.is_async:

        @tiered_cache(cache=cache)
        async def f(n):
            note()
            return n and await f(n - 1)

    else:

        @tiered_cache(cache=cache)
        def f(n):
            note()
            return n and f(n - 1)

    assert 0 == call(f(3))
    assert [4, 4, 4] == [after - before for before, after in itertools.pairwise(depths)]
