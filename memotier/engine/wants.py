"""
One item of a batch on its way: what is known of it so far.
"""

from __future__ import annotations

from typing import Any, Final

from ..types import Seconds
from .calls import Call, Labels
from .flights import Flight, Signal
from .looking import NOTHING
from .writes import Noted

#: The result of an item for which the function brought none.
LEFT_OUT: Final = Signal("LEFT_OUT")


class Want:
    """
    An item whose result is wanted. Without *call*, or without labels, it is *loose*: nobody can
    say what its key is, or what invalidates it, so it is computed and neither shared nor kept.
    """

    __slots__ = (
        "asked",
        "call",
        "flight",
        "is_alone",
        "is_counted",
        "is_elsewhere",
        "item",
        "joined_at",
        "labels",
        "left",
        "noted",
        "theirs",
        "value",
    )

    def __init__(self, item: Any, call: Call | None) -> None:
        self.item = item
        self.call = call
        self.labels: Labels | None = None
        #: The result, LEFT_OUT, or NOTHING as long as there is none.
        self.value: Any = NOTHING
        #: Ours, until it has landed; and somebody else's, to be waited for.
        self.flight: Flight | None = None
        self.theirs: Flight | None = None
        self.joined_at = 0
        self.noted: Noted | None = None
        #: Whether its claim was asked for in this round, and whether another process has it.
        self.asked = self.is_elsewhere = False
        #: Seconds after which that claim may be free, if it is known.
        self.left: Seconds | None = None
        #: Whether to wait for others would never end, or not be right.
        self.is_alone = False
        self.is_counted = False

    @property
    def needs_call(self) -> Call:
        assert self.call is not None
        return self.call
