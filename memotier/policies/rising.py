"""
Residents in the order of a field that only grows, without being told when it grows.

LRU, LFU and TTL all evict the resident with the smallest ``used``, ``hits`` or ``fresh_until``,
and a hit tells nobody that it raised one. So what is noted here are lower bounds: a resident is
filed under the value it had when it was last looked at. Whoever comes first by these bounds is
looked at again; if its value is still the same, nobody can have a smaller one, else it is filed
under its present value. Each look beyond the first is paid for by a hit since the last.

A heap of all residents would do the same, at some 110 bytes for each. Here only the lowest few
hundred stand in a heap (the front). The others lie unsorted on shelves, a list for each range
of values, at 8 bytes and the number of their arrival; a shelf is sorted when its turn comes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from typing import TypeAlias

from ..entry import Resident

#: Value of the field and number of arrival; no two residents have the same.
Rank: TypeAlias = tuple[float, int]
Ranked: TypeAlias = tuple[float, int, Resident]

#: Residents on a shelf before the next is begun: what is sorted in one go (about 0.2 ms).
SHELF = 512
#: Dead residents that are kept beyond the number of the living before all are swept out.
SLACK = 64


class Rising:
    """
    Takes residents in, and gives out the one whose field is smallest; among equals, the one
    that arrived first.

    The order is exact for a field that never falls. Where threads make it fall for a moment
    (a lost update), a resident may leave a little early or late, and nothing else happens.
    ``resident.node`` holds the number of its arrival, None once it has left.

    Args:
        read: Reads the field.
    """

    __slots__ = (
        "_arrivals",
        "_bounds",
        "_dead",
        "_front",
        "_highest",
        "_living",
        "_read",
        "_shelves",
    )

    def __init__(self, read: Callable[[Resident], float]) -> None:
        self._read = read
        self._arrivals = self._living = self._dead = 0
        #: The highest value that anybody was filed under.
        self._highest = -inf
        #: A heap of all that were filed under ranks below the first bound.
        self._front: list[Ranked] = []
        #: Who is on ``_shelves[i]`` ranks at ``_bounds[i]`` or above. Below the next bound, too,
        #: unless its value has grown since.
        self._bounds: list[Rank] = [(-inf, 0)]
        self._shelves: list[list[Resident]] = [[]]

    def clear(self) -> None:
        """Forget everyone."""
        self._arrivals = self._living = self._dead = 0
        self._highest = -inf
        self._front, self._bounds, self._shelves = [], [(-inf, 0)], [[]]

    def add(self, resident: Resident) -> None:
        """File a newcomer under its present value."""
        self._living += 1
        self._arrivals += 1
        resident.node = arrival = self._arrivals
        value = self._read(resident)
        if value >= self._highest and len(self._shelves[-1]) >= SHELF:
            # Nobody was ever filed under a rank this high, so a new range may begin here.
            self._highest = value
            self._bounds.append((value, arrival))
            self._shelves.append([resident])
        else:
            self._file((value, arrival, resident))

    def remove(self, resident: Resident) -> None:
        """Forget one resident; its place is cleared later, when enough of them have left."""
        resident.node = None
        self._living -= 1
        self._dead += 1
        if self._dead > self._living + SLACK:
            self._sweep()

    def pop(self) -> Resident:
        """Take out the resident with the smallest value."""
        while True:
            front = self._front
            while front:
                value, arrival, resident = front[0]
                if resident.node is None:
                    heappop(front)
                    self._dead -= 1
                    continue
                present = self._read(resident)
                if present <= value:
                    heappop(front)
                    resident.node = None
                    self._living -= 1
                    return resident
                if (present, arrival) < self._bounds[0]:
                    heapreplace(front, (present, arrival, resident))
                else:
                    heappop(front)
                    self._file((present, arrival, resident))
            self._open_shelf()

    def _file(self, ranked: Ranked) -> None:
        if ranked[0] > self._highest:
            self._highest = ranked[0]
        place = bisect_right(self._bounds, ranked) - 1
        if place < 0:
            heappush(self._front, ranked)
        else:
            self._shelves[place].append(ranked[2])

    def _open_shelf(self) -> None:
        """Turn the lowest shelf into the front, by the values its residents have now."""
        del self._bounds[0]
        shelf = self._shelves.pop(0)
        # Each value is read once: a hit in another thread must not disturb the sorting.
        row = sorted((self._read(r), r.node, r) for r in shelf if r.node is not None)
        self._dead -= len(shelf) - len(row)
        if self._shelves:
            end = bisect_left(row, self._bounds[0])
            for ranked in row[end:]:
                self._file(ranked)
            del row[end:]
        else:
            value, arrival, _ = row[-1]
            self._bounds.append((value, arrival + 1))
            self._shelves.append([])
        # Hits alone begin no shelves, so one may have grown long: it becomes several.
        starts = range(SHELF, len(row), SHELF)
        self._bounds[:0] = [row[start][:2] for start in starts]
        self._shelves[:0] = [[r for _, _, r in row[start : start + SHELF]] for start in starts]
        self._front = row[:SHELF]

    def _sweep(self) -> None:
        """Drop the dead, and join shelves that have become small."""
        self._front = [ranked for ranked in self._front if ranked[2].node is not None]
        heapify(self._front)
        bounds: list[Rank] = []
        shelves: list[list[Resident]] = []
        for bound, shelf in zip(self._bounds, self._shelves, strict=True):
            living = [resident for resident in shelf if resident.node is not None]
            if shelves and len(shelves[-1]) + len(living) <= SHELF:
                shelves[-1] += living
            else:
                bounds.append(bound)
                shelves.append(living)
        self._bounds, self._shelves, self._dead = bounds, shelves, 0
