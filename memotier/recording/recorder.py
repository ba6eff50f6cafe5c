"""
Which calls were made, and how often: noted beside the cache, at no cost to a hit.

A call that memory cannot answer is noted when it takes the slow way (``Recording.note``): a
look-up in a dict, and once per call its arguments. Its hits are not noted one by one: memory
counts them on the entry anyway, and the recorder reads these counts now and then. So nothing is
lost however many hits there are, and a hit costs what it costs without recording.

States of a known call: *noted* (arguments kept), *signed* (written down once, or not fit for
that). A thread of its own saves what was counted every ``interval`` seconds, and once more when
the cache is closed or the interpreter ends. What cannot be saved is kept for the next time.

What must never happen: a call fails, or waits for a file, because it is recorded.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Hashable
from contextvars import ContextVar
from typing import Any, Final

from ..engine.calls import Call
from ..engine.engine import Engine
from ..engine.events import kind_and_place, logger
from ..entry import NEVER, Resident
from ..errors import StoreUnavailable
from ..stores import forks
from ..types import Seconds
from .history import History
from .known import Known
from .pattern import Pattern
from .records import Recorded
from .signature import Signature, Unrecordable, sign

#: Calls that one process knows at a time; further ones are counted and not recorded.
MOST_KNOWN: Final = 10_000
#: Entries that left memory between two readings and are still counted.
MOST_LEFT: Final = 20_000
#: Seconds between two savings.
INTERVAL: Final[Seconds] = 30.0

#: Whether the present call is made by warming.
replaying: ContextVar[bool] = ContextVar("memotier_replaying", default=False)

_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recording:
    """
    The recording of one function.

    Args:
        arguments_of: From the values of a call to the arguments that are kept, by name.

        user_of: From the values of a call to whose it is.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        label: str,
        namespace: str,
        function: str,
        redact: tuple[str, ...],
        arguments_of: Any,
        user_of: Any,
    ) -> None:
        self.recorder = recorder
        self.label = label
        self.namespace = namespace
        self.function = function
        self.redact = redact
        self._arguments_of = arguments_of
        self._user_of = user_of

    def note(self, call: Call, values: tuple[Any, ...]) -> None:
        """
        A call that memory could not answer.
        """
        if call.place.owner is not None:
            return  # of one object of this process: nobody else could make this call
        recorder = self.recorder
        known = recorder.known.get(call.flight_key)
        if known is None:
            known = self._meet(call, values)
            if known is None:
                return
        resident = call.table.get(call.key)
        if replaying.get():
            pass  # known from now on, but nobody asked for it
        elif resident is None or resident.fresh_until <= recorder.monotonic():
            # (Otherwise it is looked at more closely, and counts as a hit.)
            known.misses += 1
        if recorder.thread is None:
            recorder.wake()

    def _meet(self, call: Call, values: tuple[Any, ...]) -> Known | None:
        recorder = self.recorder
        if recorder.is_full:
            self._leave_out(Unrecordable("too many"))
            return None
        try:
            known = Known(self, call, self._arguments_of(values), self._user_of(values))
            if call.table is call.place.exact:
                # Its caller may change them when the call is over.
                self.sign(known)
        except Exception as error:
            self._leave_out(error)
            return None
        return recorder.known.setdefault(call.flight_key, known)

    def sign(self, known: Known) -> Signature:
        """
        The signature of *known*, made at the first time.

        Raises:
            Unrecordable: If its arguments cannot be written down.
        """
        if known.signature is None:
            assert known.arguments is not None
            known.signature = sign(
                self.label,
                self.namespace,
                self.function,
                known.arguments,
                user=known.user,
                redact=self.redact,
                key=self.recorder.history.key,
            )
            known.arguments = None
            self.recorder.size += len(known.signature.payload)
        return known.signature

    def _leave_out(self, error: Exception) -> None:
        reason = error.reason if isinstance(error, Unrecordable) else type(error).__name__
        self.recorder.left_out[reason] += 1
        if reason == "too many":
            reason = f"a process knows {MOST_KNOWN:,} at once, or as many bytes as max_bytes"
        self.recorder.say_once(
            self.label,
            "record",
            f"{self.label}: some calls are not recorded for warming: {reason}",
        )


