"""
Least frequently used: what was asked for most stays.
"""

from __future__ import annotations

from operator import attrgetter

from ..entry import Resident
from .rising import Rising


class LFU:
    """
    Evicts exactly the resident with the fewest hits; among equals, the one that arrived first.

    Hits never age: what was popular once stays until something else removes it. Where
    popularity shifts, ``clock2q`` does better.
    """

    __slots__ = ("_order",)
    needs_time = False

    def __init__(self) -> None:
        self._order = Rising(attrgetter("hits"))

    def add(self, resident: Resident) -> None:
        """Take a newcomer in."""
        self._order.add(resident)

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason."""
        self._order.remove(resident)

    def victim(self) -> Resident:
        """The one with the fewest hits."""
        return self._order.pop()

    def clear(self) -> None:
        """Forget all residents."""
        self._order.clear()
