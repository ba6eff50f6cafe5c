"""
What an entry in memory is good for, or why for nothing: a ``Verdict``, for ``explain()``.

The same questions in the same order as ``Engine.examine`` and ``stale.attend`` ask, but nothing
is taken away, counted or begun.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..clock import moment
from ..entry import NEVER, Resident
from ..tokens import expired_at
from ..types import Name, Seconds, Token
from . import worlds
from .calls import Call
from .clocks import Clocks
from .engine import Engine
from .evidence import BY_KEY, UNKNOWN, culprit, tag_of
from .stale import DUE, GOOD, LAST, state_of

# What an entry is good for, or why for nothing.
FRESH: Final = "fresh"
STALE: Final = "stale"
FALLBACK: Final = "fallback"  # only if the function fails
EXPIRED: Final = "expired"
INVALIDATED: Final = "invalidated"
MOVED: Final = "moved"
NEEDS: Final = "needs"  # it cannot be invalidated by all that it depends on today
DOUBTED: Final = "doubted"
UNREADABLE: Final = "unreadable"


class Verdict(NamedTuple):
    """
    What one entry is good for. *when* is in monotonic seconds; *name* is what was invalidated, and
    *text* its tag, or a few words.
    """

    state: str
    age: Seconds
    left: Seconds
    cost: Seconds
    when: Seconds | None = None
    name: bytes = UNKNOWN
    text: str = ""
    soft: bool = False
    #: Whether this process invalidated it.
    here: bool = False
    refreshes: bool = False
    prior: bytes | None = None
    names: tuple[Name, ...] = ()
    writer: str | None = None


def judge_resident(
    engine: Engine, call: Call, world: bytes | None, tokens: dict[Name, Token] | None
) -> tuple[Verdict | None, bool]:
    """
    What the entry in memory is good for, None if there is none; and whether the present tokens of
    its names (*tokens*) would have to be known to tell.
    """
    with engine.lock:
        engine.look()
        resident, now = call.resident(), engine.clock.monotonic()
        if resident is None:
            return None, False
        stamp, versions = resident.stamp, engine.versions
        clocks: Clocks | None = None if stamp is None else copy.copy(stamp.clocks)
        fresh_until = resident.fresh_until if clocks is None else clocks.fresh_until
        verdict = Verdict(
            state=FRESH,
            age=max(0.0, now - resident.born) if stamp is None else age_of(engine, stamp.created),
            left=fresh_until - now,
            cost=resident.cost,
            prior=worlds.world_of(resident),
            names=call.shelf.names if stamp is None else stamp.names,
            writer=None if stamp is None else stamp.writer,
        )
        ends = resident.fresh_until if clocks is None else clocks.served_until
        if resident.fresh_until <= now and ends <= now:
            soft = clocks is not None and clocks.is_expired
            return verdict._replace(state=EXPIRED, when=ends, soft=soft), False
        attention = resident.fresh_until
        if resident.epoch != versions.epoch:
            change, at = _change(engine, resident, tokens)
            if change is not None and change.state == DOUBTED and tokens is None:
                return verdict._replace(state=DOUBTED), True
            if change is not None and not change.soft:
                return verdict._replace(
                    state=change.state,
                    name=change.name,
                    text=change.text,
                    when=change.when,
                    here=change.here,
                ), False
            if change is not None:
                windows = call.shelf.windows
                softened = verdict._replace(
                    state=INVALIDATED,
                    name=change.name,
                    text=change.text,
                    when=change.when,
                    here=change.here,
                    soft=True,
                )
                if clocks is None or windows is None or not windows.keeps_stale:
                    return softened, False
                clocks.expire(at, windows)
                attention, verdict = min(attention, clocks.attention), softened
                if clocks.served_until <= now:
                    return softened, False
        if call.watch is not None and verdict.prior != world:
            return verdict._replace(state=MOVED), False
        return in_windows(call, verdict, clocks, attention, now, resident.hits), False


def in_windows(
    call: Call,
    verdict: Verdict,
    clocks: Clocks | None,
    attention: Seconds,
    now: Seconds,
    hits: float,
) -> Verdict:
    """
    What an entry is good for that is valid, by its clocks.
    """
    if clocks is None:
        return verdict._replace(state=FRESH)
    windows, state = call.shelf.windows, state_of(clocks, attention, now)
    left = clocks.fresh_until - now
    if state is DUE and left > 0 and windows is not None and hits < windows.least_hits:
        # Too seldom used to be refreshed ahead of its end.
        state = GOOD if now < clocks.memory_until else LAST
    if state is GOOD:
        return verdict._replace(state=FRESH if left > 0 else STALE, left=left)
    if state is DUE:
        return verdict._replace(state=FRESH if left > 0 else STALE, left=left, refreshes=True)
    if state is LAST:
        return verdict._replace(state=FALLBACK, left=left, when=clocks.fresh_until)
    return verdict._replace(state=EXPIRED, left=left, when=clocks.served_until)


def _change(
    engine: Engine, resident: Resident, tokens: dict[Name, Token] | None
) -> tuple[Verdict | None, Seconds]:
    """
    What was invalidated since *resident* was last found valid; and when that was, in monotonic
    seconds, if it was done softly. Called under the lock.
    """
    versions, stamp, epoch = engine.versions, resident.stamp, resident.epoch
    names = resident.place.shelf.names if stamp is None else stamp.names

    def found(name: bytes, when: Seconds | None, here: bool, soft: bool = False) -> Verdict:
        text = tag_of(resident, name)
        return Verdict(INVALIDATED, 0.0, 0.0, 0.0, when, name, text, soft, here)

    if versions.bumped_since(epoch, names):
        name, _ = culprit(engine, resident)
        return found(name, bumped_at(engine, name), True), 0.0
    told_at = () if stamp is None or stamp.told_at is None else (stamp.told_at,)
    if versions.moved_since(epoch, told_at):
        return found(BY_KEY, None, False), 0.0
    softened = versions.softened_since(epoch, names)
    if versions.shared:
        doubt = Verdict(DOUBTED, 0.0, 0.0, 0.0), 0.0
        if stamp.tokens is None:
            if versions.seen != stamp.seen or versions.moved_since(epoch, names):
                return doubt
        elif tokens is None or not tokens.keys() >= {*names}:
            return doubt
        else:
            moved, at = moved_token(names, stamp.tokens, tokens, stamp.created)
            if moved is not None and at is None:
                return found(moved, None, False), 0.0
            if moved is not None and at is not None:
                here = versions.softened_since(epoch, (moved,)) != NEVER
                softened = min(softened, moment(engine.clock, at, engine.clock.monotonic()))
                return found(moved, softened, here, True), softened
    if softened != NEVER:
        return found(culprit(engine, resident)[0], softened, True, True), softened
    return None, 0.0


def bumped_at(engine: Engine, name: bytes) -> Seconds | None:
    """
    When this process last invalidated *name*, if it did and that is remembered.
    """
    bumped = engine.evidence.bumps.get(name)
    return None if bumped is None else bumped.when


def moved_token(
    names: Sequence[Name],
    noted: Sequence[Token],
    tokens: dict[Name, Token],
    created: Seconds,
) -> tuple[Name | None, Seconds | None]:
    """
    The first name, the narrowest first, that was invalidated hard (and None), or else softly (and
    when, in wall seconds).
    """
    softly: tuple[Name | None, Seconds | None] = None, None
    for name, before in reversed([*zip(names, noted, strict=False)]):
        after = tokens[name]
        if before == after:
            continue
        at = expired_at((before,), (after,), created)
        if at is None:
            return name, None
        if softly[1] is None or at < softly[1]:
            softly = name, at
    return softly


def age_of(engine: Engine, created: Seconds) -> Seconds:
    return max(0.0, engine.clock.wall() - created)
