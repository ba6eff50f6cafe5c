"""
``with memotier.trace()``: where the results of a block come from.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading

import pytest

import memotier
from memotier import tiered_cache
from memotier.engine import modes, tracing
from memotier.engine.versions import PARKED


def sources(t):
    return [one.source for one in t.calls]


def test_computed_memory_and_second_tier(call, make_cache, clock):
    """
    Each call tells its tier, the age of the result and what it saved.
    """

    def make(cache):
        def double(x):
            clock.advance(3)
            return 2 * x

        return call.cached(cache=cache, name="double", ttl=600)(double)

    f, g = make(make_cache("disk")), make(make_cache("disk"))
    with memotier.trace() as t:
        assert 14 == call(f(7))
        clock.advance(5)
        assert 14 == call(f(7))
        assert 14 == call(g(7))

    assert ["computed", "memory", "second_tier"] == sources(t)
    assert [None, "l1", "l2"] == [one.tier for one in t.calls]
    assert [5, 5] == pytest.approx([one.age for one in t.calls[1:]], abs=0.01)
    assert [0, 3, 3] == pytest.approx([one.seconds_saved for one in t.calls], abs=0.01)
    assert 2 == t.hits and 6 == pytest.approx(t.seconds_saved, abs=0.01)
    assert 3 == pytest.approx(t.calls[0].seconds, abs=0.01)
    assert f.cache_key(7) == t.calls[0].key and "x=7" in t.calls[0].call
    assert "3 calls, 2 from the cache, 6s saved" in str(t)


def test_stale_error_and_bypass(call, cache, clock):
    """
    Stale results, errors and calls past the cache are told as what they are.
    """

    def fails(x):
        if x == "bad" or (x == "late" and clock.monotonic() > 1_050):
            raise OSError("a secret")
        return x

    f = call.cached(cache=cache, name="f", ttl=60, stale_if_error=600, on_unkeyable="bypass")(fails)
    call(f("late"))
    clock.advance(70)
    with memotier.trace() as t:
        assert "late" == call(f("late"))
        with pytest.raises(OSError, match="a secret"):
            call(f("bad"))
        call(f(object()))
        with memotier.disabled():
            call(f("fine"))

    assert ["stale", "error", "bypass", "bypass"] == sources(t)
    assert "OSError" == t.calls[1].error
    assert "a secret" not in str(t) + repr(t.calls)


def test_stale_while_revalidate_is_not_told_as_computed(call, cache, clock, settle):
    """
    What happens in the background after the caller had his result changes nothing of its record.
    """
    f = call.cached(cache=cache, name="f", ttl=60, stale_while_revalidate=600)(lambda x: x)
    call(f(1))
    clock.advance(70)
    with memotier.trace() as t:
        call(f(1))
        settle(cache)

    assert ["stale"] == sources(t)


def test_what_a_refresh_finds_below_is_not_told(call, make_cache, clock, settle):
    """
    The same if another process has refreshed it, and the background finds that.
    """

    def make(cache):
        options = {"name": "f", "ttl": 60, "stale_while_revalidate": 600}
        return call.cached(cache=cache, **options)(lambda x: x)

    here, there = make_cache("disk"), make_cache("disk")
    f, g = make(here), make(there)
    call(f(1))
    clock.advance(70)
    call(g.refresh(1))

    with memotier.trace() as t:
        call(f(1))
        settle(here)

    (one,) = t.calls
    assert ("stale", "l1") == (one.source, one.tier)


def test_joined(cache):
    """
    A call that waits for another's computation has joined it; the other thread is not traced.
    """
    entered, leave = threading.Event(), threading.Event()

    @tiered_cache(cache=cache, name="slow")
    def slow(x):
        entered.set()
        assert leave.wait(10)
        return x

    other = threading.Thread(target=slow, args=(1,))
    other.start()
    assert entered.wait(10)
    timer = threading.Timer(0.05, leave.set)
    timer.start()
    with memotier.trace() as t:
        assert 1 == slow(1)
    other.join()
    timer.join()

    assert ["joined"] == sources(t) and 1 == t.hits


def test_hits_are_counted_as_without(cache):
    """
    Hits on the slow way are hits, also of those who do not trace.
    """
    f = tiered_cache(cache=cache, name="f")(lambda x: [x])
    f(1)
    with memotier.trace():
        threads = [threading.Thread(target=lambda: [f(1) for _ in range(10)]) for _ in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        f(1)

    assert (31, 1) == f.cache_info()[:2]


def test_engines_run_free_when_the_last_trace_is_over(cache, make_cache):
    """
    Hits take the slow way while a trace is open, and the fast one afterwards, also if it raised.
    """
    engine = cache._keyed.engine
    with contextlib.suppress(KeyError), memotier.trace():
        assert PARKED == engine.versions.cells[0]
        with memotier.trace():
            pass
        assert PARKED == engine.versions.cells[0]
        later = make_cache()._keyed.engine
        assert PARKED == later.versions.cells[0]
        raise KeyError
    assert PARKED != engine.versions.cells[0] and PARKED != later.versions.cells[0]
    assert not tracing.open_traces and not modes._blocks


def test_nested_traces(cache):
    """
    A call is told to every trace around it, and to no other.
    """
    f = tiered_cache(cache=cache, name="f")(lambda x: x)
    with memotier.trace() as outer:
        f(1)
        with memotier.trace() as inner:
            f(1)
        f(2)
    f(3)

    assert (3, 1) == (len(outer.calls), len(inner.calls))


def test_a_trace_is_used_once():
    """
    To enter a trace again would mix two blocks.
    """
    t = memotier.trace()
    with t:
        pass
    with pytest.raises(RuntimeError, match="new"), t:
        pass


def test_tasks_and_threads_that_inherit(cache):
    """
    Tasks that are started inside are traced; other tasks of the loop are not.
    """

    @tiered_cache(cache=cache, name="f")
    async def f(x):
        await asyncio.sleep(0)
        return x

    @tiered_cache(cache=cache, name="g")
    def g(x):
        return x

    async def main():
        ready = asyncio.Event()

        async def stranger():
            await ready.wait()
            await f(100)

        other = asyncio.create_task(stranger())
        await asyncio.sleep(0)
        with memotier.trace() as t:
            await asyncio.gather(f(1), f(2), asyncio.to_thread(g, 3))
            ready.set()
            await other
        return t

    t = asyncio.run(main())

    assert ["f(x=1)", "f(x=2)", "g(x=3)"] == sorted(one.call for one in t.calls)


def test_batches_and_streams(cache):
    """
    Every id of a batch is a call, every call of ``map``, and a stream is one.
    """

    @tiered_cache.many(cache=cache, name="users")
    def users(ids: list[int]) -> dict:
        return {one: one for one in ids}

    @tiered_cache(cache=cache, name="words")
    def words(text):
        yield from text

    f = tiered_cache(cache=cache, name="f")(lambda x: x)
    with memotier.trace() as t:
        users([1])
        users([1, 2])
        f.map([1, 2])
        f.map([1])
        list(words("ab"))
        list(words("ab"))

    computed, memory = "computed", "memory"
    expected = [computed, memory, computed, computed, computed, memory, computed, memory]
    assert expected == sources(t)


def test_get_or_compute(cache):
    """
    The cache object's own calls are told, too.
    """
    with memotier.trace() as t:
        cache.sync.get_or_compute("k", lambda: 1)
        cache.sync.get_or_compute("k", lambda: 1)

    assert ["computed", "memory"] == sources(t)


def test_no_secret_is_shown(cache):
    """
    Secrets are hidden in the records of calls, as in explanations.
    """

    @tiered_cache(cache=cache, name="login", redact=("who",))
    def login(who, password):
        return 1

    with memotier.trace() as t:
        login("ann-1", "hunter2")

    shown = str(t) + repr(t) + repr(t.calls)
    assert "***" in shown and "ann-1" not in shown and "hunter2" not in shown


def test_bounded(cache, monkeypatch):
    """
    A trace keeps so many calls, and counts the others.
    """
    monkeypatch.setattr(tracing, "MOST", 3)
    f = tiered_cache(cache=cache, name="f")(lambda x: x)
    with memotier.trace() as t:
        for x in range(5):
            f(x)

    assert (3, 2) == (len(t.calls), t.left_out)
    assert "5 calls (2 of them not noted)" in str(t)


def test_generators_have_the_trace_of_who_runs_them(cache):
    """
    A trace that a generator opens and does not close ends with the generator, for everyone.
    """
    f = tiered_cache(cache=cache, name="f")(lambda x: x)

    def opens():
        with memotier.trace() as t:
            yield t

    running = opens()
    t = next(running)
    f(1)
    running.close()
    f(2)

    assert 1 == len(t.calls)
    assert tracing.here() is None


def test_fork(cache):
    """
    In a forked child the traces of other threads are over, and its own goes on.
    """
    f = tiered_cache(cache=cache, name="f")(lambda x: x)
    f(1)
    opened, leave = threading.Event(), threading.Event()

    def elsewhere():
        with memotier.trace():
            opened.set()
            assert leave.wait(10)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert opened.wait(10)
    try:
        with memotier.trace() as t:
            child = os.fork()
            if not child:
                f(1)
                mine = ["memory"] == sources(t) and {t} == tracing.open_traces
                t.__exit__()
                free = PARKED != cache._keyed.engine.versions.cells[0]
                os._exit(0 if mine and free else 1)
            _, status = os.waitpid(child, 0)
    finally:
        leave.set()
        thread.join()

    assert 0 == status
