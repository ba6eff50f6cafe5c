"""
What the engine's tests are made of: a clock to turn, a store to break, gates to hold a function.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from memotier.testing import FakeClock, FaultyStore

Faulty = FaultyStore


class HandClock(FakeClock):
    """
    A clock in the words of these tests.
    """

    __setattr__ = object.__setattr__

    #: By how much somebody has set the wall clock.
    _set_by = 0.0

    @property
    def now(self) -> float:
        return self._hands.monotonic_ns / 1e9

    @property
    def set_by(self) -> float:
        return self._set_by

    @set_by.setter
    def set_by(self, seconds: float) -> None:
        self._hands.move(0, round((seconds - self._set_by) * 1e9))
        self._set_by = seconds

    def turn(self, seconds: float) -> None:
        self.advance(seconds)

    @property
    def clock(self) -> FakeClock:
        return self


class Gate:
    """
    A place in a function where it waits until it is let through.
    """

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.entered.set()
        assert self._open.wait(10), "nobody opened the gate"


@contextmanager
def database_of(directory: Path) -> Iterator[sqlite3.Connection]:
    """
    The database below *directory*, as somebody else would open it; what is changed, stays.
    """
    with closing(sqlite3.connect(next(directory.rglob("cache.db")))) as connection, connection:
        yield connection


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """
    Run all at once, each in a thread; what each returned or raised.
    """
    answers: list[Any] = [None] * len(functions)

    def run(at: int) -> None:
        try:
            answers[at] = functions[at]()
        except BaseException as error:
            answers[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a call hangs"
    return answers


class Background:
    """
    One call in a thread, whose result is asked for later.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._answer: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._answer.extend(_outcome(function)))
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(20)
        assert not self._thread.is_alive(), "a call hangs"
        error, value = self._answer
        if error is not None:
            raise error
        return value


def _outcome(function: Callable[[], Any]) -> Sequence[Any]:
    try:
        return None, function()
    except BaseException as error:
        return error, None
