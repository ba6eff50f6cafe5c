"""
The first tier: residents in this process, bounded by number and by estimated bytes.

A hit never comes here: it reads a table without a lock. What makes that right is the order
in which a resident leaves: first its epoch becomes one that no cell ever shows and its
freshness ends, only then its value is dropped. A hit reads the value *before* it checks
epoch and freshness, so it never returns a value that was taken away.

All methods are called under the engine's lock.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..entry import Resident
from ..types import Policy

#: An epoch that neither a live engine nor a parked one shows.
GONE = -2


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

    def fits(self, size: int) -> bool:
        """
        Whether something of *size* bytes may come in at all: not if it would empty the tier.
        """
        return self.max_size != 0 and (self.max_bytes is None or size <= self.max_bytes)

    def insert(self, resident: Resident) -> list[Resident]:
        """
        Put *resident* into its table; returns those that had to make room for it.
        """
        table = resident.table
        assert table is not None
        old = table.get(resident.key)
        if old is not None:
            self.replacements += 1
            self._take(old)
            release(old)

        evicted = []
        while self.size and (
            (self.max_size is not None and self.size >= self.max_size)
            or (self.max_bytes is not None and self.bytes + resident.size > self.max_bytes)
        ):
            victim = self.policy.victim()
            self._forget(victim)
            release(victim)
            self.evictions += 1
            evicted.append(victim)

        table[resident.key] = resident
        self.size += 1
        self.bytes += resident.size
        self.policy.add(resident)
        return evicted

    def expire(self, resident: Resident) -> None:
        self.expirations += 1
        self._take(resident)
        release(resident)

    def invalidate(self, residents: Iterable[Resident]) -> int:
        """
        Remove those that are still here; returns how many that were.
        """
        count = 0
        for resident in residents:
            if resident.table is not None:
                self._take(resident)
                release(resident)
                count += 1
        self.invalidations += count
        return count

    def drop(self, residents: Iterable[Resident]) -> None:
        """
        Remove without counting it as any of the four causes (the owner is gone).
        """
        for resident in residents:
            if resident.table is not None:
                self._take(resident)
                release(resident)

    def _take(self, resident: Resident) -> None:
        self.policy.remove(resident)
        self._forget(resident)

    def _forget(self, resident: Resident) -> None:
        table = resident.table
        assert table is not None
        del table[resident.key]
        resident.table = None
        self.size -= 1
        self.bytes -= resident.size
        shelf = resident.place.shelf
        shelf.hits_gone += resident.hits
        shelf.saved += resident.hits * resident.cost
        resident.hits = 0


def release(resident: Resident) -> None:
    """
    Let go of the value, so that a policy's note about a former resident holds no memory.

    Not if it still has to be written to the second tier.
    """
    resident.epoch = GONE
    resident.fresh_until = -1.0
    if resident.stamp is None or not resident.stamp.dirty:
        resident.value = None
