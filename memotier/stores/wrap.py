"""
A store that fails is left alone for a while, so that a fault costs one call and not every call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
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
        # Without the lock: a call too many, or one too few, in the moment of a change.
        if self._error is not None:
            self._ask(_URGENT if urgent else self._rest)
        try:
            answer = function(*arguments)
        except StoreError as error:
            self._failed(error)
            raise
        except BaseException:
            self._probing = False
            raise
        if self._error is not None or self._busy:
            self._succeeded()
        return answer

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

    def _ask(self, rest: Seconds) -> None:
        with self._lock:
            if self._error is None:
                return
            waited = self._clock.monotonic() - self._failed_at
            if waited < rest or self._probing:
                raise StoreUnavailable(
                    f"the {self._label} store rests from a failed {self.side}: {self._error}"
                )
            self._probing = True

    def _failed(self, error: StoreError) -> None:
        with self._lock:
            self._probing = False
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
            self._probing = False
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

    @property
    def board(self) -> Any:
        """As the store's own; None if it has none."""
        return getattr(self.store, "board", None)

    @property
    def watches(self) -> bool:
        """As the store's own; False if it does not say."""
        return bool(getattr(self.store, "watches", False))

    @property
    def claims(self) -> Any:
        """As the store's own; None if it has none."""
        return getattr(self.store, "claims", None)

    @property
    def notices(self) -> Any:
        """As the store's own; None if it has none. Whether one can be left opens no breaker."""
        return getattr(self.store, "notices", None)

    @property
    def is_resting(self) -> bool:
        """Whether it failed a moment ago, so that only what must be is asked of it."""
        return OPEN in (self.reading.state, self.writing.state)

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

    def usage(self) -> Mapping[str, int]:
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

    def close(self) -> None:
        """As the store's own."""
        self.store.close()
