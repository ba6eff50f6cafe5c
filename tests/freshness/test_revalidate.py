"""
``stale_while_revalidate``: the old value at once, one refresh behind it.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import memotier
from memotier import MISS, tiered_cache
from memotier.engine.background import MOST, THREADS

from ..engine.worlds import Gate
from .conftest import engine_of

TTL, WINDOW, BACKOFF = 10, 20, 3


@pytest.fixture
def read(tiers, call, source):
    options = {"ttl": TTL, "stale_while_revalidate": WINDOW, "error_backoff": BACKOFF}
    return call.cached(cache=tiers, name="read", **options)(source.read)


def test_a_stale_result_is_served_and_refreshed_once(read, tiers, call, clock, settle):
    """
    Past ttl the caller gets the old value; who asks after the refresh gets the new one.
    """
    assert "value 1" == call(read(1))
    clock.advance(TTL)

    assert "value 1" == call(read(1))
    settle(tiers)
    assert ["value 2", "value 2"] == [call(read(1)), call(read(1))]
    assert {"running": 0, "done": 1, "failed": 0, "dropped": 0} == tiers.get_stats()["background"]
    assert 1 == tiers.get_stats()["stale"]["while_revalidating"]


def test_the_window_counts_from_the_end_of_ttl(read, call, clock, source):
    """
    Until ttl + window the old value is served, not a moment longer.
    """
    call(read(1))
    clock.advance(TTL + WINDOW)

    assert "value 2" == call(read(1))
    assert 2 == source.asked


def test_a_refresh_starts_the_clocks_anew(read, tiers, call, clock, settle):
    """
    All clocks of the new value count from when it was computed.
    """
    call(read(1))
    clock.advance(TTL + WINDOW - 1)
    call(read(1))
    settle(tiers)
    clock.advance(TTL - 1)

    assert "value 2" == call(read(1))
    assert 1 == tiers.get_stats()["background"]["done"]


def test_a_failing_refresh_is_logged_once_by_type_and_not_tried_until_backoff(
    read, tiers, call, clock, settle, source, caplog
):
    """
    The old value stays; the text of the error, which may show data, is nowhere.
    """
    call(read(1))
    clock.advance(TTL)
    source.error = ValueError("secret")
    with caplog.at_level(logging.WARNING, "memotier"):
        for _ in range(3):
            assert "value 1" == call(read(1))
            settle(tiers)
        assert 2 == source.asked
        clock.advance(BACKOFF)
        assert "value 1" == call(read(1))
        settle(tiers)

    assert 3 == source.asked
    assert 2 == tiers.get_stats()["background"]["failed"]
    (record,) = caplog.records
    assert "ValueError" in record.getMessage()
    assert "secret" not in caplog.text


def test_backoff_never_outlives_the_window(read, tiers, call, clock, settle, source):
    """
    A refresh that failed shortly before the end does not prolong it.
    """
    call(read(1))
    clock.advance(TTL + WINDOW - 1)
    source.error = ValueError("no more")
    assert "value 1" == call(read(1))
    settle(tiers)
    clock.advance(1)

    with pytest.raises(ValueError, match="no more"):
        call(read(1))


def test_what_is_invalidated_is_never_served_stale(read, tiers, call, clock):
    """
    ``invalidate()`` takes the stale entry, in both tiers.
    """
    call(read(1))
    clock.advance(TTL)

    assert call(read.invalidate(1))
    assert "value 2" == call(read(1))
    assert 0 == tiers.get_stats()["background"]["done"]


@pytest.mark.parametrize("how", ["tag", "function", "namespace", "all"])
def test_invalidation_by_name_takes_stale_entries(tiers, call, clock, source, how):
    """
    Whatever the name, and whether the entry lies in memory or below.
    """
    read = call.cached(
        cache=tiers, name="read", namespace="n", ttl=TTL, stale_while_revalidate=WINDOW, tags=["t"]
    )(source.read)
    call(read(1))
    clock.advance(TTL)
    {
        "tag": lambda: tiers.sync.invalidate_tags("t"),
        "function": lambda: call(read.cache_clear()),
        "namespace": lambda: tiers.sync.clear_namespace("n"),
        "all": lambda: tiers.sync.clear(),
    }[how]()

    assert "value 2" == call(read(1))


def test_invalidated_while_refreshed_is_not_kept(cache, call, clock, settle):
    """
    A refresh that began before an invalidation brings nothing that anyone gets.
    """
    values, gate = iter(["old", "late", "new"]), Gate()

    def body():
        value = next(values)
        if value == "late":
            gate.wait()
        return value

    if call.is_async:

        async def function():
            return await asyncio.to_thread(body)
    else:
        function = body
    read = tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)(function)

    call(read())
    clock.advance(TTL)
    assert "old" == call(read())
    if call.is_async:
        call(asyncio.to_thread(gate.entered.wait, 10))
    assert gate.entered.wait(10)
    call(read.invalidate())
    gate.open()

    assert "new" == call(read())
    settle(cache)
    assert "new" == call(read())


def test_peek_and_lookup_show_only_what_is_fresh(read, call, clock):
    """
    Who looks is not told of a value that is past its ttl.
    """
    call(read(1))
    assert TTL == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)
    clock.advance(TTL)

    assert MISS is read.peek(1)
    assert call(read.lookup(1)) is None
    assert "value 1" == call(read(1))


def test_a_stale_record_is_served_by_another_process(make_cache, call, clock, source, settle):
    """
    The second tier keeps a record for ttl and the window; memory need not have it.
    """
    options = {"ttl": TTL, "stale_while_revalidate": WINDOW, "name": "read", "namespace": "n"}
    first = call.cached(cache=make_cache("disk"), **options)(source.read)
    call(first(1))
    clock.advance(TTL + 1)
    cache = make_cache("disk")
    second = call.cached(cache=cache, **options)(source.read)

    assert "value 1" == call(second(1))
    settle(cache)
    assert "value 2" == call(second(1))
    clock.advance(TTL + WINDOW)
    assert "value 3" == call(second(1))


def test_without_a_memory_tier_records_are_served_stale(make_cache, call, clock, source, settle):
    """
    ``l1_maxsize=0``: the same from the second tier alone, and a failure rests as long.
    """
    cache = make_cache("disk", l1_maxsize=0)
    read = call.cached(
        cache=cache, name="read", ttl=TTL, stale_while_revalidate=WINDOW, error_backoff=BACKOFF
    )(source.read)
    call(read(1))
    clock.advance(TTL + 1)
    source.error = ValueError()
    for _ in range(3):
        assert "value 1" == call(read(1))
        settle(cache)
    assert 2 == source.asked

    clock.advance(BACKOFF)
    source.error = None
    assert "value 1" == call(read(1))
    settle(cache)
    assert "value 3" == call(read(1))


def test_a_function_without_the_option_gets_no_stale_record(make_cache, call, clock, source):
    """
    The window is the reader's: a record that outlives its ttl is a miss for others.
    """
    first = call.cached(
        cache=make_cache("disk"), name="r", namespace="n", ttl=TTL, stale_while_revalidate=WINDOW
    )(source.read)
    second = call.cached(cache=make_cache("disk"), name="r", namespace="n", ttl=TTL)(source.read)
    call(first(1))
    clock.advance(TTL + 1)

    assert "value 2" == call(second(1))


@pytest.mark.parametrize("policy", ["write_through", "write_back", "write_around"])
def test_every_write_policy_serves_stale(make_cache, call, clock, source, settle, policy):
    """
    Also what has not been written yet, and what was evicted before that.
    """
    cache = make_cache("disk", write_policy=policy, l1_maxsize=1)
    read = call.cached(cache=cache, name="read", ttl=TTL, stale_while_revalidate=WINDOW)(
        source.read
    )
    call(read(1))
    call(read(2))
    clock.advance(TTL + 1)

    assert "value 1" == call(read(1))
    settle(cache)
    assert "value 3" == call(read(1))


def test_arguments_that_change_after_the_call_bring_no_wrong_result(tiers, clock):
    """
    The refresh would compute another call's result under the key of this one.
    """
    gates = []

    @tiered_cache(cache=tiers, name="total", ttl=TTL, stale_while_revalidate=WINDOW)
    def total(numbers):
        if gates:
            gates[0].wait()
        return sum(numbers)

    assert 3 == total([1, 2])
    clock.advance(TTL)
    gates.append(Gate())
    numbers = [1, 2]
    assert 3 == total(numbers)
    assert gates[0].entered.wait(10)
    numbers.append(100)
    gates[0].open()
    engine_of(tiers).background.join()

    assert 3 == total([1, 2])
    assert 1 == tiers.get_stats()["background"]["failed"]
    clock.advance(TTL)
    assert 3 == total([1, 2])
    engine_of(tiers).background.join()
    assert 1 == tiers.get_stats()["background"]["done"]


# -- who runs it -----------------------------------------------------------------------


def test_a_sync_refresh_runs_in_a_named_daemon_thread_with_the_callers_context(cache, clock):
    """
    What the caller has set is seen; what the refresh sets stays there.
    """
    user = contextvars.ContextVar("user", default="nobody")
    seen = []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read():
        thread = threading.current_thread()
        seen.append((thread.name, thread.daemon, user.get()))
        user.set("changed")
        return len(seen)

    read()
    clock.advance(TTL)
    user.set("ada")
    assert 1 == read()
    engine_of(cache).background.join()

    assert ("memotier-refresh-0", True, "ada") == seen[1]
    assert "ada" == user.get()
    assert 2 == read()


def test_many_threads_start_one_refresh(cache, clock):
    """
    One computation, however many find the value stale.
    """
    gate, counted = Gate(), []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read():
        counted.append(1)
        if len(counted) > 1:
            gate.wait()
        return len(counted)

    read()
    clock.advance(TTL)
    got = []
    threads = [threading.Thread(target=lambda: got.append(read())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    gate.open()
    engine_of(cache).background.join()

    assert [1] * 8 == got
    assert 2 == len(counted)


def test_many_tasks_start_one_refresh(cache, clock):
    """
    The same in one loop, whose task outlives what started it.
    """
    counted = []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    async def read():
        counted.append(1)
        await asyncio.sleep(0)
        return len(counted)

    async def main():
        await read()
        clock.advance(TTL)
        got = await asyncio.gather(*(read() for _ in range(8)))
        gc.collect()
        await asyncio.gather(*engine_of(cache).background._tasks)
        return got, await read()

    assert ([1] * 8, 2) == asyncio.run(main())
    assert 2 == len(counted)


def test_fault_37_a_refresh_whose_loop_ends_is_begun_again(cache, clock):
    """
    ``asyncio.run`` cancels the task; the next loop starts another, and the flight table is empty.
    """
    counted = []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    async def read():
        counted.append(1)
        if len(counted) == 2:
            await asyncio.Event().wait()
        return len(counted)

    asyncio.run(read())
    clock.advance(TTL)
    assert 1 == asyncio.run(read())
    assert {} == engine_of(cache).flights.table
    assert 1 == cache.get_stats()["background"]["dropped"]

    async def again():
        assert 1 == await read()
        await asyncio.gather(*engine_of(cache).background._tasks)
        return await read()

    assert asyncio.run(again()) == len(counted)


def test_a_refresh_that_raises_systemexit_ends_nothing(cache, clock, caplog):
    """
    Nobody called it, so it ends neither its thread's successor nor the process.
    """
    counted = []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read():
        counted.append(1)
        if len(counted) == 2:
            raise SystemExit("secret")
        return len(counted)

    read()
    clock.advance(TTL)
    assert 1 == read()
    engine_of(cache).background.join()
    assert 1 == cache.get_stats()["background"]["failed"]
    assert "secret" not in caplog.text
    assert 1 == read()
    engine_of(cache).background.join()
    assert 3 == read()


def test_refreshes_are_bounded(cache, clock):
    """
    Threads and waiting refreshes are limited; what is too much is dropped, counted, served old.
    """
    gate, first = Gate(), set()

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read(x):
        if x in first:
            gate.wait()
        first.add(x)
        return x

    for x in range(MOST + 5):
        read(x)
    clock.advance(TTL)
    before = set(threading.enumerate())
    assert list(range(MOST + 5)) == [read(x) for x in range(MOST + 5)]

    assert THREADS == len(set(threading.enumerate()) - before)
    assert MOST == cache.get_stats()["background"]["running"]
    assert 5 == cache.get_stats()["background"]["dropped"]
    gate.open()
    engine_of(cache).background.join()
    assert MOST == cache.get_stats()["background"]["done"]


def test_close_drops_what_has_not_begun(make_cache, clock):
    """
    Closing waits for what runs, and begins nothing more.
    """
    cache, gate, first = make_cache(), Gate(), set()

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read(x):
        if x in first:
            gate.wait()
        first.add(x)
        return x

    for x in range(THREADS + 3):
        read(x)
    clock.advance(TTL)
    for x in range(THREADS + 3):
        read(x)
    assert gate.entered.wait(10)
    threading.Timer(0, gate.open).start()
    cache.sync.close()

    background = cache.get_stats()["background"]
    assert 0 == background["running"]
    assert THREADS + 3 == background["done"] + background["dropped"]
    assert {} == engine_of(cache).flights.table


def test_close_cancels_tasks(make_cache, clock):
    """
    A task that refreshes is cancelled, and has ended when ``close()`` returns.
    """
    cache, ended = make_cache(), []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    async def read(hangs=[]):
        if hangs:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
        return 1

    async def main():
        hangs = []
        cached = tiered_cache(
            cache=cache, ttl=TTL, stale_while_revalidate=WINDOW, ignore=("hangs",), name="hang"
        )(read.__wrapped__)
        await cached(hangs)
        hangs.append(True)
        clock.advance(TTL)
        await cached(hangs)
        await asyncio.sleep(0)
        await cache.close()
        return list(ended)

    assert [True] == asyncio.run(main())
    assert 0 == cache.get_stats()["background"]["running"]


def test_fault_51_exit_does_not_wait_for_a_refresh_that_hangs():
    """
    The thread is a daemon: the interpreter ends while the function still runs.
    """
    code = """
