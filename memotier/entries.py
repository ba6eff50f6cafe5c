"""
The picture of an entry that ``lookup()`` returns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .engine.calls import Call
from .engine.clocks import Old
from .engine.engine import Engine
from .engine.flights import Flight
from .engine.gates import Source
from .engine.places import Held, Stamp
from .engine.tier2 import Found
from .entry import NEVER, Entry, Resident


def show(
    engine: Engine,
    call: Call,
    found: tuple[Resident, Held] | Found,
    key: str,
    version: str = "",
) -> Entry | None:
    """
    What is known about *found*, a resident with its value or a record of the second tier;
    None if the value can no longer be copied for a caller.
    """
    common: dict[str, Any] = {
        "namespace": call.shelf.namespace,
        "key": key,
        "version": version,
    }
    wall = engine.clock.wall()
    if isinstance(found, Found):
        stamp = found.stamp
        age = max(0.0, wall - stamp.created)
        return Entry(
            value=found.value,
            created=stamp.created,
            age=age,
            ttl_left=NEVER if stamp.fresh is None else stamp.fresh - age,
            compute_seconds=found.cost,
            tier="l2",
            tags=stamp.tags,
            hits=0,
            size=0 if found.kept is None else found.kept.size,
            writer=stamp.writer or engine.writer,
            cost=stamp.price,
            **common,
        )

    resident, held = found
    try:
        value = held.hand_out()
    except Exception:
        return None
    stamp, now = resident.stamp, engine.clock.monotonic()
    clocks = None if stamp is None else stamp.clocks
    fresh_until = resident.fresh_until if clocks is None else clocks.fresh_until
    created = wall - (now - resident.born) if stamp is None else stamp.created
    return Entry(
        value=value,
        created=created,
        age=max(0.0, wall - created),
        ttl_left=fresh_until - now,
        compute_seconds=resident.cost,
        tier="l1",
        tags=call.shelf.tags if stamp is None else stamp.tags,
        hits=resident.hits,
        size=resident.size,
        writer=engine.writer if stamp is None or stamp.writer is None else stamp.writer,
        cost=None if stamp is None else stamp.price,
        stale=fresh_until <= now,
        saved_seconds=resident.hits * resident.cost,
        **common,
    )


def told(
    engine: Engine, call: Call, value: Any, source: Source, key: str, version: str = ""
) -> Entry:
    """
    What is known of *value*, which a caller is about to get: the entry has it, and no copy. If it
    is in memory no longer, or not at all, nobody knows *hits* and *compute_seconds*: they are 0.
    """
    if isinstance(source, Flight):
        source = source.brought
    stamp = source if isinstance(source, Stamp) else getattr(source, "stamp", None)
    resident = source if isinstance(source, Resident) else call.resident()
    found: Any = None
    if isinstance(source, Found):
        found = source
    elif resident is not None and (resident is source or resident.stamp is stamp is not None):
        found = resident, Held(value, None)
    entry = None if found is None else show(engine, call, found, key, version)
    if entry is not None:
        return entry if entry.value is value else replace(entry, value=value)

    wall = engine.clock.wall()
    created = wall if stamp is None else stamp.created
    age = max(0.0, wall - created)
    left = 0.0 if stamp is None else NEVER if stamp.fresh is None else stamp.fresh - age
    if isinstance(source, Old):
        left = source.clocks.fresh_until - engine.clock.monotonic()
    return Entry(
        value=value,
        created=created,
        age=age,
        ttl_left=left,
        compute_seconds=0.0,
        tier="l1",
        tags=call.shelf.tags if stamp is None else stamp.tags,
        hits=0,
        size=0,
        namespace=call.shelf.namespace,
        key=key,
        writer=engine.writer if stamp is None or stamp.writer is None else stamp.writer,
        cost=None if stamp is None else stamp.price,
        stale=isinstance(source, Old) and left <= 0,
        version=version,
    )
