"""
On the way into the second tier: stamps, guards, records; and what is owed to it.

write-through and write-around write at once. write-back *owes*: an entry is written when it
is evicted, at ``flush()``, at every interval and at exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..codecs.records import Record
from ..entry import Resident
from ..errors import SerializationError, StoreError, ValueTooLarge
from ..types import Address, Guard, Item, Miss, Seconds, Token
from .calls import Call, Labels
from .drive import Plan
from .effects import ELSEWHERE, Ask, Asking, operation
from .engine import Engine
from .inline import packs_soon
from .meter import L2_DELETE, L2_SET, asked_below
from .places import Debt, Held, Shelf, Stamp
from .telling import on_way
from .tier2 import learn

#: Evicted entries that may wait for the interval before whoever evicts writes them.
MOST_LEFT = 128
#: Evicted entries that may wait for a second tier that is away.
MOST_OWED = 10_000


class Noted(NamedTuple):
    """
    The versions under which a computation began, and the mark of its slot.

    *tokens* are None if the second tier did not answer: the result is then for memory alone,
    and there only for as long as the store's *epoch* is the one that was last seen.
    """

    epoch: Token
    tokens: tuple[Token, ...] | None
    mark: Token | Miss


class Outgoing(NamedTuple):
    """
    A value on its way into the second tier; *held* makes the value if it is a snapshot.
    """

    shelf: Shelf
    address: Address
    held: Held
    stamp: Stamp
    cost: Seconds
    debt: Debt


def lasting(shelf: Shelf, labels: Labels, of_tier: Seconds) -> Seconds:
    """
    Seconds of freshness in a tier that says *of_tier*.
    """
    ttl = of_tier if labels.ttl is None else labels.ttl
    return ttl if shelf.windows is None else shelf.windows.lengthened(ttl, labels.draw)


def plain_stamp(engine: Engine, call: Call, labels: Labels, world: bytes | None) -> Stamp | None:
    """
    The stamp where there is no second tier; None if the shelf and the age say it all.
    """
    shelf = call.shelf
    if not (labels.tags or call.own_needs or shelf.windows or world or shelf.price_of):
        return None
    stamp = Stamp(names=labels.names, tags=labels.tags, created=engine.clock.wall())
    stamp.world = world
    return stamp


def stamp_of(
    engine: Engine, call: Call, labels: Labels, noted: Noted, epoch: int
) -> tuple[Stamp, Debt | None]:
    """
    The stamp where there is a second tier, and what that is owed if it may have the result.

    Args:
        epoch: The epoch of this process in which the result began to be computed.
    """
    stamp = Stamp(names=labels.names, tags=labels.tags, created=engine.clock.wall())
    stamp.fresh = finite(lasting(call.shelf, labels, engine.options.l2_ttl))
    stamp.tokens = tokens = noted.tokens
    stamp.seen = noted.epoch
    stamp.told_at = address = call.address
    if tokens is None or address is None or call.shelf.codec is None or engine.options.reads_only:
        return stamp, None
    with engine.lock:
        if not engine.versions.trusts(address, labels.names):
            return stamp, None
    stamp.address = address
    until = None if stamp.fresh is None else engine.clock.monotonic() + stamp.fresh
    guard = Guard(noted.epoch, labels.names, tokens, noted.mark)
    windows = call.shelf.windows
    beyond = 0.0 if windows is None else windows.longest
    return stamp, Debt(guard, call.fingerprint, epoch, until, beyond)


def note_added(engine: Engine, labels: Labels, noted: Noted) -> Plan:
    """
    With the tokens of the tags that were added during the computation; with None if they may
    have changed since it began: nobody knows then which tokens it was computed under.
    """
    while True:
        with engine.lock:
            unknown = engine.versions.unknown(labels.names)
            if not unknown:
                if engine.versions.seen != noted.epoch:
                    return noted._replace(tokens=None)
                return noted._replace(tokens=engine.versions.tokens(labels.names))
        if not (yield from learn(engine, unknown)):
            return noted._replace(tokens=None)


def finite(seconds: Seconds) -> Seconds | None:
    return None if seconds == float("inf") else seconds


# -- into the second tier ------------------------------------------------------------


def send(engine: Engine, batch: Sequence[Outgoing]) -> Plan:
    """
    Write *batch* in one round trip: for each True, False (refused), or the error.
    """
    effect = Ask(engine, write, engine, batch)
    answer = yield from asked_below(engine, L2_SET, effect, [out.shelf for out in batch])
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return [answer] * len(batch)
    return answer


def write(engine: Engine, batch: Sequence[Outgoing]) -> Asking:
    if not all(_packs_soon(out) for out in batch):
        yield ELSEWHERE
    answers: list[bool | Exception] = []
    items = []
    for out in batch:
        try:
            items.append(pack(engine, out))
            answers.append(False)
        except Exception as error:
            # Our own, or of a codec of the user's or a value's own hooks, which may show data.
            say_unstored(engine, out.shelf, why_unstored(error))
            answers.append(error)
    if items:
        stored = iter((yield "set", items))
        answers = [next(stored) if answer is False else answer for answer in answers]
        for out, answer in zip(batch, answers, strict=True):
            if answer is True:
                out.shelf.version = ""  # noted
    return answers


def _packs_soon(out: Outgoing) -> bool:
    return out.held.thaw is None and packs_soon(out.shelf.codec, out.held.value)


def pack(engine: Engine, out: Outgoing) -> Item:
    """
    The sealed record of one value, with the condition of its write.
    """
    stamp, codec = out.stamp, out.shelf.codec
    assert codec is not None
    payload = codec.encode(out.held.hand_out())
    limit = engine.options.max_value_bytes
    quota = None if out.shelf.ledger is None else out.shelf.ledger.quota
    if len(payload) > limit:
        raise ValueTooLarge(f"it takes {len(payload):,} bytes, more than max_value_bytes={limit:,}")
    record = Record(
        codec=codec.name,
        flags=0,
        created=stamp.created,
        fresh=stamp.fresh,
        cost=out.cost,
        fingerprint=out.debt.fingerprint,
        names=stamp.names,
        tokens=stamp.tokens or (),
        tags=stamp.tags,
        writer=engine.writer,
        payload=payload,
        world=stamp.world,
        price=stamp.price,
    )
    group = out.shelf.namespace
    data = engine.options.sealing.seal(record, address=out.address, group=group)
    stamp.weight = len(data)
    if quota is not None and quota.bytes is not None and len(data) > quota.bytes:
        raise ValueTooLarge(f"it takes {len(data):,} bytes, more than the quota of its scope")
    until = out.debt.until
    left = None if until is None else until - engine.clock.monotonic() + out.debt.beyond
    if left is not None:
        left = finite(left)
    version = out.shelf.version
    made_by = (out.shelf.function_name, version) if version else None
    return Item(out.address, data, group, left, out.debt.guard, made_by)


def why_unstored(error: Exception) -> str:
    """
    Why a value could not be written, without showing data.
    """
    if isinstance(error, StoreError):
        return "the second tier could not be reached"
    if isinstance(error, SerializationError):
        return str(error)
    return f"encoding it raised {type(error).__name__}"


def say_unstored(engine: Engine, shelf: Shelf, reason: str) -> None:
    with engine.lock:
        shelf.errors += 1
        shelf.unshared = True
    engine.events.emit("unstored", {"label": shelf.label, "reason": reason})
    engine.events.say_once(
        shelf.label,
        "unstored",
        f"{shelf.label}: a result stays in memory only: {reason}",
    )


# -- what is owed ----------------------------------------------------------------------


def flush(
    engine: Engine,
    *,
    only_left: bool = False,
    most: int | None = None,
    at: Sequence[Address] | None = None,
) -> Plan:
    """
    Write what the second tier is owed (*at* these addresses); how many entries were written.

    Two may flush at once, and an entry may be replaced while its predecessor is written:
    whoever finds that it was, and that nothing newer is owed, takes the entry away below. So
    does who finds that an entry cannot be written any more: what lies there is older. If
    something newer is owed, that may have been written before the older one: it is written again.
    """
    batch: list[Outgoing] = []
    residents: list[Resident] = []
    crossed: list[int] = []
    doubtful = []
    with engine.lock:
        now = engine.clock.monotonic()
        unwritten = engine.debts.unwritten
        some = unwritten if at is None else dict.fromkeys(one for one in at if one in unwritten)
        for address in list(some):
            resident = unwritten[address]
            stamp, debt = resident.stamp, resident.stamp.debt
            if only_left and address not in engine.debts.left:
                continue
            if debt.until is not None and debt.until + debt.beyond <= now:
                engine.debts.forgive(resident)
                doubtful.append(address)  # what lies there is older
                continue
            shelf, held = resident.place.shelf, Held(resident.value, resident.thaw)
            batch.append(Outgoing(shelf, address, held, stamp, resident.cost, debt))
            residents.append(resident)
            crossed.append(debt.crossed)
            if len(batch) == most:
                break
    answers = (yield from send(engine, batch)) if batch else []
    written = lost = 0
    again = False
    with engine.lock:
        for out, resident, before, answer in zip(batch, residents, crossed, answers, strict=True):
            stamp, address, debt = out.stamp, out.address, out.debt
            if stamp.debt is None:  # written, invalidated or replaced meanwhile
                # If it is in memory still, then the same was written, twice.
                same = debt.paid and resident.table is not None
                newer = engine.debts.unwritten.get(address)
                if answer is True and newer is not None:
                    newer.stamp.debt.crossed += 1
                elif answer is True and not same:
                    doubtful.append(address)
                continue
            if isinstance(answer, StoreError):
                if address in engine.debts.left and len(engine.debts.left) > MOST_OWED:
                    engine.debts.forgive(resident)
                    doubtful.append(address)
                    lost += 1
                continue  # still owed
            if answer is True and debt.crossed != before:
                again = True
                continue
            debt.paid = answer is True
            written += debt.paid
            twin = engine.debts.unwritten.get(address, resident)
            engine.debts.forgive(resident)
            if answer is not True:
                stamp.address = None
                doubtful.append(address)
            if answer is False:
                engine.remove((resident, twin))  # invalidated by another process
        engine.writes_lost += lost
        if doubtful:
            engine.versions.postpone((), doubtful, now)  # not to be believed until it is gone
    engine.sweep()
    yield from drop_below(engine, doubtful, residents)
    if lost:
        engine.events.say_once(
            engine.options.name,
            "lost",
            f"cache {engine.options.name!r}: the second tier has been "
            f"away for so long that {lost} entries that had left memory were given up",
        )
    if again:
        written += yield from flush(engine, only_left=only_left, most=most)
    return written


def drop_below(
    engine: Engine,
    addresses: Sequence[Address | None],
    newer: Sequence[Resident | None] = (),
) -> Plan:
    """
    Take away what the second tier has there, because something newer is not there.

    Whoever finds after a write that he was overtaken does this: two writes of one key may
    have happened in either order, and to have nothing is never wrong.

    Args:
        newer: What memory has of these keys, which this does not concern.
    """
    known = [address for address in addresses if address is not None]
    if engine.store is None or not known:
        return
    with engine.lock:
        tells = not engine.options.reads_only  # if not, it is not read from now on
        serial = engine.versions.postpone((), known, engine.clock.monotonic(), on_way=tells)
    if not tells:
        return
    effect = operation(engine, "delete", known, lasting=True)
    answer = yield from on_way(engine, serial, asked_below(engine, L2_DELETE, effect))
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return
    with engine.lock:
        engine.versions.settle((), known, serial)
        for resident in newer:
            _hear_on(engine, resident)


def _hear_on(engine: Engine, resident: Resident | None) -> None:
    """
    Our own removal is none of what is in memory only. Called under the lock.
    """
    if resident is None or resident.table is None or resident.stamp.address is not None:
        return
    stamp = resident.stamp
    told_at, stamp.told_at = stamp.told_at, None
    engine.examine(resident.table, resident.key, stale=True)
    stamp.told_at = told_at
