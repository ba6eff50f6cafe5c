"""
Advancing the stream of an async generator function: a task of its own does it, the *pump*.

The pump works only while somebody waits: an item that nobody asked for is not produced. It is
one task for the whole stream, so a reader who is cancelled does not cancel the source under
the others, and what the source holds over its ``yield`` (``asyncio.timeout``, task groups, cancel
scopes) finds itself in one task and one context.

A source belongs to its event loop. Readers in other loops do not join: their items would come
only while that loop runs, and end with it. They read a stream of their own.

What must never happen:
- a reader who waits for a pump that is gone: its end, whatever it was, is told to everyone;
- a task that is left behind: when the last reader leaves, the source is closed by the pump,
  and the reader waits for that as he would for the source itself.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from contextvars import copy_context
from typing import Any

from ..errors import StreamInterrupted
from .drive import adrive
from .flights import Failed, Led, leading
from .links import End, Link
from .streams import Reader, State, Stream, work

#: Pumps whose readers have left: nobody else holds them while they close their source.
_closing: set[asyncio.Task[None]] = set()


class AsyncStream(Stream):
    """
    The stream of an async generator function.
    """

    __slots__ = ("_idle", "_loop", "_task", "_waiters", "problem")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        #: What the pump waits on while nobody wants anything.
        self._idle: asyncio.Future[None] | None = None
        #: What closing the source raised.
        self.problem: BaseException | None = None

    def is_lost(self) -> bool:
        return self._loop.is_closed()

    def admits(self) -> bool:
        return self._loop is asyncio.get_running_loop() and super().admits()

    def tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done() and not self._loop.is_closed():
                waiter.set_result(None)

    # -- readers -----------------------------------------------------------------

    async def pull(self, reader: Reader) -> Link:
        """
        The link after the one that *reader* has reached, which is the last so far.
        """
        at, flights = reader.at, self.engine.flights
        waits = leading.get() is not None
        if asyncio.get_running_loop() is not self._loop:
            raise StreamInterrupted(
                f"{self.shelf.label}: this stream was begun in another event loop, and its source "
                "belongs to that"
            )
        while at.following is None:
            waiter = self._loop.create_future()
            try:
                with self.engine.lock:
                    if self.state is not State.RUNNING:
                        at.following = End(again=True)  # not to be; but nobody would come
                        break
                    if waits and not super().admits():
                        raise StreamInterrupted(
                            f"{self.shelf.label}: the source of this stream asks for the stream's "
                            "next item, for which it would wait for ever"
                        )
                    self._waiters.append(waiter)
                    if waits:
                        flights.wait_for(self.flight)
                self._set_going()
                await waiter
            finally:
                with self.engine.lock:
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)
                    if waits:
                        flights.leave(self.flight)
        return at.following

    async def leave(self, reader: Reader) -> None:
        """
        *reader* has read enough; the last one waits until the source is closed.
        """
        if not self.part(reader):
            return
        self.abandon()
        task = self._task
        if task is None or task.done() or self._loop.is_closed():
            return
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        if events._get_running_loop() is not self._loop:
            # Collected, without a loop that would have waited: see sys.set_asyncgen_hooks.
            self._loop.call_soon_threadsafe(self._stop)
            return
        self._stop()
        if task is not asyncio.current_task():
            await asyncio.wait((task,))
        problem, self.problem = self.problem, None
        if problem is not None:
            raise problem

    # -- the pump ----------------------------------------------------------------

    def _set_going(self) -> None:
        if self._task is None:
            context = copy_context()
            context.run(leading.set, Led(self.flight, leading.get()))
            self._task = self._loop.create_task(
                self._pump(), name="memotier-stream", context=context
            )
            # A loop that is closed with a stream in it has no reader left, and nothing to warn of.
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]
            self._task.add_done_callback(self._ended)
        self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _stop(self) -> None:
        if self._idle is not None:
            self._wake()
        elif self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that was cancelled before its first step has told nobody.
        self.abandon()
        if not task.cancelled():
            task.exception()  # seen: an interrupt has left the loop already

    async def _pump(self) -> None:
        source = None
        try:
            if await adrive(self.opening()):
                assert self.halted is not None
                source = aiter(self.halted.call())
                while self.state is State.RUNNING:
                    if not self._waiters:
                        await self._rest()
                    else:
                        await self._step(source)
        except GeneratorExit:
            self.abandon()  # the loop is gone: there is nothing to await
            raise
        except asyncio.CancelledError:
            # Ours, if nobody reads any more; otherwise somebody's who cancels all tasks.
            is_ours = self.state is State.ABANDONED
            self.abandon()
            await self._close(source)
            if not is_ours:
                raise
        except BaseException:
            self.abandon()
            await self._close(source)
            raise
        else:
            await self._close(source)

    async def _rest(self) -> None:
        self._idle = self._loop.create_future()
        try:
            await self._idle
        finally:
            self._idle = None

    async def _step(self, source: Any) -> None:
        clock = self.engine.clock
        began = clock.monotonic()
        try:
            item = await anext(source)
        except StopAsyncIteration:
            outcome: Failed | Link = Link(None)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            outcome = Failed(error)  # the source's own
        except Exception as error:
            outcome = Failed(error)
        else:
            self.put(self.link(item))
            return
        finally:
            work(self.flight, clock.monotonic() - began)
        if self.state is State.RUNNING:
            self.storing = True
            await adrive(self.closing(outcome))

    async def _close(self, source: Any) -> None:
        close = getattr(source, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except Exception as error:
            self.problem = error
