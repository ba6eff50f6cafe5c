"""
Measuring what is not a hit in memory: how long each operation took, by function.

A hit in memory is counted by its entry and measured by nobody. Everything else takes a way that
costs more than ten times as much as to measure it, so it is always measured: two looks at the
clock and one count (``benchmarks/insight.py``).

What a plan asked of the second tier is measured around the effect, in the plan: so it is what
the caller waited, in a thread as in a task, with the thread that a task is given and with
encoding and decoding. An operation that failed is counted, not measured: an answer that never
came says nothing of how long answers take.

The meter also tells a *watcher*, if there is one (analytics), what is needed for what the engine
itself does not keep: which keys are asked for, and that time passes. The watcher never does I/O
and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..entry import NEVER, Resident
from ..errors import StoreError
from ..types import Seconds
from .drive import Plan
from .effects import Effect
from .histogram import Histogram
from .places import Shelf

if TYPE_CHECKING:
    from .calls import Call
    from .engine import Engine
    from .evidence import Evidence
    from .flights import Flight
    from .tier2 import Found

#: Looking into memory: never measured on a hit, only by trying it now and then.
L1_GET: Final = "l1.get"
#: Reading records, or that there is none: also decoding. Each of several has its share.
L2_GET: Final = "l2.get"
#: Writing records: also encoding.
L2_SET: Final = "l2.set"
L2_DELETE: Final = "l2.delete"
#: Invalidating names: tags, namespaces, functions.
L2_BUMP: Final = "l2.bump"
#: Asking which versions hold.
L2_VERSIONS: Final = "l2.versions"
#: The function itself, for a caller; and in the background, or asked for.
COMPUTE: Final = "call.compute"
REFRESH: Final = "call.refresh"
#: Waiting for somebody else who computes the same.
WAIT: Final = "call.wait"
#: A call that memory could not answer at once, from there to its result: contains the others.
SLOW: Final = "call.slow"

OPERATIONS: Final = (
    *(L1_GET, L2_GET, L2_SET, L2_DELETE, L2_BUMP, L2_VERSIONS),
    *(COMPUTE, REFRESH, WAIT, SLOW),
)


class Watcher(Protocol):
    """
    Who wants to know more than what is always counted.
    """

    def tick(self) -> None:
        """At ``Meter.due``; says ``Meter.again``. Called by whoever measures, without the lock."""

    def hit(self, resident: Resident) -> None:
        """Memory answered, the slow way. Called under the lock."""

    def met(self, call: Call, values: tuple[Any, ...], memo: Any) -> None:
        """A call of *memo*, its parameters having *values*, is to go the slow way."""

    def asked(self, call: Call, *, found: bool) -> None:
        """Memory could not answer *call*; *found*: the second tier or another call could."""

    def took(self, call: Call, seconds: Seconds) -> None:
        """How long a call took that memory could not answer."""

    def left(self, table: Any, resident: Resident, hits: int) -> None:
        """An entry has left memory after *hits*. Called under the lock."""


class Meter:
    """
    What the operations of one engine took, as far as they belong to no function.
    """

    __slots__ = ("due", "errors", "evidence", "latencies", "starter", "starts", "watcher")

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.latencies: dict[str, Histogram] = {}
        #: Operations that failed.
        self.errors: dict[str, int] = {}
        self.watcher: Watcher | None = None
        #: Monotonic seconds from which on the watcher wants to be told; see ``again``.
        self.due: Seconds = NEVER
        #: Called as often, in the thread of a caller: that the cache is used. See snapshots.py.
        self.starter: Callable[[], None] | None = None
        #: Whether it has still to be called for the first time.
        self.starts = False

    def start_soon(self) -> None:
        """
        Call the starter at the next miss, whatever the watcher says meanwhile.
        """
        self.starts, self.due = True, 0.0

    def again(self, at: Seconds) -> None:
        """
        The watcher wants to be told *at* that time.
        """
        if not self.starts:
            self.due = at

    def note(
        self, operation: str, seconds: Seconds, shelf: Shelf | None = None, times: int = 1
    ) -> None:
        """
        Count an operation that took *seconds*; without *shelf* it belongs to no function.
        """
        latencies = self.latencies if shelf is None else shelf.latencies
        try:
            histogram = latencies[operation]
        except KeyError:
            histogram = latencies.setdefault(operation, Histogram())
        histogram.add(seconds, times)

    def passed(self, now: Seconds) -> None:
        """
        Tell the watcher and the starter, if they are due.
        """
        if now < self.due:
            return
        if self.starter is not None:
            self.starts = False
            self.starter()
        if self.watcher is not None:
            self.watcher.tick()

    def computed(
        self, call: Call, seconds: Seconds, now: Seconds, is_refresh: bool = False
    ) -> None:
        """
        The function took *seconds* for *call*, whatever came of it.
        """
        call.answered_by = "computed"
        operation = REFRESH if is_refresh else COMPUTE
        try:
            call.shelf.latencies[operation].add(seconds)
        except KeyError:
            self.note(operation, seconds, call.shelf)
        if not is_refresh:
            self.evidence.asked(call, computed=True)
        if call.traced is not None and not is_refresh:
            call.traced.computed(seconds)
        if self.watcher is not None:
            if not is_refresh:
                self.watcher.asked(call, found=False)
            self.passed(now)

    def answered(self, call: Call, began: Seconds, now: Seconds) -> None:
        """
        A call that memory could not answer at once has its result, whatever it is.
        """
        try:
            call.shelf.latencies[SLOW].add(now - began)
        except KeyError:
            self.note(SLOW, now - began, call.shelf)
        if self.watcher is not None:
            self.watcher.took(call, now - began)
            self.passed(now)

    def found(self, call: Call, found: Found) -> None:
        """
        The second tier answered *call*, which saves what computing took, less the time of asking;
        nothing, if asking took longer. Called under the lock.
        """
        call.answered_by = "l2"
        self.evidence.asked(call, computed=False)
        shelf = call.shelf
        shelf.l2_hits += 1
        took = min(found.took, found.cost)
        shelf.saved += found.cost - took
        if shelf.ledger is not None:
            account = shelf.ledger.account(call)
            account.l2_hits += 1
            account.saved += found.cost - took
        shelf.found_seconds += took
        if shelf.price_of is not None:
            shelf.price_saved += found.stamp.price or 0.0
        if call.traced is not None:
            call.traced.found(found)
        if self.watcher is not None:
            self.watcher.asked(call, found=True)

    def joined(self, call: Call, flight: Flight) -> None:
        """
        Somebody else's computation answered *call*: that takes its time, but is paid once. Called
        under the lock.
        """
        call.answered_by = "joined"
        call.shelf.joined += 1
        if call.shelf.ledger is not None:
            call.shelf.ledger.account(call).joined += 1
        call.shelf.price_saved += flight.price or 0.0
        if call.traced is not None:
            call.traced.joined()
        if self.watcher is not None:
            self.watcher.asked(call, found=True)

    def failed(self, operation: str) -> None:
        self.errors[operation] = self.errors.get(operation, 0) + 1


def asked_below(
    engine: Engine, operation: str, effect: Effect, shelves: Sequence[Shelf] = ()
) -> Plan:
    """
    The answer to *effect*, an operation of the second tier. What it took is shared among
    *shelves*, one for each entry it was about.
    """
    clock, meter = engine.clock.monotonic, engine.meter
    began = clock()
    answer = yield effect
    now = clock()
    if isinstance(answer, StoreError):
        meter.failed(operation)
    elif not shelves:
        meter.note(operation, now - began)
    elif len(shelves) == 1:
        meter.note(operation, now - began, shelves[0])
    else:
        share = (now - began) / len(shelves)
        times: dict[Shelf, int] = {}
        for shelf in shelves:
            times[shelf] = times.get(shelf, 0) + 1
        for shelf, count in times.items():
            meter.note(operation, share, shelf, count)
    meter.passed(now)
    return answer


def waiting(engine: Engine, call: Call, plan: Plan) -> Plan:
    """
    How *plan* ends, which waits for somebody else's computation.
    """
    clock = engine.clock.monotonic
    began = clock()
    answer: Any = yield from plan
    engine.meter.note(WAIT, clock() - began, call.shelf)
    return answer
