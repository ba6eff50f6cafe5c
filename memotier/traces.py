"""
What a decorated function tells the traces that are open; see engine/tracing.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import tracing
from .engine.calls import Call
from .engine.drive import Plan
from .shown import called

if TYPE_CHECKING:
    from .memo import Memo


def traced(memo: Memo, call: Call | None = None) -> Any:
    """
    The record of *call* (None: one without a key) in the traces that are open here, if any.
    """

    def describe() -> tuple[str, str]:
        if call is None:
            return f"{called(memo.label)}(…)", ""
        known = call.shelf.known
        return f"{called(memo.label)}({known.text(known.of(call))})", memo.key_of(call)

    engine = memo.engine or memo.attach()
    return tracing.begin(engine, memo.label, memo.options.namespace, describe)


def past(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    A call past the cache, told to traces as that.
    """
    plan = memo.invoke(*memo.spread(values))
    record = traced(memo) if tracing.open_traces else None
    return plan if record is None else tracing.ending(memo.engine or memo.attach(), record, plan)
