"""
The plans behind what can be asked of a decorated function about one call.
"""

from __future__ import annotations

from typing import Any

from .engine import direct, plan, removal
from .engine.drive import Plan
from .engine.modes import is_disabled
from .entries import show
from .memo import Memo


def forget(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    Whether there was a result of this call; now there is none.
    """
    engine = memo.ready()
    if engine is None:
        return False
    return (yield from removal.forget(engine, [memo.locate(values)]))[0]


def refresh(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The result, computed anew and stored.
    """
    engine = memo.ready()
    if engine is None or is_disabled():
        return (yield from memo.invoke(*memo.spread(values)))
    call = memo.equip(memo.locate(values), values)
    return (yield from plan.refresh(engine, call))


def lookup(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The ``Entry`` of this call, or None.
    """
    engine = memo.ready()
    if engine is None or is_disabled():
        return None
    call = memo.locate(values)
    found = yield from direct.look(engine, call)
    return None if found is None else show(engine, call, found, memo.key_text(values))


def seed(memo: Memo, values: tuple[Any, ...], value: Any) -> Plan:
    """
    Store *value* as if this call had computed it.
    """
    engine = memo.ready()
    if engine is None or is_disabled():
        return None
    call = memo.equip(memo.locate(values), values)
    tags = () if call.tags_of is None else call.tags_of()
    ttl = call.shelf.ttl
    fresh = ttl(value, call) if callable(ttl) else ttl
    yield from direct.set_many(engine, [(call, value)], ttl=fresh, tags=tags)
    return None
