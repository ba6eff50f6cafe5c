"""
``f.map()``: many calls of a function, asked together.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from memotier import MISS, ConfigError, UnkeyableArgument, disabled, tiered_cache

from ..engine.worlds import Background, Gate
from .conftest import flights_of, until, watched


def test_results_come_in_the_order_of_the_calls(call, tiers):
    """
    Tuples are arguments, dicts are arguments by name, anything else is the only argument.
    """

    @call.cached(cache=tiers, name="f")
    def f(a, b=1, *, c=2):
        return [a, b, c]

    asked = [1, (2, 3), {"a": 4, "c": 5}, "six", ((7, 8),), ({"a": 9},), [10]]
    expected = [
        [1, 1, 2],
        [2, 3, 2],
        [4, 1, 5],
        ["six", 1, 2],
        [(7, 8), 1, 2],
        [{"a": 9}, 1, 2],
        [[10], 1, 2],
    ]
    assert expected == call(f.map(asked))
    assert expected == call(f.map(iter(asked)))
    assert [] == call(f.map([]))


def test_only_what_is_missing_is_computed_and_that_once(call, tiers):
    """
    A call that appears twice is computed once, also if its result is not stored; each place has
    an object of its own.
    """
    seen = []

    @call.cached(cache=tiers, name="f", cache_if=lambda result: result != [3])
    def f(x):
        seen.append(x)
        return [x]

    call(f(1))
    first = call(f.map([1, 2, 3, 2, 3, 1]))
    assert [[1], [2], [3], [2], [3], [1]] == first
    assert [1, 2, 3] == sorted(seen)
    assert 6 == len({id(one) for one in first})
    first[1].append("changed")
    assert [[2], [2]] == call(f.map([2, 2]))


def test_the_second_tier_is_asked_once(call, disk, again, trips):
    """
    A cold list costs one reading for all; one that lies below costs one, and nothing is computed.
    """
    seen = []

    def function(x):
        seen.append(x)
        return {"x": x}

    f = call.cached(cache=disk, name="f", namespace="n", tags=["x:{x}"])(function)
    expected = [{"x": x} for x in range(40)]
    assert expected == call(f.map(range(40)))
    assert 1 == trips.calls.count("get")
    assert 1 == trips.calls.count("versions")

    other = again()
    below = watched(other)
    g = call.cached(cache=other, name="f", namespace="n", tags=["x:{x}"])(function)
    assert expected == call(g.map(range(40)))
    assert ["get", "versions"] == below.calls
    assert 40 == len(seen) == g.cache_info().l2_hits


def test_after_an_invalidation_tokens_are_asked_for_once(call, disk, trips):
    """
    Whatever was invalidated, the residents of a list are checked in one round trip.
    """
    f = call.cached(cache=disk, name="f", tags=["x:{x}"])(lambda x: x)
    call(f.map(range(20)))
    disk.sync.invalidate_tags("x:3", "of nobody")
    trips.calls.clear()
    assert [*range(20)] == call(f.map(range(20)))
    assert 2 == trips.calls.count("versions")  # for the residents; and for the one that went
    assert 1 == trips.calls.count("get")


def test_get_many_asks_for_tokens_once(disk, trips):
    """
    The same for values by key.
    """
    for number in range(9):
        disk.sync.set(number, "v", tags=[f"t{number}"])
    disk.sync.invalidate_tags("t0")
    trips.calls.clear()
    assert dict.fromkeys(range(1, 9), "v") == disk.sync.get_many(range(9))
    # For the residents, and for the record of the one that went.
    assert ["versions", "get", "versions"] == trips.calls


def test_a_look_that_is_old_is_not_used(disk, again, trips, clock):
    """
    What another process stored while the first of a list were computed is not computed again.
    """
    options = {"name": "f", "namespace": "n", "version": 1}
    other = tiered_cache(cache=again(), **options)(lambda x: f"other {x}")

    @tiered_cache(cache=disk, **options)
    def f(x):
        if x == 0:
            other(1)
            clock.advance(1)
        return f"mine {x}"

    assert ["mine 0", "other 1"] == f.map([0, 1])


def test_what_is_invalidated_after_the_look_is_not_served(call, disk, again, trips):
    """
    A record that was read for the list, and whose key is invalidated before its turn, is gone.
    """
    options = {"name": "f", "namespace": "n", "version": 1, "stale_if_error": 1}
    call(call.cached(cache=again(), **options)(lambda x: f"old {x}").map([0, 1]))
    f = call.cached(cache=disk, **options)(lambda x: f"new {x}")
    trips.after["get"] = lambda: tiered_cache(cache=disk, **options)(lambda x: x).invalidate(1)
    assert ["old 0", "new 1"] == call(f.map([0, 1]))
    trips.after["get"] = lambda: disk.sync.clear_namespace("n")
    assert ["new 0", "new 1"] == call(f.map([0, 1]))


def test_an_invalidation_between_look_and_computation_is_noticed(disk, trips):
    """
    Forgetting a key of the list makes its look worthless; the result computed after that is kept.
    """

    @tiered_cache(cache=disk, name="f")
    def f(x):
        if x == 0:
            f.invalidate(1)
        return x

    assert [0, 1] == f.map([0, 1])
    assert 2 == trips.calls.count("get")
    assert 1 == f.lookup(1).value


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_the_first_error_is_raised_and_nothing_more_is_begun(call, cache, limit):
    """
    What ran already is finished and kept; the list can be asked for again.
    """
    seen = []

    @call.cached(cache=cache, name="f")
    def f(x):
        seen.append(x)
        if x == 2:
            raise KeyError(x)
        return x

    with pytest.raises(KeyError):
        call(f.map(range(100), limit=limit))
    assert len(seen) < 100
    assert 0 == f.peek(0)
    assert [] == flights_of(cache)


@pytest.mark.parametrize("limit", [None, 3])
def test_errors_can_be_items(call, cache, limit):
    """
    With *return_exceptions* everything is computed, and an error stands where it belongs: also
    that of a call without a key, and of one that cannot be made.
    """

    @call.cached(cache=cache, name="f")
    def f(x):
        if x % 2:
            raise ValueError(x)
        return x

    asked = [0, 1, 2, 1, (lambda: 0,), (1, 2, 3)]
    zero, one, two, same, keyless, wrong = call(f.map(asked, limit=limit, return_exceptions=True))
    assert (0, 2) == (zero, two)
    assert (1,) == one.args and one is same
    assert isinstance(keyless, UnkeyableArgument)
    assert type(wrong) is TypeError


def test_a_call_without_a_key_goes_past_the_cache(call, cache):
    """
    With ``on_unkeyable="bypass"`` it is computed, and counted.
    """
    f = call.cached(cache=cache, name="f", on_unkeyable="bypass")(lambda x: "computed")
    assert ["computed"] * 2 == call(f.map([1, lambda: 0]))
    assert 1 == f.cache_info().bypassed


def test_it_is_refused_what_cannot_be(cache):
    """
    Options that make no sense are an error that shows them.
    """
    f = tiered_cache(cache=cache)(lambda x: x)
    for limit in (0, -1, 1.5, True, "3"):
        with pytest.raises(ConfigError, match="limit="):
            f.map([1], limit=limit)
    with pytest.raises(ConfigError, match="return_exceptions=1"):
        f.map([1], return_exceptions=1)
    with pytest.raises(TypeError):
        f.map([(1, 2)])


def test_disabled_and_closed_caches_compute(call, cache):
    """
    Without a cache every call is made.
    """
    seen = []
    f = call.cached(cache=cache, name="f")(lambda x: seen.append(x) or x)
    with disabled():
        assert [1, 1] == call(f.map([1, 1]))
    cache.sync.close()
    assert [1] == call(f.map([1]))
    assert [1, 1, 1] == seen


def test_on_methods_it_is_reached_through_the_instance(call, cache):
    """
    ``obj.method.map(...)`` takes the arguments after it, ``C.method.map(...)`` takes it as well.
    """

    class Shop:
        def __init__(self, rate):
            self.rate = rate

        @call.cached(cache=cache)
        def price(self, item, count=1):
            return self.rate * item * count

    one, two = Shop(10), Shop(100)
    assert [10, 40] == call(one.price.map([1, (2, 2)]))
    assert [100, 10] == call(Shop.price.map([(two, 1), (one, 1)]))
    assert MISS is two.price.peek(2)


def test_a_list_with_windows_is_served_stale_and_refreshed(call, make_cache, clock):
    """
    Stale results in memory and below are served at once, as a single call would.
    """
    seen = []

    def make(cache):
        return call.cached(cache=cache, name="f", namespace="n", ttl=10, stale_if_error=100)(
            lambda x: seen.append(x) or (1 / (len(seen) <= 2), x)
        )

    first = make(make_cache("disk"))
    call(first.map([1, 2]))
    clock.advance(20)
    assert [(1.0, 1), (1.0, 2)] == call(first.map([1, 2]))
    assert [(1.0, 1), (1.0, 2)] == call(make(make_cache("disk")).map([1, 2]))


def test_threads_have_the_context_of_the_caller(cache):
    """
    With *limit* sync functions run side by side, each in a copy of the caller's context.
    """
    var = ContextVar("var", default="nobody")
    together = threading.Barrier(3, timeout=10)

    @tiered_cache(cache=cache, name="f")
    def f(x):
        together.wait()
        seen = var.get()
        var.set(f"changed by {x}")
        return seen

    var.set("caller")
    assert ["caller"] * 3 == f.map([1, 2, 3], limit=3)
    assert "caller" == var.get()


def test_tasks_run_up_to_the_limit(cache):
    """
    Coroutines run at once, and never more than *limit* of them.
    """
    running, most = 0, 0

    @tiered_cache(cache=cache, name="f")
    async def f(x):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return x

    assert [*range(20)] == asyncio.run(f.map(range(20), limit=4))
    assert 4 == most
    most = 0
    asyncio.run(f.map(range(100, 200)))
    assert 32 == most


def test_a_cancelled_list_cancels_what_it_began(cache):
    """
    All that was begun has ended when the cancellation comes through, and nobody waits for it.
    """
    ended = []

    @tiered_cache(cache=cache, name="f")
    async def f(x):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(x)

    async def main():
        task = asyncio.create_task(f.map(range(5), limit=3))
        while len(flights_of(cache)) < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {0, 1, 2} == set(ended)
        assert 1 == len(asyncio.all_tasks())

    asyncio.run(main())
    assert [] == flights_of(cache)


def test_it_joins_what_somebody_else_computes(disk):
    """
    A call that another thread is computing is waited for.
    """
    gate, seen = Gate(), []

    @tiered_cache(cache=disk, name="f")
    def f(x):
        seen.append(x)
        if x == 1:
            gate.wait()
        return x

    single = Background(lambda: f(1))
    gate.entered.wait()
    listed = Background(lambda: f.map([0, 1, 2]))
    until(lambda: 0 in seen)
    gate.open()
    assert 1 == single.result()
    assert [0, 1, 2] == listed.result()
    assert [0, 1, 2] == sorted(seen)
