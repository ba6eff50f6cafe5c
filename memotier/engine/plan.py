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

from ..entry import Resident
from ..types import Seconds
from . import quotas, stale, worlds
from .around import around
from .background import Behind
from .below import look_below, note_slot
from .calls import Call, Labels
from .claims import can_claim, give_back_claims, wait_for_claim
from .clocks import Old, Renewal
from .compute import compute
from .drive import Plan
from .engine import Engine
from .evidence import DOUBTED, MOVED, UNCOPIED
from .flights import AGAIN, ALONE, Failed, Flight
from .gates import bypass, instead, is_allowed, is_error_of_another, may_have, pass_on
from .labels import labels_before
from .meter import waiting
from .places import Held
from .recall import raise_again, recall
from .tier2 import Found, learn
from .timed import INLINE, apart, wait
from .writes import Noted


def fetch(engine: Engine, call: Call, *, in_task: bool, joins: bool = True) -> Plan:
    """
    The result of *call*: from memory, from somebody else's flight, from the second tier,
    or computed.

    Args:
        joins: False: without single-flight, every caller looks below and computes for himself.
    """
    plan = _fetch(engine, call, in_task=in_task, joins=joins)
    return plan if around.plan is None else around.plan(engine, call, plan)


def _fetch(engine: Engine, call: Call, *, in_task: bool, joins: bool) -> Plan:
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return (yield from bypass(engine, call))
    shelf, flights = call.shelf, engine.flights
    key, windows = call.flight_key, call.shelf.windows
    mine: Flight | None = None
    began: Seconds | None = engine.clock.monotonic()
    try:
        while True:
            held, flight, follows, old = None, None, False, None
            if call.watch is not None:
                yield from worlds.observe(engine, call)
            with engine.lock:
                resident, unknown = engine.examine(call.table, call.key, stale=windows is not None)
                if resident is not None and call.watch is not None:
                    ours = worlds.is_ours(call, worlds.world_of(resident))
                    if ours is None:
                        continue  # it has come since we looked
                    if not ours:
                        engine.reject(resident, MOVED)
                        resident = None
                if resident is not None and windows is not None:
                    state = stale.attend(engine, call, resident)
                    if state is stale.DUE:
                        mine = stale.begin_behind(engine, call, labels, stale.old_of(resident))
                    elif state is not stale.GOOD:
                        old, resident = stale.old_of(resident), None
                if resident is not None:
                    held = engine.take(resident)
                    if call.traced is not None:
                        call.traced.memory(resident)
                elif not unknown:
                    flight = flights.table.get(key)
                    if flight is not None and engine.is_outdated(call, flight, labels.names):
                        flight.wanted = False  # it hears of nothing any more
                        flights.detach(flight)
                        flight = None
                    if flight is not None and call.watch is not None:
                        ours = worlds.is_ours(call, flight.world)
                        if ours is None:
                            continue
                        if not ours:
                            flights.set_aside(flight)
                            flight = None
                    shelf.misses += 1
                    if not joins:
                        pass
                    elif flight is None:
                        # Known here before anyone can join it, so that it lands whatever comes.
                        mine = new_flight(engine, call, old)
                        flights.table[key] = mine
                    else:
                        follows = flights.follow(flight, in_task=in_task)
                    joined_at = engine.versions.epoch
            if held is not None:
                assert resident is not None
                answer = yield from hand_out(engine, call, held, resident, labels, mine)
                if answer is not AGAIN:
                    return answer
                mine = None
                continue
            if unknown:
                if not (yield from learn(engine, unknown)):
                    # Nobody can say whether the resident is still valid: it is not served.
                    with engine.lock:
                        engine.reject(call.resident(), DOUBTED)
                continue
            if mine is not None:
                answer = yield from bring(engine, call, mine, labels, old)
                if answer is not AGAIN:
                    return answer
                mine = None
                with engine.lock:
                    shelf.misses -= 1  # it will be counted again
                continue
            if not follows:
                return (yield from alone(engine, call, labels, old=old))
            assert flight is not None

            try:
                landing = yield from waiting(engine, call, wait(engine, call, flight, old))
            finally:
                with engine.lock:
                    flights.leave(flight)
            if landing.__class__ is Failed:
                return landing
            if landing.__class__ is Held:
                assert old is not None
                return (yield from pass_on(engine, call, landing.hand_out(), old))
            if landing is ALONE:
                return (yield from alone(engine, call, labels, old=old))
            if landing is AGAIN or (not landing.current and joined_at != flight.epoch):
                with engine.lock:
                    flights.detach(flight)
                    shelf.misses -= 1  # it will be counted again
                continue
            if is_error_of_another(call, flight, landing):
                return (yield from alone(engine, call, labels, old=old))
            with engine.lock:
                engine.meter.joined(call, flight)
            if landing.value.__class__ is Failed:
                return landing.value
            try:
                answer = Held(landing.value, landing.thaw).hand_out()
            except Exception as error:
                say_unusable(engine, call, error)
                return (yield from alone(engine, call, labels))
            return (yield from pass_on(engine, call, answer, flight))
    except BaseException:
        began = None  # nobody knows how long it would have taken
        for one in (mine, call.behind):
            if one is not None:
                give_back(engine, one)
        raise
    finally:
        if began is not None:
            engine.meter.answered(call, began, engine.clock.monotonic())


