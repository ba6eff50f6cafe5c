"""
Whether what is served is still what the function returns: ``verify=``.

A share of the hits, drawn at random, is computed once more in the background, and the fresh result
compared with the one that was served. The fresh one takes the place of the old one, as that of any
refresh: it is there, and newer.

Which hits: each entry is told how many it may answer until one is checked. That number is drawn
so (geometrically) that each hit is chosen with the same probability, whatever came before; so the
hit path compares two numbers and does not draw. Looks into the second tier draw one by one.

Bounded: one check of a key at a time, ``MOST`` of a function, and what the background of the cache
has room for. One that does not find room is left out: the others say as much.

What must never happen:
- the caller waits for a check, or gets something else because of it;
- what he does to his result is taken for a difference: a snapshot is compared, not his object;
- a result that was invalidated meanwhile is counted as one that was served though it was old.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import random
from typing import Any, Final, NamedTuple

from ..codecs.copies import Kept
from ..durations import show_seconds
from ..entry import Resident
from ..types import Seconds
from . import stale
from .calls import Call, Labels
from .clocks import Renewal
from .drive import Plan
from .effects import Away
from .engine import Engine
from .flights import Failed, Flight
from .histogram import Histogram
from .places import Held
from .tier2 import Found, keep

#: Checks of one function that run at once.
MOST: Final = 4
#: Ages are kept in minutes, in which a histogram reaches from some microseconds to 91 days.
MINUTE: Final[Seconds] = 60.0


class Checks:
    """
    The checks of one function. Counts are under the engine's lock.
    """

    __slots__ = ("ages", "differing", "equal", "failed", "flights", "share")

    def __init__(self, share: float, equal: Callable[[Any, Any], bool | None]) -> None:
        #: Of all hits, from 0 (not included) to 1.
        self.share = share
        #: None: nobody can tell.
        self.equal = equal
        self.flights: list[Flight] = []
        #: How old the results were that were checked, and those of them that differed; minutes.
        self.ages, self.differing = Histogram(), Histogram()
        #: Checks that brought nothing to compare.
        self.failed = 0

    @property
    def verified(self) -> int:
        return int(self.ages.count)

    @property
    def differs(self) -> int:
        return int(self.differing.count)

    def draw(self) -> int:
        """
        How many hits pass before the next one is checked.
        """
        if self.share >= 1:
            return 0
        # 1 - random() is never 0, whose logarithm there is not.
        return int(math.log(1 - random()) / math.log1p(-self.share))  # noqa: S311

    def is_due(self, call: Call) -> bool:
        """
        Whether the next hit of *call* in memory is to be checked.
        """
        resident = call.resident()
        return resident is not None and resident.hits >= resident.check_at


class Check(NamedTuple):
    """
    One that is to begin: its flight, what was served, and how old that was.
    """

    flight: Renewal
    served: Held
    age: Seconds


def chosen(
    engine: Engine, call: Call, labels: Labels, source: Resident | Flight, kept: Held | Kept | None
) -> Check | None:
    """
    The check of a hit that is about to be handed out, if there is to be one.

    Args:
        source: Where it was found; of the second tier, the flight that has brought it.

        kept: A private snapshot of it; None: one is made for this.
    """
    checks: Checks = call.shelf.checks
    found: Resident | Found = source if isinstance(source, Resident) else source.brought
    clock, stamp = engine.clock, found.stamp
    if isinstance(source, Resident):
        if source.hits <= source.check_at:
            return None
        source.check_at = source.hits + checks.draw()
        clocks = None if stamp is None else stamp.clocks
        if clocks is not None and clocks.fresh_until <= clock.monotonic():
            return None  # stale, and known to be
        age = clock.monotonic() - source.born if stamp is None else clock.wall() - stamp.created
    else:
        if source.brought.is_stale or checks.draw():
            return None
        age = clock.wall() - stamp.created
    kept = keep(engine, call, found.value) if kept is None else kept
    if kept is None:
        return None
    served = Held(kept.value, kept.thaw)
    with engine.lock:
        engine.look()
        table = engine.flights.table
        checks.flights = [one for one in checks.flights if table.get(one.key) is one]
        if len(checks.flights) >= MOST or not _still_holds(engine, call, labels, source):
            return None
        flight = stale.begin_behind(engine, call, labels, None)
        if flight is None:
            return None
        flight.renews = True
        checks.flights.append(flight)
    return Check(flight, served, max(0.0, age))


def _still_holds(engine: Engine, call: Call, labels: Labels, source: Resident | Flight) -> bool:
    """
    Whether nothing has become of it while its caller's gate was asked. Called under the lock.
    """
    if isinstance(source, Resident):
        return engine.examine(call.table, call.key)[0] is source
    return source.wanted and not engine.is_outdated(call, source, labels.names)


def compared(engine: Engine, call: Call, labels: Labels, check: Check, renewing: Plan) -> Plan:
    """
    What runs in the background: *renewing*, which brings the flight, and then the comparison.
    """
    checks, flight, label = call.shelf.checks, check.flight, call.shelf.label
    fresh = yield from renewing
    with engine.lock:
        is_overtaken = not flight.wanted or engine.is_outdated(call, flight, labels.names)
    is_result = fresh.__class__ is not Failed and flight.is_error is False
    if not is_result or flight.failed or flight.skipped or is_overtaken:
        with engine.lock:
            checks.failed += 1
        return fresh

    is_same: bool | None = yield Away(engine.offload, lambda: _is_same(checks, check, fresh))
    with engine.lock:
        if is_same is None:
            checks.failed += 1
        else:
            checks.ages.add(check.age / MINUTE)
            if not is_same:
                checks.differing.add(check.age / MINUTE)
    if is_same is None:
        engine.events.say_once(
            label,
            "verify",
            f"{label}: verify= cannot tell whether two of its results are the same: give equal=, "
            "a function of the old and the new one",
        )
    elif not is_same:
        engine.events.emit("differed", {"label": label, "age": check.age})
        engine.events.say_once(
            label,
            "differed",
            f"{label}: a result that was served when it was {show_seconds(check.age)} old differs "
            "from a fresh one; cache_info().verified_differs counts how many do",
        )
    return fresh


def _is_same(checks: Checks, check: Check, fresh: Any) -> bool | None:
    try:
        return checks.equal(check.served.hand_out(), fresh)
    except Exception:
        return None
