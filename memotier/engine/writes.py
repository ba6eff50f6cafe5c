"""
On the way into the second tier: stamps, guards, records; and what is owed to it.

write-through and write-around write at once. write-back *owes*: an entry is written when it
is evicted, at ``flush()``, at every interval and at exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..codecs.records import Record, seal
from ..entry import Resident
from ..errors import SerializationError, StoreError, ValueTooLarge
from ..types import Guard, Item, Miss, Name, Seconds, Token
from .calls import Call, Labels
from .drive import Plan
from .effects import Io
from .engine import Engine, Held
from .places import Shelf, Stamp
from .tier2 import learn

#: Evicted entries that may wait for the interval before whoever evicts writes them.
MOST_LEFT = 128
#: Evicted entries that may wait for a second tier that is away.
MOST_OWED = 10_000


class Noted(NamedTuple):
    """
    The versions under which a computation began.
    """

    epoch: Token
    tokens: tuple[Token, ...]
    mark: Token | Miss


class Outgoing(NamedTuple):
    """
    A value on its way into the second tier.
    """

    shelf: Shelf
    fingerprint: bytes
    value: Any
    stamp: Stamp
    cost: Seconds
    guard: Guard


def plain_stamp(engine: Engine, labels: Labels) -> Stamp | None:
    """
    The stamp where there is no second tier; None if the shelf and the age say it all.
    """
    if not labels.tags:
        return None
    return Stamp(names=labels.names, tags=labels.tags, created=engine.clock.wall())


def stamp_of(engine: Engine, call: Call, labels: Labels, noted: Noted | None) -> Stamp:
    """
    The stamp where there is a second tier, with a guard if that may have the result.
    """
    stamp = Stamp(names=labels.names, tags=labels.tags, created=engine.clock.wall())
    stamp.fresh = finite(engine.options.l2_ttl if labels.ttl is None else labels.ttl)
    if noted is None:
        return stamp

    tokens = noted.tokens
    stamp.tokens = tokens
    address = call.address
    with engine.lock:
        trusted = address is not None and engine.versions.trusts(address, labels.names)
    if trusted and call.shelf.codec is not None:
        stamp.address = address
        stamp.guard = Guard(noted.epoch, labels.names, tokens, noted.mark)
    return stamp


def note_added(engine: Engine, labels: Labels, noted: Noted) -> Plan:
    """
    The tokens of the tags that were added during the computation; None if they may have
    changed since it began, because then nobody knows which tokens it was computed under.
    """
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(labels.names)
            if not unknown:
                if engine.versions.seen != noted.epoch:
                    return None
                return noted._replace(tokens=engine.versions.tokens(labels.names))
        if not (yield from learn(engine, unknown)):
            return None


def finite(seconds: Seconds) -> Seconds | None:
    return None if seconds == float("inf") else seconds


# -- into the second tier ------------------------------------------------------------


def send(engine: Engine, batch: Sequence[Outgoing]) -> Plan:
    """
    Write *batch* in one round trip: for each True, False (refused), or the error.
    """
    answer = yield Io(engine.offload, write, engine, batch)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return [answer] * len(batch)
    return answer


def write(engine: Engine, batch: Sequence[Outgoing]) -> list[bool | Exception]:
    answers: list[bool | Exception] = []
    items = []
    for out in batch:
        try:
            items.append(pack(engine, out))
            answers.append(False)
        except SerializationError as error:
            say_unstored(engine, out.shelf, error)
            answers.append(error)
    if items:
        assert engine.store is not None
        stored = iter(engine.store.set(items))
        answers = [next(stored) if answer is False else answer for answer in answers]
    return answers


def pack(engine: Engine, out: Outgoing) -> Item:
    """
    The sealed record of one value, with the condition of its write.
    """
    stamp, namespace = out.stamp, out.shelf.namespace
    codec, address = out.shelf.codec, stamp.address
    assert codec is not None and address is not None
    payload = codec.encode(out.value)
    limit = engine.options.max_value_bytes
    if len(payload) > limit:
        raise ValueTooLarge(f"it takes {len(payload):,} bytes, more than max_value_bytes={limit:,}")
    record = Record(
        codec=codec.name,
        flags=0,
        created=stamp.created,
        fresh=stamp.fresh,
        cost=out.cost,
        fingerprint=out.fingerprint,
        names=stamp.names,
        tokens=stamp.tokens or (),
        tags=stamp.tags,
        writer=engine.writer,
        payload=payload,
    )
    data = seal(record, address=address, group=namespace, keys=engine.options.keys)
    left = None
    if stamp.fresh is not None:
        left = stamp.created + stamp.fresh - engine.clock.wall()
    return Item(address, data, namespace, left, out.guard)


def say_unstored(engine: Engine, shelf: Shelf, error: SerializationError) -> None:
    with engine.lock:
        shelf.errors += 1
    engine.events.emit("unstored", {"label": shelf.label, "reason": str(error)})
    engine.events.say_once(
        shelf.label,
        "unstored",
        f"{shelf.label}: a result stays in memory only: {error}",
    )


# -- what is owed ----------------------------------------------------------------------


def flush(engine: Engine, *, only_left: bool = False, most: int | None = None) -> Plan:
    """
    Write what the second tier is owed; how many entries were written.
    """
    with engine.lock:
        owed = [
            (resident, Held(resident.value, resident.thaw))
            for address, resident in engine.unwritten.items()
            if not only_left or address in engine.left
        ][:most]
    batch = [outgoing(resident, held) for resident, held in owed]
    answers = (yield from send(engine, batch)) if batch else []
    written = lost = 0
    with engine.lock:
        for (resident, _), answer in zip(owed, answers, strict=True):
            stamp = resident.stamp
            if not stamp.dirty:
                continue  # invalidated or replaced meanwhile
            if isinstance(answer, StoreError):
                if stamp.address in engine.left and len(engine.left) > MOST_OWED:
                    engine.forgive(resident)
                    lost += 1
                continue  # still owed
            written += answer is True
            engine.forgive(resident)
            if answer is not True:
                stamp.address = None
            if answer is False:
                engine.remove((resident,))  # invalidated by another process
        engine.writes_lost += lost
    if lost:
        engine.events.say_once(
            engine.options.name,
            "lost",
            f"cache {engine.options.name!r}: the second tier has been "
            f"away for so long that {lost} entries that had left memory were given up",
        )
    return written


def outgoing(resident: Resident, held: Held) -> Outgoing:
    stamp, shelf = resident.stamp, resident.place.shelf
    value = held.hand_out()
    return Outgoing(shelf, stamp.fingerprint, value, stamp, resident.cost, stamp.guard)


def settle(engine: Engine) -> Plan:
    """
    Try again to write invalidations that the second tier could not take.
    """
    versions = engine.versions
    with engine.lock:
        if not versions.overdue(engine.clock.monotonic()):
            return
        versions.retry_at = engine.clock.monotonic() + 1.0
        names: list[Name] = list(versions.pending)
        keys = list(versions.pending_keys)
    assert engine.store is not None
    answers = [(yield Io(engine.offload, engine.store.bump, names))] if names else []
    if keys:
        answers.append((yield Io(engine.offload, engine.store.delete, keys)))
    failed = [answer for answer in answers if isinstance(answer, StoreError)]
    with engine.lock:
        if failed:
            return
        versions.settle(names, keys)
        versions.forget()