class Recorder:
    """
    What is recorded of one cache.

    Args:
        history: Where it is kept.

        interval: Seconds between two savings.
    """

    def __init__(self, engine: Engine, history: History, interval: Seconds = INTERVAL) -> None:
        self.history = history
        self.known: dict[Hashable, Known] = {}
        #: Bytes of their arguments, since the last save.
        self.size = 0
        #: Calls that were not recorded, by reason.
        self.left_out: Counter[str] = Counter()
        self.thread: threading.Thread | None = None
        self._gone: deque[tuple[Hashable, Seconds, int]] = deque(maxlen=MOST_LEFT)
        #: Calls whose entry was invalidated, where that is of use.
        self.lost: deque[Hashable] | None = None
        self.saves = self.failures = 0
        self.say_once = engine.events.say_once
        self.monotonic = engine.clock.monotonic
        self._clock = engine.clock
        self._interval = interval
        self._stop = threading.Event()
        self._saving = threading.Lock()
        self._waking = threading.Lock()
        self._closed = False
        self._fork_locks = forks.ForkSafeLocks(self._saving)
        engine.before_close.append(self.close)
        _recorders.add(self)
        forks.register(self)

    def __repr__(self) -> str:
        return f"<Recorder of {len(self.known)} calls in {self.history!r}>"

    @property
    def is_full(self) -> bool:
        """
        Whether no further call can be known, until some that are known have left memory.
        """
        return len(self.known) >= MOST_KNOWN or self.size >= self.history.limits.bytes

    def left(self, table: Any, resident: Resident, hits: int) -> None:
        """
        The entry left memory, after so many hits. Called under the engine's lock.
        """
        self._gone.append(((id(table), resident.key), resident.born, hits))

    def invalidated(self, table: Any, resident: Resident) -> None:
        """
        That was because it was invalidated. Called under the engine's lock.
        """
        if self.lost is not None:
            self.lost.append((id(table), resident.key))

    def save(self) -> int:
        """
        Write down what was counted since the last time; of how many calls.

        Raises:
            StoreUnavailable: If it cannot be written now; it is kept.
        """
        with self._saving:
            counted = self._count()
            try:
                self.history.add([one for one, _, _ in counted])
            except StoreUnavailable:
                self.failures += 1
                raise
            for (_, pattern), known, seen in counted:
                known.taken += pattern.misses
                known.uses += pattern.hits + pattern.misses
                known.hits = 0
                known.born, known.seen = seen
            self.saves += 1
            self._drop_idle()
            return len(counted)

    def _count(self) -> list[tuple[Recorded, Known, tuple[Seconds, int]]]:
        self._take_gone()
        now = self._clock.wall()
        hour = time.localtime(now).tm_hour
        counted = []
        for at, known in list(self.known.items()):
            born, seen = self._read_hits(known)
            hits = known.hits + (seen - known.seen if born == known.born else seen)
            misses = known.misses - known.taken
            if hits <= 0 and misses <= 0:
                continue
            try:
                signature = known.recording.sign(known)
            except Exception as error:
                known.recording._leave_out(error)
                self.known.pop(at, None)
                continue
            pattern = Pattern(cost=known.cost, ttl=known.ttl)
            pattern.add(max(0, hits), max(0, misses), now, hour)
            counted.append((Recorded(signature, pattern), known, (born, seen)))
        return counted

    def _read_hits(self, known: Known) -> tuple[Seconds, int]:
        """
        When the entry of *known* was born, and how often it has answered.
        """
        resident = known.table.get(known.key)
        if resident is None:
            return -1.0, 0
        known.cost = resident.cost
        known.ttl = _ttl_of(resident)
        return resident.born, resident.hits

    def _take_gone(self) -> None:
        while self._gone:
            at, born, hits = self._gone.popleft()
            known = self.known.get(at)
            if known is not None:
                known.hits += hits - known.seen if born == known.born else hits
                known.born, known.seen = -1.0, 0

    def _drop_idle(self) -> None:
        """
        What has left memory is known to the history alone, until it is called again.
        """
        if not self.lost:  # (Else somebody is about to ask for one of them.)
            gone = [one for one in list(self.known.items()) if one[1].key not in one[1].table]
            self._take_gone()
            for at, known in gone:
                if known.misses == known.taken and not known.hits:
                    self.known.pop(at, None)
        signed = [one.signature for one in list(self.known.values())]
        self.size = sum(len(one.payload) for one in signed if one is not None)

    # -- when it is saved -----------------------------------------------------------------

    def wake(self) -> None:
        """
        There is something to save: have a thread that does it.
        """
        # Who is busy with that, in another thread or (a finalizer) in this one, is not waited for.
        if not self._waking.acquire(blocking=False):
            return
        try:
            if self.thread is not None or self._closed:
                return
            thread = threading.Thread(
                target=_save_at_intervals,
                args=(weakref.ref(self), self._stop, self._interval),
                name="memotier-record",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                return  # no more threads: the next call tries again, and close() saves
            self.thread = thread
        finally:
            self._waking.release()

    def save_quietly(self) -> None:
        try:
            self.save()
        except Exception as error:
            self.say_once(
                str(self.history.folder),
                "history",
                f"the calls that were recorded could not be saved: {_why(error)}; "
                "it is tried again",
            )

    def close(self) -> None:
        """
        Save for the last time.
        """
        with self._saving:
            closed, self._closed = self._closed, True
        self._stop.set()
        if not closed:
            self.save_quietly()

    def before_fork(self) -> None:
        """
        No database may be open while the process is copied: SQLite would take the locks of the
        parent's connection for the child's own, and the child would find it locked for ever.
        """
        self._fork_locks.take()

    def after_fork(self, in_child: bool) -> None:
        """
        Go on; a child with what it counts itself.
        """
        self._fork_locks.release(in_child, lambda: None)
        if in_child:
            self.forget()

    def forget(self) -> None:
        """
        A forked child: what was counted so far is the parent's to save.
        """
        self.thread = None
        self._saving, self._waking = threading.Lock(), threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._saving)
        self._stop = threading.Event()
        self._gone.clear()
        for known in list(self.known.values()):
            known.hits = 0
            known.taken = known.misses
            known.born, known.seen = self._read_hits(known)


def _ttl_of(resident: Resident) -> Seconds | None:
    """
    Seconds of freshness of a result; None if it does not end.
    """
    stamp = resident.stamp
    if stamp is not None and stamp.address is not None:
        # What was promoted has been fresh before it was born in memory, which may keep it for
        # less than the second tier does.
        return stamp.fresh  # type: ignore[no-any-return]
    until = resident.fresh_until
    return None if until == NEVER else max(0.0, until - resident.born)


def _save_at_intervals(
    ref: weakref.ref[Recorder], stop: threading.Event, interval: Seconds
) -> None:
    while not stop.wait(interval):
        recorder = ref()
        if recorder is None:
            return
        recorder.save_quietly()
        del recorder


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, StoreUnavailable) else kind_and_place(error)


def _at_exit() -> None:
    for recorder in list(_recorders):
        try:
            recorder.close()
        except Exception as error:
            logger.error("saving the recorded calls failed (%s)", kind_and_place(error))


atexit.register(_at_exit)
