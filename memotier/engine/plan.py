"""
The way of a call that memory could not answer at once.

    examine ── valid? ── value
       └─ join the flight ── follower: wait, take what lands (or start over)
                         └── leader: second tier ── found? ── value
                                      └─ note versions ── invoke ── write ── keep ── land

Two rules make an invalidation win every race. What was noted before the computation is
compared when its result is kept (in the second tier by the store, in one step). And a
caller that came after an invalidation never takes what began before it.

Plans yield effects and never do I/O. A leader lands its flight in every way out.
"""

from __future__ import annotations

from typing import Any

from ..errors import StoreError
from ..types import MISS, Address, Token
from . import writes
from .calls import Call, Labels
from .compute import compute
from .drive import Plan
from .effects import Wait
from .engine import Engine, Held
from .flights import AGAIN, ALONE, Failed, Flight, Landing
from .places import Stamp
from .tier2 import Found, learn, read


def fetch(engine: Engine, call: Call, *, in_task: bool) -> Plan:
    """
    The result of *call*: from memory, from somebody else's flight, from the second tier,
    or computed.
    """
    shelf = call.shelf
    labels = labels_before(call)
    key = call.flight_key
    while True:
        held = flight = None
        leads = follows = False
        with engine.lock:
            resident, unknown = engine.examine(call.table, call.key)
            if resident is not None:
                held = engine.take(resident)
            elif not unknown:
                shelf.misses += 1
                flight = engine.flights.table.get(key)
                if flight is not None and engine.is_outdated(flight, labels.names):
                    engine.flights.detach(flight)
                    flight = None
                if flight is None:
                    leads = True
                    flight = engine.flights.lead(key, engine.versions.epoch)
                else:
                    follows = engine.flights.follow(flight, in_task=in_task)
                joined_at = engine.versions.epoch
        if held is not None:
            return held.hand_out()
        if unknown:
            if not (yield from learn(engine, unknown)):
                # Nobody can say whether the resident is still valid: it is not served.
                with engine.lock:
                    engine.remove(filter(None, (call.resident(),)))
            continue
        assert flight is not None
        if leads:
            return (yield from lead(engine, call, flight, labels))
        if not follows:
            return (yield from beside(engine, call, labels))

        try:
            landing = yield Wait(flight)
        finally:
            with engine.lock:
                engine.flights.leave(flight)
        if landing is ALONE:
            return (yield from beside(engine, call, labels))
        if landing is AGAIN or (not landing.current and joined_at != flight.epoch):
            with engine.lock:
                engine.flights.detach(flight)
                shelf.misses -= 1  # it will be counted again
            continue
        with engine.lock:
            shelf.joined += 1
        if landing.value.__class__ is Failed or landing.thaw is None:
            return landing.value
        return landing.thaw(landing.value)


def fetch_alone(engine: Engine, call: Call) -> Plan:
    """
    The same without single-flight: every caller looks below and computes for himself.
    """
    with engine.lock:
        call.shelf.misses += 1
        flight = Flight(call.flight_key, engine.versions.epoch)
    return (yield from lead(engine, call, flight, labels_before(call)))


def lead(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    Bring the result for everyone who waits for *flight*.
    """
    try:
        noted = None
        if engine.store is not None:
            noted = yield from look_below(engine, call, flight, labels)
            if noted.__class__ is Found:
                return noted.value
        result = yield from compute(engine, call, flight, labels, noted)
    except BaseException:
        with engine.lock:
            engine.flights.land(flight, AGAIN)
        raise
    return result


def beside(engine: Engine, call: Call, labels: Labels) -> Plan:
    """
    Compute without a flight that others could join: to wait would never end, or not be right.
    """
    with engine.lock:
        flight = Flight(call.flight_key, engine.versions.epoch)
    noted = None
    if engine.store is not None:
        noted = yield from note(engine, call, labels)
    return (yield from compute(engine, call, flight, labels, noted))


def refresh(engine: Engine, call: Call) -> Plan:
    """
    Compute anew; who asks meanwhile gets the old value, and older computations are not kept.
    """
    with engine.lock:
        engine.flights.unwanted((call.flight_key,))
        engine.removals += 1
    return (yield from beside(engine, call, labels_before(call)))


# -- the second tier -----------------------------------------------------------------


def look_below(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    ``Found`` in the second tier (and promoted), or what was noted for a later write.
    """
    address = call.address
    if address is None:
        return (yield from note(engine, call, labels))

    found = yield from still_owed(engine, address)
    if found is not None:
        with engine.lock:
            promote(engine, call, flight, found)
        return found
    yield from writes.settle(engine)

    answer = yield from read(engine, [call])
    if isinstance(answer, StoreError):
        return None
    found = answer[0]
    if found.is_hit and (yield from is_valid(engine, address, found.stamp)):
        with engine.lock:
            engine.l2_hit(call.shelf, found.cost)
            promote(engine, call, flight, found)
        return found
    with engine.lock:
        call.shelf.l2_misses += 1
    return (yield from note(engine, call, labels, found.mark))


def still_owed(engine: Engine, address: Address) -> Plan:
    """
    ``Found`` for what has left memory but is not written yet (write-back), else None.
    """
    with engine.lock:
        resident = engine.unwritten.get(address)
        if resident is None or engine.versions.bumped_since(
            resident.stamp.epoch, resident.stamp.names
        ):
            return None
        held = Held(resident.value, resident.thaw)
    found = Found.unwritten(resident, held)
    if found.fresh_in_memory(engine) <= 0 or not (
        yield from is_valid(engine, address, found.stamp)
    ):
        return None
    return found


def is_valid(engine: Engine, address: Address, stamp: Stamp) -> Plan:
    """
    Whether nothing that the entry depends on was invalidated since it was computed.
    """
    while True:
        with engine.lock:
            if not engine.versions.trusts(address, stamp.names):
                return False
            unknown = engine.versions.unknown(stamp.names)
            if not unknown:
                return engine.versions.tokens(stamp.names) == stamp.tokens
        if not (yield from learn(engine, unknown)):
            return False


def promote(engine: Engine, call: Call, flight: Flight, found: Found) -> None:
    """
    Keep in memory what the second tier had, and land. Called under the lock.
    """
    current = flight.wanted and not engine.is_outdated(flight, found.stamp.names)
    if current and found.kept is not None:
        engine.insert(
            call,
            found.kept,
            cost=found.cost,
            fresh=found.fresh_in_memory(engine),
            epoch=flight.epoch,
            stamp=found.stamp,
            owed=found.stamp.dirty,
        )
    if found.kept is None:
        # Without a memory tier nothing was kept: who waits reads the second tier as well.
        engine.flights.land(flight, ALONE if engine.has_memory else AGAIN)
    else:
        engine.flights.land(flight, Landing(found.kept.value, found.kept.thaw, current))


def note(engine: Engine, call: Call, labels: Labels, mark: Token | Any = MISS) -> Plan:
    """
    The versions under which a computation begins; None if the second tier cannot tell.
    """
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(labels.names)
            if not unknown:
                tokens = engine.versions.tokens(labels.names)
                return writes.Noted(engine.versions.seen, tokens, mark)
        if not (yield from learn(engine, unknown)):
            return None


def labels_before(call: Call) -> Labels:
    """
    What is known before the computation: tags of the settings and of the arguments.
    """
    shelf = call.shelf
    if call.tags_of is None:
        if shelf.labels is None:
            shelf.labels = Labels(shelf.names, shelf.tags)
        labels: Labels = shelf.labels
        return labels
    return Labels(shelf.names, tuple(dict.fromkeys((*shelf.tags, *call.tags_of()))))
