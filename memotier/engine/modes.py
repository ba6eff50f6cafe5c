"""
Caching off for a while: ``memotier.disabled()``.

The hit path does not ask whether caching is disabled. While any block of the process has it
disabled, all engines are *parked*: every hit goes the slow way, and that asks.

A block holds for the context that opened it and for those that inherit from it, and ends for
all of them at once: a task that outlives the block it was started in finds the cache on again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .engine import Engine


class _Block:
    """
    One ``with disabled():``, and the one around it.
    """

    __slots__ = ("is_over", "outer")

    def __init__(self, outer: _Block | None) -> None:
        self.is_over = False
        self.outer = outer


_inside: ContextVar[_Block | None] = ContextVar("memotier_disabled", default=None)
_lock = threading.RLock()
_blocks: set[object] = set()
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
#: Engines whose hits go the slow way, where another engine is found; see testing/isolation.py.
_aside: weakref.WeakSet[Engine] = weakref.WeakSet()
#: Engines whose hits go the slow way because somebody wants to see each of them.
_shown: weakref.WeakSet[Engine] = weakref.WeakSet()


def is_disabled() -> bool:
    return _inside.get() is not None and _innermost() is not None


def _innermost() -> _Block | None:
    block = _inside.get()
    while block is not None and block.is_over:
        block = block.outer
    return block


@contextmanager
def disabled() -> Iterator[None]:
    """
    Until the block ends no cache is read or written in this context: the thread or task, and
    the tasks (and ``asyncio.to_thread`` calls) that are started inside.

    Invalidations still happen. Use it to compare, to debug, or to compute anew without
    touching what is stored. Other threads and tasks go on with the cache.
    """
    block = _Block(_innermost())
    _inside.set(block)
    try:
        park_while(block, True)
        yield
    finally:
        block.is_over = True
        park_while(block, False)
        # Not a reset: that fails in a generator which another context closes than the one that
        # ran it, and would end blocks that were opened later and are not over.
        _inside.set(_innermost())


def park_while(block: object, lasts: bool) -> None:
    """
    Send every hit the slow way as long as *block* lasts (this one, or another).
    """
    with _lock:
        if lasts:
            _blocks.add(block)
        else:
            _blocks.discard(block)
        _park()


def register(engine: Engine) -> None:
    """
    Take a new engine in.
    """
    with _lock:
        _engines.add(engine)
        engine.versions.park(bool(_blocks))


def set_aside(engines: Iterable[Engine]) -> None:
    """
    Let no hit path answer from *engines*, until ``take_back``.
    """
    with _lock:
        _aside.update(engines)
        _park()


def take_back(engines: Iterable[Engine]) -> None:
    """
    Let them answer again.
    """
    with _lock:
        _aside.difference_update(engines)
        _park()


def show_hits(engine: Engine) -> None:
    """
    Let hits of *engine* go the slow way, where its watcher sees each, until ``let_hits_pass``.
    """
    with _lock:
        _shown.add(engine)
        _park()


def let_hits_pass(engine: Engine) -> None:
    """
    Let them be fast again.
    """
    with _lock:
        _shown.discard(engine)
        _park()


def _park() -> None:
    for engine in list(_engines):
        with engine.lock:
            engine.versions.park(bool(_blocks) or engine in _aside or engine in _shown)


def _after_fork_in_child() -> None:
    # Of all threads only this one is here, and the blocks of the others never end.
    global _lock
    _lock = threading.RLock()
    _blocks.clear()
    block = _innermost()
    while block is not None:
        if not block.is_over:
            _blocks.add(block)
        block = block.outer
    _park()


os.register_at_fork(after_in_child=_after_fork_in_child)
