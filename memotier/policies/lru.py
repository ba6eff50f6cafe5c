"""
Least recently used: what was not asked for longest is asked for last.
"""

from __future__ import annotations

from operator import attrgetter

from ..entry import Resident
from .rising import Rising


class LRU:
    """
    Evicts exactly the resident whose last use is longest ago; among equals, and so under a clock
    that stands still, the one that arrived first.

    Its last use is ``resident.used`` in monotonic seconds; for one that was never hit, whoever
    adds it puts the time of its arrival there.
    """

    __slots__ = ("_order",)
    needs_time = True

    def __init__(self) -> None:
        self._order = Rising(attrgetter("used"))

    def add(self, resident: Resident) -> None:
        """Take a newcomer in."""
        self._order.add(resident)

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason."""
        self._order.remove(resident)

    def victim(self) -> Resident:
        """The least recently used."""
        return self._order.pop()

    def clear(self) -> None:
        """Forget all residents."""
        self._order.clear()
