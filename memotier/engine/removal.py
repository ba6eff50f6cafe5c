"""
Invalidating: by key, by name (function, namespace, tag, everything), and clearing.

First here, then in the second tier, then here again: what another call promoted from the
second tier in between must not stay. If the second tier cannot be told, this process does
not believe it about what was named until it can, and the caller hears of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InvalidationNotDurable, StoreError
from ..types import Name
from . import names as naming
from .calls import Call
from .drive import Plan, drive
from .effects import Io
from .engine import Engine

#: Keys of one invalidation that are distrusted one by one while it is on its way.
MOST_DOUBTED = 1000


def forget(engine: Engine, calls: Sequence[Call]) -> Plan:
    """
    Invalidate single keys: for each whether there was an entry, in whatever tier.
    """
    if engine.is_inside():
        _aside(forget, engine, calls)
        return [False] * len(calls)
    away = [call for call in calls if call.address is not None]
    addresses = [call.address for call in away if call.address is not None]
    with engine.lock:
        here = _forget_here(engine, calls)
        if engine.store is None or not away:
            return here
        # What lies below is not to be believed from now on, not only from when it is gone.
        doubted = addresses if len(addresses) <= MOST_DOUBTED else []
        serial = engine.versions.postpone((), doubted, engine.clock.monotonic())

    answer = yield Io(engine.offload, _delete, engine, calls, addresses)
    if isinstance(answer, StoreError):
        _forget_here(engine, calls)
        _postpone(engine, (), addresses, answer)
    found, again = answer
    there = {id(call): one for call, one in zip(away, found, strict=True)}
    with engine.lock:
        engine.versions.settle((), doubted, serial)
        engine.l2_invalidations += sum(found)
    return [
        first or second or there.get(id(call), False)
        for call, first, second in zip(calls, here, again, strict=True)
    ]


def bump(engine: Engine, names: Sequence[Name]) -> Plan:
    """
    Invalidate everything that carries one of *names*, whatever its number. Who they were, for
    ``Index.count``, if there is an index.
    """
    if engine.is_inside():
        return _aside(bump, engine, names)
    with engine.lock:
        taken = None if engine.index is None else engine.index.take(names)
        engine.versions.bump(names)
        if engine.store is None:
            return taken
        serial = engine.versions.postpone(names, (), engine.clock.monotonic())

    answer = yield Io(engine.offload, _bump, engine, names)
    if isinstance(answer, StoreError):
        _bump_here(engine, names)
        _postpone(engine, names, (), answer)
    with engine.lock:
        engine.versions.settle(names, (), serial)
    engine.events.emit("invalidated", {"names": len(names)})
    return taken


def clear_function(engine: Engine, shelf: Any) -> Plan:
    """
    Invalidate all results of one function.
    """
    if engine.is_inside():
        return _aside(clear_function, engine, shelf)
    try:
        yield from bump(engine, [shelf.function_name])
    finally:
        with engine.lock:
            engine.remove(shelf.residents())
            engine.failures.forget_all(lambda one: one is shelf)
        engine.sweep()


def clear_namespace(engine: Engine, namespace: str | None) -> Plan:
    """
    Remove every entry of *namespace* and those below it (None: of all); how many there were.
    """
    if engine.is_inside():
        _aside(clear_namespace, engine, namespace)
        return 0
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
            if (one := engine.debts.unwritten.get(address)) is not None
            and (namespace is None or one.place.shelf.is_below(namespace))
        ]
        engine.remove(residents)
        for one in left:
            engine.debts.forgive(one)
    count = only_here + len(left)
    yield from bump(engine, [name])
    with engine.lock:
        engine.remove(engine.local_residents(namespace))
        engine.failures.forget_all(lambda one: namespace is None or one.is_below(namespace))
        if engine.index is not None:
            engine.index.clear(name)
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


def _delete(
    engine: Engine, calls: Sequence[Call], addresses: Sequence[Any]
) -> tuple[list[bool], list[bool]]:
    # Here again in the same operation: whoever asked for it may have been cancelled meanwhile.
    assert engine.store is not None
    return engine.store.delete(addresses), _forget_here(engine, calls)


def _bump(engine: Engine, names: Sequence[Name]) -> None:
    assert engine.store is not None
    engine.store.bump(names)
    _bump_here(engine, names)


def _bump_here(engine: Engine, names: Sequence[Name]) -> None:
    with engine.lock:
        engine.versions.bump(names)
        engine.versions.forget()


def _aside(plan: Callable[..., Plan], *arguments: Any) -> None:
    """
    A finalizer or a signal handler invalidates in the middle of a step: it is done as soon as
    the step is over, in a thread that waits for that.
    """
    threading.Thread(target=lambda: drive(plan(*arguments)), daemon=True).start()


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
