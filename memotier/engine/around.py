"""
Who wants to be around the way of every call that memory could not answer at once: tracing.

``around.plan`` is None, or is given the engine, each such call and its plan, and returns the plan
that is driven in its place. It must yield every effect of that plan, hand back every answer and
error, and never raise by itself. A hit in memory does not come here; any other call pays one look
at this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .calls import Call
    from .drive import Plan
    from .engine import Engine


class _Around:
    __slots__ = ("plan",)

    def __init__(self) -> None:
        self.plan: Callable[[Engine, Call, Plan], Plan] | None = None


around: Final = _Around()
