"""
Raising again what a function raised lately, in place of asking it (``cache_exceptions``).

    nothing in either tier ── remembered? ── as if the function had raised it just now
                                         └── call it ── raises ── remember ── land

So whatever holds for a failure holds for one that is remembered: an old result that may be
served comes first, and everyone who waits gets the same error.
"""

from __future__ import annotations

from ..codecs.raised import copy_raised
from ..entry import NEVER
from ..errors import NotIsolated
from ..types import Name
from . import names as naming
from . import stale, worlds
from .calls import Call, Labels
from .clocks import Renewal
from .drive import Plan
from .engine import Engine
from .failures import Failure
from .flights import Failed, Flight, Landing
from .instances import bury
from .tier2 import learn
from .writes import Noted


def recall(engine: Engine, call: Call) -> Plan:
    """
    ``Failed`` with the error that is remembered for *call*, if there is one that still holds.
    """
    failure = yield from remembered(engine, call)
    if failure is None:
        return None
    if not (yield from worlds.still_holds(engine, call, failure.world)):
        with engine.lock:
            engine.failures.forget(call.flight_key)
        engine.sweep()
        return None
    try:
        return Failed(copy_raised(failure.error))
    except NotIsolated:
        return None  # what it shares with its copies has changed since


def remembered(engine: Engine, call: Call) -> Plan:
    """
    The failure that is kept, if nothing was invalidated since and its time is not over; or None.
    """
    failures, key = engine.failures, call.flight_key
    while True:
        with engine.lock:
            engine.look()
            failure = failures.known.get(key)
            if failure is None:
                return None
            unknown = unknown_names(engine, failure)
            if unknown is None:
                break
            if not unknown:
                failure.epoch = engine.versions.epoch
                return failure if engine.clock.monotonic() < failure.until else None
        if not (yield from learn(engine, unknown)):
            break  # nobody can say whether it was invalidated
    with engine.lock:
        failures.forget(key)
    engine.sweep()
    return None


def unknown_names(engine: Engine, failure: Failure) -> list[Name] | None:
    """
    None if it was invalidated; else the names whose tokens must be known to tell. Under the lock.
    """
    versions, epoch, names = engine.versions, failure.epoch, failure.names
    if epoch == versions.epoch:
        return []
    at = () if failure.address is None else (failure.address,)
    if versions.bumped_since(epoch, names) or versions.moved_since(epoch, at):
        return None
    if versions.softened_since(epoch, names) != NEVER:
        return None  # whoever invalidates softly wants the function to be asked as well
    if not versions.shared:
        return []
    if failure.tokens is None:
        # Computed while the second tier could not say under which versions.
        same = versions.seen == failure.seen and not versions.moved_since(epoch, names)
        return [] if same else None
    unknown = versions.unknown(names)
    if unknown or versions.tokens(names) == failure.tokens:
        return unknown
    return None


def raise_again(engine: Engine, call: Call, flight: Flight, failed: Failed) -> Plan:
    """
    Land what was recalled: what the flight's caller gets.
    """
    given = yield from fail(engine, call, flight, failed)
    if given is failed and not (isinstance(flight, Renewal) and flight.behind):
        with engine.lock:
            call.shelf.errors_served += 1
    return given


def fail(
    engine: Engine,
    call: Call,
    flight: Flight,
    failed: Failed,
    labels: Labels | None = None,
    noted: Noted | None = None,
) -> Plan:
    """
    Land the old result, or the error if there is none that may be served: what the flight's
    caller gets.

    Args:
        labels: With *noted*, what the computation began under. None: there was none, because the
            error was recalled.
    """
    if isinstance(flight, Renewal):
        what = f"raised {type(failed.error).__qualname__}"
        held = yield from stale.fall_back(engine, call, flight, what)
        if held is not None:
            return stale.hand_out(held, failed)
    failure = None if labels is None else to_remember(engine, call, flight, failed, labels, noted)
    if failure is not None and call.watch is not None:
        # If so, it is not wanted any more.
        yield from worlds.has_moved(engine, call, flight)
    with engine.lock:
        # In one step: who comes when the flight has landed must find it remembered.
        if failure is not None and is_current(engine, call, flight, failure):
            remember(engine, call, failure)
        engine.flights.land(flight, Landing(failed, None, True))
    if failure is not None:
        engine.sweep()
    return failed


def to_remember(
    engine: Engine,
    call: Call,
    flight: Flight,
    failed: Failed,
    labels: Labels,
    noted: Noted | None,
) -> Failure | None:
    """
    What there is to be remembered of *failed*, if anything.
    """
    remembers = call.shelf.remembers
    if remembers is None or flight.skipped or remembers.ttl(failed.error) is None:
        return None
    if stale.has_changed(call, flight):
        return None  # it may be the error of another call
    try:
        error = copy_raised(failed.error)
    except NotIsolated as trouble:
        label = call.shelf.label
        engine.events.say_once(label, "raised", f"{label}: {trouble}; it is not remembered")
        return None
    failure = Failure(error, call.place, call.table)
    failure.address, failure.epoch = call.address, flight.epoch
    failure.world = flight.world
    failure.names = (*labels.names, *map(naming.tag, flight.added_tags or ()))
    if noted is not None:
        failure.seen = noted.epoch
        # Those of tags that were added meanwhile were not noted before.
        failure.tokens = None if flight.added_tags else noted.tokens
    return failure


def is_current(engine: Engine, call: Call, flight: Flight, failure: Failure) -> bool:
    """
    Whether nothing was invalidated since the computation began. Called under the lock.
    """
    if engine.closed or not flight.wanted:
        return False
    return not engine.is_outdated(call, flight, failure.names)


def remember(engine: Engine, call: Call, failure: Failure) -> None:
    """
    Put *failure* in place of the last one of its key. Called under the lock.
    """
    bury(engine)
    failures, key, remembers = engine.failures, call.flight_key, call.shelf.remembers
    last = failures.known.get(key)
    if last is not None and unknown_names(engine, last) is None:
        failures.forget(key)  # an invalidation ends a run
    assert remembers is not None
    ttl = remembers.ttl(failure.error)
    assert ttl is not None
    failures.remember(key, failure, ttl, remembers.most, engine.clock.monotonic())
