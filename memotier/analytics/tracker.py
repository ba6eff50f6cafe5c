"""
What analytics remembers of one engine, beside what the engine counts anyway.

There is one tracker per engine, made when the first asks for figures; from then on windows of time
are known. Hot keys and tags are tracked from when a ``CacheAnalytics`` asks for them.

It hears the engine as its *watcher* (engine/meter.py), in the threads of callers: so it neither
waits nor raises, and pictures are taken on the way only of caches of which that is cheap.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Final

from ..engine.calls import Call
from ..engine.engine import Engine
from ..engine.instances import bury
from ..engine.modes import let_hits_pass
from ..entry import Resident
from ..types import Seconds
from .counters import in_use, whose, windowed_of
from .hotkeys import HotKeys
from .parameters import Arguments
from .predicting import Predictor
from .tagged import Tagged
from .traces import Trace
from .tracing import Tracer
from .windows import NEXT, SPANS, Passed, Picture, Windows

#: Entries in memory up to which a caller takes a picture on his way (some 1 ms every 5 s).
CHEAP: Final = 10_000


class Tracker:
    """
    The watcher of one engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = weakref.ref(engine)
        #: Never waited for on the way of a call. Reentrant: a finalizer may ask for figures.
        self._lock = threading.RLock()
        self._windows = Windows()
        self.began: Seconds = engine.clock.wall()
        self.hot: HotKeys | None = None
        self.tagged = Tagged()
        #: Under which this process leaves its figures in the second tier; see leaving.py.
        self.names: set[str] = set()
        #: Counts values of arguments, once somebody asked for it.
        self.arguments: Arguments | None = None
        #: Records accesses while somebody wants that; and what was recorded last.
        self.tracer: Tracer | None = None
        self.trace: Trace | None = None
        self._predictor: Predictor | None = None

    # -- heard from the engine -------------------------------------------------------------

    def tick(self) -> None:
        """
        Take a picture, if that is cheap and nobody else is at it.
        """
        engine = self._engine()
        if engine is None or engine.is_inside() or not self._lock.acquire(blocking=False):
            return
        try:
            engine.meter.again(engine.clock.monotonic() + NEXT)
            if engine.memory.size <= CHEAP:
                self._windows.add(picture(engine))
        finally:
            self._lock.release()

    def hit(self, resident: Resident) -> None:
        if self.tracer is not None:
            self.tracer.hit(resident)

    def met(self, call: Call, values: tuple[Any, ...], memo: Any) -> None:
        if self.arguments is not None:
            self.arguments.met(call, values, memo)

    def asked(self, call: Call, *, found: bool) -> None:
        if self.tracer is not None:
            self.tracer.missed(call, found=found)
        if self.hot is not None:
            self.hot.asked(call, found=found)

    def took(self, call: Call, seconds: Seconds) -> None:
        if self.tracer is not None:
            self.tracer.ended(call, seconds)
        if self.hot is not None:
            self.hot.took(call, seconds)

    def left(self, table: Any, resident: Resident, hits: int) -> None:
        self.tagged.left(resident, hits)
        if self.hot is not None:
            self.hot.left(table, resident, hits)

    def began_at(self, now: Seconds, wall: Seconds) -> None:
        """
        Nothing had happened yet, then.
        """
        self.began = wall
        with self._lock:
            self._windows.add(Picture(now, wall, {}))

    # -- asked for ---------------------------------------------------------------------------

    def track_hot_keys(self, most: int) -> None:
        """
        Count keys from now on; the widest window that anybody asked for holds.
        """
        if self.hot is None:
            self.hot = HotKeys(most)
        self.hot.most = max(self.hot.most, most)

    def track_arguments(self, engine: Engine) -> Arguments:
        """
        Count from now on which values arguments have.
        """
        if self.arguments is None:
            self.arguments = Arguments(engine)
        return self.arguments

    def predictor(self) -> Predictor | None:
        """
        What the trace that was recorded last says of changes; None if there is none.
        """
        trace = self.trace
        if trace is not None and (self._predictor is None or self._predictor.trace is not trace):
            self._predictor = Predictor(trace)
        return self._predictor

    def look(self, engine: Engine) -> Picture:
        """
        A picture of now, which is kept if one is due.
        """
        taken = picture(engine)
        with self._lock:
            self._windows.add(taken)
        engine.meter.again(engine.clock.monotonic() + NEXT)
        return taken

    def passed(self, window: str, now: Picture) -> Passed:
        with self._lock:
            return self._windows.passed(window, now)

    def all_passed(self, now: Picture) -> dict[str, Passed]:
        with self._lock:
            return {window: self._windows.passed(window, now) for window in SPANS}

    def history(self, now: Picture, window: str = "1h") -> list[Passed]:
        with self._lock:
            return self._windows.history(now, window)

    def after_fork(self) -> None:
        """
        Whoever held the lock is not here to release it, and what happened before was the parent's.
        """
        self._lock = threading.RLock()
        engine = self._engine()
        if engine is not None:
            self._windows = Windows()
            self._windows.add(picture(engine))
            self.began = engine.clock.wall()
            if self.arguments is not None:
                self.arguments = Arguments(engine)
            if self.tracer is not None:
                let_hits_pass(engine)  # the parent goes on with it
        self.tracer = None


def picture(engine: Engine) -> Picture:
    with engine.lock:
        bury(engine)
        counted: dict[Any, tuple[float, ...]] = {}
        for shelf in in_use(engine):
            at, new = whose(shelf), windowed_of(shelf)
            old = counted.get(at)
            counted[at] = (
                new if old is None else tuple(a + b for a, b in zip(old, new, strict=True))
            )
    return Picture(engine.clock.monotonic(), engine.clock.wall(), counted)


def tracker_of(engine: Engine, began: tuple[Seconds, Seconds] | None = None) -> Tracker:
    """
    The tracker of *engine*, which from now on has one.

    Args:
        began: When its counters were zero, in monotonic and wall seconds, if that is known.
    """
    with engine.lock:
        found = engine.meter.watcher
        if isinstance(found, Tracker):
            return found
        made = Tracker(engine)
        engine.meter.watcher = engine.memory.watcher = made
    _trackers.add(made)
    if began is not None:
        made.began_at(*began)
    made.look(engine)
    return made


_trackers: weakref.WeakSet[Tracker] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for tracker in list(_trackers):
        tracker.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
