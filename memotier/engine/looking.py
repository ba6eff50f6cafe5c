"""
Looking for many calls at once: memory first, then the second tier in one round trip, with the
tokens of all names learnt in one more if any is unknown.

``get_many`` ends here. A batch that computes goes on with what it did not find, and need not ask
again for it: until it is let go, every look has a flight *beside*, which hears if something
happens to its key meanwhile. What was looked at is not used (``Looked.take``) if anything did, if
somebody may have computed it since, or if it was long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..errors import StoreError
from ..types import Name, Seconds
from .below import promote, still_owed
from .calls import Call, Labels
from .drive import Plan
from .engine import Engine
from .flights import AGAIN, Flight, Signal
from .places import Held
from .plan import say_unusable
from .soft import judge
from .telling import settle
from .tier2 import Found, learn, read

#: The value of a call for which nothing was found.
NOTHING: Final = Signal("NOTHING")
#: Seconds for which a look is good: in that time another process may have computed the same.
#: A look that finds nothing takes some 25 µs, so looking again that often costs less than 1 %.
GOOD_FOR: Seconds = 0.01


class Looked:
    """
    One call of a batch, and what was found for it: *value*, or NOTHING.
    """

    __slots__ = ("answer", "at", "call", "computed", "flight", "source", "value")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.flight = Flight(call.flight_key, 0)
        self.value: Any = NOTHING
        #: What that was taken from: a resident, or ``Found``.
        self.source: Any = None
        #: What the second tier answered: ``Found``, or the error; None if it was not asked.
        self.answer: Found | StoreError | None = None
        self.at: Seconds = 0.0
        self.computed = 0

    def take(
        self, engine: Engine, labels: Labels, good_for: Seconds = GOOD_FOR
    ) -> list[Found] | StoreError | None:
        """
        What ``read`` would answer for this call alone, once; None if it has to be asked.
        """
        call, answer = self.call, self.answer
        call.looked = None
        if answer is None or engine.clock.monotonic() - self.at > good_for:
            return None
        with engine.lock:
            names = labels.names
            if isinstance(answer, Found) and answer.stamp is not None:
                names = (*names, *answer.stamp.names)
            if not self.flight.wanted or engine.is_outdated(call, self.flight, names):
                return None
            # Where memory keeps what is computed, ``examine`` would have found it there.
            tells = engine.has_memory and engine.options.write_policy != "write_around"
            if not tells and call.shelf.computed != self.computed:
                return None
        return answer if isinstance(answer, StoreError) else [answer]


def look_many(
    engine: Engine, looks: Sequence[Looked], names: Iterable[Name] = (), *, takes: bool = True
) -> Plan:
    """
    Find what there is for *looks*. Whoever calls this lets them go in every way out.

    Args:
        names: What will be asked for besides: the names of what is not found.

        takes: False: what is found below is only remembered for ``Looked.take``, and calls that
            memory has anything for are left alone (functions with windows decide more).
    """
    if takes:
        yield from _look_here(engine, looks)
    if engine.store is None:
        return
    below = [
        one
        for one in looks
        if one.value is NOTHING
        and one.call.address is not None
        and (takes or one.call.resident() is None)
    ]
    if not below:
        return
    for one in below:
        with engine.lock:
            # What is removed or set from now on must neither be promoted nor used later.
            engine.look()
            one.flight.epoch = engine.versions.epoch
            one.computed = one.call.shelf.computed
            engine.flights.start_beside(one.flight)
    pairs = [(one.call, one.flight) for one in below]
    answers = yield from read_below(engine, pairs, names, takes=takes)
    now = engine.clock.monotonic()
    for one, answer in zip(below, answers, strict=True):
        if takes and isinstance(answer, Found) and answer.is_hit:
            with engine.lock:
                one.call.shelf.misses += 1
            one.value, one.source = answer.value, answer
            continue
        one.answer, one.at = answer, now
        if answer is not None:
            one.call.looked = one


def let_go(engine: Engine, looks: Iterable[Looked]) -> None:
    """
    The batch is over, or interrupted.
    """
    with engine.lock:
        for one in looks:
            one.call.looked = None
            engine.flights.land(one.flight, AGAIN)


def read_below(
    engine: Engine,
    pairs: Sequence[tuple[Call, Flight]],
    names: Iterable[Name] = (),
    *,
    takes: bool = True,
) -> Plan:
    """
    For each of *pairs* what the second tier has: ``Found``, or the error; None if it is owed
    something and not asked. What is valid was promoted, and its flight landed.

    Args:
        takes: False: nothing is promoted, and ``is_hit`` says only that it is not too old.
    """
    answers: list[Found | StoreError | None] = [None] * len(pairs)
    yield from settle(engine)
    asked = []
    for at, (call, flight) in enumerate(pairs):
        owed = None
        if engine.debts.unwritten:
            owed = yield from still_owed(engine, call)
        if owed is None or owed.is_stale:
            asked.append(at)
        elif takes:
            with engine.lock:
                promote(engine, call, flight, owed)
            if call.traced is not None:
                call.traced.found(owed)
            answers[at] = owed
    if not asked:
        engine.sweep()
        return answers

    read_ = yield from read(engine, [pairs[at][0] for at in asked])
    if isinstance(read_, StoreError):
        for at in asked:
            answers[at] = read_
        return answers
    stamps = [found.stamp for found in read_ if found.is_hit]
    yield from learn_all(engine, [*names, *(name for stamp in stamps for name in stamp.names)])
    for at, found in zip(asked, read_, strict=True):
        answers[at] = found
        if not takes or not found.is_hit:
            continue
        call, flight = pairs[at]
        # (Judging lets one that was invalidated softly be no hit.)
        found.is_hit = (yield from judge(engine, call.shelf, found)) and found.is_hit
        if found.is_hit:
            with engine.lock:
                engine.meter.found(call, found)
                promote(engine, call, flight, found)
    engine.sweep()
    return answers


def learn_all(engine: Engine, names: Iterable[Name]) -> Plan:
    """
    Ask at once for the tokens that single steps would ask for one by one.
    """
    if engine.store is None:
        return
    with engine.lock:
        unknown = engine.versions.unknown(dict.fromkeys(names))
    if unknown:
        yield from learn(engine, unknown)


def _look_here(engine: Engine, looks: Sequence[Looked]) -> Plan:
    """
    What memory has that is valid. Counts as hits.
    """
    while looks:
        names: dict[Name, None] = {}
        doubtful = []
        for one in looks:
            held: Held | None = None
            with engine.lock:
                resident, unknown = engine.examine(one.call.table, one.call.key)
                if resident is not None:
                    held = engine.take(resident)
                    if one.call.traced is not None:
                        one.call.traced.memory(resident)
            if held is not None:
                try:
                    one.value, one.source = held.hand_out(), resident
                except Exception as error:
                    say_unusable(engine, one.call, error)
            elif unknown:
                names.update(dict.fromkeys(unknown))
                doubtful.append(one)
        if not doubtful or not (yield from learn(engine, list(names))):
            engine.sweep()
            return
        looks = doubtful
