"""
Every process that uses a second tier leaves its figures there, for who looks from outside.

There is one thread for that in a process, started when the first such cache is used, and it ends
with the last. It goes its rounds every ``EVERY`` seconds; what it does there is told in
analytics/leaving.py, which is loaded by that thread and so by no caller. A cache that is closed,
and a process that ends, leave their figures once more, marked as the last ones.

What must never happen: a call that waits, fails or costs more because of it; a process that does
not end. A hit does not know of it at all. After a fork the child begins with its next miss.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from functools import partial
from typing import Any, Final

from .keyed import Keyed
from .types import Seconds

#: Seconds from the first use of a cache to the first round, and from round to round.
FIRST: Final[Seconds] = 1.0
EVERY: Final[Seconds] = 2.0
#: Of its time that the thread works at most: rounds that cost more are made less often.
SHARE: Final = 0.01
#: Seconds between two looks whether the thread is there, at the misses of callers.
LOOK: Final[Seconds] = 5.0
#: Seconds that an exiting interpreter waits for a round that runs.
PATIENCE: Final[Seconds] = 1.0

_HOME: Final = "memotier.analytics.leaving"


def watch_for(keyed: Keyed) -> None:
    """
    Leave the figures of this cache from when it is first used, if it has a place for them.
    """
    engine = keyed.engine
    if keyed.wiring.snapshots and getattr(engine.store, "notices", None) is not None:
        engine.meter.starter = partial(_used, weakref.ref(keyed))
        engine.meter.start_soon()


def _used(ref: weakref.ref[Keyed]) -> None:
    keyed = ref()
    if keyed is None:
        return
    meter = keyed.engine.meter
    if meter.watcher is None:
        meter.again(keyed.engine.clock.monotonic() + LOOK)
    rounds.wake(keyed)


class Rounds:
    """
    The thread of this process, and the caches that it visits.
    """

    def __init__(self) -> None:
        self._new: deque[weakref.ref[Keyed]] = deque()
        #: What is left of each cache: analytics.leaving.Leaving.
        self._leavings: list[Any] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        #: Held by who makes a round; and by who starts the thread, which is never waited for.
        self._busy, self._waking = threading.RLock(), threading.Lock()
        self._is_child = self._is_known = False

    def wake(self, keyed: Keyed) -> None:
        """
        *keyed* is used: see that somebody leaves its figures.
        """
        is_new, clock = keyed.left_since is None, keyed.engine.clock
        if (self._thread is not None and not is_new) or keyed.engine.closed:
            return
        # Who is busy with that, in another thread or (a finalizer) in this one, is not waited for.
        if self._stop.is_set() or not self._waking.acquire(blocking=False):
            return
        try:
            if keyed.left_since is None:
                keyed.left_since = clock.monotonic(), clock.wall()
                ref = weakref.ref(keyed)
                keyed.engine.before_close.append(partial(self._closes, ref))
                self._new.append(ref)
            if self._thread is None:
                self._start()
        finally:
            self._waking.release()

    def _start(self) -> None:
        if not self._is_known:
            self._is_known = True
            atexit.register(self._at_exit)
        thread = threading.Thread(target=self._run, name="memotier-snapshots", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # no more threads: the next miss tries again
        self._thread = thread

    def _run(self) -> None:
        wait = FIRST
        while not self._stop.wait(wait):
            with self._busy:
                self._adopt()
                began = time.thread_time()
                self._leavings = [one for one in self._leavings if one.round()]
            wait = max(EVERY, (time.thread_time() - began) / SHARE)
            if not self._leavings:
                with self._waking:
                    if not self._new:
                        self._thread = None
                        return

    def _adopt(self) -> None:
        from .analytics.leaving import Leaving

        while self._new:
            keyed = self._new.popleft()()
            if keyed is not None:
                self._leavings.append(Leaving(keyed, is_child=self._is_child))

    def _closes(self, ref: weakref.ref[Keyed]) -> None:
        """
        A cache is about to be closed.
        """
        keyed = ref()
        if keyed is None or not self._busy.acquire(timeout=PATIENCE):
            return
        try:
            if self._may_import():
                self._adopt()
            for one in [one for one in self._leavings if one.is_of(keyed)]:
                one.end()
                self._leavings.remove(one)
        finally:
            self._busy.release()

    def _may_import(self) -> bool:
        # In a forked child, another thread of the parent may have been just at that, and its
        # lock is held for ever.
        return not self._is_child or hasattr(sys.modules.get(_HOME), "Leaving")

    def _at_exit(self) -> None:
        self._stop.set()
        if not self._busy.acquire(timeout=PATIENCE):
            return
        try:
            if self._may_import():
                self._adopt()
            for one in self._leavings:
                one.end()
            self._leavings = []
        finally:
            self._busy.release()

    def after_fork(self) -> None:
        """
        In the child: its thread and its figures so far are the parent's.
        """
        self._busy, self._waking = threading.RLock(), threading.Lock()
        self._stop = threading.Event()
        self._thread, self._is_child = None, True
        for one in self._leavings:
            one.after_fork()
        # So that the next miss looks whether there is a thread.
        for one in self._leavings:
            one.look_soon()


rounds: Final = Rounds()

os.register_at_fork(after_in_child=rounds.after_fork)
