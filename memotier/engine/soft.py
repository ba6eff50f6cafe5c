"""
Soft invalidation: an entry is stale from that moment on, and of use as far as its function's
windows go.

Two things tell of one. A resident or a record whose tokens differ in their soft halves alone
(memotier/tokens.py); and a record that the store says was expired by its key. Where a function
has no windows, or nothing of them is left, there is no difference to a hard invalidation.

What must never happen: an entry that was invalidated hard is taken for stale; an expired one is
served as fresh; or its end moves beyond what it would have been without the invalidation.
"""

from __future__ import annotations

from ..entry import Resident
from ..tokens import NOT_EXPIRED
from ..types import Token
from .calls import Call, Labels
from .clocks import Renewal, soften
from .drive import Plan
from .engine import Engine
from .evidence import BY_KEY
from .flights import Flight
from .places import Shelf
from .tier2 import Found, learn, slots
from .writes import Noted


def judge(engine: Engine, shelf: Shelf, found: Found) -> Plan:
    """
    Whether what was found below may be used: as what it was found as, or else as a stale one.
    """
    stamp = found.stamp
    while True:
        with engine.lock:
            versions = engine.versions
            if not versions.trusts(stamp.address, stamp.names):
                return False
            unknown = versions.unknown(stamp.names)
            if not unknown:
                at = versions.expired_at(stamp.names, stamp.tokens, stamp.created)
                has_other_tokens = _are_others(engine, found.epoch, versions.seen)
                break
        if not (yield from learn(engine, unknown)):
            return False
    if at is None or has_other_tokens:
        return False
    if at != NOT_EXPIRED:
        if shelf.windows is None or not shelf.windows.keeps_stale:
            return False
        found.expire(at)
    return True


def _are_others(engine: Engine, read: Token, known: Token) -> bool:
    """
    Whether a record of epoch *read* would be judged by tokens that took the place of its own: the
    store has lost those in between, and the new ones know of no invalidation.
    """
    birth: int = getattr(engine.store, "birth_bytes", 0)
    return bool(birth) and read is not None and (known is None or read[:birth] != known[:birth])


def soften_here(engine: Engine, call: Call) -> bool:
    """
    Let what is there under *call* be stale from now on; whether there was anything not known to
    be invalid. Called under the lock.
    """
    engine.flights.soften(call.flight_key)
    engine.failures.forget(call.flight_key)
    valid, unknown = engine.examine(call.table, call.key, stale=True)
    found = valid is not None or bool(unknown)
    resident = call.resident()
    if resident is not None:
        is_owed = resident.stamp is not None and resident.stamp.debt is not None
        # What is not written yet would be refused: the mark of its slot is another one now.
        if is_owed or not soften(resident, engine.clock.monotonic()):
            engine.remove((resident,), BY_KEY)
    return (bool(engine.debts.unwritten) and engine.debts.forgive_at(call.address)) or found


def keeps_late(engine: Engine, call: Call, flight: Flight) -> bool:
    """
    Whether the result of *flight*, which was overtaken by a soft invalidation, is of use as a
    stale one. Called under the lock.
    """
    windows = call.shelf.windows
    if windows is None or not windows.keeps_stale or not flight.wanted:
        return False
    at = call.address
    # If its slot moved, perhaps another process has deleted it.
    return at is None or not engine.versions.moved_since(flight.epoch, (at,))


def finds_newer(call: Call, flight: Flight) -> bool:
    """
    Whether something else is in memory than what *flight* was to replace. Called under the lock.
    """
    here: Resident | None = call.resident()
    old = flight.old if isinstance(flight, Renewal) else None
    return here is not None and (old is None or here.stamp is not old.stamp)


def was_overtaken(engine: Engine, call: Call, flight: Flight, labels: Labels, noted: Noted) -> Plan:
    """
    Whether the second tier has refused a result for no other reason than a soft invalidation
    since it began to be computed, which everything older that lies there has met as well.
    """
    windows = call.shelf.windows
    if windows is None or not windows.keeps_stale or not isinstance(flight, Renewal):
        return False
    if flight.renews if flight.old is None else flight.old.stamp.names != labels.names:
        return False
    marks = yield from slots(engine, [call])
    if marks is None or marks[0] != noted.mark:
        return False
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(labels.names)
            if not unknown:
                at = engine.versions.expired_at(labels.names, noted.tokens, 0.0)
                return at is not None and at != NOT_EXPIRED
        if not (yield from learn(engine, unknown)):
            return False
