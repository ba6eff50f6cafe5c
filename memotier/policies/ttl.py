"""
Time to live: what expires soonest leaves first.
"""

from __future__ import annotations

from operator import attrgetter

from ..entry import Resident
from .rising import Rising


class TTL:
    """
    Evicts exactly the resident whose freshness ends first, whether it has ended or not; among
    equals, and so among those that never expire, the one that arrived first.
    """

    __slots__ = ("_order",)
    needs_time = False

    def __init__(self) -> None:
        self._order = Rising(attrgetter("fresh_until"))

    def add(self, resident: Resident) -> None:
        """Take a newcomer in."""
        self._order.add(resident)

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason."""
        self._order.remove(resident)

    def victim(self) -> Resident:
        """The one whose freshness ends first."""
        return self._order.pop()

    def clear(self) -> None:
        """Forget all residents."""
        self._order.clear()
