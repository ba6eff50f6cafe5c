"""
Threads that read one stream: turns, interrupts at every line, re-entrance, fork.
"""

from __future__ import annotations

import os
import random
import threading

import pytest

from memotier import MISS, MultiLevelCache, StreamInterrupted, tiered_cache
from memotier.engine.flights import leading
from memotier.engine.turns import SyncStream

from ..engine.test_interrupts import Stop, stopped_at
from ..engine.worlds import Background, Gate, in_threads
from .conftest import is_quiet


def test_many_threads_read_one_stream(tiers):
    """
    Whoever comes when, all get the same items in order, and the function runs once.
    """
    ran, everyone = [], threading.Barrier(9)

    @tiered_cache(cache=tiers, name="f")
    def f():
        ran.append(1)
        for i in range(300):
            yield [i]
        return "end"

    def reader(seed):
        draw, got = random.Random(seed), []

        def reads():
            return (yield from f())

        stream = reads()
        got.append(next(stream))
        everyone.wait(20)
        for item in stream:
            got.append(item)
            if draw.random() < 0.05:
                os.sched_yield()
            item.append("mine")
        return [item[0] for item in got]

    keeper = f()
    next(keeper)
    answers = in_threads(*(lambda seed=seed: reader(seed) for seed in range(9)))
    assert [list(range(300))] * 9 == answers
    assert [1] == ran
    assert 299 == len(list(keeper))
    assert is_quiet(tiers)


def test_who_waits_for_an_item_gets_it(cache):
    """
    While one thread is inside the source, another waits for the same item.
    """
    gate = Gate()

    @tiered_cache(cache=cache, name="f")
    def f():
        yield 1
        gate.wait()
        yield 2

    one, two = f(), f()
    assert (1, 1) == (next(one), next(two))
    first = Background(lambda: next(one))
    gate.entered.wait(10)
    second = Background(lambda: next(two))
    gate.open()
    assert (2, 2) == (first.result(), second.result())
    assert ([], []) == (list(one), list(two))


def test_a_source_that_reads_its_own_stream(cache):
    """
    A call from inside a source computes beside it, and never waits for itself.
    """
    depth = []

    @tiered_cache(cache=cache, name="f")
    def f(n):
        depth.append(n)
        if len(depth) < 3:
            yield from f(n)
        yield n

    assert [1, 1, 1] == in_threads(lambda: list(f(1)))[0]
    assert is_quiet(cache)


def test_a_source_that_reads_itself_past_the_context(cache):
    """
    The same where the context was not handed on: a thread does not wait for its own turn.
    """
    import contextvars

    depth = []

    @tiered_cache(cache=cache, name="f")
    def f():
        depth.append(1)
        if len(depth) < 3:
            yield from contextvars.Context().run(lambda: list(f()))
        yield 1

    assert [1, 1, 1] == in_threads(lambda: list(f()))[0]


def test_a_source_that_asks_its_own_reader(cache):
    """
    Whose next item would never come is told so, instead of waiting.
    """
    readers = []

    @tiered_cache(cache=cache, name="f")
    def f():
        yield 1
        yield next(readers[0])

    one = f()
    readers.append(f())
    next(one), next(readers[0])
    (error,) = in_threads(lambda: next(one))
    assert isinstance(error, StreamInterrupted)
    assert "wait for ever" in str(error)


def test_two_streams_that_read_each_other(cache):
    """
    Of two that would wait for each other in two threads, one computes beside.
    """
    inside = threading.Barrier(2)
    ran = []

    @tiered_cache(cache=cache, name="a")
    def a(n):
        ran.append("a")
        if n == 0 and len(ran) < 5:
            inside.wait(10)
            yield from b(0)
        yield "a"

    @tiered_cache(cache=cache, name="b")
    def b(n):
        ran.append("b")
        if n == 0 and len(ran) < 5:
            if len(ran) <= 2:
                inside.wait(10)
            yield from a(0)
        yield "b"

    answers = in_threads(lambda: list(a(0)), lambda: list(b(0)))
    assert all(isinstance(answer, (list, Exception)) for answer in answers)
    assert is_quiet(cache)


