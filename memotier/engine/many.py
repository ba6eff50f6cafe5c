"""
One call of a function that brings the results of many keys.

    look at all ── found? ── their values
       └─ what is missing, in chunks: join ── somebody else's flight? ── later
             └─ ours: look again if need be, claim ── another process has it? ── later
                   └─ one call, one write, land all ── next chunk
    later: wait for the others, one after another; what they did not bring is missing again

What must never happen, besides what engine/plan.py says:
- two batches wait for each other: nobody waits, for a flight or for a claim, while he leads a
  flight or has a claim. Whatever is somebody else's is left until all that is ours has landed;
- a call from inside the function waits for the batch it is part of: all flights of one call wait
  for the *umbrella*, which is what the function's context leads;
- one key gets what the function brought for another one: no two equal ids are in one call.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from ..types import MISS, Name, Seconds
from .below import note
from .calls import Labels
from .claims import Waiting, can_claim, give_back_claims, take
from .drive import Plan
from .effects import Invoke, Wait
from .engine import Engine
from .evidence import DOUBTED
from .flights import AGAIN, ALONE, Failed, Flight, Landing
from .gates import is_error_of_another
from .gather import keep_many
from .labels import labels_before
from .looking import GOOD_FOR, NOTHING, Looked, learn_all, let_go, look_many, read_below
from .plan import new_flight, say_unusable
from .quotas import begin
from .tier2 import Found, learn
from .wants import LEFT_OUT, Want, pass_many
from .writes import Noted

__all__ = ["LEFT_OUT", "Source", "Want", "fetch_many"]

#: Stands for what was noted as long as nobody has looked.
NOT_LOOKED: Final = Noted(None, (), MISS)


class Source(Protocol):
    """
    The function, as a batch needs it.
    """

    def split(self, wants: Sequence[Want]) -> Iterator[list[Want]]:
        """The calls to make: each of at most so many, and no two that the function mixes up."""

    def invoke(self, umbrella: Flight, wants: Sequence[Want]) -> Invoke:
        """The call that brings *wants*."""

    def results(self, answer: Any, wants: Sequence[Want]) -> list[Any]:
        """What *answer* has for each, or LEFT_OUT. Raises what is to be raised if it is wrong."""


class _Batch:
    """
    What does not change while one batch is brought.
    """

    __slots__ = ("engine", "good_for", "in_task", "joins", "source", "waiting")

    def __init__(self, engine: Engine, source: Source, *, in_task: bool, joins: bool) -> None:
        self.engine = engine
        self.source = source
        self.in_task = in_task
        self.joins = joins
        #: How long the first look is good: it is followed at once by the first call, but that may
        #: be of so many ids that to begin it takes a while. No call is followed by another at once.
        self.good_for: Seconds = math.inf
        #: For other processes.
        self.waiting = Waiting(engine)


def fetch_many(
    engine: Engine, wants: Sequence[Want], source: Source, *, in_task: bool, joins: bool = True
) -> Plan:
    """
    Bring *wants*, of which no two have one key, into their ``value``: None, or ``Failed``.

    Args:
        joins: False: without single-flight, every caller looks below and computes for himself.
    """
    batch = _Batch(engine, source, in_task=in_task, joins=joins)
    names: dict[Name, None] = {}
    looks = []
    for want in wants:
        if want.call is not None:
            want.labels = labels_before(engine, want.call)
            if want.labels is not None:
                names.update(dict.fromkeys(want.labels.names))
                looks.append(Looked(want.call))
            else:
                want.call.shelf.bypassed += 1
    try:
        yield from look_many(engine, looks, names)
        seen = {id(look.call): look for look in looks}
        for want in wants:
            if (look := seen.get(id(want.call))) is not None:
                want.value, want.source = look.value, look.source
        _count(engine, [want for want in wants if want.value is NOTHING], 1)
        return (yield from _bring_all(batch, wants))
    finally:
        let_go(engine, looks)
        batch.waiting.end()


def _bring_all(batch: _Batch, wants: Sequence[Want]) -> Plan:
    todo = list(wants)
    while True:
        failed = yield from pass_many(batch.engine, todo)
        todo = [want for want in todo if want.value is NOTHING]
        if failed is not None or not todo:
            return failed
        for chunk in batch.source.split(todo):
            failed = yield from _bring(batch, chunk)
            batch.good_for = GOOD_FOR
            if failed is not None:
                return failed
        # Everything of ours has landed. Only now others are waited for.
        for want in todo:
            if want.theirs is not None:
                failed = yield from _follow(batch, want)
                if failed is not None:
                    return failed
        others = [want for want in todo if want.value is NOTHING and want.is_elsewhere]
        if others:
            left = min((want.left for want in others if want.left is not None), default=None)
            yield from batch.waiting.wait([want.needs_call for want in others], left)


def _bring(batch: _Batch, chunk: Sequence[Want]) -> Plan:
    """
    Bring what of *chunk* nobody else is bringing; ``Failed`` if the function raised.
    """
    engine, mine, claimed = batch.engine, list[Want](), list[Any]()
    try:
        yield from _join(batch, chunk, mine)
        # Where we look anew the claim comes before: what its last holder stored is there then.
        anew = [want for want in mine if want.is_elsewhere or batch.good_for == GOOD_FOR]
        yield from _claim(batch, anew, claimed)
        missing = yield from _look(batch, mine)
        late = [want for want in missing if not want.asked]
        yield from _claim(batch, late, claimed, looked=True)
        if engine.claims is not None:
            others = [want for want in missing if want.is_elsewhere and batch.waiting.may_wait]
            _give_back(engine, others)
            missing = [want for want in missing if want.flight is not None]
        loose = [want for want in chunk if want.labels is None]
        failed = None
        if missing or loose:
            failed = yield from _compute(engine, [*missing, *loose], batch.source)
        _give_back(engine, mine)
        yield from give_back_claims(engine, claimed)
        return failed
    except BaseException:
        _give_back(engine, mine)
        raise
    finally:
        # Whether they are ours or not: an interrupt may have come before we heard of it.
        for claim in claimed:
            engine.claims.release(claim)


def _give_back(engine: Engine, wants: Sequence[Want]) -> None:
    """
    Land what was not landed: who waits for it starts over.
    """
    with engine.lock:
        for want in wants:
            want.asked = False
            flight, want.flight = want.flight, None
            if flight is not None:
                engine.flights.land(flight, AGAIN)


# -- who brings it ---------------------------------------------------------------------


def _join(batch: _Batch, chunk: Sequence[Want], mine: list[Want]) -> Plan:
    """
    For each of *chunk* its value in memory, somebody else's flight, or one of ours.
    """
    engine = batch.engine
    for want in chunk:
        while want.labels is not None:
            assert want.call is not None
            held = None
            with engine.lock:
                resident, unknown = engine.examine(want.call.table, want.call.key)
                if resident is not None:
                    held = engine.take(resident)
                    if want.call.traced is not None:
                        want.call.traced.memory(resident)
                elif not unknown:
                    _start(batch, want, want.labels, mine)
            if held is not None:
                try:
                    want.value, want.source = held.hand_out(), resident
                except Exception as error:
                    say_unusable(engine, want.call, error)
                    continue
                _count(engine, [want], -1)  # a hit after all
            elif unknown:
                if not (yield from learn(engine, unknown)):
                    # Nobody can say whether the resident is still valid: it is not served.
                    with engine.lock:
                        engine.reject(want.call.resident(), DOUBTED)
                continue
            break


def _start(batch: _Batch, want: Want, labels: Labels, mine: list[Want]) -> None:
    """
    Join the flight of *want*, or begin one. Called under the lock.
    """
    engine, call, flights = batch.engine, want.call, batch.engine.flights
    assert call is not None
    want.joined_at = engine.versions.epoch
    flight = flights.table.get(call.flight_key)
    if flight is not None and engine.is_outdated(call, flight, labels.names):
        flight.wanted = False  # it hears of nothing any more
        flights.detach(flight)
        flight = None
    if flight is None or want.is_alone or not batch.joins:
        # Known here before anyone can join it, so that it lands whatever comes.
        want.flight = new_flight(engine, call, None)
        mine.append(want)
        if want.is_alone or not batch.joins:
            flights.start_beside(want.flight)
        else:
            flights.table[call.flight_key] = want.flight
        return
    # Its landing is not to be missed; that somebody waits for it is known when somebody does.
    want.theirs = flights.expect(flight)


def _claim(
    batch: _Batch, wants: Sequence[Want], claimed: list[Any], *, looked: bool = False
) -> Plan:
    """
    Claim *wants* among all processes, without waiting.

    Args:
        looked: Whether we have looked for them before: what somebody computed since is elsewhere.
    """
    engine = batch.engine
    wanted = [
        want for want in wants if can_claim(engine, want.needs_call, want.noted or NOT_LOOKED)
    ]
    if not wanted:
        return
    calls = [want.needs_call for want in wanted]
    for call in calls:
        call.claim = engine.claims.claim(call.address, call.claims)
        claimed.append(call.claim)
    answers = yield from take(engine, calls, compares=looked)
    for want, call, taking in zip(wanted, calls, answers, strict=True):
        want.asked = True
        want.left = taking.left
        want.is_elsewhere = taking.is_ours is False or (looked and taking.has_moved)
        if want.is_elsewhere:
            # Once its flight is given back, another thread of ours may have that claim.
            claimed.remove(call.claim)
            if taking.is_ours:
                engine.claims.release(call.claim)


def _follow(batch: _Batch, want: Want) -> Plan:
    """
    Wait for somebody else's flight: ``Failed`` if it failed. If it brings no value, *want* stays
    as it is, and is brought in the next round.
    """
    engine, flights, flight, call = batch.engine, batch.engine.flights, want.theirs, want.call
    want.theirs = None
    assert flight is not None and flight.future is not None and call is not None
    with engine.lock:
        if not (flight.future.done() or flights.follow(flight, in_task=batch.in_task)):
            want.is_alone = True  # to wait would never end
            return None
    try:
        landing = yield Wait(flight)
    finally:
        with engine.lock:
            flights.leave(flight)
    has_landed = isinstance(landing, Landing)
    if landing is ALONE or (has_landed and is_error_of_another(call, flight, landing)):
        want.is_alone = True
        return None
    if landing is AGAIN or (not landing.current and want.joined_at != flight.epoch):
        with engine.lock:
            flights.detach(flight)
        return None
    with engine.lock:
        engine.meter.joined(call, flight)
    if landing.value.__class__ is Failed:
        return landing.value
    try:
        want.value = landing.value if landing.thaw is None else landing.thaw(landing.value)
        want.source = flight
    except Exception as error:
        say_unusable(engine, call, error)
        want.is_alone = True
    return None


# -- bringing it -------------------------------------------------------------------------


def _look(batch: _Batch, mine: Sequence[Want]) -> Plan:
    """
    Look below for those of ours that need it, in one round trip; which are missing, with what was
    noted for a later write.
    """
    engine = batch.engine
    if engine.store is None:
        return list(mine)
    reads, missing = [], []
    for want in mine:
        call, labels = want.needs_call, want.labels
        assert labels is not None
        seen = None if call.looked is None else call.looked.take(engine, labels, batch.good_for)
        if call.address is not None and seen is None:
            reads.append(want)
            continue
        missing.append((want, seen[0] if isinstance(seen, list) else seen))
    if reads:
        pairs = [(want.needs_call, want.flight) for want in reads if want.flight is not None]
        answers = yield from read_below(engine, pairs)
        missing += zip(reads, answers, strict=True)
    names = [name for want, _ in missing if want.labels is not None for name in want.labels.names]
    yield from learn_all(engine, dict.fromkeys(names))
    for want, found in missing:
        if isinstance(found, Found) and found.is_hit:
            want.value, want.source, want.flight = found.value, found, None  # landed
            continue
        call = want.needs_call
        if found is None or isinstance(found, Found):
            mark = MISS if found is None else found.mark
            want.noted = yield from note(engine, call, want.labels, mark)  # type: ignore[arg-type]
            if not want.is_counted:
                want.is_counted = True
                with engine.lock:
                    call.shelf.l2_misses += found is not None
        else:
            want.noted = Noted(engine.versions.seen, None, MISS)
    return [want for want, _ in missing if want.value is NOTHING]


def _compute(engine: Engine, wants: Sequence[Want], source: Source) -> Plan:
    """
    Call the function once for *wants*, keep what it brings, land.
    """
    umbrella = Flight(None, 0)
    waits = umbrella.waits = [umbrella]
    mine = [want for want in wants if want.flight is not None]
    for want in mine:
        want.flight.waits = waits  # type: ignore[union-attr]
    calls = [want.call for want in wants if want.call is not None]
    refused = begin(engine, calls) if calls and calls[0].shelf.ledger is not None else None
    clock = engine.clock
    began = clock.monotonic()
    answer = (yield source.invoke(umbrella, wants)) if refused is None else refused
    ended = clock.monotonic()
    cost = (ended - began) / len(wants)
    for want in mine if refused is None else ():
        engine.meter.computed(want.needs_call, cost, ended)
    results = []
    if answer.__class__ is not Failed:
        try:
            results = source.results(answer, wants)
        except Exception as error:
            answer = Failed(error)
    waits.clear()  # it refers to itself
    if answer.__class__ is Failed:
        with engine.lock:
            for want in mine:
                want.needs_call.shelf.computed += refused is None
                want.needs_call.shelf.failed += refused is None
                engine.flights.land(want.flight, Landing(answer, None, True))  # type: ignore[arg-type]
        return answer
    for want, value in zip(wants, results, strict=True):
        want.value = value
    yield from keep_many(engine, mine, umbrella, cost)
    return None


def _count(engine: Engine, wants: Sequence[Want], misses: int) -> None:
    with engine.lock:
        for want in wants:
            if want.labels is not None:
                want.needs_call.shelf.misses += misses
