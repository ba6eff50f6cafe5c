"""
A store that fails is left alone for a while, so that a fault costs one call and not every call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..clock import SYSTEM, Clock
from ..errors import StoreError, StoreUnavailable
from ..types import Address, Item, Name, Reading, Seconds, Store, Token
from . import forks
from .faults import StoreBusy

log = logging.getLogger("memotier")

T = TypeVar("T")

OPEN: Final = "open"
CLOSED: Final = "closed"
_BUSY: Final = 3  # times in a row that a store may be busy
_URGENT: Seconds = 1.0  # after which an invalidation is tried though the breaker is open

#: Hears the side ("read" or "write"), its new state, and the error that opened it.
OnChange = Callable[[str, str, StoreError | None], None]


class Breaker:
    """
    Closed while calls succeed. Opened by a failure, for *rest* seconds; then one call may
    probe, and closes it if it succeeds.
    """

    def __init__(
        self, side: str, label: str, clock: Clock, rest: Seconds, on_change: OnChange | None
    ) -> None:
        self.side = side
        self._label = label
        self._clock = clock
        self._rest = rest
        self._on_change = on_change
        self._error: StoreError | None = None
        self._failed_at: Seconds = 0.0
        self._busy = 0
        self._probing = False
        self._make_lock()
        forks.register(self)

    @property
    def state(self) -> str:
        """``"open"`` or ``"closed"``."""
        return CLOSED if self._error is None else OPEN

    def call(self, function: Callable[..., T], *arguments: object, urgent: bool = False) -> T:
        """
        ``function(*arguments)``, if the breaker lets it through.

        Args:
            urgent: Whether one second of rest is enough.

        Raises:
            StoreUnavailable: At once, while the breaker is open.
        """
        probes = self._may_enter(urgent)
        try:
            answer = function(*arguments)
        except StoreError as error:
            self._failed(error)
            raise
        else:
            if self._error is not None or self._busy:
                self._succeeded()
            return answer
        finally:
            if probes:
                self._probing = False

    async def acall(
        self, function: Callable[..., Awaitable[T]], *arguments: object, urgent: bool = False
    ) -> T:
        """
        The same for a coroutine function. A probe that is cancelled is given back.
        """
        probes = self._may_enter(urgent)
        try:
            answer = await function(*arguments)
        except StoreError as error:
            self._failed(error)
            raise
        else:
            if self._error is not None or self._busy:
                self._succeeded()
            return answer
        finally:
            if probes:
                self._probing = False

    def _may_enter(self, urgent: bool) -> bool:
        """
        Whether the caller is the one that probes, who gives that back whatever happens.
        """
        # Without the lock: a call too many, or one too few, in the moment of a change.
        return self._error is not None and self._ask(_URGENT if urgent else self._rest)

    def answered(self) -> None:
        """
        The store was reached in another way, so it is not away any more. (It may refuse as before.)
        """
        if isinstance(self._error, StoreUnavailable):
            self._succeeded()

    def before_fork(self) -> None:
        """Nobody else may be inside while the process is copied."""
        self._fork_locks.take()

    def after_fork(self, in_child: bool) -> None:
        """A probe of another thread does not come back in the child."""
        self._fork_locks.release(in_child, self._make_lock)
        self._probing = self._probing and not in_child

    def _make_lock(self) -> None:
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)

    def _ask(self, rest: Seconds) -> bool:
        with self._lock:
            if self._error is None:
                return False
            waited = self._clock.monotonic() - self._failed_at
            if waited < rest or self._probing:
                raise StoreUnavailable(
                    f"the {self._label} store rests from a failed {self.side}: {self._error}"
                )
            self._probing = True
            return True

    def _failed(self, error: StoreError) -> None:
        with self._lock:
            self._busy += 1
            if isinstance(error, StoreBusy) and self._error is None and self._busy < _BUSY:
                return
            was_closed = self._error is None
            self._error = error
            self._failed_at = self._clock.monotonic()
        if was_closed:
            log.warning(
                "memotier: the %s store failed to %s, it rests for %g s: %s",
                self._label,
                self.side,
                self._rest,
                error,
            )
            self._report(OPEN, error)

    def _succeeded(self) -> None:
        with self._lock:
            self._busy = 0
            was_open = self._error is not None
            self._error = None
        if was_open:
            log.info("memotier: the %s store can %s again", self._label, self.side)
            self._report(CLOSED, None)

    def _report(self, state: str, error: StoreError | None) -> None:
        if self._on_change is not None:
            self._on_change(self.side, state, error)


class Guarded:
    """
    A ``Store`` around *store* with one breaker for reading and one for writing.

    A full disk does not keep anyone from reading. Invalidations are tried again after one
    second, not after *rest*: until one succeeds, the caller must distrust what is stored.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = SYSTEM,
        on_change: OnChange | None = None,
        rest: Seconds = 30.0,
    ) -> None:
        self.store = store
        self.kind = store.kind
        self.reading = Breaker("read", store.kind, clock, rest, on_change)
        self.writing = Breaker("write", store.kind, clock, rest, on_change)

    def __repr__(self) -> str:
        return f"<Guarded {self.store!r} read={self.reading.state} write={self.writing.state}>"

    def reachable(self) -> None:
        """
        The store says that it can be reached: nobody has to find out, while others go without.
        """
        self.reading.answered()
        self.writing.answered()

    @property
    def board(self) -> Any:
        """As the store's own; None if it has none."""
        return getattr(self.store, "board", None)

    @property
    def watches(self) -> bool:
        """As the store's own; False if it does not say."""
        return bool(getattr(self.store, "watches", False))

    @property
    def birth_bytes(self) -> int:
        """As the store's own; 0 if it does not say."""
        return int(getattr(self.store, "birth_bytes", 0))

    @property
    def claims(self) -> Any:
        """As the store's own, but for what asks a server; None if it has none."""
        claims = getattr(self.store, "claims", None)
        if claims is None or not claims.is_remote:
            return claims
        return claims.behind(self.writing.call, self.writing.acall)

    @property
    def has_twins(self) -> bool:
        """Whether tasks can call the twins below (``aget``, ...): as the store's own."""
        return getattr(self.store, "has_twins", False) is True

    def get(self, addresses: Sequence[Address]) -> Reading:
        """As the store's own."""
        return self.reading.call(self.store.get, addresses)

    def look(self, addresses: Sequence[Address]) -> Reading:
        """As the store's own; as ``get`` if it has none."""
        look: Callable[..., Reading] = getattr(self.store, "look", self.store.get)
        return self.reading.call(look, addresses)

    def recall(self, name: Name) -> list[str]:
        """As the store's own; nothing if it keeps no notes."""
        own: Callable[..., list[str]] | None = getattr(self.store, "recall", None)
        return [] if own is None else self.reading.call(own, name)

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """As the store's own."""
        return self.reading.call(self.store.versions, names)

    def count(self, group: str | None = None) -> int:
        """As the store's own."""
        return self.reading.call(self.store.count, group)

    def usage(self) -> Mapping[str, Any]:
        """As the store's own."""
        return self.reading.call(self.store.usage)

    def set(self, items: Sequence[Item]) -> list[bool]:
        """As the store's own."""
        return self.writing.call(self.store.set, items)

    def discard(self, address: Address) -> None:
        """As the store's own."""
        self.writing.call(self.store.discard, address)

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return self.writing.call(self.store.delete, addresses, urgent=True)

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return self.writing.call(self.store.expire, addresses, urgent=True)

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """As the store's own."""
        self.writing.call(self.store.bump, names, soft, urgent=True)

    def clear_group(self, group: str) -> int:
        """As the store's own."""
        return self.writing.call(self.store.clear_group, group, urgent=True)

    def clear(self) -> int:
        """As the store's own."""
        return self.writing.call(self.store.clear, urgent=True)

    def take(self, asked: Sequence[Any]) -> list[Any]:
        """As the store's claims' own, if those ask a server."""
        taken: list[Any] = self.claims.take(asked)
        return taken

    def give_back(self, claims: Sequence[Any]) -> None:
        """As the store's claims' own, if those ask a server."""
        self.claims.give_back(claims)

    def close(self) -> None:
        """As the store's own."""
        self.store.close()

    # -- in tasks, with a store that has twins -------------------------------------------

    async def aget(self, addresses: Sequence[Address]) -> Reading:
        """As the store's own."""
        return await self.reading.acall(self._twins.aget, addresses)

    async def aversions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """As the store's own."""
        return await self.reading.acall(self._twins.aversions, names)

    async def acount(self, group: str | None = None) -> int:
        """As the store's own."""
        return await self.reading.acall(self._twins.acount, group)

    async def ausage(self) -> Mapping[str, int]:
        """As the store's own."""
        return await self.reading.acall(self._twins.ausage)

    async def aset(self, items: Sequence[Item]) -> list[bool]:
        """As the store's own."""
        return await self.writing.acall(self._twins.aset, items)

    async def adiscard(self, address: Address) -> None:
        """As the store's own."""
        await self.writing.acall(self._twins.adiscard, address)

    async def adelete(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return await self.writing.acall(self._twins.adelete, addresses, urgent=True)

    async def aexpire(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return await self.writing.acall(self._twins.aexpire, addresses, urgent=True)

    async def abump(self, names: Sequence[Name], soft: bool = False) -> None:
        """As the store's own."""
        await self.writing.acall(self._twins.abump, names, soft, urgent=True)

    async def aclear_group(self, group: str) -> int:
        """As the store's own."""
        return await self.writing.acall(self._twins.aclear_group, group, urgent=True)

    async def aclear(self) -> int:
        """As the store's own."""
        return await self.writing.acall(self._twins.aclear, urgent=True)

    async def atake(self, asked: Sequence[Any]) -> list[Any]:
        """As the store's claims' own."""
        taken: list[Any] = await self.claims.atake(asked)
        return taken

    async def agive_back(self, claims: Sequence[Any]) -> None:
        """As the store's claims' own."""
        await self.claims.agive_back(claims)

    @property
    def _twins(self) -> Any:
        return self.store
