"""
Three tiers: while the shared server is away, results go to a directory of this machine, the
*spill*, so that its processes go on sharing them, also with those that are started meanwhile.

    in contact ──a read fails──> away ──patience is over──> spilling
        ^                          │                           │
        └──────── the server answers, or tells that it is there ┘

*In contact* and *away* are what a cache without a spill does: away, memory and the function go on.
Only when the last contact is so long ago that memory is not believed any more either (``patience``,
the store's ``max_l1_age``) is the spill asked in the server's place. A process that has never
reached the server has nothing in memory, and spills at once.

Why it is right. Nobody can know what other machines invalidate meanwhile. So a spilled result is
believed as long as the user says, ``max_age``, and not at all by who knows more than it does:

- Who was in contact has heard of invalidations which the spill has not. So before he believes a
  word of it, all that is in it is invalidated, for everybody: what he finds after that was computed
  after his last contact. (Only who never was in contact takes what is there.)
- Who is in contact again hears of invalidations which the spill will not hear of. So before
  the server's first answer is handed up, all that was spilled is invalidated, and nothing that
  memory has is served unseen. It is not written to the server: nobody knows what was invalidated
  there between the last contact and the computation, so there is no condition to write it under.
- The two never take each other's tokens for their own. Every entry depends on EVERYTHING, and that
  has a random token in the spill, always, which no server has. So what was computed under the
  tokens of one is invalid under those of the other, in memory, in a record and in the guard of a
  write that is late.
- An invalidation that the server cannot be told of is made in the spill, durably, and is an error
  all the same: the engine keeps it for the server, and uses neither for what it names until then.

So while a machine is cut off, it may be given what others have invalidated for ``max_age`` after it
was stored, and from its memory for as long again as memory is believed without messages. A process
that is killed leaves nothing behind that this does not cover.

What must never happen: that a process, having seen the server, is given something from the spill
that was there before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..clock import SYSTEM, Clock
from ..errors import StoreError
from ..types import Address, Item, Name, Reading, Seconds, Store, Token
from . import forks

log = logging.getLogger("memotier")

T = TypeVar("T")

#: Bytes of an epoch that say which database it is of.
_BIRTH: Final = 4


class Spilling:
    """
    *shared*, and *spill* while it is away.

    Args:
        everything: The name that all entries depend on.

        max_age: Seconds for which a spilled result is believed.

        patience: Seconds after the last contact from which on results are spilled.
    """

    def __init__(
        self,
        shared: Store,
        spill: Store,
        *,
        everything: Name,
        max_age: Seconds,
        patience: Seconds,
        clock: Clock = SYSTEM,
    ) -> None:
        self.shared = shared
        self.spill = spill
        self.kind = shared.kind
        self._everything = everything
        self._max_age = max_age
        self._patience = patience
        self._clock = clock
        #: Whether the spill is asked in the server's place.
        self.is_spilling = False
        self._contact: Seconds | None = None
        self._birth: bytes | None = None
        self._lock = threading.Lock()
        forks.register(self)

    def __repr__(self) -> str:
        return f"<Spilling {self.shared!r} into {self.spill!r}>"

    @property
    def board(self) -> Any:
        """As that of the shared store."""
        return getattr(self.shared, "board", None)

    @property
    def watches(self) -> bool:
        """As the shared store does."""
        return bool(getattr(self.shared, "watches", False))

    @property
    def birth_bytes(self) -> int:
        """As of the shared store; a directory's epochs are the same in this."""
        return int(getattr(self.shared, "birth_bytes", 0))

    @property
    def notices(self) -> Any:
        """As those of the shared store."""
        return getattr(self.shared, "notices", None)

    @property
    def claims(self) -> Any:
        """As those of the shared store."""
        return getattr(self.shared, "claims", None)

    def take(self, asked: Sequence[Any]) -> list[Any]:
        """As those of the shared store."""
        taken: list[Any] = self.shared.take(asked)  # type: ignore[attr-defined]
        return taken

    def give_back(self, claims: Sequence[Any]) -> None:
        """As those of the shared store."""
        self.shared.give_back(claims)  # type: ignore[attr-defined]

    # -- reading -----------------------------------------------------------------------

    def get(self, addresses: Sequence[Address]) -> Reading:
        """As the store's that answers."""
        return self._read(self.shared.get, self.spill.get, addresses)

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """As the store's that answers."""
        return self._read(self.shared.versions, self.spill.versions, names)

    def count(self, group: str | None = None) -> int:
        """As the store's that answers."""
        return self._read(self.shared.count, self.spill.count, group)

    def usage(self) -> Mapping[str, int]:
        """As the store's that answers."""
        return self._read(self.shared.usage, self.spill.usage)

    def _read(self, there: Callable[..., T], here: Callable[..., T], *arguments: Any) -> T:
        try:
            answer = there(*arguments)
        except StoreError as error:
            if not self._spills():
                raise
            problem = error
        else:
            self.reached()
            return answer
        answer = here(*arguments)
        if not self.is_spilling:
            raise problem  # contact was made meanwhile: this is of before
        return answer

    # -- writing -----------------------------------------------------------------------

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Each item goes where its guard was noted, if that still answers.

        Returns:
            For each item whether it was stored.
        """
        is_ours = [self._birth is not None and _birth_of(item) == self._birth for item in items]
        if self.is_spilling and all(is_ours):
            return self._set_here(items)
        others = [item for item, is_one in zip(items, is_ours, strict=True) if not is_one]
        stored = iter(self.shared.set(others) if others else ())
        if others:
            self.reached()
        # What was noted in the spill is of no use to the server.
        return [False if is_one else next(stored) for is_one in is_ours]

    def _set_here(self, items: Sequence[Item]) -> list[bool]:
        if any(item.guard.instead_of is not None for item in items):
            # It would begin its time anew.
            raise StoreError("what was spilled is not labelled anew while the server is away")
        most = self._max_age
        return self.spill.set(
            [
                item._replace(expire=most if item.expire is None else min(item.expire, most))
                for item in items
            ]
        )

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record where it was read."""
        (self.spill if self.is_spilling else self.shared).discard(address)

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """As the shared store's; if that cannot be told, the spill is, and it is an error."""
        return self._tell(self.shared.delete, self.spill.delete, addresses)

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """The same."""
        return self._tell(self.shared.expire, self.spill.expire, addresses)

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """The same."""
        self._tell(self.shared.bump, self.spill.bump, names, soft)

    def clear_group(self, group: str) -> int:
        """The same."""
        return self._tell(self.shared.clear_group, self.spill.clear_group, group)

    def clear(self) -> int:
        """The same."""
        return self._tell(self.shared.clear, self.spill.clear)

    def _tell(self, there: Callable[..., T], here: Callable[..., T], *arguments: Any) -> T:
        try:
            answer = there(*arguments)
        except StoreError:
            try:
                # Also if only other processes spill.
                if self.is_spilling or self.spill.count():
                    here(*arguments)
            except StoreError as error:
                log.debug("memotier: %r could not be told either: %s", self.spill, error)
            raise
        self.reached()
        return answer

    # -- coming and going ----------------------------------------------------------------

    def reachable(self) -> None:
        """
        The shared store says that it can be reached.
        """
        self.shared.reachable()  # type: ignore[attr-defined]
        self.reached()

    def reached(self) -> None:
        """
        The server has answered, or told of itself.
        """
        if self._contact is None or self.is_spilling:
            with self._lock:
                self._come_back()
        self._contact = self._clock.monotonic()

    def _spills(self) -> bool:
        """
        Whether the spill is to be asked after the server failed. If it cannot be used, it is not.
        """
        if self.is_spilling:
            return True
        if self._is_near():
            return False
        with self._lock:
            if not self.is_spilling and not self._is_near():
                try:
                    self._begin()
                except StoreError as error:
                    log.debug("memotier: %r cannot be used: %s", self.spill, error)
            return self.is_spilling

    def _is_near(self) -> bool:
        contact = self._contact
        return contact is not None and self._clock.monotonic() - contact < self._patience

    def _begin(self) -> None:
        tokens, epoch = self.spill.versions([self._everything])
        if self._contact is not None or tokens[0] is None:
            self.spill.bump([self._everything])
            _, epoch = self.spill.versions([self._everything])
        if epoch is None:
            raise StoreError("the spill has lost its versions")
        self._birth = epoch[:_BIRTH]
        self.is_spilling = True
        log.warning(
            "memotier: while the %s store is away, results are kept in %r", self.kind, self.spill
        )

    def _come_back(self) -> None:
        # First, so that nobody who finds it not spilling takes it for away.
        self._contact = self._clock.monotonic()
        was_spilling, self.is_spilling = self.is_spilling, False
        try:
            if self.spill.count():
                self.spill.bump([self._everything])
                self.spill.clear()
        except StoreError as error:
            # Nobody who has seen the server believes it before he could do this; see ``_begin``.
            log.debug("memotier: %r could not be emptied: %s", self.spill, error)
        if was_spilling:
            log.info("memotier: the %s store is back, what was spilled is dropped", self.kind)
            if self.board is not None:
                self.board.mark_all()

    def close(self) -> None:
        """Release both; later calls raise ``StoreUnavailable``. May be called twice."""
        self.shared.close()
        self.spill.close()

    def before_fork(self) -> None:
        """Nothing to take: the child gets a lock of its own."""

    def after_fork(self, in_child: bool) -> None:
        """Whoever held the lock stayed in the parent."""
        if in_child:
            self._lock = threading.Lock()


def _birth_of(item: Item) -> bytes | None:
    epoch = item.guard.epoch
    return None if epoch is None else epoch[:_BIRTH]
