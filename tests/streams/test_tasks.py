"""
Tasks that read one stream: cancellation, timeouts, event loops that end, and no task left behind.
"""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from memotier import MISS, StreamInterrupted, tiered_cache

from .conftest import is_quiet


@pytest.fixture
def run():
    """
    Run a coroutine in a loop of its own, in debug mode; whatever the loop complains of is an error.
    """

    def run(main):
        complaints = []

        async def body():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
            answer = await main()
            gc.collect()
            await asyncio.sleep(0)
            return answer

        answer = asyncio.run(body(), debug=True)
        gc.collect()
        assert [] == complaints
        return answer

    return run


def pumps():
    return [task for task in asyncio.all_tasks() if task.get_name() == "memotier-stream"]


class Feed:
    """
    An async source that gives an item whenever it is told to.
    """

    def __init__(self) -> None:
        self.begun = self.closed = self.cancelled = self.asked = 0
        self._items: asyncio.Queue = asyncio.Queue()

    def give(self, *items):
        for item in items:
            self._items.put_nowait(item)

    async def read(self):
        self.begun += 1
        try:
            while True:
                self.asked += 1
                item = await self._items.get()
                if item is None:
                    return
                yield item
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            self.closed += 1


async def until(is_true):
    async with asyncio.timeout(20):
        while not is_true():
            await asyncio.sleep(0)


def test_many_tasks_read_one_stream(tiers, run):
    """
    Whoever comes when, all get the same items in order, and the function runs once.
    """

    async def main():
        ran = []

        @tiered_cache(cache=tiers, name="f")
        async def f():
            ran.append(1)
            for i in range(50):
                await asyncio.sleep(0)
                yield [i]

        async def reader(pause):
            got = []
            async for item in f():
                got.append(item[0])
                item.clear()
                for _ in range(pause):
                    await asyncio.sleep(0)
            return got

        first = f()
        await anext(first)
        answers = await asyncio.gather(*(reader(pause) for pause in range(8)))
        assert [list(range(50))] * 8 == answers
        assert 49 == len([x async for x in first])
        assert [1] == ran
        assert [] == pumps()

    run(main)
    assert is_quiet(tiers)


def test_a_cancelled_reader_does_not_cancel_the_source(cache, run):
    """
    The others get the item that he was waiting for.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)
        one, two = f(), f()
        first = asyncio.create_task(anext(one))
        second = asyncio.create_task(anext(two))
        await until(lambda: feed.asked)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        feed.give("a", "b", None)
        assert "a" == await second
        assert ["b"] == [x async for x in two]
        assert (1, 0) == (feed.begun, feed.cancelled)
        assert ["a", "b"] == f.peek()
        assert [] == pumps()

    run(main)


def test_the_last_reader_that_is_cancelled_cancels_the_source(cache, run):
    """
    And has waited for its clean-up when the cancellation reaches him.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)

        async def read():
            async for _ in f():
                pass

        tasks = [asyncio.create_task(read()) for _ in range(3)]
        await until(lambda: feed.asked)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        assert (1, 1, 1) == (feed.begun, feed.cancelled, feed.closed)
        assert [] == pumps()
        assert MISS is f.peek()
        assert is_quiet(cache)

    run(main)


def test_nothing_is_produced_that_nobody_asked_for(cache, run):
    """
    The pump rests while nobody waits, also if several had waited for one item.
    """

    async def main():
        given = []

        @tiered_cache(cache=cache, name="f")
        async def f():
            for i in range(100):
                given.append(i)
                yield i

        one, two = f(), f()
        assert [0, 0] == await asyncio.gather(anext(one), anext(two))
        assert [1, 1] == await asyncio.gather(anext(one), anext(two))
        for _ in range(10):
            await asyncio.sleep(0)
        assert [0, 1] == given
        await one.aclose(), await two.aclose()

    run(main)


def test_what_a_source_holds_over_its_yield(cache, run):
    """
    Timeouts and context variables of the source find one task and one context, whoever reads.
    """
    import contextvars

    who = contextvars.ContextVar("who", default="nobody")

    async def main():
        tasks = []

        @tiered_cache(cache=cache, name="f")
        async def f():
            who.set("source")
            async with asyncio.timeout(20):
                for _ in range(3):
                    tasks.append(asyncio.current_task())
                    yield who.get()

        one, two = f(), f()
        assert "source" == await asyncio.create_task(anext(one))
        assert "source" == await asyncio.create_task(anext(two))
        assert ["source"] * 2 == [x async for x in two]
        assert ["source"] * 2 == [x async for x in one]
        assert 1 == len(set(tasks))
        assert "nobody" == who.get()

    run(main)


def test_a_timeout_inside_the_source(cache, run):
    """
    Is an error of the stream like any other.
    """

    async def main():
        @tiered_cache(cache=cache, name="f")
        async def f():
            yield 1
            async with asyncio.timeout(0):
                await asyncio.sleep(60)

        one, two = f(), f()
        assert (1, 1) == (await anext(one), await anext(two))
        for stream in (one, two):
            with pytest.raises(TimeoutError):
                await anext(stream)
        assert MISS is f.peek()

    run(main)


