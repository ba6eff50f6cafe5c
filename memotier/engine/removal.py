"""
Invalidating: by key, by name (function, namespace, tag, everything), and clearing; each hard,
or softly (soft.py says what that means).

First here, then in the second tier, then here again: what another call promoted from the
second tier in between must not stay. If the second tier cannot be told, this process does
not believe it about what was named until it can, and the caller hears of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..entry import Resident
from ..errors import InvalidationNotDurable, StoreError
from ..types import Address, Name
from . import names as naming
from .calls import Call
from .drive import Plan, drive
from .effects import Ask, Asking, operation
from .engine import Engine
from .evidence import BY_KEY, INVALIDATED, SOFTLY
from .instances import bury
from .meter import L2_BUMP, L2_DELETE, asked_below
from .soft import soften_here
from .telling import on_way
from .writes import flush

#: Keys of one invalidation that are distrusted one by one while it is on its way.
MOST_DOUBTED = 1000


def forget(engine: Engine, calls: Sequence[Call], soft: bool = False) -> Plan:
    """
    Invalidate single keys: for each whether there was an entry, in whatever tier.
    """
    if engine.is_inside():
        _aside(forget, engine, calls, soft)
        return [False] * len(calls)
    names = [name for call in calls for name in call.hidden_names]
    untold: InvalidationNotDurable | None = None
    if names and engine.store is not None:
        try:
            yield from bump(engine, names, soft)
        except InvalidationNotDurable as error:
            untold = error
    were_there = yield from _forget(engine, calls, soft)
    if untold is not None:
        raise untold
    return were_there


def _forget(engine: Engine, calls: Sequence[Call], soft: bool) -> Plan:
    pairs = [(call, address) for call in calls for address in call.addresses]
    away = [call for call, _ in pairs]
    addresses = [address for _, address in pairs]
    if soft:
        yield from _write_down(engine, addresses)
    with engine.lock:
        unwritten = engine.debts.unwritten
        owed = [address for address in addresses if address in unwritten] if soft else []
        here = _forget_here(engine, calls, soft)
        if engine.store is None or not away:
            _note(engine, calls, here, here, soft)
        if not away:
            return here
        if engine.store is None:
            _say_untold(engine)
            return here
        # What lies below is not to be believed from now on, not only from when it is gone.
        doubted = addresses if len(addresses) <= MOST_DOUBTED else []
        now = engine.clock.monotonic()
        serial = engine.versions.postpone((), doubted, now, soft=soft, on_way=True)
        for address in owed:
            # It is gone unwritten; what it was to replace is no good as a stale one.
            engine.versions.distrust(address, now)

    effect = Ask(engine, _delete, engine, calls, addresses, soft, lasting=True)
    answer = yield from on_way(engine, serial, asked_below(engine, L2_DELETE, effect))
    if isinstance(answer, StoreError):
        _forget_here(engine, calls, soft)
        _postpone(engine, (), addresses, answer, soft)
    found, again = answer
    there = {id(call) for call, one in zip(away, found, strict=True) if one}
    were_there = [
        first or second or id(call) in there
        for call, first, second in zip(calls, here, again, strict=True)
    ]
    with engine.lock:
        engine.versions.settle((), doubted, serial)
        engine.l2_invalidations += 0 if soft else sum(found)
        _note(engine, calls, were_there, here, soft)
    return were_there


def bump(engine: Engine, names: Sequence[Name], soft: bool = False) -> Plan:
    """
    Invalidate everything that carries one of *names*, whatever its number. Who they were, for
    ``Index.count``, if there is an index.
    """
    if engine.is_inside():
        return _aside(bump, engine, names, soft)
    if soft:
        yield from _write_down(engine)
    with engine.lock:
        engine.evidence.bumped(names, engine.clock.monotonic(), soft)
        taken = None if soft or engine.index is None else engine.index.take(names)
        _bump_versions(engine, names, soft)
        if engine.store is None:
            _say_untold(engine)
            return taken
        now = engine.clock.monotonic()
        serial = engine.versions.postpone(names, (), now, soft=soft, on_way=True)

    effect = Ask(engine, _bump, engine, names, soft, lasting=True)
    answer = yield from on_way(engine, serial, asked_below(engine, L2_BUMP, effect))
    if isinstance(answer, StoreError):
        _bump_here(engine, names, soft)
        _postpone(engine, names, (), answer, soft)
    with engine.lock:
        engine.versions.settle(names, (), serial)
    engine.events.emit("invalidated", {"names": len(names)})
    return taken


def expire_function(engine: Engine, shelf: Any) -> Plan:
    """
    Invalidate all results of one function softly.
    """
    yield from bump(engine, [shelf.function_name], soft=True)


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
            engine.remove(shelf.residents(), shelf.function_name)
            engine.failures.forget_all(lambda one: one is shelf)
            if shelf.ledger is not None:
                shelf.ledger.forget()
        engine.sweep()


def expire_namespace(engine: Engine, namespace: str | None) -> Plan:
    """
    Invalidate softly every entry of *namespace* and those below it (None: all); how many there
    were.
    """
    if engine.is_inside():
        _aside(expire_namespace, engine, namespace)
        return 0
    name = naming.EVERYTHING if namespace is None else naming.space(namespace)
    yield from bump(engine, [name], soft=True)
    with engine.lock:
        bury(engine)
        count = len(_only_here(engine.local_residents(namespace)))
    if engine.store is not None:
        answer = yield operation(engine, "count", namespace)
        if isinstance(answer, StoreError):
            engine.fault(answer)
        else:
            count += answer
    return count


def clear_namespace(engine: Engine, namespace: str | None) -> Plan:
    """
    Remove every entry of *namespace* and those below it (None: of all); how many there were.
    """
    if engine.is_inside():
        _aside(clear_namespace, engine, namespace)
        return 0
    name = naming.EVERYTHING if namespace is None else naming.space(namespace)
    with engine.lock:
        bury(engine)
        residents = engine.local_residents(namespace)
        only_here = len(_only_here(residents))
        left = [
            one
            for address in list(engine.debts.left)
            if (one := engine.debts.unwritten.get(address)) is not None
            and (namespace is None or one.place.shelf.is_below(namespace))
        ]
        engine.remove(residents, name)
        for one in left:
            engine.debts.forgive(one)
    count = only_here + len(left)
    yield from bump(engine, [name])
    with engine.lock:
        engine.remove(engine.local_residents(namespace), name)
        engine.failures.forget_all(lambda one: namespace is None or one.is_below(namespace))
        if engine.index is not None:
            engine.index.clear(name)
    engine.sweep()
    if engine.store is not None:
        # The entries are invalid already; this only makes room.
        if namespace is None:
            answer = yield operation(engine, "clear", lasting=True)
        else:
            answer = yield operation(engine, "clear_group", namespace, lasting=True)
        if isinstance(answer, StoreError):
            engine.fault(answer)
        else:
            count += answer
            with engine.lock:
                engine.l2_invalidations += answer
    return count


def _only_here(residents: Sequence[Resident]) -> list[Resident]:
    """
    Those that the second tier does not have.
    """
    return [
        one
        for one in residents
        if one.stamp is None or one.stamp.address is None or one.stamp.debt is not None
    ]


def _write_down(engine: Engine, addresses: Sequence[Address] | None = None) -> Plan:
    """
    Write what is owed before it is invalidated softly: after that the second tier would not take
    it, and it would be gone instead of stale.
    """
    if engine.debts.unwritten:
        yield from flush(engine, at=addresses)


def _forget_here(engine: Engine, calls: Sequence[Call], soft: bool = False) -> list[bool]:
    with engine.lock:
        answers = []
        for call in calls:
            engine.evidence.forget(call)
            if soft:
                answers.append(soften_here(engine, call))
                continue
            engine.flights.unwanted((call.flight_key,))
            answers.append(engine.give_up(call, BY_KEY))
    engine.sweep()
    return answers


def _note(
    engine: Engine, calls: Sequence[Call], found: list[bool], here: list[bool], soft: bool
) -> None:
    """
    Remember of which keys an entry was invalidated that memory has not told of. Under the lock.
    """
    for call, was_found, was_here in zip(calls, found, here, strict=True):
        if was_found and (soft or not was_here):
            text = SOFTLY if soft else ""
            engine.evidence.happened(engine, call, INVALIDATED, text, BY_KEY)


def _delete(
    engine: Engine, calls: Sequence[Call], addresses: Sequence[Address], soft: bool
) -> Asking:
    # Here again in the same operation: whoever asked for it may have been cancelled meanwhile.
    found = yield "expire" if soft else "delete", addresses
    return found, _forget_here(engine, calls, soft)


def _bump(engine: Engine, names: Sequence[Name], soft: bool) -> Asking:
    if soft:
        yield "bump", names, True
    else:
        yield "bump", names
    _bump_here(engine, names, soft)


def _bump_here(engine: Engine, names: Sequence[Name], soft: bool) -> None:
    with engine.lock:
        _bump_versions(engine, names, soft)
        engine.versions.forget()


def _bump_versions(engine: Engine, names: Sequence[Name], soft: bool) -> None:
    if soft:
        engine.versions.bump_softly(names, engine.clock.monotonic())
    else:
        engine.versions.bump(names)


def _aside(plan: Callable[..., Plan], *arguments: Any) -> None:
    """
    A finalizer or a signal handler invalidates in the middle of a step: it is done as soon as
    the step is over, in a thread that waits for that.
    """
    threading.Thread(target=lambda: drive(plan(*arguments)), daemon=True).start()


def _say_untold(engine: Engine) -> None:
    if engine.options.is_offline:
        raise InvalidationNotDurable(
            f"the invalidation holds in this process, but nobody else hears of it: cache "
            f'{engine.options.name!r} is offline (mode = "offline") and does not use its second '
            "tier. Others go on with what they have; invalidate again when it is on."
        )


def _postpone(
    engine: Engine,
    names: Sequence[Name],
    addresses: Sequence[Address],
    error: StoreError,
    soft: bool,
) -> None:
    engine.fault(error)
    with engine.lock:
        engine.versions.postpone(names, addresses, engine.clock.monotonic(), soft=soft)
    raise InvalidationNotDurable(
        f"the invalidation holds in this process, but the second tier could not be told: {error} "
        "Until it can be, this process does not use it for what was invalidated."
    ) from error
