"""
What functions raised and shall not be asked for again at once (``cache_exceptions``).

States of a key: nothing known; *remembered* (its error is raised in place of a call of the
function); *over* (the function is called again, and if it fails that is one more failure of the
run); forgotten, by a result, an invalidation, or as much time as a run may pause.

They are in this process's memory only. No exception is ever built from what lies in a store,
and the exceptions that lie here have no traceback: they hold neither frames nor arguments.

What must never happen:
- an error of another key: an entry keeps its table, so that no other gets the same id, and is
  gone with its place, so with the instance;
- an error after an invalidation: an entry carries the epoch and names of its computation, as
  residents do, and ``recall`` (engine/recall.py) compares them before it is used;
- an error in place of a result, fresh or stale: who raises it has looked in both tiers before.

Called under the engine's lock. What is let go of waits with the values that have left memory
until nobody holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..stores.memory import MemoryTier
from ..types import Address, Name, Seconds, Token
from .places import Place, Shelf

#: Failures of one engine that are remembered; then the oldest is forgotten.
MOST: Final = 1_000

FlightKey = tuple[int, Any]


class Failure:
    """
    The last failure of one key.
    """

    __slots__ = (
        "address",
        "count",
        "epoch",
        "error",
        "names",
        "place",
        "run_until",
        "seen",
        "table",
        "tokens",
        "until",
        "world",
    )

    def __init__(self, error: BaseException, place: Place, table: Any) -> None:
        #: Never raised itself: callers get copies.
        self.error = error
        self.place = place
        self.table = table
        #: Failures in a row, with this one.
        self.count = 1
        #: Until when it is raised in place of a call; and until when one more is of the same run.
        self.until: Seconds = 0.0
        self.run_until: Seconds = 0.0
        #: What an invalidation is told by, as in ``Resident`` and ``Stamp``.
        self.epoch = 0
        self.names: tuple[Name, ...] = ()
        self.address: Address | None = None
        self.tokens: tuple[Token, ...] | None = None
        self.seen: Token = None
        #: In which it was raised, of functions that depend on files or variables.
        self.world: bytes | None = None


class Failures:
    """
    The remembered failures of one engine, by key, those that were remembered first in front.
    """

    def __init__(self, memory: MemoryTier) -> None:
        self.known: dict[FlightKey, Failure] = {}
        self._memory = memory

    def remember(
        self, key: FlightKey, failure: Failure, ttl: Seconds, most: Seconds, now: Seconds
    ) -> None:
        """
        Args:
            ttl: Seconds, for the first of a run.

            most: Seconds, for every one.
        """
        last = self.known.pop(key, None)
        if last is not None:
            self._memory.garbage.append(last)
            if now < last.until:
                # Both were computed at once, or it was asked for: no sign of a longer outage.
                failure.count = last.count
            elif now < last.run_until:
                failure.count = last.count + 1
        # Beyond some power of two it is the most anyway.
        failure.until = now + min(most, ttl * 2 ** min(failure.count - 1, 64))
        failure.run_until = failure.until + most
        self._make_room(now)
        self.known[key] = failure

    def _make_room(self, now: Seconds) -> None:
        known = self.known
        while known:
            key = next(iter(known))
            if len(known) < MOST and now < known[key].run_until:
                return
            self._memory.garbage.append(known.pop(key))

    def forget(self, key: FlightKey) -> None:
        """
        The run of failures of *key* has ended.
        """
        if self.known and key in self.known:
            self._drop([key])

    def forget_all(self, of: Callable[[Shelf], bool] | None = None) -> None:
        """
        Those of some shelves (None: of all).
        """
        self._drop([key for key, one in self.known.items() if of is None or of(one.place.shelf)])

    def bury(self, place: Place) -> None:
        """
        The instance whose place it was is gone.
        """
        if place.shelf.remembers is not None:
            self._drop([key for key, one in self.known.items() if one.place is place])

    def _drop(self, keys: list[FlightKey]) -> None:
        self._memory.garbage.extend([self.known.pop(key) for key in keys])
