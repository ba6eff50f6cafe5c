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
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import Token
from typing import Any, Final, Protocol, TypeAlias

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


#: What ``Ask`` takes: yields the name of a method of the store and its arguments, and is sent what
#: that returned (a ``StoreError`` is raised there); or yields ``ELSEWHERE``.
Asking: TypeAlias = Generator[tuple[Any, ...], Any, Any]

#: "What follows may take a while": in a task, a thread does all the rest.
ELSEWHERE: Final[tuple[Any, ...]] = ()


class Ask:
    """
    Some operations of the store, and what follows from their answers. The answer is what *asking*
    returned, or the ``StoreError`` that it did not catch.

    A task awaits the twins of a store that has them; else, as with ``Io``, a thread does it all.
    What *asking* does between its operations takes microseconds, or is ``ELSEWHERE``.

    Args:
        engine: Whose store, and whose threads.

        lasting: Whether it is done whatever becomes of the task that asked for it, and of its
            event loop: an invalidation.
    """

    __slots__ = ("_arguments", "_asking", "_engine", "_lasting")

    def __init__(
        self, engine: Any, asking: Callable[..., Asking], *arguments: Any, lasting: bool = False
    ) -> None:
        self._engine = engine
        self._asking = asking
        self._arguments = arguments
        self._lasting = lasting

    def now(self) -> Any:
        return self._rest(self._asking(*self._arguments))

    def _rest(self, asking: Asking, answer: Any = None) -> Any:
        """
        Do in this thread what is left of *asking*, which waits for *answer*.
        """
        if doing.io:
            return StoreError("this thread is in the middle of another operation of a store")
        try:
            doing.io = True
            request = asking.send(answer)
            while True:
                request = self._obeyed(asking, request)
        except StopIteration as stop:
            return stop.value
        except StoreError as error:
            return error
        finally:
            doing.io = False

    def _obeyed(self, asking: Asking, request: tuple[Any, ...]) -> tuple[Any, ...]:
        try:
            answer = getattr(self._engine.store, request[0])(*request[1:]) if request else None
        except StoreError as error:
            return asking.throw(error)
        return asking.send(answer)

    async def later(self) -> Any:
        # Nothing but True: something that stands around a store may have every attribute.
        if getattr(self._engine.store, "has_twins", False) is not True:
            return await self._engine.offload.run(self.now)
        if not self._lasting:
            return await self._native()
        for left in [one for one in _lasting if one.get_loop().is_closed()]:
            _lasting.discard(left)  # it hands itself over when nobody has it any more
        task = asyncio.get_running_loop().create_task(self._to_its_end(), name="memotier-ask")
        _lasting.add(task)
        task.add_done_callback(_lasting.discard)
        return await asyncio.shield(task)

    async def _native(self) -> Any:
        asking = self._asking(*self._arguments)
        answer = await _Inside(self._awaited(asking))
        return await self._engine.offload.run(self._rest, asking) if answer is asking else answer

    async def _awaited(self, asking: Asking) -> Any:
        """
        What *asking* returns; itself if all the rest is for a thread.
        """
        store = self._engine.store
        try:
            request = asking.send(None)
            while request is not ELSEWHERE:
                try:
                    answer = await getattr(store, "a" + request[0])(*request[1:])
                except StoreError as error:
                    request = asking.throw(error)
                else:
                    request = asking.send(answer)
        except StopIteration as stop:
            return stop.value
        except StoreError as error:
            return error
        return asking

    async def _to_its_end(self) -> Any:
        try:
            return await self._native()
        except BaseException:
            # The event loop ends, and nobody knows how far it came: once more does no harm.
            self._engine.offload.leave(self.now)
            raise


#: Tasks that a loop knows only weakly.
_lasting: set[asyncio.Task[Any]] = set()


def operation(engine: Any, name: str, *arguments: Any, lasting: bool = False) -> Ask:
    """
    Effect: one operation of the store, by its name.
    """
    return Ask(engine, _single, name, *arguments, lasting=lasting)


def _single(*request: Any) -> Asking:
    return (yield request)


class _Inside(Awaitable[Any]):
    """
    Awaits *coroutine*, and says during each of its steps that this thread is inside an operation of
    a store: a finalizer that comes then must not enter another.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, thrown = self._coroutine.__await__(), None
        while True:
            before, doing.io = doing.io, True
            try:
                waits = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as stop:
                return stop.value
            finally:
                doing.io = before
            try:
                yield waits
            except BaseException as error:
                thrown = error
            else:
                thrown = None


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