import threading, time, memotier
counted = []
now = [0.0]
clock = memotier.Clock(monotonic=lambda: now[0], wall=lambda: now[0])
cache = memotier.MultiLevelCache(clock=clock)
started = threading.Event()
@memotier.tiered_cache(cache=cache, ttl=1, stale_while_revalidate=10)
def read():
    counted.append(1)
    if len(counted) > 1:
        started.set()
        time.sleep(600)
    return 1
read(); now[0] = 2.0; read(); started.wait(10); print("served")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(Path(memotier.__file__).parents[1])},
    )

    assert ("served\n", "", 0) == (done.stdout, done.stderr, done.returncode)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_refreshes_by_itself(cache, clock):
    """
    The parent's threads are not there, and are not waited for.
    """
    gate, counted = Gate(), []

    @tiered_cache(cache=cache, ttl=TTL, stale_while_revalidate=WINDOW)
    def read():
        counted.append(1)
        if len(counted) == 2:
            gate.wait()
        return len(counted)

    read()
    clock.advance(TTL)
    read()
    assert gate.entered.wait(10)
    child = os.fork()
    if child == 0:
        try:
            assert 1 == read()
            engine_of(cache).background.join()
            os._exit(0 if read() == 3 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    gate.open()

    assert 0 == os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("seconds", [3600, 86400])
@pytest.mark.parametrize("sign", [1, -1])
def test_fault_46_a_wall_clock_that_jumps_prolongs_nothing_in_memory(
    make_cache, call, source, seconds, sign
):
    """
    The clocks in memory are monotonic: a step of the wall clock neither shortens nor lengthens.
    """
    now, wall = [1000.0], [1e9]
    clock = memotier.Clock(monotonic=lambda: now[0], wall=lambda: wall[0])
    read = call.cached(cache=make_cache(clock=clock), ttl=TTL, stale_while_revalidate=WINDOW)(
        source.read
    )
    call(read(1))
    wall[0] += sign * seconds
    now[0] += TTL - 1
    assert "value 1" == call(read(1))
    now[0] += WINDOW + 1

    assert "value 2" == call(read(1))
