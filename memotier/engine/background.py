"""
Work that no caller waits for: refreshes of stale results.

A sync function is refreshed in a daemon thread of ours, in a copy of its caller's context; a
coroutine function in a task of its caller's event loop, which is referenced until it ends.
Threads live while there is something to do: nothing waits idle, nothing has to be sent home.

Bounded: ``MOST`` refreshes at once per cache, of which ``THREADS`` run in threads and the
others wait their turn. What is beyond that is dropped and counted; the old value is served, and
the next caller asks again. All state is under the engine's lock, which a fork holds.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Hashable, Iterable
from contextvars import Context, copy_context
from typing import Any, Final

from ..entry import Resident
from ..types import Seconds
from .clocks import Renewal
from .drive import Plan, adrive, drive
from .events import kind_and_place, logger
from .flights import AGAIN, Flights, leading, life_here

#: Refreshes of one cache that may run or wait.
MOST: Final = 64
#: Threads of one cache that refresh.
THREADS: Final = 4
#: Threads and tasks of one cache that run functions which have timeouts.
MOST_TIMED: Final = 1000
#: Seconds that ``close()`` waits for refreshes that run.
PATIENCE: Final[Seconds] = 2.0
#: Keys whose failures are remembered where no entry in memory can do that.
MOST_RESTING: Final = 10_000


class _Job:
    """
    A refresh that waits for a thread, or has one.
    """

    __slots__ = ("__weakref__", "context", "flight", "plan")

    def __init__(self, flight: Renewal, plan: Plan, context: Context) -> None:
        self.flight = flight
        self.plan = plan
        self.context = context


class Background:
    """
    The refreshes of one engine; or the computations that their callers may leave alone.
    """

    def __init__(
        self, lock: Any, flights: Flights, what: str = "refresh", threads: int = THREADS
    ) -> None:
        self._lock = lock
        self._what = what
        self._most_threads = threads
        self._flights = flights
        self.done = self.failed = self.dropped = 0
        self.closed = False
        #: Until when a key is not refreshed again, because that failed.
        self.resting: dict[Hashable, Seconds] = {}
        self.forget()

    def forget(self) -> None:
        """
        A forked child: threads and tasks stayed in the parent.
        """
        self._waiting: deque[_Job] = deque()
        self._busy = 0  # threads that have a job
        self._threads: set[threading.Thread] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def running(self) -> int:
        return len(self._waiting) + self._busy + len(self._tasks)

    def has_room(self) -> bool:
        """
        Whether one more may begin; counts one that may not. Called under the lock.
        """
        if not self.closed and self.running < MOST:
            return True
        self.dropped += 1
        return False

    def rest(self, key: Hashable, until: Seconds, now: Seconds) -> None:
        """
        Leave *key* alone until then. Called under the lock.
        """
        if len(self.resting) >= MOST_RESTING:
            self.resting = {one: end for one, end in self.resting.items() if end > now}
            if len(self.resting) >= MOST_RESTING:
                self.resting.clear()
        self.resting[key] = until

    def set_attention(self, resident: Resident, key: Hashable, now: Seconds) -> None:
        """
        When somebody has to look at a new resident that has clocks. Called under the lock.
        """
        clocks = resident.stamp.clocks
        resident.fresh_until = min(resident.fresh_until, clocks.attention)
        if now < clocks.attention:
            self.resting.pop(key, None)
        elif (until := self.resting.get(key, now)) > now:
            resident.fresh_until = min(until, clocks.served_until)

    # -- threads -------------------------------------------------------------------

    def in_thread(self, flight: Renewal, plan: Plan) -> bool:
        """
        Run *plan* in a thread, and land *flight* whatever becomes of it; False if there is none.
        """
        job = _Job(flight, plan, copy_context())
        with self._lock:
            before = flight.loop, flight.life
            # Until it has a thread, the flight lives as long as the job.
            flight.loop, flight.life = None, weakref.ref(job)
            self._waiting.append(job)
            if self.closed or not self._has_thread():
                self._waiting.remove(job)
                flight.loop, flight.life = before
                return False
            flight.is_apart = True
        return True

    def _has_thread(self) -> bool:
        if len(self._threads) < self._most_threads:
            names = {thread.name for thread in self._threads}
            free = (f"memotier-{self._what}-{number}" for number in range(self._most_threads))
            name = next(name for name in free if name not in names)
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            try:
                self._threads.add(thread)
                thread.start()
            except (RuntimeError, MemoryError):
                pass  # at the limit of the system, or at the end of the interpreter
            finally:
                if thread.ident is None:  # also if an interrupt came before
                    self._threads.discard(thread)
        return bool(self._threads)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads.discard(threading.current_thread())
                    return
                job = self._waiting.popleft()
                self._busy += 1
            job.flight.life = life_here()
            try:
                job.context.run(_drive, job.plan)
            except BaseException as error:
                self._say(job.flight, error)
            self._count(job.flight)
            del job
            with self._lock:
                self._busy -= 1

    # -- tasks ---------------------------------------------------------------------

    def in_task(self, flight: Renewal, plan: Plan) -> bool:
        """
        Run *plan* in a task of the running loop, and land *flight* whatever becomes of it; False
        if there are to be none.
        """
        if self.closed:
            return False
        context = copy_context()
        context.run(leading.set, None)
        flight.loop = loop = asyncio.get_running_loop()
        task = loop.create_task(
            self._adrive(flight, plan), name=f"memotier-{self._what}", context=context
        )
        with self._lock:
            self._tasks.add(task)
            flight.is_apart = True
        task.add_done_callback(lambda task: self._ended(task, flight))
        return True

    async def _adrive(self, flight: Renewal, plan: Plan) -> None:
        try:
            await adrive(plan)
        except Exception as error:
            self._say(flight, error)

    def _ended(self, task: asyncio.Task[Any], flight: Renewal) -> None:
        with self._lock:
            self._tasks.discard(task)
        if task.cancelled():
            with self._lock:
                self.dropped += 1
                # A task that was cancelled before its first step never reached its plan.
                self._flights.land(flight, AGAIN)
            return
        task.exception()  # seen: an interrupt has left the loop already
        self._count(flight)

    # -- both ----------------------------------------------------------------------

    def _say(self, flight: Renewal, error: BaseException) -> None:
        # An error of the function's was said where it was met; this is none, or none that it
        # could be told from: an interrupt raised in a thread that nobody interrupts.
        if flight.behind and not flight.failed:
            flight.failed = True
            logger.error("a refresh in the background failed: %s", kind_and_place(error))

    def _count(self, flight: Renewal) -> None:
        with self._lock:
            self._flights.land(flight, AGAIN)
            if flight.behind:
                self.failed += flight.failed
                self.done += not flight.failed

    def _drop(self, jobs: Iterable[_Job]) -> None:
        for job in jobs:
            self._flights.land(job.flight, AGAIN)
            self.dropped += 1

    def stop(self) -> None:
        """
        Begin nothing more, and forget what has not begun. Tasks are cancelled.
        """
        with self._lock:
            self.closed = True
            waiting, self._waiting = self._waiting, deque()
            self._drop(waiting)
            tasks = list(self._tasks)
        for task in tasks:
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                pass  # its loop is closed, and it will never run again

    def join(self) -> None:
        """
        Wait up to ``PATIENCE`` for the threads that are in the middle of a refresh.
        """
        until = time.monotonic() + PATIENCE
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def tasks_here(self) -> list[asyncio.Task[Any]]:
        """
        The tasks of the running loop, without the current one.
        """
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        with self._lock:
            return [task for task in self._tasks if task.get_loop() is loop and task is not me]


def _drive(plan: Plan) -> None:
    # Nobody waits for it inside of the computation that happened to find the value stale.
    leading.set(None)
    drive(plan)


class Behind:
    """
    Effect: run *plan*, which brings *flight*, in the background. The answer is whether it will.
    """

    __slots__ = ("_background", "_flight", "_plan")

    def __init__(self, background: Background, flight: Renewal, plan: Plan) -> None:
        self._background = background
        self._flight = flight
        self._plan = plan

    def is_of(self, background: Background) -> bool:
        return self._background is background

    def now(self) -> bool:
        return self._background.in_thread(self._flight, self._plan)

    async def later(self) -> bool:
        return self._background.in_task(self._flight, self._plan)


class Rest:
    """
    Effect: end the background work; wait a little for what runs.
    """

    __slots__ = ("_background", "_offload")

    def __init__(self, background: Background, offload: Any) -> None:
        self._background = background
        self._offload = offload

    def now(self) -> None:
        self._background.stop()
        self._background.join()

    async def later(self) -> None:
        background = self._background
        background.stop()
        tasks = background.tasks_here()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        if background.running:
            await self._offload.run(background.join)
