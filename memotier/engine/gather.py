"""
Keeping the results of one call that brought many: each as a single one would be kept (the steps
are those of engine/compute.py), but written to the second tier in one round trip.

All of them are written before the first lands: if the second tier refuses one, because it was
invalidated in between, nobody who waits for it is given the old value as if it were new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..codecs.copies import Kept
from ..types import Seconds
from . import names as naming
from .calls import Labels
from .compute import UNGUARDED, UNWANTED, Written, arrived, describe, finish, way_below
from .drive import Plan
from .engine import Engine
from .flights import Flight, Landing
from .looking import learn_all
from .places import Stamp
from .quotas import let_go
from .returned import withhold
from .tier2 import keep
from .wants import LEFT_OUT, Want
from .writes import MOST_LEFT, Outgoing, drop_below, flush, plain_stamp, send


class _Result(NamedTuple):
    """
    One result, described; *way* is what is to be sent, or ``Written`` if nothing is.
    """

    want: Want
    labels: Labels
    kept: Kept | None
    stamp: Stamp | None
    way: Outgoing | Written
    is_wanted: bool


def keep_many(engine: Engine, wants: Sequence[Want], umbrella: Flight, cost: Seconds) -> Plan:
    """
    Keep the values of *wants*, whose flights are ours, and land them.

    Args:
        umbrella: What the function said of the entries in the making; it said it of all.

        cost: Seconds that one of them took.
    """
    if umbrella.added_tags:
        yield from learn_all(engine, map(naming.tag, umbrella.added_tags))
    results = []
    for want in wants:
        if want.value is LEFT_OUT:
            _land_nothing(engine, want)
        elif (result := (yield from _describe(engine, want, umbrella, cost))) is not None:
            results.append(result)
    batch = [result.way for result in results if isinstance(result.way, Outgoing)]
    answers = iter((yield from send(engine, batch)) if batch else ())

    doubtful: list[Want] = []
    for want, labels, kept, stamp, way, is_wanted in results:
        flight, call = want.flight, want.needs_call
        assert flight is not None
        if isinstance(way, Outgoing):
            assert stamp is not None
            way = arrived(engine, call, stamp, next(answers))
        if kept is None and flight.future is not None and not (is_wanted and engine.has_memory):
            kept = keep(engine, call, want.value)  # not for memory, but for those who wait
        if finish(engine, call, flight, labels, kept, cost, stamp, way):
            doubtful.append(want)
    if doubtful:
        calls = [want.needs_call for want in doubtful]
        newer = [call.resident() for call in calls]
        yield from drop_below(engine, [call.address for call in calls], newer)
        with engine.lock:
            for want in doubtful:
                if want.flight is not None and not want.flight.wanted:
                    # Overtaken: somebody may have read there what is gone now.
                    engine.flights.unwanted((want.needs_call.flight_key,))
                    engine.give_up(want.needs_call)
    if engine.memory.garbage:
        engine.sweep()
    if len(engine.debts.left) > MOST_LEFT:
        yield from flush(engine, only_left=True)
    shelf = wants[0].needs_call.shelf if wants else None
    if shelf is not None and shelf.ledger is not None and shelf.ledger.gone:
        yield from let_go(engine, shelf)


def _describe(engine: Engine, want: Want, umbrella: Flight, cost: Seconds) -> Plan:
    """
    The ``_Result``; None for an error, which has landed.
    """
    call, flight, value = want.needs_call, want.flight, want.value
    assert flight is not None and want.labels is not None
    flight.added_tags, flight.ttl = umbrella.added_tags, umbrella.ttl
    flight.skipped = umbrella.skipped
    wanted, labels, noted = describe(engine, call, flight, want.labels, want.noted, value)
    if flight.is_error:
        yield from withhold(engine, call, flight, labels, value)
        return None
    kept = keep(engine, call, value) if wanted and engine.has_memory else None
    stamp: Stamp | None = None
    way: Any = UNGUARDED if wanted else UNWANTED
    if wanted and engine.store is None:
        stamp = plain_stamp(engine, call, labels, flight.world)
    elif wanted:
        has_room = kept is not None and engine.memory.fits(kept.size, call.key)
        stamp, way = yield from way_below(
            engine, call, flight, labels, noted, value, cost, owes=has_room
        )
    return _Result(want, labels, kept, stamp, way, wanted)


def _land_nothing(engine: Engine, want: Want) -> None:
    """
    The function brought no result for *want*: so it is for all who wait, and nothing is kept.
    """
    call, flight, labels = want.needs_call, want.flight, want.labels
    assert flight is not None and labels is not None
    with engine.lock:
        call.shelf.computed += 1
        current = flight.wanted and not engine.is_outdated(call, flight, labels.names)
        if flight.wanted:
            engine.give_up(call)
        engine.flights.land(flight, Landing(LEFT_OUT, None, current or not flight.wanted))
