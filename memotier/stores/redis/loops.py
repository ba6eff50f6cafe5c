"""
Connections for tasks: one per event loop, on which all of its tasks ask together.

    resting ── a request ── busy: a task sends what waits, reads all answers, again until nothing
       │                     │                                                   waits ── resting
       └─── hung up ─────────┴── no answer in time, cancelled, an error: everyone who waits hears
                                  of it, and the connection is closed

Who asks waits for a future and never touches the connection. So cancelling him, at any moment,
takes nothing back and leaves nothing behind: his answer is read by the task and given to nobody.
Only that task reads, so no answer is taken for that of another request. It lives while there is
something to do: nothing of ours is pending when a loop ends.

A server that is silent costs everyone who waits the same quarter of a second, not one after the
other: who has not been sent yet fails with those who have. That time is counted in ticks of the
loop, so that a loop which something else keeps busy does not take its own absence for the server's:
what has arrived meanwhile is read before the next tick.

A connection of asyncio belongs to its loop. When that shuts its asynchronous generators down, as
``asyncio.run`` does, it is closed properly; that of a loop which was closed without is dropped
with the next loop that comes. All of this is touched in the thread of its loop only, except the
table of loops.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import Any, Final

from ...errors import StoreUnavailable
from ...types import Seconds
from .lines import RESTED
from .requests import Request

#: Bytes that are sent before answers are read, unless it is one request.
_BATCH_BYTES: Final = 256 * 1024

#: Ticks that make the time for an answer.
_TICKS: Final = 10

_Waiting = tuple[bytes, int, "asyncio.Future[list[Any] | BaseException]"]


class Loops:
    """
    The lines of this process to one server, by event loop.

    Args:
        make: Makes a connection of redis-py's asyncio, which has no timeouts of its own.

        error: What redis-py raises for an error that the server answered.

        timeout: Seconds for sending, and for each answer.

        connects: Seconds for connecting; no fewer than for an answer.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        error: type[Exception],
        timeout: Seconds,
        connects: Seconds,
    ) -> None:
        self.make = make
        self.error = error
        self.timeout = timeout
        self.connects = connects
        self._lines: dict[asyncio.AbstractEventLoop, Line] = {}
        self._lock = threading.Lock()

    def here(self) -> Line:
        """
        The line of the running loop.
        """
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            with self._lock:
                ended = [one for one in self._lines if one.is_closed()]
                dropped = [self._lines.pop(one) for one in ended]
                line = self._lines[loop] = Line(self, loop)
            for one in dropped:
                one.hang_up()
        return line

    def forget(self, line: Line) -> None:
        """
        The loop of *line* ends.
        """
        with self._lock:
            if self._lines.get(line.loop) is line:
                del self._lines[line.loop]

    def close(self) -> None:
        """
        Hang up everywhere. From any thread; each loop does it as soon as it runs.
        """
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            try:
                line.loop.call_soon_threadsafe(line.leave)
            except RuntimeError:
                line.hang_up()  # the loop is closed

    def abandon(self) -> Any:
        """
        In a forked child, whose connections are the parent's: what must be kept, so that the
        garbage collector does not close them.
        """
        lines, self._lines, self._lock = self._lines, {}, threading.Lock()
        return lines


