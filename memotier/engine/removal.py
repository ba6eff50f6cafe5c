"""
Invalidating: by key, by name (function, namespace, tag, everything), and clearing.

First here, then in the second tier, then here again: what another call promoted from the
second tier in between must not stay. If the second tier cannot be told, this process does
not believe it about what was named until it can, and the caller hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidationNotDurable, StoreError
from ..types import Name
from . import names as naming
from .calls import Call
from .drive import Plan
from .effects import Io
from .engine import Engine


def forget(engine: Engine, calls: Sequence[Call]) -> Plan:
    """
    Invalidate single keys: for each whether there was an entry, in whatever tier.
    """
    here = _forget_here(engine, calls)
    away = [call for call in calls if call.address is not None]
    if engine.store is None or not away:
        return here

    addresses = [call.address for call in away]
    answer = yield Io(engine.offload, engine.store.delete, addresses)
    again = _forget_here(engine, calls)
    if isinstance(answer, StoreError):
        _postpone(engine, (), addresses, answer)
    there = {id(call): found for call, found in zip(away, answer, strict=True)}
    with engine.lock:
        engine.l2_invalidations += sum(answer)
    return [
        first or second or there.get(id(call), False)
        for call, first, second in zip(calls, here, again, strict=True)
    ]


def bump(engine: Engine, names: Sequence[Name]) -> Plan:
    """
    Invalidate everything that carries one of *names*, whatever its number.
    """
    with engine.lock:
        engine.versions.bump(names)
    if engine.store is None:
        return None

    answer = yield Io(engine.offload, engine.store.bump, names)
    with engine.lock:
        engine.versions.bump(names)
        engine.versions.forget()
    if isinstance(answer, StoreError):
        _postpone(engine, names, (), answer)
    engine.events.emit("invalidated", {"names": len(names)})
    return None


def clear_function(engine: Engine, shelf: Any) -> Plan:
    """
    Invalidate all results of one function.
    """
    try:
        yield from bump(engine, [shelf.function_name])
    finally:
        with engine.lock:
            engine.remove(shelf.residents())
        engine.sweep()


def clear_namespace(engine: Engine, namespace: str | None) -> Plan:
    """
    Remove every entry of *namespace* and those below it (None: of all); how many there were.
    """
    name = naming.EVERYTHING if namespace is None else naming.space(namespace)
    with engine.lock:
        engine.bury()
        residents = engine.local_residents(namespace)
        only_here = sum(
            1
            for one in residents
            if one.stamp is None or one.stamp.address is None or one.stamp.debt is not None
        )
        left = [
            one
            for address in list(engine.debts.left)
            if (one := engine.debts.unwritten[address]).place.shelf.is_below(namespace or "")
            or namespace is None
        ]
        engine.remove(residents)
        for one in left:
            engine.debts.forgive(one)
    count = only_here + len(left)
    yield from bump(engine, [name])
    with engine.lock:
        engine.remove(engine.local_residents(namespace))
    engine.sweep()
    if engine.store is not None:
        # The entries are invalid already; this only makes room.
        if namespace is None:
            answer = yield Io(engine.offload, engine.store.clear)
        else:
            answer = yield Io(engine.offload, engine.store.clear_group, namespace)
        if isinstance(answer, StoreError):
            engine.fault(answer)
        else:
            count += answer
            with engine.lock:
                engine.l2_invalidations += answer
    return count


def _forget_here(engine: Engine, calls: Sequence[Call]) -> list[bool]:
    with engine.lock:
        answers = []
        for call in calls:
            engine.flights.unwanted((call.flight_key,))
            answers.append(engine.give_up(call))
    engine.sweep()
    return answers


def _postpone(
    engine: Engine, names: Sequence[Name], addresses: Sequence[Any], error: StoreError
) -> None:
    engine.fault(error)
    with engine.lock:
        engine.versions.postpone(names, addresses, engine.clock.monotonic())
    raise InvalidationNotDurable(
        f"the invalidation holds in this process, but the second tier could not be told: {error} "
        "Until it can be, this process does not use it for what was invalidated."
    ) from error
