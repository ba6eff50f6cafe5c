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

from memotier.clock import Clock
from memotier.errors import StoreError
from memotier.types import Store


class HandClock:
    """
    Time that stands still until it is turned; every reading is a nanosecond later.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        #: By how much somebody has set the wall clock.
        self.set_by = 0.0

    def _read(self) -> float:
        self.now += 1e-9
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self._read, wall=lambda: 1_700_000_000 + self.set_by + self._read())


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


class Faulty:
    """
    A store whose operations can be made to fail, or to stop before or after they are done, while
    somebody else does something (in another thread, as another process would).
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kind = store.kind
        self.failing: set[str] = set()
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}

    @property
    def board(self) -> Any:
        return getattr(self.store, "board", None)

    @property
    def claims(self) -> Any:
        return getattr(self.store, "claims", None)

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.store, name)

        def run(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.before:
                Background(self.before[name]).result()
            if name in self.failing:
                raise StoreError(f"{name} does not work today")
            answer = operation(*arguments)
            if name in self.after:
                Background(self.after[name]).result()
            return answer

        return run


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