def test_a_timeout_of_one_reader(cache, run):
    """
    A reader who gives up waiting leaves the others alone.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)
        one, two = f(), f()
        waits = asyncio.create_task(anext(two))
        await until(lambda: feed.asked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await anext(one)
        feed.give("a", None)
        assert "a" == await waits
        assert [] == [x async for x in two]
        assert ["a"] == f.peek()

    run(main)


def test_a_source_that_is_cancelled_by_itself(cache, run):
    """
    A CancelledError that the source raises is its error, for all readers; nobody waits for ever.
    """

    async def main():
        @tiered_cache(cache=cache, name="f")
        async def f():
            raise asyncio.CancelledError
            yield

        for _ in range(2):
            answers = await asyncio.gather(anext(f()), anext(f()), return_exceptions=True)
            assert [asyncio.CancelledError] * 2 == list(map(type, answers))
        assert is_quiet(cache)

    run(main)


def test_a_pump_that_somebody_cancels(cache, run):
    """
    Who cancels all tasks of a loop cancels the source: readers are told, or begin anew.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)
        one, two = f(), f()
        feed.give("a")
        assert "a" == await anext(one)
        waits = asyncio.create_task(anext(two))
        assert "a" == await waits
        late = asyncio.create_task(anext(one))
        await until(lambda: feed.asked == 2)
        pumps()[0].cancel()
        with pytest.raises(StreamInterrupted):
            await late
        with pytest.raises(StreamInterrupted):
            await anext(two)
        assert (1, 1) == (feed.cancelled, feed.closed)
        feed.give("b", None)
        assert ["b"] == [x async for x in f()]

    run(main)


def test_a_reader_with_nothing_yet_begins_anew(cache, run):
    """
    If the pump is cancelled before its first item, nobody who waits for that has lost anything.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)
        waits = [asyncio.create_task(anext(f())) for _ in range(2)]
        await until(lambda: feed.asked)
        pumps()[0].cancel()
        await until(lambda: feed.begun == 2)
        feed.give("a")
        assert ["a", "a"] == await asyncio.gather(*waits)
        assert 2 == f.cache_info().joined + 1

    run(main)


@pytest.mark.parametrize("way", ["bypass", "refresh"])
def test_who_was_not_counted_is_not_counted_again(cache, run, way):
    """
    A reader that never looked, and begins anew, takes no miss of others away.
    """

    async def main():
        feed = Feed()
        f = tiered_cache(cache=cache, name="f")(feed.read)
        waits = asyncio.create_task(anext(getattr(f, way)()))
        await until(lambda: feed.asked)
        pumps()[0].cancel()
        await until(lambda: feed.begun == 2)
        feed.give("a", "b", None)
        assert "a" == await waits
        assert ["b"] == [x async for x in f()]
        assert 1 == cache.get_stats()["l1"]["misses"]

    run(main)


def test_a_source_that_will_not_be_cancelled(cache, run):
    """
    A source that swallows the cancellation and yields on is closed all the same.
    """

    async def main():
        closed = []

        @tiered_cache(cache=cache, name="f")
        async def f():
            try:
                yield 1
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
                yield 2
            finally:
                closed.append(1)

        one = f()
        await anext(one)
        waits = asyncio.create_task(anext(one))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert [1] == closed
        assert [] == pumps()

    run(main)


def test_readers_of_another_loop_read_their_own(cache):
    """
    A source belongs to its loop: another loop does not wait for that one.
    """
    ran, begun, done = [], threading.Event(), threading.Event()

    @tiered_cache(cache=cache, name="f")
    async def f():
        ran.append(1)
        yield 1
        yield 2

    async def first():
        one = f()
        await anext(one)
        begun.set()
        while not done.is_set():
            await asyncio.sleep(0.001)
        return [x async for x in one]

    async def second():
        return [x async for x in f()]

    answers = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(first())))
    thread.start()
    begun.wait(10)
    assert [1, 2] == asyncio.run(second())
    done.set()
    thread.join(10)
    assert [[2]] == answers
    assert 2 == len(ran)


def test_a_loop_that_ends_in_the_middle(cache, run):
    """
    A stream whose loop is gone is not waited for, whether the loop said good-bye or not.
    """
    ran = []

    @tiered_cache(cache=cache, name="f")
    async def f():
        ran.append(1)
        yield 1
        await asyncio.sleep(0)
        yield 2

    left = []

    async def leave():
        one = f()
        await anext(one)
        left.append(one)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()

    async def main():
        assert [1, 2] == [x async for x in f()]
        with pytest.raises(StreamInterrupted, match="another event loop"):
            await anext(left[0])

    run(main)
    assert 2 == len(ran)
    left.clear()
    gc.collect()
    assert is_quiet(cache)


def test_a_source_that_reads_its_own_stream(cache, run):
    """
    A call from inside a source computes beside it.
    """

    async def main():
        depth = []

        @tiered_cache(cache=cache, name="f")
        async def f(n):
            depth.append(n)
            if len(depth) < 3:
                async for x in f(n):
                    yield x
            yield n

        async with asyncio.timeout(20):
            assert [1, 1, 1] == [x async for x in f(1)]

    run(main)


def test_a_reader_who_leaves_while_the_end_is_stored(make_cache, run):
    """
    A stream whose source has ended is stored, whoever still waits for that.
    """
    cache = make_cache("disk")

    async def main():
        f = tiered_cache(cache=cache, name="f")(_one)
        engine = cache._keyed.engine
        inside, go = threading.Event(), threading.Event()
        write = engine.store.set

        def slow(items):
            inside.set()
            assert go.wait(10)
            return write(items)

        engine.store.set = slow
        stream = f()
        assert 1 == await anext(stream)
        end = asyncio.create_task(anext(stream))
        await until(inside.is_set)
        end.cancel()
        with pytest.raises(asyncio.CancelledError):
            await end
        go.set()
        await until(lambda: not pumps())
        assert [1] == f.peek()

    run(main)


async def _one():
    yield 1
