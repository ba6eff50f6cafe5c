"""
Caching off for a while: ``memotier.disabled()``.

The hit path does not ask whether caching is disabled. While any context of the process has
it disabled, all engines are *parked*: every hit goes the slow way, and that asks.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .engine import Engine

_disabled: ContextVar[bool] = ContextVar("memotier_disabled", default=False)
_lock = threading.Lock()
_contexts = 0
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def is_disabled() -> bool:
    return _disabled.get()


@contextmanager
def disabled() -> Iterator[None]:
    """
    In this context (thread, task and what they start) no cache is read or written.

    Invalidations still happen. Use it to compare, to debug, or to compute anew without
    touching what is stored.
    """
    mark = _disabled.set(True)
    _count(+1)
    try:
        yield
    finally:
        _count(-1)
        _disabled.reset(mark)


def register(engine: Engine) -> None:
    """
    Take a new engine in.
    """
    with _lock:
        _engines.add(engine)
        engine.versions.park(_contexts > 0)


def _count(change: int) -> None:
    global _contexts
    with _lock:
        _contexts += change
        for engine in list(_engines):
            with engine.lock:
                engine.versions.park(_contexts > 0)
