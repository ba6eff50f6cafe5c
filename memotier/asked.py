"""
What can be asked of a decorated function about one call: plans, and ``peek``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import scopes
from .engine import direct, plan, removal, worlds
from .engine.calls import Call
from .engine.drive import Plan
from .engine.engine import Engine
from .engine.flights import Failed
from .engine.places import Held
from .entries import show
from .errors import ConfigError
from .memo import Memo
from .types import MISS
from .world import UNTOLD

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo


def forget(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    Whether there was a result of this call; now there is none.
    """
    engine = memo.ready(tells=True)
    if engine is None:
        return False
    return (yield from removal.forget(engine, [memo.locate(values)]))[0]


def forget_scope(memo: Memo, scope: Any) -> Plan:
    """
    Forget all results of one scope.
    """
    _check_scoped(memo, "forget", "cache_clear() forgets all of them, invalidate() one")
    engine = memo.ready(tells=True)
    if engine is not None:
        yield from scopes.forget(engine, scope, memo.shelf)


def scope_info(memo: Memo, scope: Any) -> ScopeInfo:
    """
    What one scope has and was given.
    """
    _check_scoped(memo, "scope_info", "cache_info() counts all of them")
    engine = memo.engine or memo.attach()
    return scopes.info(engine, scope, memo.shelf)


def _check_scoped(memo: Memo, asked: str, instead: str) -> None:
    own = memo.options.scope
    if own is None or own.is_public:
        raise ConfigError(
            f"{memo.label}.{asked}(): its results are nobody's own, because it has "
            f"{'no scope=' if own is None else 'scope=' + repr(own.shown)}. {instead}"
        )


def expire(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    Whether there was a result of this call; now it is stale.
    """
    engine = memo.ready(tells=True)
    if engine is None:
        return False
    return (yield from removal.forget(engine, [memo.locate(values)], soft=True))[0]


def refresh(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The result, computed anew and stored.
    """
    engine = memo.usable()
    if engine is None:
        return (yield from memo.invoke_one(values))
    call = memo.equip(memo.look_up(values), values)
    return (yield from plan.refresh(engine, call))


def peek(memo: Memo, values: tuple[Any, ...]) -> Any:
    """
    The result if memory has it, else MISS. Not counted, and no use of the entry.
    """
    engine = memo.usable()
    if engine is None:
        return MISS
    call = memo.look_up(values)
    seen = None
    if call.watch is not None and (seen := worlds.unchanged(call, reads=True)) is None:
        return MISS
    gate = memo.gate
    found = MISS if gate is not None else engine.peek(call.table, call.key, counts=False)
    if found is not MISS or engine.is_inside():
        return found if seen is None or call.resident() is seen else MISS
    with engine.lock:
        resident, _ = engine.examine(call.table, call.key)
        if seen is not None and resident is not seen:
            resident = None
        held = None if resident is None else Held(resident.value, resident.thaw)
    try:
        value = MISS if held is None else held.hand_out()
    except Exception:
        return MISS
    if gate is None or resident is None or value is MISS:
        return value
    return value if gate.allows_now(engine, call, value, resident) else MISS


def lookup(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The ``Entry`` of this call, or None; also where ``authorize=`` does not let it out.
    """
    engine = memo.usable()
    if engine is None:
        return None
    call = memo.look_up(values)
    entry = yield from _entry_of(memo, engine, call)
    if memo.gate is None or entry is None:
        return entry
    allowed = yield from memo.gate.allows_entry(engine, call, entry)
    return entry if allowed is True else (allowed if allowed.__class__ is Failed else None)


def known(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The same for who hands it to nobody.
    """
    engine = memo.usable()
    if engine is None:
        return None
    return (yield from _entry_of(memo, engine, memo.look_up(values)))


def _entry_of(memo: Memo, engine: Engine, call: Call) -> Plan:
    found = yield from direct.look(engine, call)
    return None if found is None else show(engine, call, found, memo.key_of(call), memo.version)


def seed(memo: Memo, values: tuple[Any, ...], value: Any) -> Plan:
    """
    Store *value* as if this call had computed it.
    """
    engine = memo.usable()
    if engine is None:
        return None
    call = memo.equip(memo.look_up(values), values)
    ttl = call.shelf.ttl
    option = "tags"
    try:
        tags = () if call.tags_of is None else call.tags_of()
        option = "ttl"
        fresh = ttl(value, call) if callable(ttl) else ttl
    except ConfigError as error:
        raise ConfigError(f"{memo.label} cannot be seeded: {error}") from None
    except Exception as error:
        raise ConfigError(
            f"{memo.label} cannot be seeded: its {option}= raised {type(error).__qualname__}"
        ) from error
    if call.watch is UNTOLD:
        raise ConfigError(
            f"{memo.label} cannot be seeded: a callable of its depends_on= does not tell a path"
        )
    if call.watch is not None:
        yield from worlds.observe(engine, call)
    yield from direct.set_many(engine, [(call, value)], ttl=fresh, tags=tags)
    return None
