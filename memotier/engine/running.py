"""
The streams of one engine that run, and which of them a caller may find.

Held weakly: readers hold their stream, and one whose readers are lost is lost with them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .streams import Stream


class Streams:
    """
    Those that can be joined, by key, and all. Every method is called under the engine's lock.
    """

    def __init__(self) -> None:
        self.table: weakref.WeakValueDictionary[Any, Stream] = weakref.WeakValueDictionary()
        self.running: weakref.WeakSet[Stream] = weakref.WeakSet()

    def detach(self, stream: Stream) -> None:
        if self.table.get(stream.flight.key) is stream:
            del self.table[stream.flight.key]

    def forget(self) -> None:
        """
        A forked child: its copies of streams go on, but do not hear of invalidations.
        """
        for stream in list(self.running):
            stream.flight.wanted = False
        self.table.clear()
        self.running.clear()
