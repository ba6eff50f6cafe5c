"""
More tags for an entry that exists: the same value with the same clocks, found by more names.

In memory the resident is given another stamp. In the second tier the record is sealed anew around
the same payload, and takes the place of the very record that was read, if nothing that concerns
it was invalidated meanwhile: a set, a delete or an invalidation in between wins.

What must never happen: an entry that is found without its new tags once this has returned. So
what reads the old record meanwhile does not keep it; what other processes hold in memory counts
as changed; and if the second tier cannot be told, the entry is given up.
"""

from __future__ import annotations

import math
from typing import Any

from ..codecs.records import Record
from ..entry import Resident
from ..errors import DecodeRefused, StoreError
from ..types import Guard, Item
from . import names as naming
from . import removal
from .calls import Call
from .drive import Plan
from .effects import ELSEWHERE, Ask, Asking
from .engine import SKEW, Engine
from .inline import SMALL, opens_soon
from .places import Stamp
from .resign import life_left
from .telling import settle
from .tier2 import learn
from .writes import flush

#: Attempts to write down what is owed first, in write-back.
ROUNDS = 3


def add_tags(engine: Engine, call: Call, tags: tuple[str, ...]) -> Plan:
    """
    Let the entry of *call* be found by *tags* as well; whether there is one, and it is now.

    Raises:
        InvalidationNotDurable: If the second tier could not be told; see ``removal.forget``.
    """
    if engine.is_inside():
        removal._aside(add_tags, engine, call, tags)
        return False
    if engine.store is None or call.address is None:
        return (yield from _tag_resident(engine, call, tags))
    yield from settle(engine)
    answer: Any = None
    there = yield from _tag_resident(engine, call, tags)
    for _ in range(ROUNDS):
        if there is not None:
            break
        yield from flush(engine)
        there = yield from _tag_resident(engine, call, tags)
    if there is not None:
        answer = yield from _tag_record(engine, call, tags)
    if there is None or isinstance(answer, StoreError):
        yield from removal.forget(engine, [call])
        return False
    with engine.lock:
        engine.look()
        if there or answer is not None:
            # Whoever read it before it had the tags must not keep it.
            engine.flights.unwanted((call.flight_key,))
        if answer is not None:
            resident = call.resident()
            is_owed = resident is not None and resident.stamp.debt is not None  # set meanwhile
            if resident and not is_owed and (engine.watches or not _has(resident, tags)):
                engine.memory.drop((resident,))  # it comes back from below, with all its tags
                resident = None
            if engine.index is not None:
                engine.index.note(call, answer, resident, engine.versions.epoch)
    engine.sweep()
    return there or answer is not None


def _has(resident: Resident, tags: tuple[str, ...]) -> bool:
    stamp = resident.stamp
    return stamp is not None and set(tags) <= set(stamp.tags)


# -- memory ----------------------------------------------------------------------------


def _tag_resident(engine: Engine, call: Call, tags: tuple[str, ...]) -> Plan:
    """
    Whether memory has a valid entry, which now has *tags*; None if the second tier is owed it.
    """
    new = [naming.tag(tag) for tag in tags]
    while True:
        with engine.lock:
            if call.address is not None and call.address in engine.debts.unwritten:
                return None
            resident, unknown = engine.examine(call.table, call.key, stale=True)
            if resident is None and not unknown:
                return False
            if engine.versions.shared:
                unknown = [*unknown, *engine.versions.unknown(new)]
            if resident is not None and not unknown:
                if not _has(resident, tags):
                    stamp = _stamp_with(engine, resident, tags)
                    engine.memory.label(resident, stamp)
                    engine.flights.unwanted((call.flight_key,))
                    if engine.index is not None:
                        engine.index.note(call, stamp, resident, engine.versions.epoch)
                return True
        if not (yield from learn(engine, list(dict.fromkeys(unknown)))):
            return False


