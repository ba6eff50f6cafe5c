"""
Options about results: cache_if, copy, single_flight.
"""

from __future__ import annotations

import array
import asyncio
import copy
import logging
import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

import pytest

from memotier import tiered_cache

# -- cache_if -------------------------------------------------------------------------------


def test_cache_if(call, tiers):
    """
    Only results for which ``cache_if`` says so are stored; all are returned.
    """
    seen = []

    @call.cached(cache=tiers, cache_if=lambda result: result["ok"], name="f")
    def f(x):
        seen.append(x)
        return {"ok": x > 0}

    assert [{"ok": True}, {"ok": False}] * 2 == [call(f(x)) for x in (1, -1, 1, -1)]
    assert [1, -1, -1] == seen
    assert (1, 3) == f.cache_info()[:2]


def test_cache_if_holds_for_refresh_too(call, cache):
    """
    A refreshed result that is not wanted is not stored, and the older one is gone.
    """
    values = iter([1, None, 3])
    f = call.cached(cache=cache, cache_if=lambda result: result is not None)(lambda: next(values))

    assert 1 == call(f())
    assert call(f.refresh()) is None
    assert 0 == f.cache_info().currsize
    assert 3 == call(f.refresh()) == call(f())


def test_a_failing_cache_if_costs_the_entry_not_the_call(call, cache, caplog):
    """
    If ``cache_if`` raises the caller gets the result; it is not stored, and said once.
    """
    f = call.cached(cache=cache, cache_if=lambda result: result.missing)(lambda x: [x])

    with caplog.at_level(logging.WARNING, "memotier"):
        assert [[1], [1]] == [call(f(1)), call(f(1))]
    (line,) = caplog.messages
    assert "cache_if=" in line
    assert "AttributeError" in line
    assert 0 == f.cache_info().currsize


# -- copy -----------------------------------------------------------------------------------


@dataclass
class Box:
    items: list = field(default_factory=list)


class Bag:
    def __init__(self) -> None:
        self.items = []

    def __eq__(self, other: object) -> bool:
        return type(other) is Bag and other.items == self.items


def _bag():
    return Bag()


MUTABLE = {
    "list": (lambda: [1, [2]], lambda v: v[1].append(3)),
    "dict": (lambda: {"a": {"b": 1}}, lambda v: v["a"].clear()),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "tuple of lists": (lambda: ([1], [2]), lambda v: v[0].append(3)),
    "bytearray": (lambda: bytearray(b"ab"), lambda v: v.append(1)),
    "dataclass": (lambda: Box([1]), lambda v: v.items.append(2)),
    "object": (_bag, lambda v: v.items.append(2)),
    "OrderedDict": (lambda: OrderedDict(a=[1]), lambda v: v.move_to_end("a") or v.clear()),
    "Counter": (lambda: Counter("aab"), lambda v: v.update("b")),
    "deque": (lambda: deque([1]), lambda v: v.append(2)),
    "array": (lambda: array.array("i", [1]), lambda v: v.append(2)),
}


@pytest.mark.parametrize("mode", ["auto", True], ids=str)
@pytest.mark.parametrize("kind", MUTABLE)
def test_fault_10_a_caller_changes_a_result(call, cache, mode, kind):
    """
    What one caller does to a result is not seen by the next, nor the other way round.
    """
    make, change = MUTABLE[kind]
    f = call.cached(cache=cache, copy=mode)(lambda: make())
    first = call(f())
    change(first)
    second = call(f())
    assert make() == second
    change(second)

    assert make() == call(f())
    change(f.peek())
    change(call(f.lookup()).value)
    assert make() == call(f()) != first
    assert 1 == f.cache_info().misses


def test_fault_10_the_function_changes_its_result_later(call, cache):
    """
    An object that the function keeps and changes is stored as it was when it was returned.
    """
    kept = [1]
    f = call.cached(cache=cache)(lambda: kept)

    assert [1] == call(f())
    kept.append(2)
    assert [1] == call(f())


def test_fault_10_seeded_values(call, cache):
    """
    A seeded value is isolated from whoever seeded it.
    """
    f = call.cached(cache=cache)(lambda: None)
    value = [1]
    call(f.seed(value))
    value.append(2)

    assert [1] == call(f())


@pytest.mark.extras
def test_fault_10_arrays_and_frames(call, cache):
    """
    Arrays are handed out read-only, frames so that changes stay with who made them.
    """
    import numpy as np
    import pandas as pd

    numbers = call.cached(cache=cache)(lambda: np.arange(3))
    frame = call.cached(cache=cache)(lambda: pd.DataFrame({"a": [1, 2]}))
    assert [0, 1, 2] == call(numbers()).tolist()
    assert [1, 2] == call(frame())["a"].tolist()

    with pytest.raises(ValueError, match="read-only"):
        call(numbers())[0] = 5
    changed = call(frame())
    changed.loc[0, "a"] = 9
    changed["b"] = 1
    assert [0, 1, 2] == call(numbers()).tolist()
    assert {"a": [1, 2]} == call(frame()).to_dict("list")


