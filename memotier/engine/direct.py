"""
Single values by key: get, set, look, without a function that computes them.

They share everything with the plans of decorated functions: the same tables, the same
records, the same conditions at a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import StoreError
from ..types import MISS, Address, Seconds
from .calls import Call, Labels
from .drive import Plan
from .effects import Io
from .engine import Engine, Held
from .flights import Flight
from .plan import is_valid, promote, still_owed
from .tier2 import Found, keep, learn, read
from .writes import MOST_LEFT, Noted, Outgoing, flush, plain_stamp, send, settle, stamp_of


def get_many(engine: Engine, calls: Sequence[Call], default: Any) -> Plan:
    """
    For each call its value, or *default*: memory first, the rest in one round trip.
    """
    values: list[Any] = [default] * len(calls)
    below: list[tuple[int, Call, Flight]] = []
    removals = engine.removals
    for index, call in enumerate(calls):
        held = yield from look_here(engine, call)
        if held is not None:
            values[index] = held.hand_out()
            continue
        with engine.lock:
            call.shelf.misses += 1
            if engine.store is not None and call.address is not None:
                below.append((index, call, Flight(call.flight_key, engine.versions.epoch)))
    if not below:
        return values

    yield from settle(engine)
    wanted = []
    for index, call, flight in below:
        found = yield from still_owed(engine, address_of(call))
        if found is None:
            wanted.append((index, call, flight))
        else:
            values[index] = _take(engine, call, flight, found, removals)
    answer = (yield from read(engine, [call for _, call, _ in wanted])) if wanted else []
    if isinstance(answer, StoreError):
        return values
    for (index, call, flight), found in zip(wanted, answer, strict=True):
        if found.is_hit and (yield from is_valid(engine, address_of(call), found.stamp)):
            with engine.lock:
                engine.l2_hit(call.shelf, found.cost)
            values[index] = _take(engine, call, flight, found, removals)
        else:
            with engine.lock:
                call.shelf.l2_misses += 1
    return values


def _take(engine: Engine, call: Call, flight: Flight, found: Found, removals: int) -> Any:
    with engine.lock:
        # If anything was removed or set while we read, this may be what was removed.
        flight.wanted = engine.removals == removals
        promote(engine, call, flight, found)
    return found.value


def address_of(call: Call) -> Address:
    address = call.address
    assert address is not None
    return address


def look_here(engine: Engine, call: Call) -> Plan:
    """
    What memory has that is valid, or None. Counts as a hit.
    """
    while True:
        with engine.lock:
            resident, unknown = engine.examine(call.table, call.key)
            if resident is not None:
                return engine.take(resident)
        if not unknown or not (yield from learn(engine, unknown)):
            return None


def look(engine: Engine, call: Call) -> Plan:
    """
    What is known of the entry, without promoting or counting: ``(resident, Held)``,
    ``Found`` in the second tier, or None.
    """
    while True:
        with engine.lock:
            resident, unknown = engine.examine(call.table, call.key)
            if resident is not None:
                return resident, Held(resident.value, resident.thaw)
        if not unknown or not (yield from learn(engine, unknown)):
            break
    if engine.store is None or call.address is None:
        return None
    found = yield from still_owed(engine, call.address)
    if found is not None:
        return found
    answer = yield from read(engine, [call])
    if isinstance(answer, StoreError) or not answer[0].is_hit:
        return None
    return answer[0] if (yield from is_valid(engine, call.address, answer[0].stamp)) else None


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
    policy = engine.options.write_policy
    prepared = []
    names: dict[bytes, None] = {}
    for call, value in pairs:
        labels = Labels(call.shelf.names, tuple(dict.fromkeys((*call.shelf.tags, *tags))), ttl)
        names.update(dict.fromkeys(labels.names))
        prepared.append((call, value, labels))
    noted, marks = None, [MISS] * len(pairs)
    if engine.store is not None and pairs:
        yield from settle(engine)
        noted = yield from _note_all(engine, tuple(names))
        marks = yield from _marks(engine, [call for call, _ in pairs])
    with engine.lock:
        epoch = engine.versions.epoch
        setters = [_begin(engine, call, epoch) for call, _, _ in prepared]

    batch, stamps = [], []
    for (call, value, labels), mark in zip(prepared, marks, strict=True):
        mine = None
        if noted is not None:
            mine = Noted(noted[0], tuple(noted[1][name] for name in labels.names), mark)
        if engine.store is None:
            stamp = plain_stamp(engine, labels)
        else:
            stamp = stamp_of(engine, call, labels, mine)
        stamps.append(stamp)
        if stamp is not None and stamp.guard is not None:
            if policy == "write_back":
                stamp.fingerprint, stamp.epoch = call.fingerprint, epoch
            else:
                batch.append(
                    Outgoing(call.shelf, call.fingerprint, value, stamp, cost, stamp.guard)
                )
    answers = iter((yield from send(engine, batch)) if batch else ())

    for (call, value, labels), stamp, setter in zip(prepared, stamps, setters, strict=True):
        guarded = stamp is not None and stamp.guard is not None
        stored = next(answers) if guarded and policy != "write_back" else None
        if stamp is not None and stored is not True and policy != "write_back":
            stamp.address = None
        kept = keep(engine, call, value)
        with engine.lock:
            engine.flights.detach(setter)
            current = setter.wanted and stored is not False
            current = current and not engine.is_outdated(setter, labels.names)
            if kept is None or not current or (policy == "write_around" and stored is True):
                old = call.resident()
                if old is not None:
                    engine.remove((old,))
                continue
            engine.insert(
                call,
                kept,
                cost=cost,
                fresh=engine.options.l1_ttl if labels.ttl is None else labels.ttl,
                epoch=epoch,
                stamp=stamp,
                owed=guarded and policy == "write_back",
            )
    if len(engine.left) > MOST_LEFT:
        yield from flush(engine, only_left=True)


def _begin(engine: Engine, call: Call, epoch: int) -> Flight:
    """
    A value is being set: older computations are not kept. Called under the lock.

    Two who set one key at once may reach the tiers in different orders, so neither of them
    is kept in memory: the second tier alone decides.
    """
    key = call.set_key
    other = engine.flights.table.get(key)
    engine.flights.unwanted((call.flight_key,))
    engine.removals += 1
    setter = engine.flights.lead(key, epoch)
    if other is not None and engine.store is not None:
        other.wanted = setter.wanted = False
    return setter


def _marks(engine: Engine, calls: list[Call]) -> Plan:
    """
    What a delayed write compares, so that a delete in the meantime wins (write-back only:
    a write that happens at once is simply concurrent with a delete).
    """
    addresses = [call.address for call in calls if call.address is not None]
    if engine.options.write_policy != "write_back" or len(addresses) != len(calls):
        return [MISS] * len(calls)
    assert engine.store is not None
    answer = yield Io(engine.offload, engine.store.get, addresses)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return [MISS] * len(calls)
    with engine.lock:
        engine.versions.observe(answer.epoch)
    return list(answer.marks)


def _note_all(engine: Engine, names: tuple[bytes, ...]) -> Plan:
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(names)
            if not unknown:
                tokens = engine.versions.tokens(names)
                return engine.versions.seen, dict(zip(names, tokens, strict=True))
        if not (yield from learn(engine, unknown)):
            return None