def hand_out(
    engine: Engine, call: Call, held: Held, resident: Resident, labels: Labels, due: Flight | None
) -> Plan:
    """
    What memory has, for the caller; AGAIN if that cannot be copied.

    Args:
        due: The flight of the refresh that is to begin if he gets it; else it is given back.
    """
    try:
        value = held.hand_out()
    except Exception as error:
        say_unusable(engine, call, error)
        value = AGAIN
    allowed = value is not AGAIN and (yield from is_allowed(engine, call, value, resident))
    if allowed is not True:
        if due is not None:
            give_back(engine, due)
        return value if value is AGAIN else (yield from instead(engine, call, allowed))
    if due is not None:
        yield from begin(engine, call, due, labels)
    elif call.shelf.checks is not None:
        yield from check(engine, call, labels, resident, held)
    return value


def refresh(engine: Engine, call: Call) -> Plan:
    """
    Compute anew; who asks meanwhile gets the old value, and older computations are not kept.
    If the function raises, the old value stays; if its result cannot be kept, that goes.
    """
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return (yield from bypass(engine, call))
    with engine.lock:
        engine.flights.unwanted((call.flight_key,))
    return (yield from alone(engine, call, labels, renews=True))


def alone(
    engine: Engine, call: Call, labels: Labels, *, renews: bool = False, old: Old | None = None
) -> Plan:
    """
    Bring the result for this caller only: to wait would never end, or not be right.
    """
    flight = new_flight(engine, call, old)
    flight.renews = renews
    try:
        with engine.lock:
            engine.look()
            flight.epoch = engine.versions.epoch
            engine.flights.start_beside(flight)
        answer = yield from bring(engine, call, flight, labels, old)
    except BaseException:
        give_back(engine, flight)
        raise
    if answer is AGAIN:
        answer = yield from alone(engine, call, labels, renews=renews, old=old)
    return answer


def bring(engine: Engine, call: Call, flight: Flight, labels: Labels, old: Old | None) -> Plan:
    """
    Lead *flight*; or, if its function has timeouts, have it led and wait. AGAIN if whoever led it
    has gone.
    """
    windows, answer = call.shelf.windows, INLINE
    if windows is not None and windows.is_timed:
        assert isinstance(flight, Renewal)
        plan = renew(engine, call, flight, labels)
        answer = yield from apart(engine, call, flight, plan, old)
        if answer.__class__ is Held:
            assert old is not None
            return (yield from pass_on(engine, call, answer.hand_out(), old))
    if answer is INLINE:
        answer = yield from lead(engine, call, flight, labels)
    if call.gate is not None:
        allowed = yield from may_have(engine, call, flight, answer)
        if allowed is not True:
            return (yield from instead(engine, call, allowed, flight))
    found = flight.brought
    if call.shelf.checks is not None and found.__class__ is Found and found.refresh is None:
        yield from check(engine, call, labels, flight, found.kept)
    return answer


def give_back(engine: Engine, flight: Flight) -> None:
    """
    Land the flight of a caller that was interrupted, unless somebody else brings it.
    """
    with engine.lock:
        if not (isinstance(flight, Renewal) and flight.is_apart):
            engine.flights.land(flight, AGAIN)


