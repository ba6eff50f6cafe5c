"""
Connections for threads: whoever asks takes one, and puts it back when he has his answers.

    idle ── taken ─┬─ all answers were read ── idle
                   └─ anything else, also an interrupt: closed, for half an answer may be in it

So an answer can never be taken for that of a later request. One that was idle for a moment is
looked at before it is used: the server may have closed it.

redis-py connects (TLS, users, databases) and reads answers; its pool, which looks at every
connection each time and counts them, costs more than a read at the server.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ...errors import StoreUnavailable
from ...types import Seconds
from .requests import Request

#: Seconds of rest after which a connection is looked at: one that was used just now is as it was.
RESTED: Final[Seconds] = 0.01
#: Connections that are kept while nobody uses them.
MOST_IDLE: Final = 32


class Lines:
    """
    The connections of this process to one server.

    Args:
        make: Makes a connection of redis-py, which connects when it is used.

        error: What redis-py raises for an error that the server answered.

        most: Connections that may be open.
    """

    def __init__(
        self, make: Callable[[], Any], error: type[Exception], most: int, place: str
    ) -> None:
        self._make = make
        self._error = error
        self._most = most
        self._place = place
        self._idle: deque[tuple[Any, Seconds]] = deque()
        self._lock = threading.Lock()
        self._open = 0
        self._closed = False

    def exchange(self, request: Request) -> list[Any]:
        """
        The answers to *request*.
        """
        connection = self._take()
        try:
            connection.send_packed_command((request.packed(),), check_health=False)
            answers = []
            for _ in request.commands:
                try:
                    answers.append(connection.read_response())
                except self._error as error:
                    answers.append(error)
        except BaseException:
            self._drop(connection)
            raise
        if self._closed or len(self._idle) >= MOST_IDLE:
            self._drop(connection)
        else:
            self._idle.append((connection, time.monotonic()))
        return answers

    def hang_up(self) -> None:
        """
        Close what nobody uses: one of them may have an answer in it that nobody asked for.
        """
        while True:
            try:
                connection, _ = self._idle.pop()
            except IndexError:
                return
            self._drop(connection)

    def close(self) -> None:
        """
        Close all: those that somebody uses when he has done so.
        """
        self._closed = True
        self.hang_up()

    def _take(self) -> Any:
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return self._made()
            if time.monotonic() - since < RESTED or self._is_quiet(connection):
                return connection
            self._drop(connection)

    def _made(self) -> Any:
        with self._lock:
            if self._open >= self._most:
                raise StoreUnavailable(
                    f"all {self._most} connections to {self._place} are in use (max_connections)"
                )
            self._open += 1
        try:
            return self._make()
        except BaseException:
            with self._lock:
                self._open -= 1
            raise

    def _drop(self, connection: Any) -> None:
        with self._lock:
            self._open -= 1
        try:
            connection.disconnect()
        except Exception:  # noqa: S110
            pass  # it is of no use any more, however it ends

    @staticmethod
    def _is_quiet(connection: Any) -> bool:
        try:
            return not connection.can_read()
        except Exception:
            return False  # closed by the server
