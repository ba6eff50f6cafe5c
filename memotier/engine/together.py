"""
Several plans at once: at most so many run, the others wait for their turn.

What must never happen:
- a plan that was begun is left behind: whoever asked waits for all of them, also when one fails
  or when he is cancelled himself (then they are cancelled, too);
- one plan sees what another does to a context variable: where they run side by side, each has a
  copy of the caller's context.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Any, Final

from .drive import Plan, adrive, drive
from .flights import Failed, Signal

#: The outcome of a plan whose turn never came, because another one had failed.
NOT_BEGUN: Final = Signal("NOT_BEGUN")


class Together:
    """
    Effect: run *plans*. The answer is a list: for each its result, ``Failed``, or NOT_BEGUN.

    Args:
        limit: How many may run at once; sync ones in as many threads, of which the caller's is
            one.

        stops: Whether to begin nothing more once one has failed.
    """

    __slots__ = ("_limit", "_outcomes", "_stops", "_todo", "first")

    def __init__(self, plans: Sequence[Plan], *, limit: int, stops: bool) -> None:
        self._todo = deque(enumerate(plans))
        self._outcomes: list[Any] = [NOT_BEGUN] * len(plans)
        self._limit = min(limit, len(plans))
        self._stops = stops
        #: The one that failed before any other did.
        self.first: Failed | None = None

    def _ended(self, at: int, outcome: Any) -> None:
        self._outcomes[at] = outcome
        if outcome.__class__ is Failed:
            self.first = self.first or outcome
            if self._stops:
                self._todo.clear()

    # -- in threads ----------------------------------------------------------------

    def now(self) -> list[Any]:
        if self._limit < 2:
            while self._todo:
                at, plan = self._todo.popleft()
                self._ended(at, _outcome(plan))
            return self._outcomes

        ends: list[BaseException] = []
        contexts = [copy_context() for _ in self._outcomes]
        threads = self._helpers(contexts, ends)
        try:
            self._work(contexts)
        except BaseException:
            self._todo.clear()
            raise
        finally:
            for thread in threads:
                thread.join()
        if ends:
            raise ends[0]
        return self._outcomes

    def _helpers(
        self, contexts: Sequence[Context], ends: list[BaseException]
    ) -> list[threading.Thread]:
        threads: list[threading.Thread] = []
        for number in range(1, self._limit):
            thread = threading.Thread(
                target=self._help,
                args=(contexts, ends),
                name=f"memotier-map-{number}",
                daemon=True,
            )
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                break  # at the limit of the system, or at its end: those that are here do it
            threads.append(thread)
        return threads

    def _help(self, contexts: Sequence[Context], ends: list[BaseException]) -> None:
        try:
            self._work(contexts)
        except BaseException as error:
            # What ends a program was raised by the function: the caller is to hear of it.
            self._todo.clear()
            ends.append(error)

    def _work(self, contexts: Sequence[Context]) -> None:
        while True:
            try:
                at, plan = self._todo.popleft()
            except IndexError:
                return
            self._ended(at, contexts[at].run(_outcome, plan))

    # -- in tasks ------------------------------------------------------------------

    async def later(self) -> list[Any]:
        running: dict[asyncio.Task[Any], int] = {}
        try:
            while self._todo or running:
                while self._todo and len(running) < self._limit:
                    at, plan = self._todo.popleft()
                    running[asyncio.create_task(adrive(plan), name="memotier-map")] = at
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._ended(running.pop(task), _outcome_of(task))
        except BaseException:
            self._todo.clear()
            await _cancelled(running)
            raise
        return self._outcomes


def _outcome(plan: Plan) -> Any:
    try:
        return drive(plan)
    except Exception as error:
        return Failed(error)


def _outcome_of(task: asyncio.Task[Any]) -> Any:
    if task.cancelled():
        # Not by us: as in ``asyncio.gather`` that is an error of this one.
        return Failed(asyncio.CancelledError())
    error = task.exception()
    return task.result() if error is None else Failed(error)


async def _cancelled(tasks: dict[asyncio.Task[Any], int]) -> None:
    """
    Cancel *tasks*, and wait for them however often that is cancelled.
    """
    for task in tasks:
        task.cancel()
    while any(not task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            continue
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen
