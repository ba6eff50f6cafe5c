"""
What is done about an entry whose moment of attention has come: serve it, refresh it, fall
back on it.

An invalidated entry is never served, except one that was invalidated softly: that is stale. Every
decision here is about an entry whose versions were just compared, and is made under the lock in
which that was done, or after finding that nothing has happened since.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..clock import moment
from ..entry import NEVER, Resident
from ..tokens import NOT_EXPIRED
from ..types import Seconds
from .calls import Call, Labels
from .clocks import Clocks, Old, Renewal
from .drive import Plan
from .engine import Engine
from .flights import AGAIN, Flight, Landing
from .places import Held
from .tier2 import Found, learn
from .worlds import still_holds


class State(Enum):
    """
    What an entry is good for right now.
    """

    GOOD = "serve it"
    DUE = "serve it, and have it refreshed"
    LAST = "only if computing fails"
    DEAD = "nothing"


GOOD, DUE, LAST, DEAD = State


def state_of(clocks: Clocks, attention: Seconds, now: Seconds) -> State:
    """
    Args:
        attention: When somebody has to look: the hit path's ``fresh_until``.
    """
    if now < attention:
        return GOOD
    if now < clocks.revalidate_until:
        return DUE
    return LAST if now < clocks.error_until else DEAD


def old_of(resident: Resident) -> Old:
    """
    Hold on to what *resident* has. Called under the lock.
    """
    return Old(resident.value, resident.thaw, resident.stamp, resident.stamp.clocks)


def attend(engine: Engine, call: Call, resident: Resident) -> State:
    """
    The state of a resident that ``examine`` found valid. Called under the lock.
    """
    stamp = resident.stamp
    if stamp is None or stamp.clocks is None:
        return GOOD
    now = engine.clock.monotonic()
    state = state_of(stamp.clocks, resident.fresh_until, now)
    if state is DUE and now >= stamp.clocks.fresh_until:
        call.shelf.stale_served += 1
    elif state is DUE and (windows := call.shelf.windows) and resident.hits < windows.least_hits:
        # Not hot: to be refreshed by nobody, and in memory no longer than without all this.
        return GOOD if now < stamp.clocks.memory_until else LAST
    return state


def begin_behind(engine: Engine, call: Call, labels: Labels, old: Old | None) -> Renewal | None:
    """
    The flight of a refresh, known before anyone else can begin one; None if there is one, or
    no room. Called under the lock.
    """
    if call.table is call.place.exact and call.is_as_asked is None:
        return None  # made before the function had windows: nobody could tell whether it changed
    flights, key = engine.flights, call.flight_key
    flight = flights.table.get(key)
    if flight is not None:
        if not (flight.abandoned() or engine.is_outdated(call, flight, labels.names)):
            return None
        flights.set_aside(flight)
    if not engine.background.has_room():
        return None
    mine = Renewal(key, engine.versions.epoch, behind=True)
    mine.world = call.world
    mine.old = old
    call.behind = mine  # before anyone can join it: who is interrupted now has nothing else of it
    flights.table[key] = mine
    return mine


# -- the second tier -----------------------------------------------------------------


def suffices(engine: Engine, flight: Flight, found: Found) -> bool:
    """
    Whether what was found fresh is what *flight* is for. A refresh wants more than what it is to
    replace, but takes what somebody else has brought meanwhile.
    """
    if not isinstance(flight, Renewal) or not flight.behind or flight.old is None:
        return True
    old = flight.old
    return (
        bool(found.stamp.created > old.stamp.created)
        or engine.clock.monotonic() < old.clocks.attention
    )


def old_below(engine: Engine, call: Call, found: Found) -> tuple[State, Old]:
    """
    The state of a record that was found valid, and the means to serve it. Under the lock.
    """
    windows, now = call.shelf.windows, engine.clock.monotonic()
    assert windows is not None
    clocks = Clocks(now + found.ttl_left(engine), windows, found.stamp.fresh, found.cost)
    if found.stamp.expired_at is not None:
        clocks.expire(moment(engine.clock, found.stamp.expired_at, now), windows)
    resting = engine.background.resting.get(call.flight_key, now)
    attention = max(clocks.attention, min(resting, clocks.served_until))
    kept = found.kept
    value, thaw = (found.value, None) if kept is None else (kept.value, kept.thaw)
    return state_of(clocks, attention, now), Old(value, thaw, found.stamp, clocks)


# -- when it failed --------------------------------------------------------------------


def fall_back(engine: Engine, call: Call, flight: Renewal, what: str) -> Plan:
    """
    The function raised, or returned an error, as *what* says: ``Held`` of the old value, which was
    landed, or None if there is none that may be served.
    """
    old, shelf = flight.old, call.shelf
    flight.failed = True
    if old is not None or flight.behind:
        engine.events.say_once(
            shelf.label,
            f"refresh {what}",
            f"{shelf.label}: computing a result anew {what}; "
            "the old one is served as long as the options allow",
        )
    while old is not None:
        epoch = yield from valid_in(engine, call, flight, old)
        if epoch is None:
            return None
        with engine.lock:
            engine.look()
            if engine.versions.epoch != epoch:
                continue  # something happened since
            now, clocks = engine.clock.monotonic(), old.clocks
            rest(engine, call, old, now)
            if now >= clocks.served_until:
                return None
            shelf.stale_on_error += not flight.behind
            call.answered_by = "stale"
            flight.brought = old
            engine.flights.land(flight, Landing(old.value, old.thaw, True))
        if call.traced is not None:
            call.traced.old(old)
        return Held(old.value, old.thaw)
    return None


def has_changed(call: Call, flight: Flight) -> bool:
    """
    Whether the arguments of a call that was answered already have changed since: what was
    computed in the background may then be the result of another call.
    """
    if not (isinstance(flight, Renewal) and flight.behind) or call.is_as_asked is None:
        return False
    return not call.is_as_asked()


def drop_changed(engine: Engine, call: Call, flight: Flight) -> None:
    """
    Neither keep what was computed nor give it to anyone.
    """
    assert isinstance(flight, Renewal)
    flight.failed = True
    engine.events.say_once(
        call.shelf.label,
        "changed",
        f"{call.shelf.label}: an argument was changed while its result was refreshed in the "
        "background; that result is not used",
    )
    with engine.lock:
        call.shelf.computed += 1
        if flight.old is not None and flight.wanted:
            rest(engine, call, flight.old, engine.clock.monotonic())
        engine.flights.land(flight, AGAIN)


def rest(engine: Engine, call: Call, old: Old, now: Seconds) -> None:
    """
    Let the entry count as fresh for a while, but never beyond its end. Called under the lock.
    """
    windows = call.shelf.windows
    assert windows is not None
    until = min(now + windows.backoff, old.clocks.served_until)
    engine.background.rest(call.flight_key, until, now)
    resident = call.resident()
    if resident is not None and resident.stamp is old.stamp:
        resident.fresh_until = until


def valid_in(engine: Engine, call: Call, flight: Flight, old: Old) -> Plan:
    """
    The epoch in which nothing that *old* depends on was found invalidated, except softly, while
    the function ran; None if something was, or the world has changed.
    """
    stamp, versions, windows = old.stamp, engine.versions, call.shelf.windows
    assert windows is not None
    if not (yield from still_holds(engine, call, stamp.world)):
        return None
    while True:
        with engine.lock:
            engine.look()
            epoch, at = versions.epoch, call.address
            if not flight.wanted or versions.bumped_since(flight.epoch, stamp.names):
                return None
            if at is not None and versions.moved_since(flight.epoch, (at,)):
                return None
            softened = versions.softened_since(flight.epoch, stamp.names)
            if softened != NEVER:
                old.clocks.expire(softened, windows)
            if not versions.shared:
                return epoch
            if stamp.tokens is None:
                is_same = versions.seen == stamp.seen
                return (
                    None
                    if versions.moved_since(flight.epoch, stamp.names)
                    else (epoch if is_same else None)
                )
            if stamp.address is not None and not versions.trusts(
                stamp.address, stamp.names, stale=True
            ):
                return None
            unknown = versions.unknown(stamp.names)
            if not unknown:
                expired_at = versions.expired_at(stamp.names, stamp.tokens, stamp.created)
                if expired_at is None:
                    return None
                if expired_at != NOT_EXPIRED:
                    now = engine.clock.monotonic()
                    old.clocks.expire(moment(engine.clock, expired_at, now), windows)
                return epoch
        if not (yield from learn(engine, unknown)):
            return None


def hand_out(held: Held, failed: Any) -> Any:
    """
    The old value for the caller; *failed*, the error, if the value cannot be copied.
    """
    try:
        return held.hand_out()
    except Exception:
        return failed
