"""
Looking at a cache at intervals, in a thread or in a task, and telling callbacks of alerts.

States: *running*; *over*: it was stopped, its ``CacheAnalytics`` is gone, or its cache is closed.
After a fork the child has no monitoring, as it has no thread.

What must never happen: a process that does not end because of it, or an error that ends it. The
thread is a daemon and holds the analytics weakly; whatever goes wrong in a round is logged by its
type, and the next one is made.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from ..durations import seconds
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError
from ..types import Seconds

if TYPE_CHECKING:
    from .state import State

#: Is given the alert's name and its data.
Callback = Callable[[str, dict[str, Any]], Any]
#: Seconds between two rounds, at least.
LEAST: Final[Seconds] = 0.1
#: Seconds that ``stop`` waits for a round that runs.
PATIENCE: Final[Seconds] = 5.0


class Monitor:
    """
    Rounds, *every* so many seconds.

    Raises:
        ConfigError: If *every* is no duration, or shorter than 0.1 s.
    """

    def __init__(self, state: State, every: Any) -> None:
        self._every = seconds(every, what="interval_seconds")
        if not LEAST <= self._every < float("inf"):
            raise ConfigError(
                f"interval_seconds={every!r} cannot be used: give {LEAST} seconds or more"
            )
        self._state = weakref.ref(state)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        #: Rounds that were made, and callbacks that raised.
        self.rounds = self.failures = 0
        state.tracker().look(state.keyed.engine)  # the beginning of the first window

    @property
    def running(self) -> bool:
        thread, task = self._thread, self._task
        return (thread is not None and thread.is_alive()) or (task is not None and not task.done())

    # -- in a thread -----------------------------------------------------------------------

    def start(self) -> Monitor:
        self._thread = threading.Thread(target=self._run, name="memotier-analytics", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """
        Make no further round, and wait up to 5 s for the one that runs.
        """
        self._stop.set()
        task, thread = self._task, self._thread
        if task is not None and not task.done():
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                pass  # its loop has ended, and it with it
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            if not self.is_wanted():
                return
            for answer in self.round():
                try:
                    asyncio.run(_awaited(answer))
                except Exception as error:
                    self._failed(error)

    # -- in a task -------------------------------------------------------------------------

    def start_task(self) -> Monitor:
        self._task = asyncio.get_running_loop().create_task(
            self._run_task(), name="memotier-analytics"
        )
        return self

    async def astop(self) -> None:
        self.stop()
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run_task(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(self._every)
            if not self.is_wanted():
                return
            for answer in self.round():
                try:
                    await answer
                except Exception as error:
                    self._failed(error)

    # -- a round ---------------------------------------------------------------------------

    def is_wanted(self) -> bool:
        state = self._state()
        return state is not None and not state.keyed.engine.closed

    def round(self) -> list[Awaitable[Any]]:
        """
        Look once, and call who wants to hear of it; what coroutine functions among them returned
        is to be awaited.
        """
        state, waiting = self._state(), []
        if state is None:
            return []
        self.rounds += 1
        try:
            found = state.check()
        except Exception as error:
            self._failed(error)
            return []
        for alert, data in found:
            for callback, hears_end in list(state.callbacks):
                if data["resolved"] and not hears_end:
                    continue
                try:
                    answer = callback(alert, dict(data))
                except Exception as error:
                    self._failed(error)
                else:
                    if inspect.isawaitable(answer):
                        waiting.append(answer)
        return waiting

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        logger.warning("monitoring a cache: an error: %s", kind_and_place(error))


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
