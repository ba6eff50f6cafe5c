"""
``memotier.disabled()``: for whom it holds, and until when.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import memotier
from memotier import tiered_cache
from memotier.engine import modes


@pytest.fixture(autouse=True)
def nothing_is_left():
    """
    After every test no block is open, so that hits take the fast way again.
    """
    yield
    assert not modes._blocks
    assert not modes.is_disabled()


@pytest.fixture
def f(cache):
    """
    A cached coroutine function that counts its runs, with a result in memory.
    """

    @tiered_cache(cache=cache)
    async def f(x):
        f.runs.append(x)
        return [x]

    f.runs = []
    asyncio.run(f(0))
    f.runs.clear()
    return f


def test_a_task_that_outlives_the_block(f):
    """
    The block ends for everyone at once: a task that it left behind reads and writes again.
    """

    async def main():
        inside, over = asyncio.Event(), asyncio.Event()

        async def working():
            await f(0)
            inside.set()
            await over.wait()
            await f(0)
            await f(1)

        with memotier.disabled():
            task = asyncio.ensure_future(working())
            await inside.wait()
        over.set()
        await task
        assert [1] == await f(1)

    asyncio.run(main())

    assert [0, 1] == f.runs


def test_a_task_that_opens_a_block_of_its_own(f):
    """
    A block inside an inherited block holds when the inherited one is over.
    """

    async def main():
        inside, over = asyncio.Event(), asyncio.Event()

        async def working():
            with memotier.disabled():
                inside.set()
                await over.wait()
                await f(0)
            await f(0)

        with memotier.disabled():
            task = asyncio.ensure_future(working())
            await inside.wait()
        over.set()
        assert [0] == await f(0)
        await task

    asyncio.run(main())

    assert [0] == f.runs


def test_two_threads(cache):
    """
    Blocks of two threads overlap, and each ends for its own thread alone.
    """
    runs = []

    @tiered_cache(cache=cache)
    def f(x):
        runs.append(threading.current_thread().name)
        return [x]

    f(0)
    runs.clear()
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def first():
        with memotier.disabled():
            entered.set()
            leave.wait(10)
            f(0)
        f(0)
        left.set()

    thread = threading.Thread(target=first, name="first")
    thread.start()
    entered.wait(10)
    with memotier.disabled():
        leave.set()
        left.wait(10)
        f(0)
    f(0)
    thread.join()

    assert ["first", threading.current_thread().name] == runs


def test_work_in_a_thread_of_the_block(cache):
    """
    ``asyncio.to_thread`` takes the block along; a thread that is started takes no context.
    """
    runs = []

    @tiered_cache(cache=cache)
    def f(x):
        runs.append(x)
        return [x]

    async def main():
        with memotier.disabled():
            await asyncio.to_thread(f, 0)
            await asyncio.get_running_loop().run_in_executor(None, f, 0)

    f(0)
    asyncio.run(main())

    assert [0, 0] == runs


def test_nested_blocks_that_end_in_the_wrong_order(f):
    """
    Each context manager ends its own block, whichever ends first.
    """

    async def main():
        outer, inner = memotier.disabled(), memotier.disabled()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        await f(0)
        inner.__exit__(None, None, None)
        await f(0)

    asyncio.run(main())

    assert [0] == f.runs


def test_an_async_generator_that_another_task_closes(f):
    """
    A block that is left from another context than it was entered in ends all the same.
    """

    async def numbers():
        with memotier.disabled():
            yield await f(0)
            yield await f(0)

    async def main():
        generator = numbers()
        assert [0] == await asyncio.ensure_future(anext(generator))
        assert [0] == await f(0)
        await asyncio.ensure_future(generator.aclose())
        assert [0] == await f(0)

    asyncio.run(main())

    assert [0] == f.runs


def test_a_generator_that_is_left_behind(cache):
    """
    The consumer of a generator that yields inside a block is inside too, until that is closed.
    """
    runs = []

    @tiered_cache(cache=cache)
    def f(x):
        runs.append(x)
        return [x]

    def numbers():
        with memotier.disabled():
            yield 0

    def consume():
        generator = numbers()
        next(generator)
        f(0)
        # As the garbage collector does, in whatever context that happens to be.
        contextvars.Context().run(generator.close)
        f(0)

    f(0)
    contextvars.copy_context().run(consume)

    assert [0, 0] == runs


def test_the_hit_path_is_back(cache):
    """
    After the block hits are answered without asking whether it is over.
    """
    f = tiered_cache(cache=cache)(lambda x: [x])
    f(0)
    with memotier.disabled():
        assert cache._keyed.engine.versions.cells[0] < 0
    assert cache._keyed.engine.versions.cells[0] >= 0


def test_an_interrupt_while_the_block_begins(monkeypatch, cache):
    """
    Whatever happens between entering and leaving, nothing stays disabled.
    """

    def interrupted():
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(modes, "_park", interrupted)
    with pytest.raises(KeyboardInterrupt), memotier.disabled():
        raise AssertionError("never entered")
