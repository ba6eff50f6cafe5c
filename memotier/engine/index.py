"""
Who carries which tag: the entries that this process stored, read or tagged, for counting.

Nothing is decided by it. Whether an entry is valid is told by versions alone, and an invalidation
takes one step whatever the number of entries; afterwards, who wants to know how many that were
asks here. Kept from the moment an invalidator is made (``Engine.index``), never before.

An entry is reachable by what this process knows: all its tags are still listed, none of its other
names was invalidated since it was noted, its time is not over. What another process stored and
this one never read is not known here, nor what the second tier has evicted.

``note``, ``forget`` and ``take`` are called under the engine's lock. Bounded: the entry that was
noted first is forgotten when there are ``MOST_KNOWN``.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..entry import Resident
from ..types import Address, Name, Seconds
from . import names as naming
from .calls import Call

if TYPE_CHECKING:
    from .engine import Engine
    from .places import Debt, Stamp

#: Entries that are remembered; some 600 bytes each.
MOST_KNOWN: Final = 100_000


class Known:
    """
    What counts of one entry.
    """

    __slots__ = ("address", "debt", "epoch", "names", "resident", "tags", "until")

    def __init__(self, stamp: Stamp, resident: Resident | None, epoch: int, beyond: Seconds):
        self.names = stamp.names
        self.tags = tuple(map(naming.tag, stamp.tags))
        #: Where it lies in the second tier; None if it is in memory only.
        self.address: Address | None = stamp.address
        #: Write-back: what is owed, and so not in the second tier until it is paid.
        self.debt: Debt | None = stamp.debt
        self.resident = resident
        self.epoch = epoch
        #: The end of its use in the second tier, in wall seconds.
        self.until = math.inf if stamp.fresh is None else stamp.created + stamp.fresh + beyond


Listed = dict[Hashable, Known]


class Index:
    """
    Entries by the names of their tags.
    """

    def __init__(self) -> None:
        self.by_key: Listed = {}
        self.by_name: dict[Name, Listed] = {}
        #: Those for whom it is kept.
        self.invalidators: weakref.WeakSet[Any] = weakref.WeakSet()

    def note(self, call: Call, stamp: Stamp | None, resident: Resident | None, epoch: int) -> None:
        """
        There is an entry for *call*, in place of any other; what has no tags is not kept here.
        """
        key = call.flight_key
        self.forget(key)
        if stamp is None or not stamp.tags:
            return
        windows = call.shelf.windows
        known = Known(stamp, resident, epoch, 0.0 if windows is None else windows.longest)
        self.by_key[key] = known
        for name in known.tags:
            self.by_name.setdefault(name, {})[key] = known
        if len(self.by_key) > MOST_KNOWN:
            self.forget(next(iter(self.by_key)))

    def forget(self, key: Hashable) -> None:
        """
        There is no entry under *key* any more.
        """
        known = self.by_key.pop(key, None)
        if known is None:
            return
        for name in known.tags:
            listed = self.by_name.get(name)
            if listed is not None and listed.get(key) is known:
                del listed[key]
                if not listed:
                    del self.by_name[name]

    def clear(self, name: Name) -> None:
        """
        Forget all that carry *name*, as there are none any more.
        """
        for key in [key for key, known in self.by_key.items() if name in known.names]:
            self.forget(key)

    def take(self, names: Sequence[Name]) -> list[Listed]:
        """
        Those that carry one of *names*, which are about to be invalidated: a step per name.
        """
        return [listed for name in names if (listed := self.by_name.pop(name, None)) is not None]

    def count(self, engine: Engine, taken: Iterable[Listed], names: Sequence[Name]) -> int:
        """
        How many of *taken* could be reached until *names* were invalidated. Not under the lock.
        """
        gone = frozenset(names)
        found = {
            key
            for listed in taken
            for key, known in listed.items()
            if self.is_reachable(engine, key, known, gone)
        }
        return len(found)

    def is_reachable(
        self, engine: Engine, key: Any, known: Known, gone: frozenset[Name] = frozenset()
    ) -> bool:
        """
        Whether *known* can be found by what this process knows; or could be, before *gone* were
        invalidated.
        """
        for name in known.tags:
            if name not in gone and self.by_name.get(name, {}).get(key) is not known:
                return False
        others = [name for name in known.names if name not in gone]
        versions = engine.versions
        if versions.bumped_since(known.epoch, others):
            return False
        if known.address is None:
            return _is_in_memory(engine, known.resident)
        if versions.moved_since(known.epoch, (*others, known.address)):
            return False
        return engine.clock.wall() < known.until or _is_in_memory(engine, known.resident)

    def count_remains(self, engine: Engine, name: Name) -> int:
        """
        How many records of *name* cannot be reached but still lie in the second tier, by what
        this process knows. Under the lock.
        """
        now = engine.clock.wall()
        return sum(
            known.address is not None
            and (known.debt is None or known.debt.paid)
            and now < known.until
            and not self.is_reachable(engine, key, known)
            for key, known in self.by_key.items()
            if name in known.names
        )

    def figures(self) -> tuple[int, int]:
        """
        Tags and entries that are known. Under the lock.
        """
        return len(self.by_name), len(self.by_key)


def _is_in_memory(engine: Engine, resident: Resident | None) -> bool:
    if resident is None or resident.table is None:
        return False
    clocks = None if resident.stamp is None else resident.stamp.clocks
    until = resident.fresh_until if clocks is None else clocks.served_until
    return bool(engine.clock.monotonic() < until)
