"""
Who wants to be around the way of every call that memory could not answer at once: tracing.

``around.plan`` is None, or is given the engine, each such call (of a function that takes many ids,
all of them as one ``Batch``) and its plan, and returns the plan that is driven in its place. It
must yield every effect of that plan, hand back every answer and error, and never raise by itself.
A hit in memory does not come here; any other call pays one look at this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .calls import Call
    from .drive import Plan
    from .engine import Engine
    from .places import Shelf


class Batch:
    """
    The calls of one function, as many as it is asked for at once, that memory could not answer.

    Args:
        calls: Those that have a key.

        items: How many there are of all.
    """

    __slots__ = ("_calls", "items", "shelf")

    def __init__(self, shelf: Shelf, calls: Sequence[Call], items: int) -> None:
        self.shelf = shelf
        self.items = items
        self._calls = calls

    @property
    def answered_by(self) -> str:
        """
        As ``Call.answered_by``; "computed" if one of them was.
        """
        found = {call.answered_by for call in self._calls}
        return next((one for one in ("computed", "l2", "joined") if one in found), "")


class _Around:
    __slots__ = ("plan",)

    def __init__(self) -> None:
        self.plan: Callable[[Engine, Call | Batch, Plan], Plan] | None = None


around: Final = _Around()
