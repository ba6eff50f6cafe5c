"""
Runs a piece of work on the right connection, under its lock, and turns every failure into a
``StoreError``; a file that was replaced meanwhile is opened again and the work is repeated.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from ..types import Seconds
from .connections import Connections
from .faults import StoreBusy
from .session import Session

log = logging.getLogger("memotier")

T = TypeVar("T")

_TRIES: Final = 4  # a session can be retired under a call; not again and again


class Access:
    """
    What the disk store does with its connections. *on_event* is called without any lock.
    """

    def __init__(
        self,
        connections: Connections,
        monotonic: Callable[[], Seconds],
        on_event: Callable[[str, Mapping[str, Any]], None] | None,
    ) -> None:
        self.connections = connections
        self.timeout = connections.timeout
        self._monotonic = monotonic
        self._on_event = on_event

    def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """
        The answer of *work*, given the reading connection and *arguments*.
        """
        connections = self.connections
        for _ in range(_TRIES):
            session = connections.ready()
            if connections.events:
                self._deliver()
            with connections.reading:
                if not connections.is_current(session):
                    continue
                try:
                    return work(session.reader, *arguments)
                except (sqlite3.Error, OSError) as error:
                    problem = error
            self._fail(session, problem, "reading")
        raise self._restless()

    def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        doing: str,
        timeout: Seconds,
        durable: bool = False,
    ) -> T:
        """
        The answer of *work* in a transaction of the writing connection.

        Args:
            work: May be called again, if the first transaction went nowhere.

            doing: For the message, if it fails.

            timeout: Seconds to wait for other writers.

            durable: Whether it must survive a loss of power once this returns, and must
                not go into a file that others no longer see.
        """
        connections = self.connections
        for _ in range(_TRIES):
            session = connections.ready()
            if connections.events:
                self._deliver()
            problem: sqlite3.Error | OSError | None = None
            left = self._wait_to_write(timeout)
            try:
                if not connections.is_current(session):
                    continue
                answer = session.transact(work, left, durable)
                if not durable or session.is_current():
                    return answer
            except (sqlite3.Error, OSError) as error:
                problem = error
            finally:
                connections.writing.release()
            if problem is not None:
                self._fail(session, problem, doing)
            connections.replaced(session)
        raise self._restless()

    def tell(self, event: str, **details: Any) -> None:
        """
        Let the listener hear of *event*, now.
        """
        self.connections.events.append((event, details))
        self._deliver()

    def _wait_to_write(self, timeout: Seconds) -> Seconds:
        """Take the writing lock; the seconds left of *timeout*, which other threads used up."""
        lock = self.connections.writing
        if lock.acquire(blocking=False):
            return timeout
        began = self._monotonic()
        if not lock.acquire(timeout=timeout):
            raise StoreBusy(
                f"other threads of this process wrote to {self.connections.home.database} for "
                f"{timeout:g} s; the cache goes on without this write"
            )
        return max(0.001, timeout - (self._monotonic() - began))

    def _fail(self, session: Session, problem: sqlite3.Error | OSError, doing: str) -> None:
        error = self.connections.failed(session, problem, doing)
        self._deliver()
        raise error from problem

    def _restless(self) -> StoreBusy:
        return StoreBusy(f"{self.connections.home.database} was replaced again and again")

    def _deliver(self) -> None:
        events = self.connections.events
        while events:
            event, details = events.popleft()
            if self._on_event is None:
                continue
            try:
                self._on_event(event, details)
            except Exception as error:
                # Not its text, which may show data.
                log.error("a listener failed at %r: %s", event, type(error).__qualname__)
