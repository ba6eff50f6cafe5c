"""
Computing, and keeping what was computed: in the second tier, in memory, or in neither.

write-through: second tier first, then memory. write-around: second tier only; memory if the
second tier will not have it. write-back: memory now, and the second tier is owed.

The second tier is written before the flight lands: if it refuses, because something was
invalidated in between, then nobody who waits is given the old value as if it were new.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from ..codecs.copies import Kept
from ..entry import NEVER
from ..types import Seconds
from . import evidence, quotas, soft, stale, worlds
from .calls import Call, Labels
from .clocks import Renewal
from .drive import Plan
from .effects import Invoke
from .engine import Engine
from .flights import AGAIN, ALONE, Failed, Flight, Landing
from .places import Held, Shelf, Stamp
from .recall import fail
from .returned import judge, withhold
from .tier2 import keep
from .writes import (
    MOST_LEFT,
    Noted,
    Outgoing,
    drop_below,
    flush,
    lasting,
    note_added,
    plain_stamp,
    send,
    stamp_of,
    why_unstored,
)


def compute(
    engine: Engine, call: Call, flight: Flight, labels: Labels, noted: Noted | None
) -> Plan:
    """
    Call the function, keep its result, land the flight.
    """
    shelf, clock = call.shelf, engine.clock
    assert call.function is not None
    is_refresh = flight.behind if isinstance(flight, Renewal) else flight.renews
    if shelf.ledger is not None:
        refused = quotas.begin(engine, [call], is_refresh=is_refresh)
        if refused is not None:
            if isinstance(flight, Renewal):
                flight.result = (refused,)
            return (yield from fail(engine, call, flight, refused))
    if call.watch is not None:
        yield from worlds.note(engine, call, flight)
    began = clock.monotonic()
    try:
        value = yield Invoke(flight, call.function, call.args, call.kwargs)
    except BaseException as error:
        if isinstance(flight, Renewal) and not isinstance(error, GeneratorExit):
            flight.result = (Failed(error),)
        raise
    ended = clock.monotonic()
    cost = ended - began if flight.worked is None else flight.worked
    engine.meter.computed(call, cost, ended, is_refresh)
    if isinstance(flight, Renewal):
        if flight.unmodified is not None and value.__class__ is not Failed:
            (value,) = flight.unmodified
            flight.brought = flight.old
        flight.result = (value,)
    if value.__class__ is Failed:
        with engine.lock:
            shelf.computed += 1
            shelf.failed += 1
            engine.evidence.happened(engine, call, evidence.FAILED, type(value.error).__qualname__)
        return (yield from fail(engine, call, flight, value, labels, noted))

    if call.is_as_asked is not None and stale.has_changed(call, flight):
        stale.drop_changed(engine, call, flight)
        return value

    wanted, labels, noted = describe(engine, call, flight, labels, noted, value)
    if flight.is_error:
        return (yield from withhold(engine, call, flight, labels, value))
    if wanted and call.watch is not None:
        wanted = not (yield from worlds.has_moved(engine, call, flight))
        if not wanted:
            unkept(engine, call, evidence.OVERTAKEN, "what it depends on changed meanwhile")
    kept = keep(engine, call, value) if wanted and engine.has_memory else None
    stamp, written = None, UNGUARDED if wanted else UNWANTED
    if wanted and engine.store is None:
        stamp = plain_stamp(engine, call, labels, flight.world)
    elif wanted:
        has_room = kept is not None and engine.memory.fits(kept.size, call.key)
        stamp, written = yield from store_below(
            engine, call, flight, labels, noted, value, cost, owes=has_room
        )
    if kept is None and flight.future is not None and not (wanted and engine.has_memory):
        kept = keep(engine, call, value)  # not for memory, but for those who wait
    if finish(engine, call, flight, labels, kept, cost, stamp, written):
        yield from drop_below(engine, [call.address], [call.resident()])
        if not flight.wanted:
            with engine.lock:
                # Overtaken: somebody may have read there what is gone now.
                engine.flights.unwanted((call.flight_key,))
                engine.give_up(call)
    if engine.memory.garbage:
        engine.sweep()
    if len(engine.debts.left) > MOST_LEFT:
        yield from flush(engine, only_left=True)
    if shelf.ledger is not None and shelf.ledger.gone:
        yield from quotas.let_go(engine, shelf)
    return value


class Written(Enum):
    """
    What became of a result's way into the second tier, and so of its way into memory.
    """

    STORED = "the second tier has it"
    OWED = "write-back: the second tier will be told"
    REFUSED = "something was invalidated meanwhile"
    OVERTAKEN = "the same, but only softly, and what lies there is as stale"
    UNGUARDED = "it is for memory alone: no second tier, or one that cannot have it"
    UNWANTED = "the function or its options do not want it kept"


STORED, OWED, REFUSED, OVERTAKEN, UNGUARDED, UNWANTED = Written


def store_below(
    engine: Engine,
    call: Call,
    flight: Flight,
    labels: Labels,
    noted: Noted | None,
    value: Any,
    cost: Seconds,
    *,
    owes: bool,
) -> Plan:
    """
    Bring *value* into the second tier, or into its debt: the resident's stamp, ``Written``.

    Args:
        owes: Whether memory has room for it, without which nothing can be owed.
    """
    assert noted is not None
    if noted.tokens == ():
        noted = yield from note_added(engine, labels, noted)
    stamp, way = yield from way_below(engine, call, flight, labels, noted, value, cost, owes=owes)
    if way.__class__ is Outgoing:
        (answer,) = yield from send(engine, [way])
        if answer is False and (yield from soft.was_overtaken(engine, call, flight, labels, noted)):
            return stamp, OVERTAKEN
        way = arrived(engine, call, stamp, answer)
    return stamp, way


def way_below(
    engine: Engine,
    call: Call,
    flight: Flight,
    labels: Labels,
    noted: Noted | None,
    value: Any,
    cost: Seconds,
    *,
    owes: bool,
) -> Plan:
    """
    The same up to the writing: the stamp, and what is to be sent, or ``Written`` if nothing is.
    """
    assert noted is not None
    if noted.tokens == ():
        noted = yield from note_added(engine, labels, noted)
    stamp, debt = stamp_of(engine, call, labels, noted, flight.epoch)
    stamp.world, stamp.price = flight.world, flight.price
    if debt is None or stamp.address is None or not flight.wanted:
        stamp.address = None
        return stamp, UNGUARDED
    if owes and engine.options.write_policy == "write_back":
        stamp.debt = debt
        return stamp, OWED
    return stamp, Outgoing(call.shelf, stamp.address, Held(value, None), stamp, cost, debt)


def arrived(engine: Engine, call: Call, stamp: Stamp, answer: bool | Exception) -> Written:
    """
    What became of something sent, by the answer.
    """
    if answer is True:
        call.shelf.unshared = False
        return STORED
    stamp.address = None
    if answer is not False:
        unkept(engine, call, evidence.UNSTORED, why_unstored(answer))
    return REFUSED if answer is False else UNGUARDED


def finish(
    engine: Engine,
    call: Call,
    flight: Flight,
    labels: Labels,
    kept: Kept | None,
    cost: Seconds,
    stamp: Stamp | None,
    written: Written,
) -> bool:
    """
    Keep the result in memory, if it belongs there, and land the flight; whether what the
    second tier has of this call must go.
    """
    around = engine.options.write_policy == "write_around" and written is STORED
    flights = engine.flights
    if stamp is not None and flight.price is not None:
        stamp.price = flight.price
    if flight.brought is None:
        flight.brought = stamp
    with engine.lock:
        call.shelf.computed += 1
        if flight.price is not None:
            call.shelf.price_paid += flight.price
        current = flight.wanted and not engine.is_outdated(call, flight, labels.names)
        current = current and written is not OVERTAKEN
        # What was overtaken softly is kept as a stale result, in memory alone, unless a newer one
        # is there. (If it was a hard one of another process, its versions will tell.)
        is_late = (
            not current
            and written is not REFUSED
            and not engine.versions.bumped_since(flight.epoch, labels.names)
            and soft.keeps_late(engine, call, flight)
        )
        finds_newer = is_late and soft.finds_newer(call, flight)
        inserted = False
        if flight.renews and flight.wanted and not is_late:
            # Who began meanwhile may have read what this replaces.
            flights.unwanted((flight.key,))
            flight.wanted = True
        if is_late and stamp is not None:
            stamp.expired_at = engine.clock.wall()
        wanted = current or (is_late and not finds_newer)
        wanted = wanted and not (around or written in (UNWANTED, REFUSED))
        if wanted and kept is not None:
            inserted = engine.insert(
                call,
                kept,
                cost=cost,
                fresh=lasting(call.shelf, labels, engine.options.l1_ttl),
                epoch=flight.epoch,
                stamp=stamp,
                debt=None if stamp is None else stamp.debt,
                ttl_left=ttl_below(labels, stamp),
            )
        if flight.wanted and not inserted and not finds_newer:
            engine.give_up(call)  # what is there is older
            if written is STORED and engine.index is not None:
                engine.index.note(call, stamp, None, flight.epoch)
            if written is STORED and call.shelf.ledger is not None:
                call.shelf.ledger.note(engine, call, stamp, None)
        if not (inserted or written is STORED or written is UNWANTED):
            if written is REFUSED or not current:
                engine.evidence.happened(engine, call, evidence.OVERTAKEN)
            elif engine.has_memory:
                what, why = evidence.UNSTORED, "it is too large for memory"
                if kept is None:
                    why = "it cannot be copied"
                elif call.shelf.ledger is not None and engine.memory.fits(kept.size, call.key):
                    what, why = evidence.OVER_QUOTA, "bytes"
                engine.evidence.happened(engine, call, what, why)

        if written is REFUSED or (kept is None and written is STORED and not engine.has_memory):
            flights.land(flight, AGAIN)
        elif kept is None:
            flights.land(flight, ALONE)
        else:
            # Whoever joined before the key was invalidated may have what he waited for.
            landing = Landing(kept.value, kept.thaw, current or not flight.wanted)
            flights.land(flight, landing)
        if not flight.wanted:
            return written is STORED
        if written is OVERTAKEN:
            return False
        return flight.renews and written is not STORED and not (inserted and written is OWED)


def unkept(engine: Engine, call: Call, what: str, why: str = "") -> None:
    """
    Remember why a result is not there for the next call.
    """
    with engine.lock:
        engine.evidence.happened(engine, call, what, why)


def ttl_below(labels: Labels, stamp: Stamp | None) -> Seconds | None:
    """
    Seconds of freshness of what the second tier has, where that is not what memory has.
    """
    if labels.ttl is not None or stamp is None or stamp.address is None:
        return None
    return NEVER if stamp.fresh is None else stamp.fresh


def price_of(engine: Engine, shelf: Shelf, value: Any) -> float | None:
    """
    What *value* cost, by what ``cost=`` of its function says; None if that is no amount.
    """
    assert shelf.price_of is not None
    try:
        price = shelf.price_of(value)
        amount = math.nan if isinstance(price, str) else float(price)
        why = "" if 0 <= amount < math.inf else "returned no amount of 0 or more"
    except Exception as error:
        amount, why = 0.0, f"raised {type(error).__name__}"
    if not why:
        return amount
    engine.events.emit("unpriced", {"label": shelf.label, "reason": f"cost= {why}"})
    engine.events.say_once(
        shelf.label, "cost", f"{shelf.label}: cost= {why}; what the result cost is not counted"
    )
    return None


def describe(
    engine: Engine,
    call: Call,
    flight: Flight,
    labels: Labels,
    noted: Noted | None,
    value: Any,
) -> tuple[bool, Labels, Noted | None]:
    """
    What the function, its options and the result itself say of the entry.
    """
    shelf = call.shelf
    if shelf.is_error is not None:
        flight.is_error = judge(engine, call, value)
        if flight.is_error is not False:
            return False, labels, noted
    if flight.skipped:
        unkept(engine, call, evidence.SKIPPED)
    if shelf.price_of is not None:
        flight.price = price_of(engine, shelf, value)
    ttl = call.ttl if flight.ttl is None else flight.ttl
    wanted = not flight.skipped
    try:
        if wanted and shelf.cache_if is not None:
            wanted = bool(shelf.cache_if(value))
            if not wanted:
                unkept(engine, call, evidence.REFUSED, "cache_if= did not want it")
        if ttl is None and shelf.ttl is not None:
            ttl = shelf.ttl(value, call) if callable(shelf.ttl) else shelf.ttl
    except Exception as error:
        # The caller's result is right; only what to do with it is not known.
        why = f"cache_if= or ttl= raised {type(error).__name__}"
        unkept(engine, call, evidence.REFUSED, why)
        engine.events.say_once(
            shelf.label,
            "option",
            f"{shelf.label}: cache_if= or ttl= raised {type(error).__name__}; "
            "the result was returned but not stored",
        )
        return False, labels, noted

    added, draw = flight.added_tags, 0.0 if shelf.windows is None else shelf.windows.draw()
    if not added:
        if ttl is not None or draw:
            labels = Labels(call.names, labels.tags, ttl, draw)
        return wanted, labels, noted

    if noted is not None and noted.tokens is not None:
        # These tags were not noted before the computation; see ``note_added``.
        noted = noted._replace(tokens=())
    tags = tuple(dict.fromkeys((*labels.tags, *added)))
    return wanted, Labels(call.names, tags, ttl, draw), noted