def new_flight(engine: Engine, call: Call, old: Old | None) -> Flight:
    """
    A flight for *call*, that knows what to fall back on if its function may be stale.
    """
    flight = Flight(call.flight_key, engine.versions.epoch)
    if call.shelf.windows is not None:
        began = engine.clock.monotonic()
        flight = renewal = Renewal(call.flight_key, engine.versions.epoch, began=began)
        renewal.old = old
    flight.world = call.world
    return flight


def begin(
    engine: Engine, call: Call, flight: Flight, labels: Labels, plan: Plan | None = None
) -> Plan:
    """
    Have *flight* brought in the background, by *plan* if that does more than to renew.
    """
    assert isinstance(flight, Renewal)
    plan = renew(engine, call, flight, labels) if plan is None else plan
    try:
        if not (yield Behind(engine.background, flight, plan)):
            with engine.lock:
                engine.background.dropped += 1
                engine.flights.land(flight, AGAIN)
    except BaseException:
        give_back(engine, flight)
        raise


def check(engine: Engine, call: Call, labels: Labels, source: Resident | Flight, kept: Any) -> Plan:
    """
    Compute once more in the background what the caller is given, if that is to be checked.
    """
    from .checks import chosen, compared  # few functions have it

    found = chosen(engine, call, labels, source, kept)
    if found is not None:
        plan = compared(engine, call, labels, found, renew(engine, call, found.flight, labels))
        yield from begin(engine, call, found.flight, labels, plan)


def renew(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    What runs in the background: unlike a caller, it is not content with a stale result.
    """
    try:
        return (yield from lead(engine, call, flight, labels))
    except BaseException:
        with engine.lock:
            engine.flights.land(flight, AGAIN)
        raise


def lead(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    Look below, else compute. Whoever calls this lands *flight* if it raises.
    """
    noted, asked = None, flight.renews
    if engine.store is not None:
        if asked:
            noted = yield from note_slot(engine, call, labels)
        else:
            noted = yield from look_below(engine, call, flight, labels)
        if noted.__class__ is Found:
            return (yield from take_found(engine, call, flight, labels, noted))
    if call.shelf.remembers is not None and not asked:
        failed = yield from recall(engine, call)
        if failed is not None:
            return (yield from raise_again(engine, call, flight, failed))
    if isinstance(flight, Renewal) and flight.old is not None:
        # If what comes now cannot be kept, what is older must go, below as well.
        flight.renews = True
    if noted is not None and not asked and can_claim(engine, call, noted):
        return (yield from compute_alone(engine, call, flight, labels, noted))
    return (yield from compute(engine, call, flight, labels, noted))


def take_found(engine: Engine, call: Call, flight: Flight, labels: Labels, found: Found) -> Plan:
    """
    The value that was found below, and what follows from finding it.
    """
    if found.refresh is not None:
        yield from begin(engine, call, found.refresh, labels)
    if isinstance(flight, Renewal):
        flight.result = (found.value,)
    if call.shelf.ledger is not None and call.shelf.ledger.gone:
        yield from quotas.let_go(engine, call.shelf)
    return found.value


def compute_alone(engine: Engine, call: Call, flight: Flight, labels: Labels, noted: Noted) -> Plan:
    """
    Compute while no other process does, or take what it computed.
    """
    assert call.address is not None and call.claims is not None
    claim = call.claim = engine.claims.claim(call.address, call.claims)
    try:
        answer = yield from wait_for_claim(
            engine, call, lambda: look_below(engine, call, flight, labels)
        )
        if answer.__class__ is Found:
            result = yield from take_found(engine, call, flight, labels, answer)
        else:
            noted = noted if answer is None else answer
            result = yield from compute(engine, call, flight, labels, noted)
        yield from give_back_claims(engine, [claim])
        return result
    finally:
        # Whether it is ours or not: an interrupt may have come before we heard of it.
        engine.claims.release(claim)


def say_unusable(engine: Engine, call: Call, error: Exception) -> None:
    """
    A value in memory could not be copied for its caller: it goes, and is computed anew.
    """
    with engine.lock:
        engine.reject(call.resident(), UNCOPIED)
    engine.sweep()
    engine.events.say_once(
        call.shelf.label,
        "copy",
        f"{call.shelf.label}: copying a result that memory held raised "
        f"{type(error).__name__}; it is computed anew",
    )
