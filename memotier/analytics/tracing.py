"""
Recording a trace: ``with record_trace(cache, "calls.mttrace"): ...``.

Memory counts its hits, and nobody sees them one by one. While a trace is recorded the hits of
that cache go the slow way, as they do under ``disabled()``, and there every access is written
down: some 8 µs for each instead of 0.2. Nothing else changes, and when nobody records, nothing is
left of it on a hit.

An access is 16 bytes: 62 bits of a hash of its key, under a secret of this recording, what it
was, and when. Of more than *most* accesses half of the keys are left out, those whose hash lies
above a threshold that is halved, and so on: the trace then is of a share of the keys, with all
that was asked of these.

What must never happen: a call waits for this, or fails because of it. So nothing here takes a
lock: an access is one append to a buffer, which is one step. Threads that hit the moment in which
the buffer is cut in half may lose a few.

Source:
    C. Waldspurger, N. Park, A. Garthwaite, I. Ahmad: Efficient MRC Construction with SHARDS. FAST
    2015 (sampling by the hash of the key, lowering the threshold to stay within bounds).
"""

from __future__ import annotations

import math
import os
import secrets
from array import array
from pathlib import Path
from struct import Struct
from threading import Lock
from types import TracebackType
from typing import Any, Final

from ..cache import MultiLevelCache
from ..durations import short
from ..engine.calls import Call
from ..engine.engine import Engine
from ..engine.modes import let_hits_pass, show_hits
from ..engine.places import Shelf
from ..entry import NEVER, Resident
from ..errors import ConfigError
from ..types import Seconds
from .cardinality import mixed
from .traces import ELSEWHERE, HIT, MISS, MOST, Trace, write_trace

#: Accesses that are kept.
KEPT: Final = 1_000_000

_ACCESS: Final = Struct("<Qd")
_pack: Final = _ACCESS.pack
_KIND: Final = 3
_LARGEST: Final = (1 << 32) - 1
_ALL: Final = 1 << 64


class Tracer:
    """
    The accesses of one engine. See the top of this file.

    Args:
        sample: The share of keys to begin with.

        most: Accesses that are kept.
    """

    def __init__(self, engine: Engine, sample: float, most: int) -> None:
        self._clock = engine.clock
        self._most = most * _ACCESS.size
        self._below = math.ceil(sample * _ALL)
        self._secret = secrets.randbits(64)
        self._halving = Lock()
        self._log = bytearray()
        #: By hash: shelf, bytes, seconds of computing, seconds of freshness.
        self._known: dict[int, tuple[Shelf, int, Seconds, Seconds]] = {}
        self.accesses = 0
        self.began: Seconds = engine.clock.monotonic()
        self.began_wall: Seconds = engine.clock.wall()
        options, policy = engine.options, type(engine.memory.policy).__name__.lower()
        self.cache = options.name
        self.l1 = {
            "max_size": options.l1_max_size,
            "max_bytes": options.l1_max_bytes,
            "policy": policy,
            "ttl": options.l1_ttl,
        }

    @property
    def rate(self) -> float:
        return self._below / _ALL

    def hit(self, resident: Resident) -> None:
        """
        Memory answered, the slow way. Called under the engine's lock.
        """
        at = self._note(id(resident.table), resident.key, HIT)
        if at is not None:
            self._learn(at, resident)

    def missed(self, call: Call, *, found: bool) -> None:
        """
        Memory could not; *found*: somebody else could.
        """
        at = self._note(id(call.table), call.key, ELSEWHERE if found else MISS)
        if at is not None and at not in self._known:
            self._known[at] = call.shelf, 0, 0.0, math.nan

    def ended(self, call: Call, took: Seconds) -> None:
        """
        A call has its result, which may be in memory now.
        """
        at = self._hash(id(call.table), call.key)
        if at < self._below:
            resident = call.resident()
            if resident is not None:
                self._learn(at, resident)
            elif at in self._known and not self._known[at][2]:
                self._known[at] = call.shelf, 0, took, math.nan

    def _hash(self, table: int, key: Any) -> int:
        # Keys are atoms, or tuples of them, whose hash runs no code of a user.
        return mixed(hash((table, key)) & _ALL - 1 ^ self._secret) & ~_KIND

    def _note(self, table: int, key: Any, kind: int) -> int | None:
        self.accesses += 1
        at = self._hash(table, key)
        if at >= self._below:
            return None
        self._log.extend(_pack(at | kind, self._clock.monotonic()))
        if len(self._log) > self._most:
            self._halve()
        return at

    def _learn(self, at: int, resident: Resident) -> None:
        clocks = None if resident.stamp is None else resident.stamp.clocks
        # Of what may be served when it is stale, somebody looks before it is.
        fresh = resident.fresh_until if clocks is None else clocks.memory_until
        ttl = NEVER if fresh == NEVER else fresh - resident.born
        if ttl > 0:  # else it has just left
            self._known[at] = resident.place.shelf, resident.size, resident.cost, ttl

    def _halve(self) -> None:
        """
        Keep half of the keys, unless somebody is at it.
        """
        if not self._halving.acquire(blocking=False):
            return
        try:
            below = self._below = self._below // 2
            log, self._log = self._log, bytearray()
            kept = b"".join(
                _pack(*access) for access in _ACCESS.iter_unpack(_whole(log)) if access[0] < below
            )
            newer, self._log = self._log, bytearray(kept)
            self._log.extend(newer)
            self._known = {at: one for at, one in self._known.copy().items() if at < below}
        finally:
            self._halving.release()

    def trace(self) -> Trace:
        """
        What was recorded so far.
        """
        known = self._known.copy()
        numbers: dict[int, int] = {}
        times, keys, kinds = array("d"), array("I"), bytearray()
        begins, before = 0.0, 0.0
        for at, time in _ACCESS.iter_unpack(_whole(bytes(self._log))):
            key, kind = at & ~_KIND, at & _KIND
            if key >= self._below or key not in known:
                continue
            if not times:
                begins = time
            keys.append(numbers.setdefault(key, len(numbers)))
            before = max(before, time - begins)
            times.append(before)
            kinds.append(kind)
        shelves: dict[tuple[str, str, str], int] = {}
        function_of = array("H")
        for at in numbers:
            shelf = known[at][0]
            who = shelf.namespace, shelf.identity, shelf.label
            function_of.append(min(shelves.setdefault(who, len(shelves)), 0xFFFF))
        rows = [known[at] for at in numbers]
        return Trace(
            cache=self.cache,
            began=self.began_wall,
            rate=self.rate,
            accesses=self.accesses,
            functions=tuple(shelves)[: 0xFFFF + 1],
            l1=self.l1,
            function_of=function_of,
            sizes=array("I", [min(size, _LARGEST) for _, size, _, _ in rows]),
            seconds=array("f", [max(0.0, cost) for _, _, cost, _ in rows]),
            ttls=array("f", [ttl for _, _, _, ttl in rows]),
            times=times,
            keys=keys,
            kinds=bytes(kinds),
        )


