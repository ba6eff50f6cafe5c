"""
Threads for the I/O of coroutines.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
import weakref

import pytest

from memotier.stores.offload import Offload

from .support import process


@pytest.fixture
def offload():
    offload = Offload()
    yield offload
    offload.close()


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("memotier-io")]


async def test_answers_and_errors(offload):
    """
    What the function returns or raises, with its arguments, from another thread.
    """
    assert 3 == await offload.run(lambda a, b: a + b, 1, 2)
    assert threading.get_ident() != await offload.run(threading.get_ident)
    with pytest.raises(ZeroDivisionError):
        await offload.run(lambda: 1 / 0)


async def test_three_threads_at_most(offload):
    """
    They begin with the first call, and no more are made than there is work for.
    """
    assert [] == ours()
    await offload.run(int)
    await offload.run(int)
    assert 1 == len(ours())

    gate = threading.Event()
    waiting = [offload.run(gate.wait, 10) for _ in range(10)]
    assert 3 == len(ours())
    gate.set()
    assert [True] * 10 == await asyncio.gather(*waiting)


async def test_cancelled_caller_does_not_take_the_call_back(offload):
    """
    An invalidation that was asked for is made; another caller is not disturbed.
    """
    gate, done = threading.Event(), []
    blocking = [offload.run(gate.wait, 10) for _ in range(3)]
    task = asyncio.ensure_future(offload.run(done.append, "made"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await asyncio.gather(*blocking)
    await offload.run(int)
    offload.close()

    assert ["made"] == done


def test_loop_that_is_gone_hurts_nobody(offload):
    """
    The answer is for nobody, and the threads go on.
    """
    gate = threading.Event()

    async def leave():
        offload.run(gate.wait, 10)

    asyncio.run(leave())
    gate.set()

    async def ask():
        return await offload.run(int)

    assert 0 == asyncio.run(ask())


def test_given_loop(offload):
    """
    The future may belong to another loop than the running one.
    """
    loop = asyncio.new_event_loop()
    try:
        assert 7 == loop.run_until_complete(offload.run(int, "7", loop=loop))
    finally:
        loop.close()


async def test_close_ends_the_threads_and_may_be_repeated(offload):
    """
    What was handed over is done first; a later call begins anew.
    """
    future = offload.run(int)
    offload.close()
    offload.close()

    assert [] == ours()
    assert 0 == await future
    assert 0 == await offload.run(int)


async def test_fault_40_offload_works_in_a_forked_child(offload):
    """
    Threads do not survive a fork: the child makes its own.
    """
    await offload.run(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        code = 1
        try:
            asyncio._set_running_loop(None)
            loop = asyncio.new_event_loop()
            code = loop.run_until_complete(offload.run(lambda: 17, loop=loop))
        finally:
            os._exit(code)

    assert 17 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 0 == await offload.run(int)


@pytest.fixture
def no_threads(monkeypatch):
    """
    A function after which no thread can be started (a limit of the system, or the end of the
    interpreter); undone at the end.
    """

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)


async def test_without_any_thread_the_caller_does_it_itself(offload, no_threads, monkeypatch):
    """
    A short block of the loop instead of a hang; once threads can be had there are some.
    """
    no_threads()
    answers = [offload.run(threading.get_ident), offload.run(int, "7")]
    assert [threading.get_ident(), 7] == await asyncio.gather(*answers)
    with pytest.raises(ZeroDivisionError):
        await offload.run(lambda: 1 / 0)
    offload.close()

    monkeypatch.undo()
    assert threading.get_ident() != await offload.run(threading.get_ident)
    assert 1 == len(ours())


async def test_one_thread_does_what_more_cannot_be_had_for(offload, no_threads):
    """
    Where no second thread can be started, work waits for the first.
    """
    gate = threading.Event()
    waiting = [offload.run(gate.wait, 10)]
    no_threads()
    waiting += [offload.run(threading.get_ident) for _ in range(3)]
    gate.set()

    _, *idents = await asyncio.gather(*waiting)
    assert [ours()[0].ident] * 3 == idents


def wait_for_the_end_of(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


async def test_threads_of_a_forgotten_offload_end():
    """
    Nobody has to close it: the threads keep neither it nor themselves alive, and what was
    handed over is done first.
    """
    offload, done, gate = Offload(), [], threading.Event()
    waiting = [offload.run(gate.wait, 10) for _ in range(3)]
    waiting.append(offload.run(done.append, 1))
    threads, gone = ours(), weakref.ref(offload)
    del offload
    gc.collect()
    assert gone() is None
    gate.set()
    await asyncio.gather(*waiting)

    wait_for_the_end_of(threads)
    assert [1] == done


async def test_threads_end_if_their_own_job_held_the_last_reference():
    """
    The offload may be dropped in one of its threads.
    """
    offload, gate = Offload(), threading.Event()
    future = offload.run(lambda mine: gate.wait(10), offload)
    threads = ours()
    del offload
    gate.set()

    assert await future
    wait_for_the_end_of(threads)


async def test_a_closed_and_reused_offload_is_forgotten_too():
    """
    The threads that were made after a close end like the first.
    """
    offload = Offload()
    await offload.run(int)
    offload.close()
    await offload.run(int)
    threads = ours()
    assert 1 == len(threads)
    del offload
    gc.collect()

    wait_for_the_end_of(threads)


HANGING = """
import asyncio, threading
from memotier.stores.offload import Offload
offload = Offload()
async def main():
    offload.run(threading.Event().wait)
    await asyncio.sleep(0.01)
asyncio.run(main())
print("end", flush=True)
"""


@pytest.mark.slow
def test_exit_does_not_wait_for_an_operation_that_hangs(tmp_path):
    """
    Two seconds of patience, then the process ends.
    """
    child = process(HANGING, tmp_path)
    out, err = child.communicate(timeout=30)

    assert (0, "end\n", "") == (child.returncode, out, err)
