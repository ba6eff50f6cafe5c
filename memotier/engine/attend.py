"""
How a reader comes to a stream: memory has it, somebody produces it, or he begins one.

The order is that of every call (engine/plan.py): memory, then whoever is at it already, then
the second tier, then the function. The last two are done by the stream that is begun here, when
its first item is asked for, so that those who join meanwhile wait for one look below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import ConfigError
from .calls import Call, Labels
from .drive import Plan
from .engine import Engine
from .evidence import DOUBTED
from .flights import AGAIN, Flight
from .gates import bypass
from .labels import labels_before
from .links import Pair
from .places import Shelf
from .plan import lead, new_flight, say_unusable
from .streams import Reader, Stream
from .tier2 import learn

#: The class of a stream.
Make: TypeAlias = Callable[..., Stream]


def attend(
    engine: Engine, call: Call, reader: Reader, make: Make, *, joins: bool, renews: bool = False
) -> Plan:
    """
    The ``Pair`` that is stored; or None: *reader* has joined a stream, perhaps a new one.

    Args:
        make: The class of the stream.

        joins: Whether he may join another's stream, and others his.

        renews: Whether he wants one that begins now.
    """
    labels = labels_before(engine, call)
    if labels is None or engine.is_inside():
        return past(engine, call.shelf, bypass(engine, call), reader, make)
    if renews:
        with engine.lock:
            engine.flights.unwanted((call.flight_key,))
            _enter(engine, call, labels, reader, make, joins=False, renews=True)
        return None
    while True:
        held = None
        running = engine.streams.table.get(call.flight_key) if joins else None
        if running is not None:
            running.look_at_arguments()
        with engine.lock:
            resident, unknown = engine.examine(call.table, call.key)
            if resident is not None:
                held = engine.take(resident)
                if call.traced is not None:
                    call.traced.memory(resident)
            elif not unknown:
                call.shelf.misses += 1
                _enter(engine, call, labels, reader, make, joins=joins, renews=False)
                return None
        if held is not None:
            try:
                return pair_of(call.shelf, held.hand_out())
            except ConfigError:
                raise
            except Exception as error:
                say_unusable(engine, call, error)
                continue
        if not (yield from learn(engine, unknown)):
            # Nobody can say whether the resident is still valid: it is not served.
            with engine.lock:
                engine.reject(call.resident(), DOUBTED)


def _enter(
    engine: Engine,
    call: Call,
    labels: Labels,
    reader: Reader,
    make: Make,
    *,
    joins: bool,
    renews: bool,
) -> None:
    """
    Join the stream that runs, or begin one. Called under the lock.
    """
    streams, key = engine.streams, call.flight_key
    running = streams.table.get(key) if joins else None
    if running is not None and (running.is_over(call, labels) or running.is_lost()):
        streams.detach(running)
        running = None
    if running is not None and running.admits():
        assert running.head is not None
        reader.join(running, running.head)
        reader.has_joined = True
        call.shelf.joined += 1
        if call.shelf.ledger is not None:
            call.shelf.ledger.account(call).joined += 1
        if call.traced is not None:
            call.traced.joined()
        return
    reader.has_joined = False
    flight = new_flight(engine, call, None)
    flight.renews = renews
    stream = make(engine, call.shelf, flight, bring(engine, call, flight, labels))
    stream.as_asked = call.is_as_asked
    reader.join(stream, stream.tail)
    streams.running.add(stream)
    if joins and running is None:
        streams.table[key] = stream


def bring(engine: Engine, call: Call, flight: Flight, labels: Labels) -> Plan:
    """
    What a leader does; and *flight* hears of what happens to its key, and lands whatever comes.
    """
    try:
        with engine.lock:
            engine.look()
            flight.epoch = engine.versions.epoch
            engine.flights.start_beside(flight)
        return (yield from lead(engine, call, flight, labels))
    except BaseException:
        with engine.lock:
            engine.flights.land(flight, AGAIN)
        raise


def past(engine: Engine, shelf: Shelf, plan: Plan, reader: Reader, make: Make) -> None:
    """
    A stream past the cache: for this reader alone, and nothing is kept.
    """
    stream = make(engine, shelf, Flight(None, 0), plan, keeps=False)
    with engine.lock:
        reader.join(stream, stream.tail)


def pair_of(shelf: Shelf, value: Any) -> Pair:
    """
    What was stored, as what it is.

    Raises:
        ConfigError: If a codec has made something else of it.
    """
    try:
        items, returned = value
        return list(items), returned
    except (TypeError, ValueError):
        raise ConfigError(
            f"{shelf.label}: its codec= gave back a {type(value).__qualname__} for a stream, "
            "which is stored as a pair: the list of its items, and what the generator returned"
        ) from None
