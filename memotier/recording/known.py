"""
A call that the recorder of this process knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.calls import Call
from ..types import Seconds
from .signature import Signature

if TYPE_CHECKING:
    from .recorder import Recording


class Known:
    """
    One call of this process, and what was not saved of it yet.
    """

    __slots__ = (
        *("arguments", "born", "cost", "hits", "key", "misses", "recording", "seen"),
        *("signature", "table", "taken", "ttl", "user", "uses"),
    )

    def __init__(
        self, recording: Recording, call: Call, arguments: dict[str, Any] | None, user: str
    ) -> None:
        self.recording = recording
        # (Held, so that its id names no other table.)
        self.table = call.table
        self.key = call.key
        self.arguments = arguments
        self.signature: Signature | None = None
        self.user = user
        self.misses = 0
        self.hits = 0  # of entries that have left
        self.taken = 0  # misses that were saved
        self.uses = 0  # all that were saved
        self.born: Seconds = -1.0  # of the entry whose hits were read
        self.seen = 0  # and how many they were
        self.cost: Seconds = 0.0
        self.ttl: Seconds | None = None