def test_a_function_and_a_stream_that_wait_for_each_other(cache):
    """
    A cached function that reads a stream whose source calls the function: nobody hangs.
    """
    inside, calls = Gate(), []

    @tiered_cache(cache=cache, name="g")
    def g():
        calls.append("g")
        if len(calls) == 1:
            inside.wait()
            return list(f())
        return ["g"]

    @tiered_cache(cache=cache, name="f")
    def f():
        yield 1
        inside.open()
        yield from g()

    computing = Background(g)
    inside.entered.wait(10)
    read = in_threads(lambda: list(f()))[0]
    assert [1, "g"] == computing.result()
    assert read in ([1, "g"], [1, 1, "g"])  # whoever was first in asking for the other
    assert is_quiet(cache)


def test_context_variables_of_a_source_stay_its_own(cache):
    """
    The source runs in the context of whoever began it, whichever thread drives it.
    """
    import contextvars

    who = contextvars.ContextVar("who", default="nobody")

    @tiered_cache(cache=cache, name="f")
    def f():
        for _ in range(3):
            yield who.get()
        who.set("source")
        yield who.get()

    who.set("first")
    one = f()
    assert "first" == next(one)

    def other():
        who.set("second")
        return list(f())

    assert [["first", "first", "first", "source"]] == in_threads(other)
    assert "first" == who.get()
    who.set("nobody")


def test_nobody_joins_a_stream_that_is_about_to_be_closed(cache, monkeypatch):
    """
    Who comes between the last reader's leave and the closing of the source begins his own.
    """
    f = tiered_cache(cache=cache, name="f")(lambda: (yield from range(4)))
    close, late = SyncStream._close, []

    def slow(self):
        if not late:
            late.append(f())
            in_threads(lambda: next(late[0]))
        close(self)

    monkeypatch.setattr(SyncStream, "_close", slow)
    one = f()
    next(one)
    one.close()
    assert [[1, 2, 3]] == in_threads(lambda: list(late[0]))
    assert is_quiet(cache)


def test_a_driver_that_is_gone_is_noticed(cache, monkeypatch):
    """
    A turn whose owner has died is not waited for.
    """
    monkeypatch.setattr("memotier.engine.turns.LOOK_EVERY", 0.01)
    f = tiered_cache(cache=cache, name="f")(lambda: (yield from range(3)))
    one, two = f(), f()
    next(one), next(two)
    (stream,) = cache._keyed.engine.streams.running

    class Gone:
        life = staticmethod(lambda: None)

    gone = Gone()
    stream._turn = lambda: gone
    errors = in_threads(lambda: next(one), lambda: next(two))
    assert [StreamInterrupted] * 2 == list(map(type, errors))
    assert [[0, 1, 2]] == in_threads(lambda: list(f()))


@pytest.mark.parametrize("way", ["read", "join", "leave"])
def test_interrupted_at_any_line(way):
    """
    After an interrupt at each line in turn, nobody waits for ever, no flight is left, what is
    stored is all of the stream, and the next call is right.
    """
    number, interrupted = 0, 0
    while True:
        number += 1
        cache = MultiLevelCache()
        f = tiered_cache(namespace="stop", cache=cache, name="f", tags=["t"])(
            lambda: (yield from ([i] for i in range(3)))
        )
        other = f()
        if way != "read":
            next(other)
        stream = f()
        try:
            with stopped_at(number) as lines:
                if way == "leave":
                    next(stream)
                    stream.close()
                else:
                    for _ in stream:
                        pass
        except Stop:
            interrupted += 1
        stream.close()
        del stream
        at = lines[-1] if lines else ""
        assert leading.get() is None, at
        (rest,) = in_threads(lambda: list(other))
        if isinstance(rest, StreamInterrupted):
            assert way != "read", at
        else:
            assert [[0], [1], [2]][(way != "read") :] == rest, at
        del rest, other
        assert [[[0], [1], [2]]] == in_threads(lambda: list(f())), at
        assert is_quiet(cache), at
        cache.sync.close()
        if len(lines) < number:
            break
    assert interrupted == number - 1 > 20


def test_fork_in_the_middle(cache):
    """
    A child's copy of a stream goes on by itself, and is not taken for one that can be joined.
    """
    f = tiered_cache(cache=cache, name="f")(lambda: (yield from range(4)))
    one = f()
    next(one)
    pid = os.fork()
    if not pid:
        right = False
        try:
            late = f()
            right = next(late) == 0 and not f.cache_info().joined
            f.invalidate()
            right = right and list(one) == [1, 2, 3] and f.peek() is MISS
            right = right and list(late) == [1, 2, 3] and f.peek() is MISS
        finally:
            os._exit(0 if right else 1)
    assert (pid, 0) == os.waitpid(pid, 0)
    assert [1, 2, 3] == list(one)
    assert [0, 1, 2, 3] == f.peek()
