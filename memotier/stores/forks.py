"""
What has locks, threads or connections hears of ``os.fork()``.

No SQLite connection may cross a fork, not even to be closed in the child, and a lock that
another thread held at that moment stays locked in the child for ever. So before a fork every
registered object takes its locks, in one fixed order, and closes what must not be shared;
afterwards, both sides let go and open again when they need to.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakValueDictionary

from ..types import Seconds


class ForkAware(Protocol):
    """
    Told before and after each fork, in the thread that forks. None of these may raise.
    """

    def before_fork(self) -> None:
        """Take the locks; close what must not be shared."""

    def after_fork(self, in_child: bool) -> None:
        """
        Release. In a child of a fork that nobody announced (an embedding server's, in C)
        ``before_fork`` has not been called.
        """


_serial = itertools.count()
_known: WeakValueDictionary[int, ForkAware] = WeakValueDictionary()
_registering = threading.Lock()
_told: list[ForkAware] = []


def register(thing: ForkAware) -> None:
    """
    Tell *thing* of forks for as long as it lives.
    """
    with _registering:
        _known[next(_serial)] = thing


def _before() -> None:
    _registering.acquire()
    # Kept alive until both sides have let go.
    _told[:] = [thing for _, thing in sorted(_known.items())]
    for thing in _told:
        thing.before_fork()


def _after_in_parent() -> None:
    _release(reversed(_told), in_child=False)
    _registering.release()


def _after_in_child() -> None:
    announced = _registering.locked() and bool(_told)
    things = list(reversed(_told)) if announced else [thing for _, thing in _known.items()]
    _release(things, in_child=True)
    if _registering.locked():
        _registering.release()


def _release(things: Iterable[ForkAware], in_child: bool) -> None:
    for thing in things:
        thing.after_fork(in_child)
    _told.clear()


os.register_at_fork(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)


class ForkSafeLocks:
    """
    Several locks that are taken in their order before a fork and released after it.

    A thread that forks while it holds one itself (in a signal handler) must not wait for
    ever: after *patience* seconds the fork goes on, and *abandon* is called in the child.
    """

    def __init__(self, *locks: threading.Lock, patience: Seconds = 10.0) -> None:
        self._locks = locks
        self._patience = patience
        self._held: list[threading.Lock] | None = None

    def take(self) -> bool:
        """Whether all could be taken."""
        self._held = []
        for lock in self._locks:
            if lock.acquire(timeout=self._patience):
                self._held.append(lock)
        return len(self._held) == len(self._locks)

    def release(self, in_child: bool, abandon: Callable[[], None]) -> None:
        """Let go; in a child that could not take them all, *abandon* must replace them."""
        held, self._held = self._held, None
        if held is None and not in_child:
            return
        for lock in reversed(held or ()):
            lock.release()
        if in_child and (held is None or len(held) < len(self._locks)):
            abandon()
