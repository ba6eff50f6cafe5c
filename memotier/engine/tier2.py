"""
Records of the second tier: reading them and deciding whether they are what was asked for.

``load`` runs in the thread that does the I/O, or in an event loop if what it has to decode is
small (inline.py). It checks, in this order: the seal, the fingerprint of the call, the age; only
then it decodes. Whether the versions are unchanged is the plan's question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from ..codecs.classes import UnknownClass
from ..codecs.copies import Kept, isolate, keep_packed
from ..codecs.records import Record
from ..codecs.values import SafeCodec
from ..entry import Resident
from ..errors import DecodeRefused, NotIsolated, StoreError
from ..stores.memory import overhead
from ..types import Name, Seconds, Token
from .calls import Call
from .clocks import Renewal
from .drive import Plan
from .effects import ELSEWHERE, Ask, Asking, operation
from .engine import SKEW, Engine
from .inline import opens_soon
from .meter import L2_GET, L2_VERSIONS, asked_below
from .places import Debt, Held, Stamp
from .resign import Former, former, sign_again

#: Times in a row that tokens are read, if something happens each time.
_MOST_ASKS: Final = 10


class Found:
    """
    What the second tier answered for one call; *is_hit* is False if nothing fresh was there.

    *is_stale* is True if instead something was there that the function's windows allow.

    *kept* is a private snapshot for memory; None if the value cannot be isolated, or if
    there is no memory tier.
    """

    __slots__ = (
        "cost",
        "epoch",
        "former",
        "has_moved",
        "is_damaged",
        "is_hit",
        "is_stale",
        "kept",
        "mark",
        "refresh",
        "stamp",
        "took",
        "value",
    )

    def __init__(self, mark: Token) -> None:
        self.mark = mark
        self.is_hit = self.is_stale = False
        #: Whether what was there is of no use to anybody, and has to go.
        self.is_damaged = False
        #: In which epoch it was read, unless it never lay there.
        self.epoch: Token = None
        #: Whether there was one of another world; see worlds.py.
        self.has_moved = False
        self.value: Any = None
        self.kept: Kept | None = None
        self.cost: Seconds = 0.0
        #: Seconds that it took to ask for it.
        self.took: Seconds = 0.0
        self.stamp: Any = None
        #: The flight that brings something newer, if this is stale and it is to begin.
        self.refresh: Renewal | None = None
        #: What to write in its place, if it was signed with a former key; see resign.py.
        self.former: Former | None = None

    def accept(
        self, engine: Engine, call: Call, record: Record, value: Any, *, is_fresh: bool
    ) -> None:
        self.value = value
        self.is_hit, self.is_stale = is_fresh, not is_fresh
        self.cost = record.cost
        self.stamp = Stamp(
            names=record.names,
            tags=record.tags,
            created=record.created,
            address=call.address,
            tokens=record.tokens,
            writer=record.writer,
        )
        self.stamp.fresh = record.fresh
        self.stamp.world = record.world
        self.stamp.price = record.price
        self.kept = keep(engine, call, value, record.payload) if engine.has_memory else None

    @classmethod
    def unwritten(cls, resident: Resident, held: Held) -> Found:
        """
        An entry that has left memory but has not been written yet.
        """
        found = cls(None)
        found.is_hit = True
        found.stamp = resident.stamp
        found.cost = resident.cost
        size = resident.size - overhead(resident.key, resident.stamp)
        found.kept = Kept(held.value, held.thaw, size)
        found.value = held.hand_out()
        return found

    def expire(self, at: Seconds) -> None:
        """
        It was invalidated softly, at *at* in wall seconds: it is no hit any more.
        """
        self.is_hit, self.is_stale = False, True
        before = self.stamp.expired_at
        self.stamp.expired_at = at if before is None else min(at, before)

    def fresh_in_memory(self, engine: Engine) -> Seconds:
        """
        Seconds for which memory may keep it: never longer than the second tier.
        """
        debt: Debt | None = self.stamp.debt
        if debt is not None:
            until = math.inf if debt.until is None else debt.until
            return min(until - engine.clock.monotonic(), engine.options.l1_ttl)
        fresh: Seconds | None = self.stamp.fresh
        if fresh is None:
            return engine.options.l1_ttl
        left: Seconds = self.stamp.created + fresh - engine.clock.wall()
        return min(left, fresh, engine.options.l1_ttl)

    def ttl_left(self, engine: Engine) -> Seconds:
        """
        Seconds of freshness that are left whatever memory's own limit is; negative if stale.
        """
        debt: Debt | None = self.stamp.debt
        if debt is not None:
            return math.inf if debt.until is None else debt.until - engine.clock.monotonic()
        fresh: Seconds | None = self.stamp.fresh
        if fresh is None:
            return math.inf
        left: Seconds = self.stamp.created + fresh - engine.clock.wall()
        return min(fresh, left)


def read(engine: Engine, calls: Sequence[Call]) -> Plan:
    """
    Ask the second tier for *calls* in one round trip: a list of ``Found``, or the error.
    """
    began = engine.clock.monotonic()
    shelves = [call.shelf for call in calls]
    answer = yield from asked_below(engine, L2_GET, Ask(engine, load, engine, calls), shelves)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return answer
    epoch, found = answer
    took = (engine.clock.monotonic() - began) / len(calls) if calls else 0.0
    for one in found:
        one.took, one.epoch = took, epoch
    with engine.lock:
        engine.observe(epoch)
    if not engine.options.reads_only and any(call.shelf.former for call in calls):
        yield from sign_again(engine, calls, found, epoch)
    return found


def learn(engine: Engine, names: list[Name]) -> Plan:
    """
    Read the tokens of *names* from the second tier; False if it did not answer, or nobody can say
    whether they are still those.
    """
    for _ in range(_MOST_ASKS):
        is_known = yield from _learn_once(engine, names)
        if is_known is not None:
            return is_known
    return False  # computing what is not kept is better than to ask on and on


def _learn_once(engine: Engine, names: list[Name]) -> Plan:
    """
    The same; None if something happened meanwhile, after which the answer may be outdated.
    """
    assert engine.store is not None
    with engine.lock:
        engine.look()
        before, acts = engine.versions.epoch, engine.versions.acts
    effect = operation(engine, "versions", names)
    answer = yield from asked_below(engine, L2_VERSIONS, effect)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return False
    tokens, epoch = answer
    with engine.lock:
        versions = engine.versions
        engine.look()
        # Where others are heard, what they do to other names is no reason to ask again: they may
        # do it all the time. Of these names it would have been heard, or will be: then they are
        # forgotten again.
        hears = versions.acts == acts if engine.watches else versions.epoch == before
        if not versions.moved_since(before, names) and (hears or versions.seen == epoch):
            engine.observe(epoch)
            versions.learn(names, tokens)
            return True
        return None if versions.unknown(names) else True


def load(engine: Engine, calls: Sequence[Call]) -> Asking:
    addresses = [call.address for call in calls]
    if engine.claims is not None and not engine.claims.is_remote:
        for call in calls:
            if call.claims:
                call.mark = engine.claims.mark(call.address)
    reading = yield "get", addresses
    if reading.heads is not None:
        for call, head in zip(calls, reading.heads, strict=True):
            call.mark = head
    if not opens_soon(calls, reading.records):
        yield ELSEWHERE
    answers = []
    expired = reading.expired or [None] * len(calls)
    for call, data, mark, at in zip(calls, reading.records, reading.marks, expired, strict=True):
        found = Found(mark)
        if data is not None and (at is None or _keeps_stale(call)):
            open_record(engine, call, data, found)
            if at is not None and found.stamp is not None:
                found.expire(at)
        answers.append(found)
        if found.is_damaged:
            try:
                yield "discard", call.address
            except StoreError as error:
                engine.fault(error)  # it is a miss all the same, and comes up again
    return reading.epoch, answers


def _keeps_stale(call: Call) -> bool:
    windows = call.shelf.windows
    return windows is not None and bool(windows.keeps_stale)


def open_record(engine: Engine, call: Call, data: bytes, found: Found) -> None:
    """
    Put into *found* what *data* holds, if it is fresh, unharmed, and of this very call.
    """
    shelf, address = call.shelf, call.address
    assert address is not None and shelf.codec is not None and engine.store is not None
    try:
        record = engine.options.sealing.unseal(data, address=address, group=shelf.namespace)
        if not call.has_fingerprint(record.fingerprint):
            engine.key_collisions += 1
            engine.events.say_once(
                shelf.label,
                "collision",
                f"{shelf.label}: two different calls have one address in the second tier; "
                "the stored result was not used",
            )
            return
        age = engine.clock.wall() - record.created
        beyond = 0.0 if shelf.windows is None else shelf.windows.longest
        fresh = math.inf if record.fresh is None else record.fresh
        if age < -SKEW or age >= fresh + beyond:
            return
        if record.codec != shelf.codec.name or not depends_on_all(call, record):
            return
        if call.watch is None:
            if record.world is not None:
                return  # it was computed when the function had other options
        elif record.world is None or call.watch(record.world, reads=True) != record.world:
            found.has_moved = True
            return
        value = shelf.codec.decode(record.payload)
    except UnknownClass as error:
        engine.events.say_once(shelf.label, "unknown class", f"{shelf.label}: {error}")
    except DecodeRefused as error:
        engine.l2_refused += 1
        engine.events.emit("refused", {"label": shelf.label, "reason": str(error)})
        engine.events.say_once(
            shelf.label, "refused", f"{shelf.label}: a stored record was refused: {error}"
        )
        found.is_damaged = True
    except Exception as error:
        # A codec of the user's may raise anything. What it says may show data.
        engine.l2_errors += 1
        engine.events.say_once(
            shelf.label,
            "decode",
            f"{shelf.label}: codec {shelf.codec.name!r} raised {type(error).__name__} for a "
            "stored record; the result is computed anew",
        )
        found.is_damaged = True
    else:
        found.accept(engine, call, record, value, is_fresh=age < fresh)
        found.stamp.weight = len(data)
        if shelf.former:
            found.former = former(call, record, data)


def count_foreign(engine: Engine, count: int) -> None:
    """
    The store has dropped *count* records that were none of ours, as far as it can tell.
    """
    engine.l2_refused += count
    engine.events.say_once(
        engine.options.name,
        "foreign",
        f"cache {engine.options.name!r}: something lay in the second tier that memotier has not "
        "written; it was removed",
    )


def depends_on_all(call: Call, record: Record) -> bool:
    """
    Whether an entry can be invalidated by all that the function's options name today.
    """
    needs = (*call.shelf.needs, *call.own_needs)
    return not needs or set(needs).issubset(record.names)


def slots(engine: Engine, calls: Sequence[Call]) -> Plan:
    """
    The mark of each call's slot, which a delete changes: a delayed write compares it. None
    if the second tier did not answer.
    """
    addresses = [call.address for call in calls]
    assert engine.store is not None
    effect = operation(engine, "get", addresses)
    answer = yield from asked_below(engine, L2_GET, effect, [call.shelf for call in calls])
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return None
    with engine.lock:
        engine.observe(answer.epoch)
    return list(answer.marks)


def keep(
    engine: Engine, call: Call, value: Any, payload: bytes | memoryview | None = None
) -> Kept | None:
    """
    A private snapshot of *value* for memory, or None with one warning if there can be none.

    Args:
        payload: What the codec of the shelf makes of *value*, if that is known.
    """
    shelf = call.shelf
    try:
        if payload is not None and shelf.copy == "auto" and type(shelf.codec) is SafeCodec:
            packed = keep_packed(payload)
            if packed is not None:
                return packed
        return isolate(value, shelf.copy)
    except NotIsolated as error:
        engine.events.say_once(
            shelf.label,
            "isolated",
            f"{shelf.label}: its results are not kept in memory: {error}",
        )
        return None