def test_copy_false_shares_like_lru_cache(call, cache):
    """
    With ``copy=False`` all callers have one object.
    """
    f = call.cached(cache=cache, copy=False)(lambda: [1])
    first = call(f())
    first.append(2)

    assert first is call(f()) is f.peek()


def test_copy_auto_shares_what_cannot_change(call, cache):
    """
    Immutable results are not copied.
    """
    value = ("a", 1, frozenset({2}), None, b"x" * 100)
    f = call.cached(cache=cache)(lambda: value)

    assert value is call(f()) is call(f()) is f.peek()


def test_copy_true_calls_deepcopy(call, cache):
    """
    With ``copy=True`` a class says itself how it is copied.
    """

    class Own:
        copies = 0

        def __deepcopy__(self, memo):
            Own.copies += 1
            return Own()

    f = call.cached(cache=cache, copy=True)(lambda: Own())

    assert call(f()) is not call(f())
    assert Own.copies >= 2


def test_a_result_that_cannot_be_copied_is_computed_every_time(call, cache, caplog):
    """
    What callers would have to share is not kept, and said once with the way out.
    """
    seen = []

    @call.cached(cache=cache)
    def f():
        seen.append(1)
        return [threading.Lock()]

    with caplog.at_level(logging.WARNING, "memotier"):
        assert call(f())[0] is not call(f())[0]
    assert [1, 1] == seen
    (line,) = caplog.messages
    assert "copy=False" in line


def _stream():
    yield 1
    yield 2


async def _astream():
    yield 1


async def _coroutine():
    return 1


@pytest.mark.parametrize("mode", ["auto", True, False], ids=str)
@pytest.mark.parametrize(
    "make",
    [_stream, _astream, _coroutine, lambda: iter([1, 2]), lambda: map(str, [1]), lambda: zip("a")],
    ids=["generator", "async generator", "coroutine", "iterator", "map", "zip"],
)
def test_what_can_be_read_once_is_never_shared(cache, mode, make):
    """
    A generator, a coroutine or an iterator that a function returns is nobody else's.
    """
    f = tiered_cache(cache=cache, copy=mode)(lambda: make())
    results = [f(), f(), f()]
    try:
        assert 3 == len({id(result) for result in results})
        if hasattr(results[0], "__next__"):
            assert 1 == len({tuple(result) for result in results})
    finally:
        for result in results:
            getattr(result, "close", lambda: None)()


# -- single_flight ----------------------------------------------------------------------------


@pytest.mark.parametrize(("single_flight", "computed"), [("process", 1), (None, 4)])
def test_single_flight_of_tasks(cache, single_flight, computed):
    """
    Four tasks with one key compute once; with ``single_flight=None`` each for itself.
    """

    async def main():
        go, seen = asyncio.Event(), []

        @tiered_cache(cache=cache, single_flight=single_flight)
        async def f(x):
            seen.append(x)
            await go.wait()
            return [x]

        tasks = [asyncio.ensure_future(f(1)) for _ in range(4)]
        while len(seen) < computed:
            await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks)
        assert [[1]] * 4 == results
        assert 4 == len({id(result) for result in results})
        assert [1] * computed == seen
        assert [1] == await f(1)
        return f.cache_info()

    info = asyncio.run(main())
    assert (computed, 4 - computed, 1) == (info.misses, info.joined, info.l1_hits)


@pytest.mark.parametrize(("single_flight", "computed"), [("process", 1), (None, 4)])
def test_single_flight_of_threads(cache, single_flight, computed):
    """
    The same for threads.
    """
    go, seen, results = threading.Event(), [], []
    all_here = threading.Barrier(computed + 1)

    @tiered_cache(cache=cache, single_flight=single_flight)
    def f(x):
        seen.append(x)
        all_here.wait(10)
        assert go.wait(10)
        return [x]

    threads = [threading.Thread(target=lambda: results.append(f(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    all_here.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)

    assert [[1]] * 4 == results
    assert [1] * computed == seen


def test_single_flight_none_still_caches(call, tiers):
    """
    Without single-flight results are stored and found as always.
    """
    f = call.cached(cache=tiers, single_flight=None, name="f")(lambda x: [x])

    assert [1] == call(f(1)) == call(f(1))
    assert (1, 1) == f.cache_info()[:2]
    assert call(f.invalidate(1))
    assert [1] == call(f.refresh(1)) == copy.copy(f.peek(1))
