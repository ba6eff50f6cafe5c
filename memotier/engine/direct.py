"""
Single values by key: get, set, look, without a function that computes them.

They share everything with the plans of decorated functions: the same tables, the same
records, the same conditions at a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..codecs.copies import Kept
from ..errors import StoreError
from ..types import MISS, Seconds
from . import quotas, worlds
from .below import still_owed
from .calls import Call, Labels
from .drive import Plan
from .engine import Engine
from .flights import AGAIN, Failed, Flight
from .gates import DENIED, is_allowed
from .looking import NOTHING, Looked, let_go, look_many
from .places import Held, Stamp
from .soft import judge
from .telling import settle
from .tier2 import Found, keep, learn, read, slots
from .writes import (
    MOST_LEFT,
    Noted,
    Outgoing,
    drop_below,
    flush,
    lasting,
    plain_stamp,
    send,
    stamp_of,
)


def get_many(engine: Engine, calls: Sequence[Call], default: Any) -> Plan:
    """
    For each call its value, or *default*, or DENIED: memory first, the rest in one round trip.
    ``Failed`` in place of all of them if a gate raised.
    """
    if engine.is_inside():
        return [default] * len(calls)
    looks = [Looked(call) for call in calls]
    try:
        yield from look_many(engine, looks)
        with engine.lock:
            for one in looks:
                if one.value is NOTHING:
                    one.call.shelf.misses += 1
                    one.call.shelf.l2_misses += isinstance(one.answer, Found)
                    engine.evidence.asked(one.call, computed=True)
                    if engine.meter.watcher is not None:
                        engine.meter.watcher.asked(one.call, found=False)
        failed = yield from _pass(engine, looks)
        let_go(engine, looks)
    except BaseException:
        let_go(engine, looks)
        raise
    if failed is not None:
        return failed
    return [default if one.value is NOTHING else one.value for one in looks]


def _pass(engine: Engine, looks: Sequence[Looked]) -> Plan:
    """
    Put DENIED where the gate of a call does not let out what was found; ``Failed`` if it raised.
    """
    for one in looks:
        if one.call.gate is not None and one.value is not NOTHING:
            allowed = yield from is_allowed(engine, one.call, one.value, one.source)
            if allowed.__class__ is Failed:
                return allowed
            one.value = one.value if allowed else DENIED
    return None


def _land(engine: Engine, flights: Sequence[Flight]) -> None:
    # In the "try" and once more in its "except": an interrupt in a "finally" would skip the rest.
    with engine.lock:
        for flight in flights:
            engine.flights.land(flight, AGAIN)


def look(engine: Engine, call: Call) -> Plan:
    """
    What is known of the entry, without promoting or counting: ``(resident, Held)``,
    ``Found`` in the second tier, or None.
    """
    while True:
        if call.watch is not None:
            yield from worlds.observe(engine, call)
        with engine.lock:
            resident, unknown = engine.examine(call.table, call.key)
            if resident is not None and worlds.is_ours(call, worlds.world_of(resident)) is not True:
                break
            if resident is not None:
                return resident, Held(resident.value, resident.thaw)
        if not unknown or not (yield from learn(engine, unknown)):
            break
    if engine.store is None or call.address is None:
        return None
    found = yield from still_owed(engine, call)
    if found is not None and not found.is_stale:
        return found
    answer = yield from read(engine, [call])
    if isinstance(answer, StoreError) or not answer[0].is_hit:
        return None
    is_valid = yield from judge(engine, call.shelf, answer[0])
    return answer[0] if is_valid and answer[0].is_hit else None


def set_many(
    engine: Engine,
    pairs: Sequence[tuple[Call, Any]],
    *,
    ttl: Seconds | None,
    tags: tuple[str, ...],
    cost: Seconds = 0.0,
) -> Plan:
    """
    Store values that somebody already has.
    """
    if engine.is_inside():
        return
    settings: list[_Setting] = []
    labels = Labels((), ())
    for call, value in pairs:
        shelf = call.shelf
        if labels.names[: len(call.names)] != call.names:  # one for all of a shelf
            draw = 0.0 if shelf.windows is None else shelf.windows.draw()
            labels = Labels(call.names, tuple(dict.fromkeys((*shelf.tags, *tags))), ttl, draw)
        settings.append(_Setting(call, value, labels, Flight(call.flight_key, 0)))
    flights = [setting.flight for setting in settings]
    try:
        if engine.store is not None and settings:
            yield from settle(engine)
        noted = yield from _note_all(engine, settings)
        with engine.lock:
            engine.look()
            for setting in settings:
                # Older computations, and values set before, are not kept.
                engine.flights.unwanted((setting.flight.key,))
                setting.flight.epoch = engine.versions.epoch
                engine.flights.start_beside(setting.flight)

        batch = []
        for setting, mine in zip(settings, noted, strict=True):
            out = _prepare(engine, setting, mine, cost)
            if out is not None:
                batch.append(out)
        answers = iter((yield from send(engine, batch)) if batch else ())
        doubtful: list[_Setting] = []
        for setting in settings:
            if setting.is_sent:
                setting.stored = next(answers) is True
            if _keep(engine, setting, cost):
                doubtful.append(setting)
        if doubtful:
            yield from _take_back(engine, doubtful)
        _land(engine, flights)
        engine.sweep()
    except BaseException:
        _land(engine, flights)
        raise
    if len(engine.debts.left) > MOST_LEFT:
        yield from flush(engine, only_left=True)
    for shelf in dict.fromkeys(call.shelf for call, _ in pairs):
        if shelf.ledger is not None and shelf.ledger.gone:
            yield from quotas.let_go(engine, shelf)


def _take_back(engine: Engine, doubtful: Sequence[_Setting]) -> Plan:
    """
    Remove from below what was stored there and may not be what is to be read.
    """
    calls = [setting.call for setting in doubtful]
    newer = [call.resident() for call in calls]
    yield from drop_below(engine, [call.address for call in calls], newer)
    with engine.lock:
        for setting in doubtful:
            if setting.overtaken:
                # Somebody may have read there what is gone now.
                engine.flights.unwanted((setting.flight.key,))
                engine.give_up(setting.call)


class _Setting:
    """
    One value on its way in.
    """

    __slots__ = (
        "call",
        "flight",
        "is_sent",
        "kept",
        "labels",
        "overtaken",
        "stamp",
        "stored",
        "value",
    )

    def __init__(self, call: Call, value: Any, labels: Labels, flight: Flight) -> None:
        self.call = call
        self.value = value
        self.labels = labels
        self.flight = flight
        self.stamp: Stamp | None = None
        self.kept: Kept | None = None
        self.is_sent = self.stored = self.overtaken = False


def _prepare(
    engine: Engine, setting: _Setting, noted: Noted | None, cost: Seconds
) -> Outgoing | None:
    """
    The snapshot for memory, and what is to be written at once, if anything is.
    """
    call, labels = setting.call, setting.labels
    setting.kept = keep(engine, call, setting.value) if engine.has_memory else None
    if engine.store is None:
        setting.stamp = plain_stamp(engine, call, labels, call.world)
        return None
    assert noted is not None
    stamp, debt = stamp_of(engine, call, labels, noted, setting.flight.epoch)
    stamp.world = call.world
    setting.stamp = stamp
    if debt is None or stamp.address is None:
        return None
    has_room = setting.kept is not None and engine.memory.fits(setting.kept.size, call.key)
    if has_room and engine.options.write_policy == "write_back":
        stamp.debt = debt
        return None
    setting.is_sent = True
    return Outgoing(call.shelf, stamp.address, Held(setting.value, None), stamp, cost, debt)


def _keep(engine: Engine, setting: _Setting, cost: Seconds) -> bool:
    """
    Put the value into memory, if it belongs there, in place of what is there; whether what the
    second tier has must go.
    """
    call, stamp, flight, labels = setting.call, setting.stamp, setting.flight, setting.labels
    if setting.is_sent and not setting.stored and stamp is not None:
        stamp.address = None
    around = engine.options.write_policy == "write_around" and setting.stored
    debt = None if stamp is None else stamp.debt
    with engine.lock:
        if not flight.wanted:
            setting.overtaken = True
            return setting.stored
        # Who began meanwhile may have read what this replaces.
        engine.flights.unwanted((flight.key,))
        inserted = False
        if setting.kept is not None and not (
            around or engine.is_outdated(call, flight, labels.names)
        ):
            inserted = engine.insert(
                call,
                setting.kept,
                cost=cost,
                fresh=lasting(call.shelf, labels, engine.options.l1_ttl),
                epoch=flight.epoch,
                stamp=stamp,
                debt=debt,
            )
        if not inserted:
            engine.give_up(call)
            if setting.stored and engine.index is not None:
                engine.index.note(call, stamp, None, flight.epoch)
            if setting.stored and call.shelf.ledger is not None:
                call.shelf.ledger.note(engine, call, stamp, None)
        return not (setting.stored or (debt is not None and inserted))


def _note_all(engine: Engine, settings: Sequence[_Setting]) -> Plan:
    """
    For each value the versions it is written under, or None without a second tier.

    The mark of the slot is for write-back: a write that happens later must lose against a
    delete in between. One that happens at once is simply concurrent with it.
    """
    if engine.store is None:
        return [None] * len(settings)
    marks: dict[int, Any] = {}
    if engine.options.write_policy == "write_back":
        calls = [setting.call for setting in settings if setting.call.address is not None]
        answer = yield from slots(engine, calls)
        if answer is None:
            return [Noted(engine.versions.seen, None, MISS)] * len(settings)
        marks = {id(call): mark for call, mark in zip(calls, answer, strict=True)}

    names = list(dict.fromkeys(name for setting in settings for name in setting.labels.names))
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(names)
            if not unknown:
                seen, tokens = engine.versions.seen, engine.versions.tokens
                return [
                    Noted(seen, tokens(one.labels.names), marks.get(id(one.call), MISS))
                    for one in settings
                ]
        if not (yield from learn(engine, unknown)):
            return [Noted(engine.versions.seen, None, MISS)] * len(settings)
