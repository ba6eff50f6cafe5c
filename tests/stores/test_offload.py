"""
Threads for the I/O of coroutines.
"""

from __future__ import annotations

import asyncio
import os
import threading
import warnings

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
