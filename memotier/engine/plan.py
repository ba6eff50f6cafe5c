"""
The way of a call that memory could not answer at once.

    examine ── valid? ── value
       └─ join the flight ── follower: wait, take what lands (or start over)
                         └── leader: second tier ── found? ── value
                                      └─ note versions ── invoke ── write ── keep ── land

Three rules make an invalidation win every race. What was noted before the computation is
compared when its result is kept (in the second tier by the store, in one step). A caller
that came after an invalidation never takes what began before it. And every computation, also
one that nobody can join, hears of what happens to its key meanwhile.

Plans yield effects and never do I/O. A leader lands its flight in every way out.
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, StoreError
from ..types import MISS, Address, Token
from . import writes
from .calls import Call, Labels
from .claims import can_claim, wait_for_claim
from .compute import compute
from .drive import Plan
from .effects import Invoke, Wait
from .engine import Engine, Held
from .flights import AGAIN, ALONE, Failed, Flight, Landing
from .places import Stamp
from .tier2 import Found, learn, read, slots


def fetch(engine: Engine, call: Call, *, in_task: bool) -> Plan:
    """
    The result of *call*: from memory, from somebody else's flight, from the second tier,
    or computed.
    """
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return (yield from bypass(call))
    shelf, flights = call.shelf, engine.flights
    key = call.flight_key
    mine: Flight | None = None
    try:
        while True:
            held, flight, follows = None, None, False
            with engine.lock:
                resident, unknown = engine.examine(call.table, call.key)
                if resident is not None:
                    held = engine.take(resident)
                elif not unknown:
                    shelf.misses += 1
                    flight = flights.table.get(key)
                    if flight is not None and engine.is_outdated(call, flight, labels.names):
                        flights.detach(flight)
                        flight = None
                    if flight is None:
                        # Known here before anyone can join it, so that it lands whatever comes.
                        mine = Flight(key, engine.versions.epoch)
                        flights.table[key] = mine
                    else:
                        follows = flights.follow(flight, in_task=in_task)
                    joined_at = engine.versions.epoch
            if held is not None:
                try:
                    return held.hand_out()
                except Exception as error:
                    say_unusable(engine, call, error)
                    continue
            if unknown:
                if not (yield from learn(engine, unknown)):
                    # Nobody can say whether the resident is still valid: it is not served.
                    with engine.lock:
                        engine.remove(filter(None, (call.resident(),)))
                continue
            if mine is not None:
                return (yield from lead(engine, call, mine, labels))
            assert flight is not None
            if not follows:
                return (yield from alone(engine, call, labels))

            try:
                landing = yield Wait(flight)
            finally:
                with engine.lock:
                    flights.leave(flight)
            if landing is ALONE:
                return (yield from alone(engine, call, labels))
            if landing is AGAIN or (not landing.current and joined_at != flight.epoch):
                with engine.lock:
                    flights.detach(flight)
                    shelf.misses -= 1  # it will be counted again
                continue
            with engine.lock:
                shelf.joined += 1
            if landing.value.__class__ is Failed or landing.thaw is None:
                return landing.value
            try:
                return landing.thaw(landing.value)
            except Exception as error:
                say_unusable(engine, call, error)
                return (yield from alone(engine, call, labels))
    except BaseException:
        if mine is not None:
            with engine.lock:
                flights.land(mine, AGAIN)
        raise


def fetch_alone(engine: Engine, call: Call) -> Plan:
    """
    The same without single-flight: every caller looks below and computes for himself.
    """
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return (yield from bypass(call))
    with engine.lock:
        call.shelf.misses += 1
    return (yield from alone(engine, call, labels))


def refresh(engine: Engine, call: Call) -> Plan:
    """
    Compute anew; who asks meanwhile gets the old value, and older computations are not kept.
    If the function raises, the old value stays; if its result cannot be kept, that goes.
    """
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return (yield from bypass(call))
    with engine.lock:
        engine.flights.unwanted((call.flight_key,))
    return (yield from alone(engine, call, labels, renews=True))


def alone(engine: Engine, call: Call, labels: Labels, *, renews: bool = False) -> Plan:
    """
    Bring the result for this caller only: to wait would never end, or not be right.
    """
    flight = Flight(call.flight_key, 0)
    flight.renews = renews
    try:
        with engine.lock:
            engine.look()
            flight.epoch = engine.versions.epoch
            engine.flights.start_beside(flight)
        return (yield from lead(engine, call, flight, labels))
    except BaseException:
        with engine.lock:
            engine.flights.land(flight, AGAIN)
        raise


def lead(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    Look below, else compute. Whoever calls this lands *flight* if it raises.
    """
    noted = None
    if engine.store is not None:
        if flight.renews:
            noted = yield from note_slot(engine, call, labels)
        else:
            noted = yield from look_below(engine, call, flight, labels)
        if noted.__class__ is Found:
            return noted.value
        if not flight.renews and can_claim(engine, call, noted):
            return (yield from compute_alone(engine, call, flight, labels, noted))
    return (yield from compute(engine, call, flight, labels, noted))


