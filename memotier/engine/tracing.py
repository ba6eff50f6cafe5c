"""
Where the results of a block come from: ``with memotier.trace() as t``.

The hit path does not ask whether anybody traces. While a trace is open anywhere in the process all
engines are *parked*, as for ``disabled()`` (modes.py): every hit goes the slow way, and that asks.
So hits of other threads are slower for that time, and right.

A trace holds for the context that opened it and for those that inherit from it (tasks,
``asyncio.to_thread``), and ends for all of them at once. Traces can lie in one another: a call is
told to all that are open around it.

States of a record: *running*; then what the plan said last of where the result came from; *done*
with its call, and never changed again, also if the computation goes on in the background. Those of
streams are not done before their source is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ..durations import show_seconds
from ..entry import Resident
from ..types import Seconds
from . import modes
from .drive import Plan
from .flights import Failed

if TYPE_CHECKING:
    from .clocks import Old
    from .engine import Engine
    from .tier2 import Found

#: Calls that one trace keeps.
MOST: Final = 10_000
#: Letters of a call in the table.
_WIDEST: Final = 48


class Source(StrEnum):
    """
    Where a result came from; equal to its text.
    """

    MEMORY = "memory"
    SECOND_TIER = "second_tier"
    COMPUTED = "computed"
    JOINED = "joined"
    STALE = "stale"
    ERROR = "error"
    BYPASS = "bypass"
    RUNNING = "running"


HITS: Final = frozenset((Source.MEMORY, Source.SECOND_TIER, Source.JOINED, Source.STALE))


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """
    One call of a cached function. Durations are seconds; *age* is how long ago the result was
    computed, *seconds* what the caller waited, *seconds_saved* the time of the computation that
    was not made, less that of asking the second tier. What is not known is None or 0.

    *call* has short texts for the arguments, *error* is the type of what was raised.

    *score* and *matched* are of a result that belongs to a near call: how near its text is, and
    that text, shortened; None and "" otherwise.
    """

    function: str
    namespace: str
    call: str
    key: str
    source: Source
    tier: str | None = None
    age: Seconds | None = None
    seconds: Seconds | None = None
    seconds_saved: Seconds = 0.0
    error: str = ""
    score: float | None = None
    matched: str = ""


class Record:
    """
    What becomes of one call.
    """

    __slots__ = (
        "_clock",
        "_is_done",
        "_told",
        "age",
        "error",
        "matched",
        "saved",
        "score",
        "seconds",
        "source",
        "tier",
    )

    def __init__(self, clock: Any, function: str, namespace: str, call: str, key: str) -> None:
        self._told = (function, namespace, call, key)
        self._clock = clock
        self._is_done = False
        self.source = Source.RUNNING
        self.tier: str | None = None
        self.age: Seconds | None = None
        self.seconds: Seconds | None = None
        self.saved: Seconds = 0.0
        self.error = ""
        self.score: float | None = None
        self.matched = ""

    def memory(self, resident: Resident) -> None:
        """
        Memory has answered.
        """
        stamp, now = resident.stamp, self._clock.monotonic()
        clocks = None if stamp is None else stamp.clocks
        is_stale = clocks is not None and clocks.fresh_until <= now
        age = now - resident.born if stamp is None else self._clock.wall() - stamp.created
        self._say(Source.STALE if is_stale else Source.MEMORY, "l1", age, resident.cost)

    def found(self, found: Found) -> None:
        """
        The second tier has answered; or what it is owed, which left memory only just now.
        """
        stamp = found.stamp
        tier = "l2" if stamp.debt is None else "l1"
        source = Source.SECOND_TIER if stamp.debt is None else Source.MEMORY
        age = self._clock.wall() - stamp.created
        self._say(Source.STALE if found.is_stale else source, tier, age, found.cost - found.took)

    def old(self, old: Old) -> None:
        """
        The function failed, or takes too long: what it brought before is served.
        """
        self._say(Source.STALE, None, self._clock.wall() - old.stamp.created)

    def joined(self) -> None:
        """
        Somebody else's computation has answered.
        """
        self._say(Source.JOINED)

    def near(self, other: Record, matched: str, score: float) -> None:
        """
        The result of another call has answered, of which *other* is told.
        """
        self._say(other.source, other.tier, other.age, other.saved)
        if not self._is_done:
            self.matched, self.score = matched, score

    def denied(self) -> None:
        """
        What was found is not for this caller (``authorize=``): the function is called past it.
        """
        self._say(Source.BYPASS)

    def computed(self, seconds: Seconds) -> None:
        """
        The function was called.
        """
        self._say(Source.COMPUTED)
        if not self._is_done:
            self.seconds = seconds

    def _say(
        self,
        source: Source,
        tier: str | None = None,
        age: Seconds | None = None,
        saved: Seconds = 0.0,
    ) -> None:
        if not self._is_done:
            self.source, self.tier, self.saved = source, tier, saved
            self.age = None if age is None else max(0.0, age)

    def end(self, seconds: Seconds | None, error: BaseException | None = None) -> None:
        """
        The caller has his result, or the error.
        """
        if error is not None:
            self._say(Source.ERROR)
            self.error = type(error).__qualname__
        elif self.source is Source.RUNNING:
            self.source = Source.BYPASS
        self.seconds = seconds
        self._is_done = True

    def shown(self) -> TracedCall:
        function, namespace, call, key = self._told
        return TracedCall(
            function=function,
            namespace=namespace,
            call=call,
            key=key,
            source=self.source,
            tier=self.tier,
            age=self.age,
            seconds=self.seconds,
            seconds_saved=self.saved,
            error=self.error,
            score=self.score,
            matched=self.matched,
        )


class Trace:
    """
    What ``with memotier.trace() as t`` gives; it can be read inside of the block and after it.
    """

    __slots__ = ("__weakref__", "_is_over", "_outer", "_records", "left_out")

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._outer: Trace | None = None
        self._is_over: bool | None = None
        #: Calls that were made when there were ``MOST`` already.
        self.left_out = 0

    @property
    def calls(self) -> list[TracedCall]:
        """
        The calls in the order in which they began, the first 10,000.
        """
        return [record.shown() for record in list(self._records)]

    @property
    def hits(self) -> int:
        """
        How many of ``calls`` the function was not called for.
        """
        return sum(record.source in HITS for record in list(self._records))

    @property
    def seconds_saved(self) -> Seconds:
        """
        Seconds of computing that ``calls`` did not take.
        """
        return sum(record.saved for record in list(self._records))

    def __enter__(self) -> Trace:
        if self._is_over is not None:
            raise RuntimeError("this trace was used before: write a new memotier.trace()")
        self._outer, self._is_over = here(), False
        try:
            _inside.set(self)
            open_traces.add(self)
            modes.park_while(self, True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        at: TracebackType | None = None,
    ) -> None:
        self._is_over = True
        open_traces.discard(self)
        modes.park_while(self, False)
        # Not a reset: see ``modes.disabled``.
        _inside.set(here())

    def __repr__(self) -> str:
        state = {None: "new", False: "open", True: "over"}[self._is_over]
        return f"<memotier.trace {state}: {len(self._records)} calls, {self.hits} hits>"

    def __str__(self) -> str:
        return table(self)


#: Those that are open; empty nearly always, which is all that a miss asks.
open_traces: set[Trace] = set()
_inside: ContextVar[Trace | None] = ContextVar("memotier_trace", default=None)


def trace() -> Trace:
    """
    Note where the result of every cached call comes from that is made in the block and in the
    tasks that it starts: ``with memotier.trace() as t``, then ``t.calls``, ``t.hits``,
    ``t.seconds_saved`` or ``print(t)``.

    While it is open all hits of the process take the slow way, some microseconds each.
    """
    return Trace()


def here() -> Trace | None:
    """
    The innermost trace that is open in this context.
    """
    found = _inside.get()
    while found is not None and found._is_over:
        found = found._outer
    return found


def begin(
    engine: Engine, label: str, namespace: str, describe: Callable[[], tuple[str, str]]
) -> Any:
    """
    A new record, told to all traces that are open here; None if there is none.

    Args:
        describe: Says the call and its key.
    """
    trace = here()
    if trace is None:
        return None
    record = Record(engine.clock, label, namespace, *describe())
    while trace is not None:
        if not trace._is_over:
            if len(trace._records) < MOST:
                trace._records.append(record)
            else:
                trace.left_out += 1
        trace = trace._outer
    return record


def ending(engine: Engine, record: Record, plan: Plan) -> Plan:
    """
    *plan*, with which *record* is done.
    """
    clock = engine.clock.monotonic
    began = clock()
    try:
        result: Any = yield from plan
    except BaseException as error:
        record.end(clock() - began, error)
        raise
    record.end(clock() - began, result.error if result.__class__ is Failed else None)
    return result


def table(trace: Trace) -> str:
    """
    The calls of *trace* as lines, and a sum below.
    """
    calls = trace.calls
    rows = [("call", "from", "age", "took", "saved")]
    for one in calls:
        text = one.call if len(one.call) <= _WIDEST else one.call[: _WIDEST - 1] + "…"
        source = one.source.replace("_", " ") + (f" ({one.error})" if one.error else "")
        source += "" if one.score is None else f" (near: {one.score:.3f})"
        saved = _long(one.seconds_saved) if one.seconds_saved else ""
        rows.append((text, source, _long(one.age), _long(one.seconds), saved))
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows] if calls else []
    count = len(calls) + trace.left_out
    more = f" ({trace.left_out:,} of them not noted)" if trace.left_out else ""
    lines.append(
        f"{count:,} call{'s' * (count != 1)}{more}, {trace.hits:,} from the cache, "
        f"{_long(trace.seconds_saved)} saved"
    )
    return "\n".join(lines)


def _long(seconds: Seconds | None) -> str:
    if seconds is None:
        return ""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 0.001:
        return f"{sign}{seconds * 1e6:.0f}us"
    digits = 4 if seconds < 1 else 1
    return sign + show_seconds(round(seconds, digits))


def _after_fork_in_child() -> None:
    # Of all threads only this one is here, and the traces of the others never end. (modes.py
    # has forgotten all that hold engines.)
    open_traces.clear()
    trace = here()
    while trace is not None:
        if not trace._is_over:
            open_traces.add(trace)
            modes.park_while(trace, True)
        trace = trace._outer


os.register_at_fork(after_in_child=_after_fork_in_child)
