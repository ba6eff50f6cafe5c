"""
``soft_timeout`` and ``hard_timeout``: callers go on, the function does too.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading

import pytest

import memotier
from memotier import MISS, ComputeTimeout, tiered_cache

from ..engine.worlds import Gate
from .conftest import engine_of

TTL, WINDOW, SHORT, LONG = 10, 20, 0.02, 10


class Slow:
    """
    A function that waits at a gate when it is told to, in both colours.
    """

    def __init__(self, call) -> None:
        self.is_async = call.is_async
        self.gate = None
        self.error = None
        self.asked = 0

    def read(self, *_):
        self.asked += 1
        asked, gate, error = self.asked, self.gate, self.error
        if gate is not None:
            gate.wait()
        if error is not None:
            raise error
        return f"value {asked}"

    async def aread(self, *_):
        return await asyncio.to_thread(self.read)

    def cached(self, **options):
        if self.is_async:

            async def read(x):
                return await self.aread(x)
        else:

            def read(x):
                return self.read(x)

        return tiered_cache(name="read", **options)(read)


@pytest.fixture
def slow(call):
    return Slow(call)


@pytest.fixture
def wait_for(call):
    """
    ``wait_for(cache)``: until nothing runs apart from its callers.
    """

    async def tasks(background):
        while background._tasks:
            await asyncio.wait(set(background._tasks), timeout=10)
            await asyncio.sleep(0)

    def wait(cache):
        timed = engine_of(cache).timed
        if call.is_async:
            call(tasks(timed))
        for thread in list(timed._threads):
            thread.join(10)
        assert 0 == timed.running

    return wait


def test_hard_timeout_raises_and_the_result_is_kept(tiers, call, slow, wait_for):
    """
    The error is ours and Python's; the function goes on, and its result is there afterwards.
    """
    read = slow.cached(cache=tiers, ttl=TTL, hard_timeout=SHORT)
    slow.gate = Gate()
    with pytest.raises(ComputeTimeout, match=r"read.*hard_timeout=20ms") as caught:
        call(read(1))
    assert isinstance(caught.value, TimeoutError)
    assert 1 == tiers.get_stats()["timeouts"]
    assert 1 == tiers.get_stats()["background"]["running"]

    slow.gate.open()
    wait_for(tiers)
    assert "value 1" == call(read(1))
    assert 1 == slow.asked
    assert 1 == tiers.get_stats()["background"]["done"]


def test_who_asks_meanwhile_waits_for_the_same_computation(tiers, call, slow, wait_for):
    """
    One computation, however many give up on it.
    """
    read = slow.cached(cache=tiers, ttl=TTL, hard_timeout=SHORT)
    slow.gate = Gate()
    for _ in range(3):
        with pytest.raises(ComputeTimeout):
            call(read(1))
    slow.gate.open()
    wait_for(tiers)

    assert 1 == slow.asked
    assert {} == engine_of(tiers).flights.table


def test_soft_timeout_serves_the_old_value(tiers, call, clock, slow, wait_for):
    """
    And the new one is there for who comes later.
    """
    read = slow.cached(cache=tiers, ttl=TTL, stale_if_error=WINDOW, soft_timeout=SHORT)
    call(read.seed("old", 1))
    clock.advance(TTL)
    slow.gate = Gate()
    assert ["old", "old"] == [call(read(1)), call(read(1))]
    assert 1 == slow.asked
    assert 2 == tiers.get_stats()["stale"]["on_timeout"]

    slow.gate.open()
    wait_for(tiers)
    assert "value 1" == call(read(1))


def test_soft_timeout_waits_if_there_is_nothing_old(tiers, call, slow):
    """
    A cold key is waited for.
    """
    read = slow.cached(cache=tiers, ttl=TTL, stale_if_error=WINDOW, soft_timeout=SHORT)

    assert "value 1" == call(read(1))
    assert 0 == tiers.get_stats()["stale"]["on_timeout"]


def test_hard_timeout_alone_serves_the_old_value_too(tiers, call, clock, slow, wait_for):
    """
    Taking too long is a failure, for which stale_if_error is.
    """
    read = slow.cached(cache=tiers, ttl=TTL, stale_if_error=WINDOW, hard_timeout=SHORT)
    call(read.seed("old", 1))
    clock.advance(TTL)
    slow.gate = Gate()
    assert "old" == call(read(1))
    clock.advance(WINDOW)
    with pytest.raises(ComputeTimeout):
        call(read(1))
    slow.gate.open()
    wait_for(tiers)


def test_what_is_invalidated_is_not_served_on_a_timeout(tiers, call, clock, slow, wait_for):
    """
    The invalidation comes while the function runs and somebody waits with an old value in hand.
    """
    options = {"ttl": TTL, "stale_if_error": WINDOW, "soft_timeout": 0.5, "hard_timeout": 0.6}
    read = slow.cached(cache=tiers, tags=["t"], **options)
    call(read.seed("old", 1))
    clock.advance(TTL)
    slow.gate = Gate()

    def invalidate():
        slow.gate.entered.wait(10)
        tiers.sync.invalidate_tags("t")

    other = threading.Thread(target=invalidate)
    other.start()
    with pytest.raises(ComputeTimeout):
        call(read(1))
    other.join(10)
    slow.gate.open()
    wait_for(tiers)

    assert MISS is read.peek(1)


def test_in_time_the_caller_gets_what_the_function_returned(tiers, call, clock):
    """
    The very object, and the very error, as without timeouts.
    """
    made = []

    @call.cached(cache=tiers, name="r", ttl=TTL, hard_timeout=LONG)
    def read(x):
        made.append([x])
        if x == 0:
            raise made_error
        return made[-1]

    made_error = ValueError("mine")
    assert call(read(1)) is made[0]
    assert call(read(1)) is not made[0]
    with pytest.raises(ValueError, match="mine") as caught:
        call(read(0))
    assert caught.value is made_error


def test_results_that_cannot_be_kept_are_computed_once(tiers, call):
    """
    What no tier can have still belongs to the caller that asked for it.
    """
    made = []

    @call.cached(cache=tiers, name="r", ttl=TTL, hard_timeout=LONG)
    def read(x):
        made.append(threading.Lock())
        return made[-1]

    assert call(read(1)) is made[0]
    assert 1 == len(made)


def test_a_failure_that_nobody_waits_for_is_logged_by_type(tiers, call, slow, wait_for, caplog):
    """
    Who had asked has got his ComputeTimeout; the text may show data.
    """
    read = slow.cached(cache=tiers, ttl=TTL, hard_timeout=SHORT)
    slow.gate, slow.error = Gate(), ValueError("secret")
    with pytest.raises(ComputeTimeout):
        call(read(1))
    with caplog.at_level(logging.WARNING, "memotier"):
        slow.gate.open()
        wait_for(tiers)

    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
    assert 1 == tiers.get_stats()["background"]["failed"]


def test_refresh_has_the_hard_timeout_as_well(tiers, call, slow, wait_for):
    """
    The old value stays until the new one is there.
    """
    read = slow.cached(cache=tiers, ttl=TTL, hard_timeout=SHORT)
    call(read.seed("old", 1))
    slow.gate = Gate()
    with pytest.raises(ComputeTimeout):
        call(read.refresh(1))
    assert "old" == call(read(1))
    slow.gate.open()
    wait_for(tiers)

    assert "value 1" == call(read(1))


def test_recursion_does_not_wait_for_itself(tiers, call):
    """
    The same key inside of its own computation, through another thread or task.
    """
    depth = []

    def body():
        depth.append(1)
        return len(depth)

    if call.is_async:

        @tiered_cache(cache=tiers, name="r", ttl=TTL, hard_timeout=LONG)
        async def read(x):
            return body() if len(depth) == 1 else (depth.append(0), await read(x))[1]
    else:

        @tiered_cache(cache=tiers, name="r", ttl=TTL, hard_timeout=LONG)
        def read(x):
            return body() if len(depth) == 1 else (depth.append(0), read(x))[1]

    assert 2 == call(read(1))


def test_current_and_context_are_those_of_the_call(tiers, call):
    """
    The function runs elsewhere and sees what its caller has set.
    """
    user = contextvars.ContextVar("user", default="nobody")

    @call.cached(cache=tiers, name="r", ttl=TTL, hard_timeout=LONG)
    def read(x):
        memotier.current().set_ttl(77)
        return user.get()

    user.set("ada")
    assert "ada" == call(read(1))
    assert 77 == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)


def test_fault_37_a_cancelled_caller_does_not_end_the_computation(cache):
    """
    The task that computes is not the caller's: it goes on, and its result is kept.
    """
    counted = []

    @tiered_cache(cache=cache, ttl=TTL, hard_timeout=LONG)
    async def read():
        counted.append(1)
        await asyncio.sleep(0.01)
        return "value"

    async def main():
        caller = asyncio.create_task(read())
        while not counted:
            await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        return await read()

    assert "value" == asyncio.run(main())
    assert [1] == counted
    assert {} == engine_of(cache).flights.table


def test_fault_37_a_function_that_cancels_itself_ends_its_caller(cache):
    """
    It is not begun again for ever.
    """
    counted = []

    @tiered_cache(cache=cache, ttl=TTL, hard_timeout=LONG)
    async def read():
        counted.append(1)
        raise asyncio.CancelledError

    async def main():
        await read()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [1] == counted


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_fault_38_interrupts_reach_the_caller(cache, error):
    """
    Raised in the function's thread, they arrive where it was called.
    """

    @tiered_cache(cache=cache, ttl=TTL, hard_timeout=LONG)
    def read():
        raise error

    with pytest.raises(error):
        read()
    assert {} == engine_of(cache).flights.table


def test_many_callers_have_threads_of_their_own(cache):
    """
    Timeouts do not make the calls of different keys wait for one another.
    """
    together = threading.Barrier(20)

    @tiered_cache(cache=cache, ttl=TTL, hard_timeout=LONG)
    def read(x):
        together.wait(10)
        return x

    got = []
    threads = [threading.Thread(target=lambda x=x: got.append(read(x))) for x in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert list(range(20)) == sorted(got)


def test_without_threads_the_caller_computes(cache, monkeypatch):
    """
    At the limit of the system a result comes late rather than not at all.
    """

    def refused(self):
        raise RuntimeError("can't start new thread")

    @tiered_cache(cache=cache, ttl=TTL, hard_timeout=LONG)
    def read(x):
        return threading.current_thread().name

    monkeypatch.setattr(threading.Thread, "start", refused)

    assert threading.current_thread().name == read(1)


def test_a_closed_cache_computes_without_it(make_cache, call):
    """
    As without timeouts: the function is called, nothing is kept.
    """
    cache = make_cache()
    read = call.cached(cache=cache, name="r", ttl=TTL, hard_timeout=LONG)(lambda x: x)
    assert 1 == call(read(1))
    cache.sync.close()

    assert 2 == call(read(2))