def compute_alone(
    engine: Engine, call: Call, flight: Flight, labels: Labels, noted: writes.Noted
) -> Plan:
    """
    Compute while no other process does, or take what it computed.
    """
    try:
        answer = yield from wait_for_claim(
            engine, call, lambda: look_below(engine, call, flight, labels)
        )
        if answer.__class__ is Found:
            return answer.value
        noted = noted if answer is None else answer
        return (yield from compute(engine, call, flight, labels, noted))
    finally:
        # Whether it is ours or not: an interrupt may have come before we heard of it.
        engine.claims.release(call.address)


def bypass(call: Call) -> Plan:
    """
    Call the function as if there were no cache.
    """
    assert call.function is not None
    call.shelf.bypassed += 1
    return (yield Invoke(Flight(call.flight_key, 0), call.function, call.args, call.kwargs))


def say_unusable(engine: Engine, call: Call, error: Exception) -> None:
    """
    A value in memory could not be copied for its caller: it goes, and is computed anew.
    """
    with engine.lock:
        engine.remove(filter(None, (call.resident(),)))
    engine.sweep()
    engine.events.say_once(
        call.shelf.label,
        "copy",
        f"{call.shelf.label}: copying a result that memory held raised "
        f"{type(error).__name__}; it is computed anew",
    )


# -- the second tier -----------------------------------------------------------------


def look_below(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    ``Found`` in the second tier (and promoted), or what was noted for a later write.
    """
    address = call.address
    if address is None:
        return (yield from note(engine, call, labels))

    if engine.debts.unwritten:
        found = yield from still_owed(engine, address)
        if found is not None:
            with engine.lock:
                promote(engine, call, flight, found)
            engine.sweep()
            return found
    if engine.versions.is_behind:
        yield from writes.settle(engine)

    answer = yield from read(engine, [call])
    if isinstance(answer, StoreError):
        return writes.Noted(engine.versions.seen, None, MISS)
    found = answer[0]
    if found.is_hit and (yield from is_valid(engine, address, found.stamp)):
        with engine.lock:
            engine.l2_hit(call.shelf, found.cost)
            promote(engine, call, flight, found)
        engine.sweep()
        return found
    with engine.lock:
        call.shelf.l2_misses += 1
    return (yield from note(engine, call, labels, found.mark))


def note_slot(engine: Engine, call: Call, labels: Labels) -> Plan:
    """
    What a write after the computation will compare, without a look at what is there.
    """
    yield from writes.settle(engine)
    if call.address is None:
        return (yield from note(engine, call, labels))
    marks = yield from slots(engine, [call])
    if marks is None:
        return writes.Noted(engine.versions.seen, None, MISS)
    return (yield from note(engine, call, labels, marks[0]))


def still_owed(engine: Engine, address: Address) -> Plan:
    """
    ``Found`` for what has left memory but is not written yet (write-back), else None.
    """
    with engine.lock:
        resident = engine.debts.unwritten.get(address)
        if (
            resident is None
            or (debt := resident.stamp.debt) is None
            or engine.versions.bumped_since(debt.epoch, resident.stamp.names)
        ):
            return None
        held = Held(resident.value, resident.thaw)
    if debt.until is not None and debt.until <= engine.clock.monotonic():
        yield from writes.drop_below(engine, [address])  # what lies there is older
        with engine.lock:
            engine.debts.forgive(resident)
        return None
    try:
        found = Found.unwritten(resident, held)
    except Exception:
        return None  # a copy that raises: computed anew
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
        )
    if found.kept is None:
        # Without a memory tier nothing was kept: who waits reads the second tier as well.
        engine.flights.land(flight, ALONE if engine.has_memory else AGAIN)
    else:
        engine.flights.land(flight, Landing(found.kept.value, found.kept.thaw, current))


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


def labels_before(engine: Engine, call: Call) -> Labels | None:
    """
    What is known before the computation: tags of the settings and of the arguments. None if
    nobody can say, because ``tags=`` raised: the result cannot be invalidated, so not kept.
    """
    shelf = call.shelf
    if call.tags_of is None:
        if shelf.labels is None:
            shelf.labels = Labels(shelf.names, shelf.tags)
        labels: Labels = shelf.labels
        return labels
    try:
        own = call.tags_of()
    except Exception as error:
        # Our own complaint about what it returned shows no data; other texts may.
        ours = isinstance(error, ConfigError)
        why = str(error) if ours else f"tags= raised {type(error).__name__}"
        engine.events.say_once(
            shelf.label,
            "tags",
            f"{shelf.label}: {why}; the result was returned but not stored",
        )
        return None
    return Labels(shelf.names, tuple(dict.fromkeys((*shelf.tags, *own))))
