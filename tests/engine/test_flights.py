"""
One computation per key, over threads, tasks and event loops; and never a hang.
"""

from __future__ import annotations

import asyncio
import threading
import time as systime
from contextvars import Context
from typing import Any

import pytest

from memotier import MultiLevelCache, tiered_cache
from memotier.engine import plan
from memotier.engine.drive import drive
from memotier.engine.effects import Ask, Invoke, Wait
from memotier.engine.flights import Flight, Flights, Led, leading

from .worlds import Background, Gate, in_threads


def flights_of(cache: MultiLevelCache) -> dict[Any, Any]:
    flights = cache._keyed.engine.flights
    return {**flights.table, **flights.beside}


def test_threads_that_ask_at_once_share_one_computation(cache: MultiLevelCache) -> None:
    """
    Thirty-two threads, one run of the function, thirty-two equal results of their own.
    """
    runs = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    def f(x: int) -> list[int]:
        runs.append(x)
        systime.sleep(0.05)
        return [x]

    answers = in_threads(*[lambda: f(7)] * 32)

    assert [[7]] * 32 == answers
    assert [7] == runs
    assert 32 == len({id(answer) for answer in answers})
    assert {} == flights_of(cache)


def test_tasks_that_ask_at_once_share_one_computation(cache: MultiLevelCache) -> None:
    """
    Two hundred tasks, one run of the coroutine function.
    """
    runs = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f(x: int) -> int:
        runs.append(x)
        await asyncio.sleep(0.05)
        return x

    async def main() -> list[int]:
        return await asyncio.gather(*(f(7) for _ in range(200)))

    assert [7] * 200 == asyncio.run(main())
    assert [7] == runs
    assert {} == flights_of(cache)


def test_fault_50_event_loops_in_threads_share_one_computation(cache: MultiLevelCache) -> None:
    """
    Four loops, each in its thread, wait for one task of one of them.
    """
    runs = []
    start = threading.Barrier(4)

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f(x: int) -> int:
        runs.append(x)
        await asyncio.sleep(0.1)
        return x

    def loop() -> int:
        async def main() -> int:
            start.wait(5)
            return await f(7)

        return asyncio.run(main())

    assert [7] * 4 == in_threads(*[loop] * 4)
    assert [7] == runs


def test_fault_37_a_cancelled_leader_hands_over(cache: MultiLevelCache) -> None:
    """
    The canceller gets its CancelledError, the others their value, from one more run.
    """
    runs = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f() -> int:
        runs.append(1)
        await asyncio.sleep(0.05)
        return len(runs)

    async def main() -> list[Any]:
        leader = asyncio.create_task(f())
        while not runs:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(f()) for _ in range(5)]
        await asyncio.sleep(0.01)
        leader.cancel()
        return await asyncio.gather(leader, *others, return_exceptions=True)

    first, *rest = asyncio.run(main())
    assert isinstance(first, asyncio.CancelledError)
    assert [2] * 5 == rest
    assert {} == flights_of(cache)


def test_fault_37_a_leader_that_times_out_hands_over(cache: MultiLevelCache) -> None:
    """
    A caller's own time limit ends its run and nobody else's wait.
    """
    waits = iter((10, 0))

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f() -> str:
        await asyncio.sleep(next(waits))
        return "value"

    async def hurried() -> str:
        async with asyncio.timeout(0.05):
            return await f()

    async def main() -> list[Any]:
        hasty = asyncio.create_task(hurried())
        await asyncio.sleep(0.01)
        return await asyncio.gather(hasty, f(), return_exceptions=True)

    hasty, patient = asyncio.run(main())
    assert isinstance(hasty, TimeoutError)
    assert "value" == patient


def test_a_cancelled_waiter_does_not_take_the_flight_from_the_others(
    cache: MultiLevelCache,
) -> None:
    """
    Who gives up waiting leaves the computation and the other waiters alone.
    """
    runs = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f() -> int:
        runs.append(1)
        await asyncio.sleep(0.05)
        return 42

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(f()) for _ in range(3)]
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert (42, 42) == (first, third)
    assert isinstance(second, asyncio.CancelledError)
    assert [1] == runs


