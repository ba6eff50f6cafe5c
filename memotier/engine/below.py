"""
What a plan does in the second tier before it computes: look, believe, promote, note.
"""

from __future__ import annotations

from typing import Any

from ..entry import NEVER
from ..errors import StoreError
from ..types import MISS, Token
from . import stale, worlds, writes
from .calls import Call, Labels
from .clocks import Renewal
from .drive import Plan
from .engine import Engine
from .flights import AGAIN, ALONE, Flight, Landing
from .places import Held
from .soft import judge
from .telling import settle
from .tier2 import Found, learn, read, slots


def look_below(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    ``Found`` in the second tier (and promoted), or what was noted for a later write.
    """
    address = call.address
    if address is None:
        return (yield from note(engine, call, labels))

    if engine.debts.unwritten:
        was_owed = address in engine.debts.unwritten
        found = yield from still_owed(engine, call)
        if found is None and was_owed:
            begin_now(engine, flight)
        elif found is not None and found.is_stale:
            if (yield from serves_stale(engine, call, flight, labels, found)):
                return found
        elif found is not None and stale.suffices(engine, flight, found):
            with engine.lock:
                take_found(engine, call, flight, labels, found)
            if call.traced is not None:
                call.traced.found(found)
            engine.sweep()
            return found
    if engine.versions.is_behind:
        was_distrusted = address in engine.versions.pending_keys
        yield from settle(engine)
        if was_distrusted:
            begin_now(engine, flight)

    answer = None if call.looked is None else call.looked.take(engine, labels)
    if answer is None:
        answer = yield from read(engine, [call])
    if isinstance(answer, StoreError):
        return writes.Noted(engine.versions.seen, None, MISS)
    found = answer[0]
    if (
        found.is_hit
        and stale.suffices(engine, flight, found)
        and (yield from judge(engine, call.shelf, found))
        and found.is_hit
    ):
        with engine.lock:
            engine.meter.found(call, found)
            take_found(engine, call, flight, labels, found)
        engine.sweep()
        return found
    if found.is_stale and (yield from serves_stale(engine, call, flight, labels, found)):
        return found
    with engine.lock:
        call.shelf.l2_misses += 1
        engine.l2_invalidations += found.has_moved
    return (yield from note(engine, call, labels, found.mark))


def begin_now(engine: Engine, flight: Flight) -> None:
    """
    What was owed is gone, and with it what lay below. Nothing was read or computed yet, so *flight*
    begins after that: else our own removal would count against what it brings.
    """
    with engine.lock:
        engine.look()
        if not isinstance(flight, Renewal) or flight.old is None:
            flight.epoch = engine.versions.epoch


def take_found(engine: Engine, call: Call, flight: Flight, labels: Labels, found: Found) -> None:
    """
    Promote, and begin a refresh if one is due already. Called under the lock.
    """
    promote(engine, call, flight, found)
    windows = call.shelf.windows
    if windows is None or windows.ahead is None or not isinstance(flight, Renewal):
        return
    if windows.least_hits or call.gate is not None:
        # It has not answered in this process yet; or nobody knows whether it may.
        return
    state, old = stale.old_below(engine, call, found)
    if state is stale.DUE and not flight.behind and flight.wanted:
        found.refresh = stale.begin_behind(engine, call, labels, old)


def serves_stale(engine: Engine, call: Call, flight: Flight, labels: Labels, found: Found) -> Plan:
    """
    Whether a stale record answers the call. If not, it may be what the call falls back on.
    """
    assert isinstance(flight, Renewal)
    if flight.behind or not (yield from judge(engine, call.shelf, found)):
        return False
    with engine.lock:
        state, old = stale.old_below(engine, call, found)
        if flight.old is not None and flight.old.stamp.created >= old.stamp.created:
            return False  # nothing that memory did not have
        if state is stale.LAST:
            flight.old = old
            keep_found(engine, call, flight, found)
        if state is stale.LAST or state is stale.DEAD:
            return False
        engine.meter.found(call, found)
        if state is stale.GOOD:
            call.shelf.stale_on_error += 1  # it rests, because a refresh failed
        else:
            call.shelf.stale_served += 1
        promote(engine, call, flight, found)
        if state is stale.DUE and call.gate is None:
            found.refresh = stale.begin_behind(engine, call, labels, old)
    engine.sweep()
    return True


def note_slot(engine: Engine, call: Call, labels: Labels) -> Plan:
    """
    What a write after the computation will compare, without a look at what is there.
    """
    yield from settle(engine)
    if call.address is None:
        return (yield from note(engine, call, labels))
    marks = yield from slots(engine, [call])
    if marks is None:
        return writes.Noted(engine.versions.seen, None, MISS)
    return (yield from note(engine, call, labels, marks[0]))


def still_owed(engine: Engine, call: Call) -> Plan:
    """
    ``Found`` for what has left memory but is not written yet (write-back), else None.
    """
    address = call.address
    assert address is not None
    with engine.lock:
        engine.look()
        resident = engine.debts.unwritten.get(address)
        if resident is None or (debt := resident.stamp.debt) is None:
            return None
        over = debt.until is not None and debt.until + debt.beyond <= engine.clock.monotonic()
        names, versions = resident.stamp.names, engine.versions
        # Also softly, or by another process: it could not be written any more.
        bumped = (
            versions.bumped_since(debt.epoch, names)
            or versions.softened_since(debt.epoch, names) != NEVER
            or versions.moved_since(debt.epoch, (address,))
        )
        held = Held(resident.value, resident.thaw)
    if over or bumped or not (yield from worlds.still_holds(engine, call, resident.stamp.world)):
        yield from writes.drop_below(engine, [address])  # what lies there is older
        with engine.lock:
            engine.debts.forgive(resident)
        return None
    try:
        found = Found.unwritten(resident, held)
    except Exception:
        return None  # a copy that raises: computed anew
    if found.fresh_in_memory(engine) <= 0:
        # Only the plan of a function that has windows has a use for it.
        found.is_hit, found.is_stale = False, debt.beyond > 0
        return found if found.is_stale else None
    if not (yield from judge(engine, resident.place.shelf, found)) or not found.is_hit:
        return None  # or nobody can say: it stays owed, and its write is refused if it must be
    return found


def promote(engine: Engine, call: Call, flight: Flight, found: Found) -> None:
    """
    Keep in memory what the second tier had, and land. Called under the lock.
    """
    current = keep_found(engine, call, flight, found)
    flight.brought = found
    if call.shelf.price_of is not None:
        flight.price = found.stamp.price  # what those who wait save
    if current:
        engine.failures.forget(call.flight_key)
    if found.kept is None:
        # Without a memory tier nothing was kept: who waits reads the second tier as well.
        engine.flights.land(flight, ALONE if engine.has_memory else AGAIN)
    else:
        engine.flights.land(flight, Landing(found.kept.value, found.kept.thaw, current))


def keep_found(engine: Engine, call: Call, flight: Flight, found: Found) -> bool:
    """
    Keep in memory what the second tier had, unless it was overtaken; whether it was not.
    """
    current = flight.wanted and not engine.is_outdated(call, flight, found.stamp.names)
    if current and found.kept is not None:
        engine.insert(
            call,
            found.kept,
            cost=found.cost,
            fresh=found.fresh_in_memory(engine),
            epoch=flight.epoch,
            stamp=found.stamp,
            debt=found.stamp.debt,
            ttl_left=found.ttl_left(engine),
        )
    return current


def note(engine: Engine, call: Call, labels: Labels, mark: Token | Any = MISS) -> Plan:
    """
    The versions under which a computation begins.
    """
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(labels.names)
            if not unknown:
                tokens = engine.versions.tokens(labels.names)
                return writes.Noted(engine.versions.seen, tokens, mark)
        if not (yield from learn(engine, unknown)):
            return writes.Noted(engine.versions.seen, None, mark)
