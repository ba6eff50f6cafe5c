"""
What would happen to a call, without doing it: what ``explain()`` knows of the two tiers.

The same questions in the same order as ``Engine.examine``, ``tier2.open_record`` and ``judge``
ask, but nothing is taken away, promoted, counted or begun, and no entry becomes more used: where a
plan acts, a ``Verdict`` says why it would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..clock import moment
from ..codecs.classes import UnknownClass
from ..codecs.records import Record, unseal
from ..entry import NEVER
from ..errors import DecodeRefused, StoreError
from ..types import Name, Seconds, Token
from . import names as naming
from . import worlds
from .calls import Call
from .clocks import Clocks
from .drive import Plan
from .effects import Io
from .engine import SKEW, Engine
from .evidence import BY_KEY, UNKNOWN, Happened, mark_of
from .failures import Failure
from .flights import Flight
from .recall import unknown_names
from .tier2 import depends_on_all
from .verdicts import (
    EXPIRED,
    FRESH,
    INVALIDATED,
    MOVED,
    NEEDS,
    UNREADABLE,
    Verdict,
    bumped_at,
    in_windows,
    judge_resident,
    moved_token,
)


class Inquiry(NamedTuple):
    """
    All that was found out about a call.
    """

    here: Verdict | None
    below: Verdict | None
    #: Why the second tier did not answer.
    error: StoreError | None
    #: Whether somebody computes it right now, whom the caller would wait for.
    joins: bool
    failure: Failure | None
    happened: Sequence[Happened]
    #: In which world the call was looked at.
    world: bytes | None
    now: Seconds


def inquire(engine: Engine, call: Call, *, joins: bool = True) -> Plan:
    """
    The ``Inquiry`` about *call*.
    """
    resident = call.resident()
    world = None
    if call.watch is not None:
        prior = None if resident is None else worlds.world_of(resident)
        world = yield from worlds.look(engine, call, prior)
    here, needs_tokens = judge_resident(engine, call, world, None)
    below = error = None
    asks = engine.store is not None and (needs_tokens or here is None or here.state != FRESH)
    if asks:
        names = () if resident is None or resident.stamp is None else resident.stamp.names
        answer = yield Io(engine.offload, _ask, engine, call, names)
        if isinstance(answer, StoreError):
            error = answer
        else:
            tokens, below = answer
            if needs_tokens:
                here, _ = judge_resident(engine, call, world, tokens)
    with engine.lock:
        mark = mark_of(call.place, call.table, call.key)
        failure = _remembered(engine, call)
        is_running = joins and _is_running(engine, call, world)
        return Inquiry(
            here=here,
            below=below,
            error=error,
            joins=is_running,
            failure=failure,
            happened=engine.evidence.about(mark),
            world=world,
            now=engine.clock.monotonic(),
        )


# -- the second tier -----------------------------------------------------------------


def _ask(
    engine: Engine, call: Call, names: Iterable[Name]
) -> tuple[dict[Name, Token], Verdict | None]:
    """
    The present tokens of *names*, and what the record of *call* is good for. In the thread that
    does the I/O.
    """
    store, record, refusal, expired = engine.store, None, "", None
    assert store is not None
    if call.address is not None:
        reading = getattr(store, "look", store.get)([call.address])
        (data,) = reading.records
        (expired,) = reading.expired or (None,)
        if data is not None:
            record, refusal = _unsealed(engine, call, data)
    wanted = list(dict.fromkeys((*names, *(() if record is None else record.names))))
    tokens: dict[Name, Token] = {}
    if wanted:
        found, _ = store.versions(wanted)
        tokens = dict(zip(wanted, found, strict=True))
    if record is None:
        return tokens, Verdict(UNREADABLE, 0.0, 0.0, 0.0, text=refusal) if refusal else None
    return tokens, judge_record(engine, call, record, tokens, expired)


def _unsealed(engine: Engine, call: Call, data: bytes) -> tuple[Record | None, str]:
    assert call.address is not None
    try:
        record = unseal(
            data, address=call.address, group=call.shelf.namespace, keys=engine.options.keys
        )
    except DecodeRefused as error:
        return None, str(error)
    if not call.has_fingerprint(record.fingerprint):
        return None, "its place in the second tier belongs to another call"
    return record, ""


def judge_record(
    engine: Engine,
    call: Call,
    record: Record,
    tokens: dict[Name, Token],
    expired: Seconds | None,
) -> Verdict:
    """
    What *record* is good for.

    Args:
        expired: When it was invalidated softly by its key, in wall seconds.
    """
    shelf, now, wall = call.shelf, engine.clock.monotonic(), engine.clock.wall()
    fresh = NEVER if record.fresh is None else record.fresh
    age = wall - record.created
    verdict = Verdict(
        FRESH,
        max(0.0, age),
        fresh - age,
        record.cost,
        prior=record.world,
        names=record.names,
        writer=record.writer,
    )
    windows = shelf.windows
    beyond = 0.0 if windows is None else windows.longest
    if age < -SKEW:
        return verdict._replace(state=UNREADABLE, text="it was written in the future, by its clock")
    if age >= fresh + beyond:
        return verdict._replace(state=EXPIRED, when=now - (age - fresh - beyond))
    if shelf.codec is None or record.codec != shelf.codec.name:
        return verdict._replace(state=UNREADABLE, text="it was written with another codec=")
    if not depends_on_all(call, record):
        return verdict._replace(state=NEEDS)
    text = _unreadable(call, record)
    if text:
        return verdict._replace(state=UNREADABLE, text=text)
    if (call.watch is None) is not (record.world is None) or (
        call.watch is not None and call.watch(record.world, reads=True) != record.world
    ):
        return verdict._replace(state=MOVED)
    with engine.lock:
        if not engine.versions.trusts(call.address, record.names):
            return verdict._replace(state=INVALIDATED, **_pending(engine, call, record))
    name, at = moved_token(record.names, record.tokens, tokens, record.created)
    if name is None and expired is not None:
        name, at = BY_KEY, expired
    if name is not None:
        bumped = bumped_at(engine, name)
        # (Else that was before the record: another process has done it again since.)
        here = bumped is not None and bumped >= now - age
        when = (bumped if here else None) if at is None else moment(engine.clock, at, now)
        verdict = verdict._replace(
            state=INVALIDATED,
            name=name,
            text="" if name == BY_KEY else _tag_in(record, name),
            when=when,
            here=here,
            soft=at is not None,
        )
        if at is None or windows is None or not windows.keeps_stale:
            return verdict
    if windows is None:
        return verdict
    clocks = Clocks(now + fresh - age, windows, record.fresh, record.cost)
    if at is not None:
        clocks.expire(moment(engine.clock, at, now), windows)
    resting = engine.background.resting.get(call.flight_key, now)
    attention = max(clocks.attention, min(resting, clocks.served_until))
    found = in_windows(call, verdict, clocks, attention, now, NEVER)
    return verdict if name is not None and found.state == EXPIRED else found


def _unreadable(call: Call, record: Record) -> str:
    """
    Why the value in *record* cannot be read; empty if it can.
    """
    assert call.shelf.codec is not None
    try:
        call.shelf.codec.decode(record.payload)
    except (UnknownClass, DecodeRefused) as error:
        return str(error)
    except Exception as error:
        return f"its codec= raised {type(error).__name__}"  # what that says may show data
    return ""


def _pending(engine: Engine, call: Call, record: Record) -> dict[str, Any]:
    """
    What was invalidated that the second tier could not be told of yet. Called under the lock.
    """
    versions = engine.versions
    name = next((one for one in reversed(record.names) if one in versions.pending), UNKNOWN)
    if call.address in versions.pending_keys:
        name = BY_KEY
    return {
        "name": name,
        "when": bumped_at(engine, name),
        "here": True,
        "text": _tag_in(record, name),
    }


def _tag_in(record: Record, name: bytes) -> str:
    return next((tag for tag in record.tags if naming.tag(tag) == name), "")


# -- others --------------------------------------------------------------------------


def _is_running(engine: Engine, call: Call, world: bytes | None) -> bool:
    """
    Whether a computation can be joined. Called under the lock.
    """
    flight: Flight | None = engine.flights.table.get(call.flight_key)
    if flight is not None:
        outdated = engine.is_outdated(call, flight, call.names)
        return not (outdated or flight.abandoned() or flight.world != world)
    return call.flight_key in engine.streams.table


def _remembered(engine: Engine, call: Call) -> Failure | None:
    """
    The error that would be raised in place of a call. Called under the lock.
    """
    failure = engine.failures.known.get(call.flight_key)
    if failure is None or failure.until <= engine.clock.monotonic():
        return None
    return None if unknown_names(engine, failure) is None else failure
