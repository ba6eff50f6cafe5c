"""
``rewarm=True``: what was invalidated is computed again, the most used first.

A thread of each cache looks every ``LOOK_EVERY`` seconds whether something was invalidated, here
or by another process (an epoch has moved: two comparisons). If so it checks the entries of the
functions that want it, as a call would; those that turn out to be invalid, and those that were
removed, are called again at once. An entry that expired, or had to make room, is left alone.

What must never happen: a storm. One round runs at a time, of at most ``MOST`` calls, and what is
invalidated while it runs waits for the next.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from collections.abc import Hashable
from typing import Any, Final

from ..engine.drive import drive
from ..engine.engine import Engine
from ..engine.events import kind_and_place, logger
from ..engine.tier2 import learn
from ..memo import Memo
from ..recording.known import Known
from ..recording.pattern import Pattern
from ..recording.recorder import Recorder, Recording
from ..recording.records import Recorded
from ..types import Seconds
from .pace import Pace
from .replay import replay
from .report import WarmingReport
from .resolve import Job, bind

#: Seconds between two looks.
LOOK_EVERY: Final[Seconds] = 0.25
#: Seconds of one round: a function that hangs must not keep all others waiting for ever.
LONGEST: Final[Seconds] = 60.0
#: Calls of one round, and calls at once.
MOST: Final = 100
AT_ONCE: Final = 4

_rewarmers: weakref.WeakKeyDictionary[Engine, Rewarmer] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def rewarm(engine: Engine, recorder: Recorder, recording: Recording, memo: Memo) -> None:
    """
    From now on make the calls of *memo* again when their results were invalidated.
    """
    with _lock:
        rewarmer = _rewarmers.get(engine)
        if rewarmer is None:
            rewarmer = _rewarmers[engine] = Rewarmer(engine, recorder)
        rewarmer.functions[recording] = weakref.ref(memo)
        rewarmer.start()


class Rewarmer:
    """
    The calls of one cache that are made again.
    """

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        #: Weak: functions that are decorated over and over are not kept by this.
        self.functions: weakref.WeakKeyDictionary[Recording, weakref.ref[Memo]] = (
            weakref.WeakKeyDictionary()
        )
        #: What was done so far.
        self.report = WarmingReport(strategy="frequency")
        self._engine = weakref.ref(engine)
        self._recorder = recorder
        recorder.lost = deque(maxlen=10 * MOST)
        self._last = self._moved(engine)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        engine.before_close.append(self._stop.set)

    def start(self) -> None:
        """
        Have a thread that looks.
        """
        if self._thread is None and not self._stop.is_set():
            thread = threading.Thread(
                target=_look_at_intervals,
                args=(weakref.ref(self), self._stop),
                name="memotier-rewarm",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                # No more threads. Nobody would ask for what is lost, so it is not kept.
                self._recorder.lost = None
                self._recorder.say_once(
                    "rewarm", "thread", "nothing is computed again: no thread can be started"
                )
                return
            self._thread = thread
            if self._recorder.lost is None:
                self._recorder.lost = deque(maxlen=10 * MOST)

    def forget(self) -> None:
        """
        A forked child: the thread stayed in the parent.
        """
        self._stop = threading.Event()
        self._thread = None
        self.start()

    def look(self) -> None:
        """
        One round: find what was invalidated, and call it again.
        """
        engine = self._engine()
        if engine is None or engine.closed:
            return
        moved = self._moved(engine)
        if moved != self._last:
            for known in self._hottest():
                self._check(engine, known)
            self._last = moved
        jobs = self._jobs()
        if jobs:
            asyncio.run(
                replay(
                    jobs,
                    self.report,
                    Pace(engine.clock.monotonic, deadline=LONGEST),
                    concurrency=AT_ONCE,
                )
            )

    def _moved(self, engine: Engine) -> Any:
        epoch, _, board = engine.versions.cells
        return epoch, board[0]

    def _hottest(self) -> list[Known]:
        known = list(self._recorder.known.values())
        mine = [one for one in known if one.recording in self.functions]
        mine.sort(key=_uses, reverse=True)
        return mine[:MOST]

    def _check(self, engine: Engine, known: Known) -> None:
        """
        Look at its entry as a call would: if it is invalid, it is removed, and we hear of it.
        """
        while True:
            with engine.lock:
                _, unknown = engine.examine(known.table, known.key, stale=True)
            if not unknown or not drive(learn(engine, unknown)):
                break
        engine.sweep()

    def _jobs(self) -> list[Job]:
        lost: deque[Hashable] = self._recorder.lost or deque()
        found: dict[Hashable, Known] = {}
        while lost:
            at = lost.popleft()
            known = self._recorder.known.get(at)
            if known is not None and known.recording in self.functions:
                found[at] = known
        hottest = sorted(found.values(), key=_uses, reverse=True)
        return [job for one in hottest[:MOST] if (job := self._job(one)) is not None]

    def _job(self, known: Known) -> Job | None:
        memo = self.functions[known.recording]()
        try:
            signature = known.recording.sign(known)
            if memo is None or signature.redacted:
                return None
            values = bind(memo, signature.arguments())
        except Exception:
            return None  # it cannot be written down, so it is not made again
        return None if values is None else Job(memo, values, Recorded(signature, Pattern()))


def _uses(known: Known) -> int:
    return known.uses + known.seen + known.misses


def _look_at_intervals(ref: weakref.ref[Rewarmer], stop: threading.Event) -> None:
    while not stop.wait(LOOK_EVERY):
        rewarmer = ref()
        if rewarmer is None:
            return
        try:
            rewarmer.look()
        except Exception as error:
            logger.error("computing invalidated results again failed (%s)", kind_and_place(error))
        del rewarmer


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for rewarmer in list(_rewarmers.values()):
        rewarmer.forget()


os.register_at_fork(after_in_child=_after_fork_in_child)
