"""
Results that hold only in the world they were computed in: files and environment variables.

A *world* is opaque bytes that ``call.watch`` makes of what a call depends on; it is kept with the
entry, in memory and in the record. It is looked at *in view of* another one: if the world is
still as that says, the answer is those very bytes, so that worlds are compared by ``==``.

What must never happen:
- an entry of another world is served, whatever its age: it is removed as if it were invalidated;
- somebody joins a flight that began in another world than the one he sees;
- a result is kept in a world that changed while it was computed: that is noted before the
  computation and looked at again after it.

Looking is I/O: it is never done under the lock. What was found there must be what was looked at,
else it is looked at again.
"""

from __future__ import annotations

import functools
from typing import Any

from ..entry import Resident
from ..types import MISS
from .calls import Call
from .drive import Plan
from .effects import Away, Now
from .engine import Engine
from .flights import Flight


def look(engine: Engine, call: Call, prior: bytes | None, *, exact: bool = False) -> Plan:
    """
    The world now, in view of *prior*. Files are read only if they have to be.
    """
    assert call.watch is not None
    quickly = functools.partial(call.watch, prior, reads=False, exact=exact)
    world = yield Now(quickly)
    if world is None:
        slowly = functools.partial(call.watch, prior, reads=True, exact=exact)
        world = yield Away(engine.offload, slowly)
    return world


def observe(engine: Engine, call: Call) -> Plan:
    """
    Tell *call* what the world is, in view of the entry or else the flight that is there.
    """
    sight = call.sight
    assert sight is not None
    prior = sight.doubt
    if prior is None:
        resident = call.resident()
        prior = None if resident is None else world_of(resident)
    if prior is None:
        flight = engine.flights.table.get(call.flight_key)
        prior = None if flight is None else flight.world
    sight.prior, sight.doubt = prior, None
    sight.world = yield from look(engine, call, prior)


def is_ours(call: Call, world: bytes | None) -> bool | None:
    """
    Whether *world* is the one that *call* sees; None if that is to be looked at again, in view
    of *world*. Only once: two things that are there may tell one world in different bytes, and
    then one of them is not used.
    """
    sight = call.sight
    if sight is None or world == sight.world:
        return True
    if world is None or world == sight.prior or sight.looked_again:
        return False
    sight.doubt, sight.looked_again = world, True
    return None


def note(engine: Engine, call: Call, flight: Flight) -> Plan:
    """
    The world in which a computation begins.
    """
    flight.world = yield from look(engine, call, flight.world)


def has_moved(engine: Engine, call: Call, flight: Flight) -> Plan:
    """
    Whether the world changed while *flight* was computed: its result is then for those alone
    who wait for it.
    """
    world = yield from look(engine, call, flight.world, exact=True)
    if world == flight.world:
        return False
    with engine.lock:
        flight.wanted = False
        engine.flights.detach(flight)
    return True


def still_holds(engine: Engine, call: Call, world: bytes | None) -> Plan:
    """
    Whether the world is what *world* says: always, for a call that depends on nothing.
    """
    if call.watch is None:
        return world is None
    return world is not None and (yield from look(engine, call, world)) == world


def world_of(resident: Resident) -> bytes | None:
    stamp: Any = resident.stamp
    return None if stamp is None else stamp.world


# -- without a plan --------------------------------------------------------------------


def unchanged(call: Call, *, reads: bool) -> Resident | None:
    """
    What memory has of *call*, if its world was just found unchanged.
    """
    resident = call.resident()
    world = None if resident is None else world_of(resident)
    if world is None or call.watch is None or call.watch(world, reads=reads) != world:
        return None
    return resident


def peek(engine: Engine, call: Call, *, reads: bool) -> Any:
    """
    ``Engine.peek`` for a call that depends on the world.
    """
    resident = unchanged(call, reads=reads)
    if resident is None:
        return MISS
    found = engine.peek(call.table, call.key)
    # Nobody comes back to where he was: it was there all the time.
    return found if call.resident() is resident else MISS