def _whole(log: bytes | bytearray) -> bytes | bytearray:
    return log[: len(log) // _ACCESS.size * _ACCESS.size]


class TraceRecorder:
    """
    Records what is asked of one cache, from ``start()`` to ``stop()``, or in a ``with`` block.
    Made by ``record_trace``.
    """

    def __init__(
        self, engine: Engine, tracker: Any, path: Any, *, sample: float, most: int
    ) -> None:
        self._engine = engine
        self._tracker = tracker
        self._path = path
        self._sample = sample
        self._most = most
        self._tracer: Tracer | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        state = "at work" if self._tracer is not None else "at rest"
        return f"<TraceRecorder of {self._engine.options.name!r}, {state}>"

    def start(self) -> TraceRecorder:
        """
        Record from now on, anew.

        Raises:
            ConfigError: If somebody records this cache already, or the directory of the path is
                not there.
        """
        if self._path is not None and not Path(self._path).absolute().parent.is_dir():
            raise ConfigError(
                f"path={short(os.fspath(self._path))} cannot be written: its directory is not there"
            )
        tracer = Tracer(self._engine, self._sample, self._most)
        with self._engine.lock:
            if self._tracker.tracer is not None:
                raise ConfigError(
                    f"the accesses of cache {self._engine.options.name!r} are being recorded "
                    "already: stop that first"
                )
            self._tracker.tracer = self._tracer = tracer
            self._pid = os.getpid()
        show_hits(self._engine)
        return self

    def stop(self) -> Trace:
        """
        Record no longer; what was recorded, which is also written to the path if one was given.

        Raises:
            ConfigError: If nothing was being recorded.

            OSError: If it cannot be written.
        """
        tracer, self._tracer = self._tracer, None
        if tracer is None:
            raise ConfigError("nothing was being recorded: start() comes before stop()")
        with self._engine.lock:
            if self._tracker.tracer is tracer:
                self._tracker.tracer = None
        let_hits_pass(self._engine)
        trace = self._tracker.trace = tracer.trace()
        # A child that was forked in between has half of a trace, and the parent's path.
        if self._path is not None and os.getpid() == self._pid:
            write_trace(trace, self._path)
        return trace

    def trace(self) -> Trace:
        """
        What has been recorded so far.

        Raises:
            ConfigError: If nothing is being recorded.
        """
        if self._tracer is None:
            raise ConfigError("nothing is being recorded: call start() first")
        return self._tracer.trace()

    def __enter__(self) -> TraceRecorder:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tracer is not None:
            self.stop()


def record_trace(
    cache: MultiLevelCache | str = "default",
    path: str | os.PathLike[str] | None = None,
    *,
    sample: float = 1.0,
    most: int = KEPT,
) -> TraceRecorder:
    """
    Write down which keys are asked of *cache*, for ``memotier simulate`` and for recommendations.
    Neither arguments nor values nor digests of them are kept. Use it in a ``with`` statement, or
    call ``start()`` and ``stop()``.

    While it runs a hit takes some 8 µs more.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        path: The file to write when it stops, readable for its owner only; None: none is written,
            and ``stop()`` returns the trace.

        sample: The share of keys that are recorded, above 0 and at most 1.

        most: Accesses that are kept, 16 bytes each; beyond that the share of keys is halved.

    Raises:
        ConfigError: If an argument cannot be used.
    """
    from .taking import keyed_of
    from .tracker import tracker_of

    if type(sample) not in (int, float) or not 0 < sample <= 1:
        raise ConfigError(
            f"sample={short(sample)} cannot be used: give a share of keys, above 0 and at most 1"
        )
    if type(most) is not int or not 1 <= most <= MOST:
        raise ConfigError(
            f"most={short(most)} cannot be used: give a number of accesses from 1 to {MOST:,}"
        )
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"path={short(path)} cannot be used: give a path, or None")
    engine = keyed_of(cache).engine
    return TraceRecorder(engine, tracker_of(engine), path, sample=sample, most=most)
