"""
Which versions of a function made results before: so that ``explain()`` can say that a result is
not used because the code has changed.

A function's versions are noted in the second tier, with the first result that a process stores
there (``Item.made_by``, ``recall``). A result of an old version lies at another
address; ``explain()`` looks there. Without a second tier, or where the store keeps no notes, only
definitions in this very process are known.
"""

from __future__ import annotations

from typing import Any

from .codecs.records import unseal
from .engine.calls import Call
from .engine.drive import Plan
from .engine.effects import Io
from .engine.engine import Engine
from .errors import DecodeRefused, StoreError
from .explanation import Reason
from .memo import Memo, memos
from .registry import cache_named


def changed_code(memo: Memo, engine: Engine, call: Call) -> Plan:
    """
    What is said if other code has made the result of *call*, as far as that is known; else None.
    """
    if call.address is not None:
        answer = yield Io(engine.offload, _stored_before, memo, engine, call)
        if not isinstance(answer, StoreError) and answer is not None:
            version, created = answer
            return {
                "reason": Reason.CODE_CHANGED,
                "old_version": version,
                "at": created,
                "what": "code",
                "which": memo.label,
            }
    other = _defined_before(memo, engine, call)
    if other is None:
        return None
    return {
        "reason": Reason.CODE_CHANGED,
        "old_version": other.version,
        "what": "code",
        "which": memo.label,
        "detail": "an earlier definition in this process",
    }


def _stored_before(memo: Memo, engine: Engine, call: Call) -> tuple[str, float] | None:
    """
    The last version of which the second tier has a result of *call*, and when that was made. In
    the thread that does the I/O.
    """
    store, options = engine.store, memo.options
    cache: Any = options.cache
    wiring = (cache_named(cache) if isinstance(cache, str) else cache)._keyed.wiring
    look = getattr(store, "look", None) or store.get  # type: ignore[union-attr]
    recall: Any = getattr(store, "recall", None)
    versions = [] if recall is None else recall(call.shelf.function_name)
    for version in versions:
        if version == memo.version:
            continue
        for digester in wiring.digesters(options.namespace, memo.identity.name, version):
            if call.hides:
                digester.prepare()
            address = digester.address(call.canonical, hides=call.hides)
            (data,) = look([address]).records
            if data is None:
                continue
            try:
                record = unseal(
                    data, address=address, group=options.namespace, keys=engine.options.keys
                )
            except DecodeRefused:
                continue
            if record.fingerprint == digester.fingerprint(call.canonical, hides=call.hides):
                return version, record.created
    return None


def _defined_before(memo: Memo, engine: Engine, call: Call) -> Memo | None:
    """
    Another definition of the same function in this process, which knows the same call.
    """
    for other in memos():
        same = other.identity.name == memo.identity.name
        if other is memo or not same or other.options.namespace != memo.options.namespace:
            continue
        if other.engine is not engine or other.shelf is None or other.version == memo.version:
            continue
        mine = call.shelf.known.of(call)
        if any(
            one.names == mine.names and one.arguments == mine.arguments
            for one in other.shelf.known or ()
        ):
            return other
    return None
