"""
The first tier: residents in this process, bounded by number and by estimated bytes.

A hit never comes here: it reads a table without a lock. What makes that right is the order
in which a resident leaves: first its epoch becomes one that no cell ever shows and its
freshness ends, only then its value is dropped. A hit reads the value *before* it checks
epoch and freshness, so it never returns a value that was taken away.

All methods are called under the engine's lock. For that reason no value is dropped in here,
which may run the code of its class: values that have left wait for ``take_garbage``.

An exception (KeyboardInterrupt, MemoryError, ...) may come out of any line, and leave table,
counts and policy in the middle of a step. So each step notes that it has begun and strikes that
out at its end. A step that finds the note of another forgets everything first, which a cache may
do at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import getsizeof
from typing import Any, Final

from ..entry import Resident
from ..types import Policy

#: An epoch that neither a live engine nor a parked one shows.
GONE: Final = -2

#: Bytes of an entry beside its value and its key: the resident and its numbers, its slot in a
#: table, the policy's note; of what the engine notes of it if there are tags; and if there is a
#: second tier. Measured with tracemalloc over 30,000 entries: 268 (FIFO) to 300 (LRU), with tags
#: 430, with a second tier 550. Tags that no other entry has, some 260 bytes each, are not counted.
ENTRY: Final = 300
STAMP: Final = 130
PLACED: Final = 120
#: Of the moments of an entry that is of use when it is no longer fresh.
CLOCKS: Final = 150

#: No key and its entry take as much: keys in memory are atoms or digests of limited length.
SURELY: Final = 5_000_000

#: Small sizes, so that not every entry has a number of its own (32 bytes).
SIZES: Final = tuple(range(2048))

#: Types whose values may be dropped anywhere, because no code runs when they go.
INERT: Final = frozenset({type(None), bool, int, float, complex, str, bytes})

#: Values that wait for ``take_garbage`` before an insertion lets go of them itself.
MOST_GARBAGE: Final = 100


class MemoryTier:
    """
    Room for residents, and the count of why they left.
    """

    def __init__(self, policy: Policy, *, max_size: int | None, max_bytes: int | None) -> None:
        self.policy = policy
        self.max_size = max_size
        self.max_bytes = max_bytes
        self.size = 0
        self.bytes = 0
        self.evictions = 0
        self.expirations = 0
        self.invalidations = 0
        self.replacements = 0
        #: Values that have left; see ``take_garbage``.
        self.garbage: list[Any] = []
        #: Told of every entry that leaves after hits, under the lock; None: nobody.
        self.watcher: Any = None
        #: Remembers why entries have left (``left``, ``evicted``), under the lock; None: nobody.
        self.evidence: Any = None
        #: Tables that are not empty, by id.
        self._tables: dict[int, dict[Any, Resident]] = {}
        #: Whether a step has begun that did not come to its end.
        self._unfinished = False
        #: Who has left for lack of room since the last insertion came to its end.
        self._left: list[Resident] = []

    def fits(self, size: int, key: Any = None) -> bool:
        """
        Whether a value of *size* bytes may come in under *key*: not if it would empty the tier.
        """
        if self.max_size == 0:
            return False
        most = self.max_bytes
        # Nearly always far below, without a look at the key.
        if most is None or size + SURELY < most:
            return True
        return size + overhead(key, None) + STAMP + PLACED <= most

    def take_garbage(self) -> list[Any]:
        """
        The values that have left since the last time, for the caller to drop.

        The engine takes them under its lock and lets go of them outside, often: insertions
        that find many still here drop them on the spot.
        """
        garbage, self.garbage = self.garbage, []
        return garbage

    def let_go(self, resident: Resident) -> None:
        """
        Drop the value of *resident*; one whose class may have code to run becomes garbage.
        """
        value = resident.value
        if value.__class__ not in INERT:
            self.garbage.append(value)
        resident.value = None

    def insert(self, resident: Resident) -> list[Resident]:
        """
        Put *resident* into its table; returns those that had to make room for it.

        The size of the value that *resident* comes with becomes that of the whole entry.
        """
        table = resident.table
        assert table is not None
        if len(self.garbage) > MOST_GARBAGE:
            self.take_garbage()
        if self._unfinished:
            self._forget_all()
        self._unfinished = True
        old = table.get(resident.key)
        if old is not None:
            self.replacements += 1
            old.place.shelf.replacements += 1
            if self.evidence is not None:
                self.evidence.left(old, table, "replaced", resident.born)
            self.policy.remove(old)
            self._take_out(old)

        size = resident.size + overhead(resident.key, resident.stamp)
        if size < len(SIZES):
            size = SIZES[size]
        resident.size = size
        while self.size and (
            (self.max_size is not None and self.size >= self.max_size)
            or (self.max_bytes is not None and self.bytes + size > self.max_bytes)
        ):
            try:
                victim = self.policy.victim()
            except IndexError:  # Nobody is here, whatever we counted.
                self._forget_all()
                self._unfinished = True
                break
            self._left.append(victim)
            if self.evidence is not None:
                self.evidence.evicted(victim, victim.table, resident.born, self.size)
            self._take_out(victim)
            self.evictions += 1
            victim.place.shelf.evictions += 1

        if not table:
            self._tables[id(table)] = table
        table[resident.key] = resident
        self.size += 1
        self.bytes += size
        self.policy.add(resident)
        left, self._left = self._left, []
        self._unfinished = False
        return left

    def label(self, resident: Resident, stamp: Any) -> None:
        """
        Give a resident another *stamp*, and count the room that it takes.
        """
        before = 0 if resident.stamp is None else overhead("", resident.stamp)
        grown = overhead("", stamp) - (before or overhead("", None))
        if resident.stamp is not None:
            stamp.holding = resident.stamp.holding
        resident.stamp = stamp
        resident.size += grown
        self.bytes += grown

    def expire(self, resident: Resident) -> None:
        clocks = None if resident.stamp is None else resident.stamp.clocks
        at = resident.fresh_until if clocks is None else clocks.served_until
        table = resident.table
        if self._remove(resident):
            if self.evidence is not None:
                self.evidence.left(resident, table, "expired", at)
            self.expirations += 1
            resident.place.shelf.expirations += 1

    def oust(self, resident: Resident, when: float) -> None:
        """
        Evict *resident* because its scope has more than it may.
        """
        table = resident.table
        if self._remove(resident):
            if self.evidence is not None:
                self.evidence.left(resident, table, "quota", when)
            self.evictions += 1
            resident.place.shelf.evictions += 1

    def invalidate(self, residents: Iterable[Resident]) -> int:
        """
        Remove those that are still here; returns how many that were.
        """
        count = 0
        for resident in residents:
            table = resident.table
            if self._remove(resident):
                count += 1
                resident.place.shelf.invalidations += 1
                if resident.stamp is not None and resident.stamp.holding is not None:
                    resident.stamp.holding.drop()
                heard = resident.place.shelf.heard
                if heard is not None:
                    heard.invalidated(table, resident)
        self.invalidations += count
        return count

    def drop(self, residents: Iterable[Resident]) -> None:
        """
        Remove without counting it as any of the four causes (the owner is gone).
        """
        for resident in residents:
            self._remove(resident)

    def _remove(self, resident: Resident) -> bool:
        """Take *resident* out; whether it was still here."""
        if self._unfinished:
            self._forget_all()
        if resident.table is None:
            return False
        self._unfinished = True
        self.policy.remove(resident)
        self._take_out(resident)
        self._unfinished = False
        return True

    def _take_out(self, resident: Resident) -> None:
        """
        What the policy no longer knows leaves its table too, and lets go of its value, so that
        a policy's note about a former resident holds no memory.
        """
        resident.epoch = GONE
        resident.fresh_until = -1.0
        # Not if it still has to be written to the second tier.
        if resident.stamp is None or resident.stamp.debt is None:
            self.let_go(resident)
        table = resident.table
        assert table is not None
        resident.table = None
        del table[resident.key]
        if not table:
            del self._tables[id(table)]
        self.size -= 1
        self.bytes -= resident.size
        hits, resident.hits = resident.hits, 0
        if resident.stamp is not None and resident.stamp.holding is not None:
            resident.stamp.holding.left(resident, hits)
        if hits:
            shelf = resident.place.shelf
            shelf.hits_gone += hits
            shelf.saved += hits * resident.cost
            if shelf.price_of is not None and resident.stamp is not None:
                shelf.price_saved += hits * (resident.stamp.price or 0.0)
            if shelf.heard is not None:
                shelf.heard.left(table, resident, hits)
            if self.watcher is not None:
                self.watcher.left(table, resident, hits)

    def _forget_all(self) -> None:
        for table in list(self._tables.values()):
            for resident in list(table.values()):
                if resident.stamp is not None and resident.stamp.debt is not None:
                    self._left.append(resident)
                resident.table = table
                self._take_out(resident)
                resident.node = None
        self._tables.clear()
        self.policy.clear()
        self.size = self.bytes = 0
        self._unfinished = False


def overhead(key: Any, stamp: Any) -> int:
    """
    Bytes that an entry takes beside its value.
    """
    size = ENTRY + getsizeof(key)
    if stamp is not None:
        size += STAMP if stamp.tokens is None else STAMP + PLACED
        if stamp.clocks is not None:
            size += CLOCKS
        if stamp.world is not None:
            size += getsizeof(stamp.world)
        if stamp.holding is not None:
            size += stamp.holding.room
    if type(key) is tuple:
        for part in key:
            size += getsizeof(part)
    return size