def _stamp_with(engine: Engine, resident: Resident, tags: tuple[str, ...]) -> Stamp:
    """
    The stamp of a valid resident with *tags* besides its own. Called under the lock.
    """
    old, shelf, clock = resident.stamp, resident.place.shelf, engine.clock
    if old is None:
        old = Stamp(
            names=shelf.names,
            tags=(),
            created=clock.wall() - (clock.monotonic() - resident.born),
        )
    more = tuple(tag for tag in dict.fromkeys(tags) if tag not in old.tags)
    names = tuple(map(naming.tag, more))
    stamp = Stamp(
        names=(*old.names, *names),
        tags=(*old.tags, *more),
        created=old.created,
        address=old.address,
        tokens=None if old.tokens is None else (*old.tokens, *engine.versions.tokens(names)),
        writer=old.writer,
    )
    stamp.seen, stamp.fresh, stamp.clocks = old.seen, old.fresh, old.clocks
    stamp.world, stamp.expired_at = old.world, old.expired_at
    stamp.price = old.price
    stamp.told_at = old.told_at
    return stamp


# -- the second tier -------------------------------------------------------------------


def _tag_record(engine: Engine, call: Call, tags: tuple[str, ...]) -> Plan:
    """
    The stamp of the record with *tags*, which the second tier now has; None if it has no valid
    record, or another one by now; or the error.
    """
    answer = yield Ask(engine, _read, engine, call)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return answer
    epoch, mark, data, record = answer
    with engine.lock:
        engine.observe(epoch)
    if record is None:
        return None
    stamp = _stamp_of(call, record)
    assert call.address is not None
    more = tuple(tag for tag in dict.fromkeys(tags) if tag not in record.tags)
    new = [naming.tag(tag) for tag in more]
    while True:
        with engine.lock:
            seen, unknown = engine.versions.seen, engine.versions.unknown((*record.names, *new))
            tokens = () if unknown else engine.versions.tokens(new)
            # One that was invalidated softly is none that anybody adds to, either.
            valid = engine.versions.trusts(call.address, record.names) and (
                bool(unknown) or engine.versions.tokens(record.names) == record.tokens
            )
        if not valid:
            return None
        if not unknown:
            break
        if not (yield from learn(engine, unknown)):
            return StoreError("the second tier does not say which versions hold")
    if not more:
        return stamp

    record = record._replace(
        names=(*record.names, *new), tokens=(*record.tokens, *tokens), tags=(*record.tags, *more)
    )
    guard = Guard(seen, record.names, record.tokens, mark, data)
    answer = yield Ask(engine, _replace, engine, call, record, guard)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return answer
    return _stamp_of(call, record) if answer else None


def _stamp_of(call: Call, record: Record) -> Stamp:
    stamp = Stamp(
        names=record.names,
        tags=record.tags,
        created=record.created,
        address=call.address,
        tokens=record.tokens,
        writer=record.writer,
    )
    stamp.fresh, stamp.price = record.fresh, record.price
    return stamp


def _read(engine: Engine, call: Call) -> Asking:
    """
    The epoch, the slot's mark, the record as bytes and opened; the value is not decoded.
    """
    assert call.address is not None
    reading = yield "get", [call.address]
    if not opens_soon([call], reading.records):
        yield ELSEWHERE
    data, mark = reading.records[0], reading.marks[0]
    if data is None or (reading.expired and reading.expired[0] is not None):
        return reading.epoch, mark, data, None
    shelf = call.shelf
    try:
        record = engine.options.sealing.unseal(data, address=call.address, group=shelf.namespace)
    except DecodeRefused:
        return reading.epoch, mark, data, None  # nobody will be given it
    age = engine.clock.wall() - record.created
    is_ours = call.has_fingerprint(record.fingerprint)
    if not is_ours or age < -SKEW or life_left(engine, call, record) <= 0:
        return reading.epoch, mark, data, None
    return reading.epoch, mark, data, record


def _replace(engine: Engine, call: Call, record: Record, guard: Guard) -> Asking:
    assert call.address is not None
    if len(record.payload) > SMALL:
        yield ELSEWHERE
    group = call.shelf.namespace
    left = life_left(engine, call, record)
    if left <= 0:
        return False
    try:
        data = engine.options.sealing.seal(record, address=call.address, group=group)
    except Exception as error:
        # Too many tags, or text that has no bytes.
        raise StoreError(f"its tags cannot be written ({type(error).__qualname__})") from None
    expire = None if left == math.inf else left
    [stored] = yield "set", [Item(call.address, data, group, expire, guard)]
    if stored:
        return True
    if (yield "get", [call.address]).records[0] == guard.instead_of:
        # Without them: one of them was invalidated meanwhile, or they do not fit into the record.
        raise StoreError("the second tier did not take the tags of an entry")
    return stored
