"""
What a plan may ask of the world: each effect can be done ``now`` (in a thread) or ``later``
(awaited in a task). Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import Token
from typing import Any, Protocol

from ..errors import StoreError
from ..types import Seconds
from .flights import AGAIN, LATE, Failed, Flight, Led, leading

#: Seconds after which a waiter looks whether its leader still exists.
LOOK_EVERY = 1.0


class Effect(Protocol):
    """
    One request of a plan.
    """

    def now(self) -> Any: ...

    async def later(self) -> Any: ...


class _Doing(threading.local):
    """
    Whether this thread is inside an operation of a store.
    """

    io = False


doing = _Doing()


class Io:
    """
    One operation of a store. The answer is what it returned, or the ``StoreError``.

    A store is never entered in the middle of one of its own operations, as a finalizer or a
    signal handler would do that uses a cache: it would wait for a lock that its own thread has.
    """

    __slots__ = ("_arguments", "_function", "_offload")

    def __init__(self, offload: Any, function: Callable[..., Any], *arguments: Any) -> None:
        self._offload = offload
        self._function = function
        self._arguments = arguments

    def now(self) -> Any:
        if doing.io:
            return StoreError("this thread is in the middle of another operation of a store")
        try:
            doing.io = True
            return self._function(*self._arguments)
        except StoreError as error:
            return error
        finally:
            doing.io = False

    async def later(self) -> Any:
        # A cancelled task does not stop the thread: the operation may still happen, which is
        # why every write carries the condition under which it is right.
        return await self._offload.run(self.now)


class Now:
    """
    Something that takes a microsecond and never waits; the same in a thread and in a task.
    """

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def now(self) -> Any:
        return self._function(*self._arguments)

    async def later(self) -> Any:
        return self._function(*self._arguments)


class Away:
    """
    Something that may take a while and is no operation of a store; tasks have a thread do it.
    """

    __slots__ = ("_function", "_offload")

    def __init__(self, offload: Any, function: Callable[[], Any]) -> None:
        self._offload = offload
        self._function = function

    def now(self) -> Any:
        return self._function()

    async def later(self) -> Any:
        return await self._offload.run(self._function)


class Pause:
    """
    Let some seconds pass.
    """

    __slots__ = ("_seconds",)

    def __init__(self, seconds: Seconds) -> None:
        self._seconds = seconds

    def now(self) -> None:
        time.sleep(self._seconds)

    async def later(self) -> None:
        await asyncio.sleep(self._seconds)


class Invoke:
    """
    Call the function inside *flight*. The answer is its result or ``Failed``.

    Only what ends the caller itself (cancellation, interrupts) is thrown into the plan.
    """

    __slots__ = ("_args", "_flight", "_function", "_kwargs")

    def __init__(
        self, flight: Flight, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        self._flight = flight
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def call(self) -> Any:
        """
        What the function returns, as it is; for those who do not want it done by the plan's driver.
        """
        return self._function(*self._args, **self._kwargs)

    def now(self) -> Any:
        before = leading.get()
        try:
            leading.set(Led(self._flight, before))
            return self._function(*self._args, **self._kwargs)
        except Exception as error:
            return Failed(error)
        finally:
            # By value: an interrupt may come before a token is in our hands.
            leading.set(before)

    async def later(self) -> Any:
        before, mark = leading.get(), None
        try:
            mark = leading.set(Led(self._flight, before))
            result = self._function(*self._args, **self._kwargs)
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            return Failed(error)
        finally:
            _restore(mark, before)


def _restore(mark: Token[Led | None] | None, before: Led | None) -> None:
    if mark is None:
        leading.set(before)
        return
    try:
        leading.reset(mark)
    except ValueError:
        # The coroutine is closed from another context than it ran in (its loop has died):
        # there is nothing to restore there.
        pass


class Wait:
    """
    Wait for somebody else's flight. The answer is how it landed, or LATE if it did not land in
    *timeout* seconds.
    """

    __slots__ = ("_flight", "_left")

    def __init__(self, flight: Flight, timeout: Seconds = math.inf) -> None:
        self._flight = flight
        self._left = timeout

    def now(self) -> Any:
        future = self._flight.future
        assert future is not None
        while True:
            step = min(LOOK_EVERY, self._left)
            try:
                return future.result(step)
            except FutureTimeout:
                if self._flight.abandoned():
                    return AGAIN
            self._left -= step
            if self._left <= 0:
                return LATE

    async def later(self) -> Any:
        future = self._flight.future
        assert future is not None
        mine = asyncio.wrap_future(future)
        try:
            while True:
                step = min(LOOK_EVERY, self._left)
                done, _ = await asyncio.wait((mine,), timeout=step)
                if done:
                    return mine.result()
                if self._flight.abandoned():
                    return AGAIN
                self._left -= step
                if self._left <= 0:
                    return LATE
        finally:
            mine.cancel()
