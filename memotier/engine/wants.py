"""
One item of a batch on its way: what is known of it so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..types import Seconds
from .calls import Call, Labels
from .drive import Plan
from .engine import Engine
from .flights import Failed, Flight, Signal
from .gates import Source, is_allowed, turn_away
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
        "source",
        "theirs",
        "value",
    )

    def __init__(self, item: Any, call: Call | None) -> None:
        self.item = item
        self.call = call
        self.labels: Labels | None = None
        #: The result, LEFT_OUT, or NOTHING as long as there is none.
        self.value: Any = NOTHING
        #: What that was taken from, until the gate was asked; None: this batch has computed it.
        self.source: Source | None = None
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


def pass_many(engine: Engine, wants: Sequence[Want]) -> Plan:
    """
    Take from *wants* what was found and is not for this caller: it is computed for him, as what
    has no key. ``Failed`` if the gate raised.
    """
    for want in wants:
        source, want.source = want.source, None
        if source is None or want.call is None or want.call.gate is None:
            continue
        # That another call brought nothing for an id says nothing of what this one would bring.
        allowed: Any = False
        if isinstance(want.value, Signal):
            turn_away(engine, want.call, source)
        else:
            allowed = yield from is_allowed(engine, want.call, want.value, source)
        if allowed.__class__ is Failed:
            return allowed
        if not allowed:
            want.labels, want.value = None, NOTHING
            want.call.shelf.bypassed += 1
    return None