def test_fault_37_a_leader_whose_loop_is_closed_is_replaced(cache: MultiLevelCache) -> None:
    """
    A loop that is closed under its task leaves nobody waiting for ever.
    """
    runs = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    async def f() -> int:
        runs.append(1)
        await asyncio.sleep(30 if len(runs) == 1 else 0)
        return len(runs)

    loop = asyncio.new_event_loop()
    task = loop.create_task(f())
    while not runs:
        loop.run_until_complete(asyncio.sleep(0.001))
    waiter = Background(lambda: asyncio.run(f()))
    while not flights_of(cache) or next(iter(flights_of(cache).values())).future is None:
        systime.sleep(0.001)
    loop.close()

    assert 2 == waiter.result()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), MemoryError()])
def test_fault_38_an_error_reaches_every_waiter_and_is_not_stored(
    cache: MultiLevelCache, error: Exception
) -> None:
    """
    All callers get the exception that the function raised; the next call runs it again.
    """
    runs = []
    gate = Gate()

    @tiered_cache(namespace="fl", cache=cache, name="f")
    def f() -> int:
        runs.append(1)
        if len(runs) == 1:
            gate.wait()
            raise error
        return 42

    callers = [Background(f)]
    gate.entered.wait(10)
    callers += [Background(f) for _ in range(3)]
    while len(callers) > 1 and not _has_waiter(cache):
        systime.sleep(0.001)
    gate.open()

    outcomes = [_error_of(caller) for caller in callers]
    assert error is outcomes[0]
    assert {error} >= {one for one in outcomes if one is not None}
    assert 42 == f()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_fault_38_what_ends_the_leader_itself_does_not_end_the_waiters(
    cache: MultiLevelCache, error: type[BaseException]
) -> None:
    """
    Ctrl-C in the leader's thread is the leader's; a waiter computes for itself.
    """
    runs = []
    gate = Gate()

    @tiered_cache(namespace="fl", cache=cache, name="f")
    def f() -> int:
        runs.append(1)
        if len(runs) == 1:
            gate.wait()
            raise error
        return 42

    leader = Background(f)
    gate.entered.wait(10)
    waiter = Background(f)
    while not _has_waiter(cache):
        systime.sleep(0.001)
    gate.open()

    with pytest.raises(error):
        leader.result()
    assert 42 == waiter.result()
    assert {} == flights_of(cache)


def _has_waiter(cache: MultiLevelCache) -> bool:
    return any(flight.future is not None for flight in flights_of(cache).values())


def _error_of(caller: Background) -> BaseException | None:
    try:
        caller.result()
    except BaseException as error:
        return error
    return None


def test_fault_39_a_function_that_calls_itself_with_the_same_arguments(
    cache: MultiLevelCache,
) -> None:
    """
    Re-entrance computes beside the flight instead of waiting for itself.
    """
    depth = []

    @tiered_cache(namespace="fl", cache=cache, name="f")
    def f(x: int) -> int:
        depth.append(x)
        return f(x) + 1 if len(depth) < 4 else 0

    assert 3 == Background(lambda: f(1)).result()
    assert {} == flights_of(cache)


def test_fault_39_two_functions_that_wait_for_each_other(cache: MultiLevelCache) -> None:
    """
    Threads whose computations need each other's end with a result, not with a hang.
    """
    both = threading.Barrier(2)
    runs = {"a": 0, "b": 0}

    @tiered_cache(namespace="fl", cache=cache, name="a")
    def a() -> str:
        runs["a"] += 1
        if runs["a"] > 1:
            return "a"
        both.wait(5)
        return "a" + b()

    @tiered_cache(namespace="fl", cache=cache, name="b")
    def b() -> str:
        runs["b"] += 1
        if runs["b"] > 1:
            return "b"
        both.wait(5)
        return "b" + a()

    one, two = in_threads(a, b)
    assert one in ("ab", "aba")
    assert two in ("ba", "bab")
    assert {} == flights_of(cache)