class Line:
    """
    The connection of one event loop.
    """

    def __init__(self, loops: Loops, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._loops = loops
        self._waiting: deque[_Waiting] = deque()
        self._sent: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._connection: Any = None
        self._used: Seconds = 0.0
        #: Ticks since the last answer.
        self._silent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._end: AsyncGenerator[None, None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def exchange(self, request: Request) -> list[Any]:
        """
        The answers to *request*, or whatever went wrong is raised.
        """
        future: asyncio.Future[list[Any] | BaseException] = self.loop.create_future()
        self._waiting.append((request.packed(), len(request.commands), future))
        if self._task is None:
            # Not in the context of whoever happens to be the first.
            task = self.loop.create_task(self._work(), name="memotier-redis", context=Context())
            if not task.done():
                self._task = task
                task.add_done_callback(self._ended)
        answers = await future
        if isinstance(answers, BaseException):
            raise answers
        return answers

    def hang_up(self) -> None:
        """
        Close the connection without waiting for anything; the next request makes another.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # By hand, as it is done in places where nothing can be awaited. It does not wait.
        closing = connection.disconnect(nowait=True)
        try:
            closing.send(None)
        except StopIteration:
            pass
        except Exception:  # noqa: S110
            pass  # its loop is closed, or it was broken already
        finally:
            closing.close()

    def leave(self) -> None:
        """
        Hang up in a task, as older versions of redis-py do it nowhere else.
        """

        async def leave() -> None:
            self.hang_up()

        self._leaving = self.loop.create_task(leave(), context=Context())

    # -- the task ----------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._talk()
        except BaseException as error:
            self._task = None
            self.hang_up()
            if isinstance(error, Exception):
                self._fail(error)
                return
            self._fail(StoreUnavailable("its event loop has ended the task that asks for others"))
            raise
        self._task = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """
        A task that was cancelled before its first step has told nobody.
        """
        if self._task is task:
            self._task = None
            self._fail(StoreUnavailable("its event loop has ended the task that asks for others"))
        if not task.cancelled():
            task.exception()  # seen: an interrupt has left the loop already

    async def _talk(self) -> None:
        """
        Send what waits, or a part of it, and hand the answers out.
        """
        error_class = self._loops.error
        try:
            async with asyncio.timeout(None) as limit:
                self._silent = -1
                self._tick(limit)
                connection = await self._connected()
                self._silent = 0
                await connection.send_packed_command(self._taken(), check_health=False)
                while self._sent:
                    _, count, future = self._sent[0]
                    answers: list[Any] = []
                    for _ in range(count):
                        self._silent = 0
                        try:
                            answers.append(await connection.read_response())
                        except error_class as error:
                            answers.append(error)
                    self._sent.popleft()
                    if not future.done():
                        future.set_result(answers)
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._used = self.loop.time()

    def _tick(self, limit: asyncio.Timeout) -> None:
        """
        Some of the time for an answer is over, unless one came since.
        """
        self._silent += 1
        if self._silent < _TICKS:
            pause = self._loops.timeout / _TICKS
            self._timer = self.loop.call_later(pause, self._tick, limit)
        else:
            self._timer = None
            limit.reschedule(self.loop.time())

    def _taken(self) -> list[bytes]:
        """
        What is sent now.
        """
        size = 0
        pieces: list[bytes] = []
        while self._waiting and (not pieces or size + len(self._waiting[0][0]) <= _BATCH_BYTES):
            one = self._waiting.popleft()
            self._sent.append(one)
            pieces.append(one[0])
            size += len(one[0])
        return pieces

    async def _connected(self) -> Any:
        connection = self._connection
        if connection is not None:
            if self.loop.time() - self._used < RESTED or await _is_quiet(connection):
                return connection
            self.hang_up()
        more = self._loops.connects / self._loops.timeout - 1
        self._silent -= max(0, round(_TICKS * more))
        if self._end is None:
            self._end = self._until_the_end()
            await anext(self._end)
        connection = self._loops.make()
        try:
            await connection.connect()
        except BaseException:
            self._connection = connection
            self.hang_up()
            raise
        self._connection = connection
        return connection

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        """
        Waits for its loop to shut asynchronous generators down, the only sign of its end.
        """
        try:
            yield
        finally:
            self._loops.forget(self)
            connection, self._connection = self._connection, None
            if connection is not None:
                async with asyncio.timeout(self._loops.timeout):
                    await connection.disconnect()

    def _fail(self, error: BaseException) -> None:
        for told in (self._sent, self._waiting):
            while told:
                _, _, future = told.popleft()
                if not future.done() and not self.loop.is_closed():
                    # As a result: one that nobody waits for any more is nothing to complain of.
                    future.set_result(error)


async def _is_quiet(connection: Any) -> bool:
    look = getattr(connection, "can_read", None) or connection.can_read_destructive
    try:
        return not await look()
    except Exception:
        return False  # closed by the server
