"""
Keys that were evicted for lack of room, so that it is known which of them are asked for again.

As many are remembered as there are entries in memory, the last ones: so one that is found here is
what memory would have had with twice the room (with LRU and entries of one size, exactly that; see
``tests/analytics/test_came_back.py``). Of a large memory only the keys are remembered whose mark
falls into a share, and what is found counts for the others.

Written where an entry is evicted and read where a call was not answered by memory, never on a hit;
while nothing was evicted, nothing is done. What is here decides nothing. An entry that had expired
meanwhile, or whose key, function or namespace this process has invalidated, would not have been
there anyway; a tag that was is not looked at.

Source:
    Ghost lists: N. Megiddo, D. Modha: ARC: A Self-Tuning, Low Overhead Replacement Cache. FAST
    2003. A share of the keys: C. Waldspurger et al.: Efficient MRC Construction with SHARDS. FAST
    2015.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from ..clock import Clock
from ..entry import Resident
from ..types import Seconds

if TYPE_CHECKING:
    from .calls import Call
    from .versions import Versions

#: Keys that are remembered at most: some 250 bytes each.
MOST: Final = 2_000


class Departed:
    """
    The keys that one memory had no room for.
    """

    __slots__ = ("_clock", "_gone", "_lock", "_shift", "_versions")

    def __init__(
        self, versions: Versions, lock: AbstractContextManager[bool], clock: Clock
    ) -> None:
        self._versions, self._clock = versions, clock
        #: The engine's.
        self._lock = lock
        #: By the mark of a key until when its entry would have been served, and its epoch.
        self._gone: OrderedDict[int, tuple[Seconds, int]] = OrderedDict()
        #: One key of 2 ** shift is remembered.
        self._shift = 0

    def __len__(self) -> int:
        return len(self._gone)

    def add(self, mark: int, resident: Resident, entries: int) -> None:
        """
        *resident* is about to leave, one of so many *entries*. Called under the engine's lock.
        """
        most = entries
        if self._shift or entries > MOST:
            most = self._thinned(entries)
            if mark & ((1 << self._shift) - 1):
                return
        stamp, gone = resident.stamp, self._gone
        clocks = None if stamp is None else stamp.clocks
        until = resident.fresh_until if clocks is None else clocks.served_until
        if mark in gone:
            gone.move_to_end(mark)
        gone[mark] = until, resident.epoch
        while len(gone) > most:
            gone.popitem(last=False)

    def _thinned(self, entries: int) -> int:
        """
        How many are remembered of so many *entries*. Those that fall into no share any more go.
        """
        while entries >> self._shift > MOST:
            self._shift += 1
            mask = (1 << self._shift) - 1
            for mark in [mark for mark in self._gone if mark & mask]:
                del self._gone[mark]
        return max(1, entries >> self._shift)

    def forget(self, mark: int) -> None:
        """
        The entry of that key was invalidated. Called under the engine's lock.
        """
        self._gone.pop(mark, None)

    def asked(self, call: Call, mark: int, *, computed: bool) -> None:
        """
        Memory could not answer *call*; *computed*: nor could anybody else.
        """
        with self._lock:
            found = self._gone.pop(mark, None)
            if found is None:
                return
            until, epoch = found
            if until <= self._clock.monotonic() or self._versions.bumped_since(epoch, call.names):
                return
            counts_for = 1 << self._shift
            call.shelf.evicted_asked += counts_for
            if computed:
                call.shelf.evicted_computed += counts_for