def test_fault_39_sync_in_async_in_sync(cache: MultiLevelCache) -> None:
    """
    A coroutine that calls a sync function that runs a loop in a thread, all with one key.
    """

    @tiered_cache(namespace="fl", cache=cache, name="outer")
    async def outer(x: int) -> int:
        return await asyncio.to_thread(middle, x)

    @tiered_cache(namespace="fl", cache=cache, name="middle")
    def middle(x: int) -> int:
        return asyncio.run(inner(x))

    async def inner(x: int) -> int:
        return x if depth.append(1) or len(depth) > 2 else await outer(x)

    depth: list[int] = []
    assert 5 == Background(lambda: asyncio.run(outer(5))).result()
    assert {} == flights_of(cache)


def test_a_sync_call_inside_the_loop_of_its_leader_computes(cache: MultiLevelCache) -> None:
    """
    Blocking the loop to wait for a task of that loop would never end.
    """

    async def main() -> tuple[str, str]:
        entered, goes_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            entered.set()
            await goes_on.wait()
            return "task"

        leader = asyncio.create_task(cache.get_or_compute("k", slow))
        await entered.wait()
        mine = cache.sync.get_or_compute("k", lambda: "sync")
        goes_on.set()
        return await leader, mine

    assert ("task", "sync") == Background(lambda: asyncio.run(main())).result()


def test_a_result_that_cannot_be_shared_is_computed_by_everyone(cache: MultiLevelCache) -> None:
    """
    A lock is nobody else's lock: concurrent callers get one each.
    """
    gate = Gate()

    @tiered_cache(namespace="fl", cache=cache, name="f")
    def f() -> Any:
        gate.wait()
        return threading.Lock()

    first = Background(f)
    gate.entered.wait(10)
    rest = [Background(f) for _ in range(3)]
    while not _has_waiter(cache):
        systime.sleep(0.001)
    gate.open()

    locks = [first.result(), *(one.result() for one in rest)]
    assert 4 == len({id(lock) for lock in locks})


def test_a_plan_asks_the_second_tier_before_the_function(cache: MultiLevelCache) -> None:
    """
    The decisions without I/O: read, note versions, invoke, write.
    """
    keyed = cache._keyed
    call = keyed.call("k", "plans")
    call.function = lambda: 42
    steps: list[type] = []
    made = plan.fetch(keyed.engine, call, in_task=False)
    effect = made.send(None)
    while True:
        steps.append(type(effect))
        try:
            effect = made.send(effect.now())
        except StopIteration as stop:
            result = stop.value
            break

    assert 42 == result
    below = keyed.engine.store is not None
    assert ([Ask, Ask, Invoke, Ask] if below else [Invoke]) == steps
    assert 42 == drive(keyed.get(call, None))
    assert Wait not in steps


def test_waiting_for_a_flight_that_waits_for_mine_is_refused() -> None:
    """
    The chain of who waits for whom is followed to its end.
    """
    flights = Flights()
    mine = Flight("a", 0)
    # Led in other threads, so that the chain alone decides.
    other, third, free = in_threads(*[lambda: Flight("x", 0)] * 3)
    other.waits = [third]
    third.waits = [mine]
    mark = leading.set(Led(mine, None))
    try:
        assert not flights.follow(other, in_task=False)
        assert flights.follow(free, in_task=False)
    finally:
        leading.reset(mark)


def test_fault_39_no_event_loop_is_blocked_for_a_flight_of_another_loop(
    cache: MultiLevelCache,
) -> None:
    """
    Two loops that wait for each other in sync calls would never end: the second one computes.
    """
    gate, runs = Gate(), []

    @tiered_cache(namespace="loops", cache=cache, name="f")
    def f() -> int:
        runs.append(1)
        if len(runs) == 1:
            gate.wait()
        return 1

    async def call() -> int:
        return f()

    first = Background(lambda: asyncio.run(call()))
    gate.entered.wait(10)
    assert [1] == in_threads(lambda: asyncio.run(call()))
    gate.open()
    assert 1 == first.result()
    assert 2 == len(runs)


def test_fault_39_a_call_further_down_in_the_same_thread_is_noticed_without_its_context(
    cache: MultiLevelCache,
) -> None:
    """
    A call in an empty context does not know whose computation it is part of; its thread does.
    """
    depth = []

    @tiered_cache(namespace="loops", cache=cache, name="f")
    def f() -> int:
        depth.append(1)
        return 1 if len(depth) > 1 else 1 + Context().run(f)

    assert [2] == in_threads(f)
