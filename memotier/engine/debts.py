"""
Write-back: what the second tier does not have yet.

An entry is *owed* from its insertion until it is written, invalidated, replaced or expired. It may
leave memory meanwhile, and come back as another resident with the same stamp, its twin: the stamp
is the debt, whoever carries it.

All methods are called under the engine's lock.
"""

from __future__ import annotations

from collections.abc import Callable

from ..entry import Resident
from ..stores.memory import MemoryTier
from ..types import Address


class Debts:
    """
    The entries of one engine that are owed, by address.
    """

    __slots__ = ("_memory", "left", "on_new", "unwritten")

    def __init__(self, memory: MemoryTier) -> None:
        self._memory = memory
        self.unwritten: dict[Address, Resident] = {}
        #: Those of them that have left memory.
        self.left: set[Address] = set()
        #: Called for every new debt.
        self.on_new: Callable[[], None] | None = None

    def owe(self, resident: Resident) -> None:
        """
        The second tier has yet to be told of *resident*.
        """
        stamp = resident.stamp
        older = self.unwritten.get(stamp.address)
        if older is not None and older.stamp is not stamp:
            self.forgive(older)
        self.unwritten[stamp.address] = resident
        self.left.discard(stamp.address)
        if self.on_new is not None:
            self.on_new()

    def forgive(self, resident: Resident) -> None:
        """
        *resident* was written, invalidated or replaced: it is owed no longer, and neither is
        its twin.
        """
        stamp = resident.stamp
        if stamp is None or stamp.debt is None:
            return
        stamp.debt = None
        twin = self.unwritten.get(stamp.address)
        if twin is not None and twin.stamp is stamp:
            del self.unwritten[stamp.address]
            self.left.discard(stamp.address)
            self._let_go(twin)
        self._let_go(resident)

    def forgive_at(self, address: Address | None) -> bool:
        """
        Forgive what is owed at *address*; whether there was anything.
        """
        owed = None if address is None else self.unwritten.get(address)
        if owed is None:
            return False
        self.forgive(owed)
        return True

    def note_left(self, resident: Resident) -> None:
        """
        *resident* has left memory, perhaps before it was written.
        """
        stamp = resident.stamp
        if stamp is not None and stamp.debt is not None:
            self.left.add(stamp.address)

    def forget(self) -> None:
        """
        Nobody is owed anything any more.
        """
        self.unwritten.clear()
        self.left.clear()

    def _let_go(self, resident: Resident) -> None:
        if resident.table is None:
            self._memory.let_go(resident)
