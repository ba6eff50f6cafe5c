"""
First in, first out: age is all that counts.
"""

from __future__ import annotations

from collections import deque

from ..entry import Resident

#: Dead residents that are kept beyond the number of the living before all are swept out.
SLACK = 64


class FIFO:
    """
    Evicts the resident that arrived first, whatever happened to it since.

    ``resident.node`` is True while it is here, None once it has left: a queue is not searched
    for those that leave from its middle, they are passed over when their turn comes.
    """

    __slots__ = ("_dead", "_queue")
    needs_time = False

    def __init__(self) -> None:
        self._queue: deque[Resident] = deque()
        self._dead = 0

    def add(self, resident: Resident) -> None:
        """Take a newcomer in."""
        resident.node = True
        self._queue.append(resident)

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason."""
        resident.node = None
        self._dead += 1
        if 2 * self._dead > len(self._queue) + SLACK:
            self._queue = deque(r for r in self._queue if r.node)
            self._dead = 0

    def victim(self) -> Resident:
        """The oldest arrival."""
        resident = self._queue.popleft()
        while not resident.node:
            self._dead -= 1
            resident = self._queue.popleft()
        resident.node = None
        return resident

    def clear(self) -> None:
        """Forget all residents."""
        self._queue.clear()
        self._dead = 0
