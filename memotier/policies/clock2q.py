"""
The modern policy: newcomers prove themselves in a queue of their own before they may stay.

Most keys are asked for once or a few times in a row and never again. Newcomers therefore pass
through a short FIFO queue and leave it even if they were hit there. A key that comes back while
it is remembered is worth keeping: it enters the main queue, a CLOCK, in which every hit, up to
three, buys one more round. Only while the main queue has room to spare, mostly at the beginning,
do newcomers that were hit move over at once.

How much room newcomers get depends on what is asked for again: each return of a key that left
the newcomers' queue says that it is too short, each return of one that left the main queue says
that the main queue is. So the policy leans towards LRU where only recency counts, and towards
frequency where a few keys stay popular.

On four recorded traces at four sizes each it reaches 0.80 of the optimum on average, LRU 0.67
(benchmarks/policies.py). The constants were chosen on these traces and on artificial ones, so
expect a little less elsewhere; the moving border and the early move are not there for that mean,
which they hardly change, but because without them some sizes fall 6 to 8 points behind LRU.

Sources:
    Johnson, Shasha: 2Q: A Low Overhead High Performance Buffer Management Replacement
    Algorithm. VLDB 1994 (the two queues and the memory of what left).

    Corbato: A Paging Experiment with the Multics System. MIT Project MAC, 1968 (CLOCK).

    Yang, Zhang, Qiu, Yue, Rashmi: FIFO Queues are All You Need for Cache Eviction. SOSP 2023
    (S3-FIFO: a counter up to three in place of moving an entry at each hit).

    Megiddo, Modha: ARC: A Self-Tuning, Low Overhead Replacement Cache. FAST 2003 (letting
    returns decide how the room is shared).
"""

from __future__ import annotations

from collections import deque

from ..entry import Resident
from .ghost import Ghost, mark_of

#: The newcomers' part of the room: at first, at least, at most.
SHARE, SHARE_MIN, SHARE_MAX = 0.2, 0.02, 0.95
#: How many former newcomers are remembered, in parts of the room.
GHOST_NEW = 2.0
#: The same for those that left the main queue. A fourth of GHOST_NEW, so one return counts four.
GHOST_MAIN = 0.5
#: How many places one return of a former newcomer moves the border; one from the main queue
#: moves it back by that times GHOST_NEW / GHOST_MAIN. From 0.05 to 0.2 makes little difference.
STEP = 0.1
#: Hits that count: rounds that a resident of the main queue may have to its credit.
TOP = 3
#: Dead residents that are kept beyond the number of the living before all are swept out.
SLACK = 64

_NEW = -1


class Clock2Q:
    """
    2Q with a CLOCK as its main queue, and a border between the queues that adapts.

    A hit only counts in ``resident.hits``; when the hand comes by, ``min(3, credit + hits since
    the last look)`` is what a counter that stops at three would show. ``resident.node`` is -1
    in the newcomers' queue, ``hits - credit`` at the last look in the main queue (so that
    ``hits - node`` is the count), and None once it has left.

    Args:
        capacity: Most residents there can be; None if only their bytes are bounded. Whichever
            bound holds, the parts are parts of the number that fits at the time.
    """

    __slots__ = (
        "_capacity",
        "_dead",
        "_left_main",
        "_left_new",
        "_main",
        "_mains",
        "_new",
        "_news",
        "_share",
        "_size",
        "_taken_out",
    )
    needs_time = False

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self._left_new = Ghost()
        self._left_main = Ghost()
        #: Removed from the main queue by others: expired or replaced, not found unworthy.
        self._taken_out = Ghost()
        self._new: deque[Resident] = deque()
        self._main: deque[Resident] = deque()
        self._news = self._mains = self._dead = self._size = 0
        self._share = SHARE

    def add(self, resident: Resident) -> None:
        """Take a newcomer in; into the main queue if its key left and is remembered."""
        mark = _mark(resident)
        if self._left_new.recall(mark):
            self._move_border(STEP)
            self._keep(resident)
        elif self._taken_out.recall(mark):
            self._keep(resident)
        else:
            if self._left_main.recall(mark):
                # It enters as a newcomer all the same: in a loop a little longer than the
                # cache, letting it back would drive out those that stayed.
                self._move_border(-STEP * GHOST_NEW / GHOST_MAIN)
            resident.node = _NEW
            self._new.append(resident)
            self._news += 1

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason; if it was worth keeping, not quite."""
        if resident.node == _NEW:
            self._news -= 1
        else:
            self._mains -= 1
            self._taken_out.note(_mark(resident))
        resident.node = None
        self._dead += 1
        if self._dead > self._news + self._mains + SLACK:
            self._new = deque(r for r in self._new if r.node is not None)
            self._main = deque(r for r in self._main if r.node is not None)
            self._dead = 0

    def victim(self) -> Resident:
        """The oldest newcomer, if they fill their part of the room; else one of the main queue."""
        size = self._news + self._mains
        if self._capacity is not None:
            size = max(1, min(size, self._capacity))
        if size != self._size:
            self._remember(size)
        room = size - max(1, round(size * self._share))
        while self._news and self._mains <= room:
            resident = self._next(self._new)
            self._news -= 1
            if self._mains == room or resident.hits == 0:
                resident.node = None
                self._left_new.note(_mark(resident))
                return resident
            # A cache that is large for what is asked of it would take very long to fill its
            # main queue with returns alone, and be a plain FIFO queue until then.
            self._keep(resident)
        return self._turn_hand()

    def clear(self) -> None:
        """Forget all residents, and everything remembered of earlier ones."""
        self._new.clear()
        self._main.clear()
        self._news = self._mains = self._dead = self._size = 0
        self._share = SHARE
        for ghost in (self._left_new, self._left_main, self._taken_out):
            ghost.clear()

    def _keep(self, resident: Resident) -> None:
        resident.node = resident.hits
        self._main.append(resident)
        self._mains += 1

    def _turn_hand(self) -> Resident:
        main = self._main
        while True:
            resident = self._next(main)
            hits = resident.hits  # once: another thread may be counting
            count = min(TOP, hits - resident.node)
            if count <= 0:
                break
            resident.node = hits - (count - 1)
            main.append(resident)
        self._mains -= 1
        resident.node = None
        self._left_main.note(_mark(resident))
        return resident

    def _next(self, queue: deque[Resident]) -> Resident:
        resident = queue.popleft()
        while resident.node is None:
            self._dead -= 1
            resident = queue.popleft()
        return resident

    def _move_border(self, places: float) -> None:
        share = self._share + places / self._size
        self._share = min(SHARE_MAX, max(SHARE_MIN, share))

    def _remember(self, size: int) -> None:
        self._size = size
        self._left_new.resize(max(1, int(size * GHOST_NEW)))
        self._left_main.resize(max(1, int(size * GHOST_MAIN)))
        self._taken_out.resize(max(1, int(size * GHOST_MAIN)))


def _mark(resident: Resident) -> int:
    # Equal for a later resident of the same key; a place lives as long as its function.
    return mark_of(hash(resident.key) ^ id(resident.place))
