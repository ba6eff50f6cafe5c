"""
What lies below a cache that may not do everything: the modes of ``[tool.memotier] mode``.

                        on          readonly            offline         off
    memory              used        used                used            not used
    records below       read        read                not read        not read
    the function        on a miss   on a miss           on a miss       always
    new results, set    both tiers  memory              memory          kept nowhere
    refreshed results   both tiers  memory; what lies   memory          kept nowhere
                                    below is not read
                                    any more by this
                                    process
    an invalidation     everywhere  here, then          here, then      everywhere
                                    InvalidationNot-    InvalidationNot-
                                    Durable             Durable
    what others         heard of    heard of            not heard of    (nothing to forget)
    invalidate
    claims              made        none                none            none
    calls recorded      if wanted   no                  no              no

What is not written is not made either: no directory, file, token or epoch; damaged records stay.
Which calls wait for each other inside the process, remembered errors, streams and batches are as in
``on``; nothing is ever owed to a second tier that cannot have it.

``off`` is ``memotier.disabled()`` for the whole process. Both let invalidations through, because
who changes the data is not told by others: a process that does not cache would leave those that do
with old results. Where there is no database, nobody has any, and none is made.

A cache that shares nothing (memory only, or a second tier in its own memory) can do all it likes:
``readonly`` and ``offline`` are ``on`` there. The mode is fixed when a cache is made, so that a hit
does not ask for it; what ``offline`` is in the engine is a cache without a second tier that
knows that there is one.

What must never happen: that an invalidation which others should hear of returns as if they had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ..errors import StoreUnavailable
from ..types import Address, Item, Name, Reading, Store, Token


class Refusing:
    """
    A ``Store`` that does nothing, and says *why*.
    """

    #: Others do not tell it of what they invalidate.
    watches = False
    board: Any = None
    claims: Any = None

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        self._why = why

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}>"

    def _refuse(self) -> NoReturn:
        raise StoreUnavailable(self._why)

    def get(self, addresses: Sequence[Address]) -> Reading:
        """Refused."""
        self._refuse()

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """Refused."""
        self._refuse()

    def set(self, items: Sequence[Item]) -> list[bool]:
        """Refused."""
        self._refuse()

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """Refused."""
        self._refuse()

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """Refused."""
        self._refuse()

    def discard(self, address: Address) -> None:
        """Nothing: a damaged record is a miss wherever it lies."""

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """Refused."""
        self._refuse()

    def clear_group(self, group: str) -> int:
        """Refused."""
        self._refuse()

    def clear(self) -> int:
        """Refused."""
        self._refuse()

    def count(self, group: str | None = None) -> int:
        """Nothing that anybody here could find."""
        return 0

    def usage(self) -> Mapping[str, int]:
        """The same."""
        return {"size": 0, "bytes": 0, "evictions": 0, "expirations": 0}

    def close(self) -> None:
        """Nothing to release."""


class ReadOnly(Refusing):
    """
    What *store* has is found, and nothing is changed there.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(
            store.kind, 'the cache is readonly (mode = "readonly") and changes nothing there.'
        )
        self.store = store
        #: As the store's own.
        self.watches = bool(getattr(store, "watches", False))

    @property
    def board(self) -> Any:
        """As the store's own."""
        return getattr(self.store, "board", None)

    @property
    def birth_bytes(self) -> int:
        """As the store's own."""
        return int(getattr(self.store, "birth_bytes", 0))

    def reachable(self) -> None:
        """As the store's own."""
        self.store.reachable()  # type: ignore[attr-defined]

    def get(self, addresses: Sequence[Address]) -> Reading:
        """As the store's own."""
        return self.store.get(addresses)

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """As the store's own."""
        return self.store.versions(names)

    def count(self, group: str | None = None) -> int:
        """As the store's own."""
        return self.store.count(group)

    def usage(self) -> Mapping[str, int]:
        """As the store's own."""
        return self.store.usage()

    def close(self) -> None:
        """As the store's own."""
        self.store.close()


class TellOnly(Refusing):
    """
    *store* is told what is invalid, and never asked for anything.

    Args:
        is_there: Whether there is anything to tell; if not, nothing is made for it.
    """

    def __init__(self, store: Store, is_there: Callable[[], bool]) -> None:
        super().__init__(store.kind, 'the cache is off (mode = "off").')
        self.store = store
        self._is_there = is_there

    def reachable(self) -> None:
        """As the store's own."""
        self.store.reachable()  # type: ignore[attr-defined]

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return self.store.delete(addresses) if self._is_there() else [False] * len(addresses)

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """As the store's own."""
        return self.store.expire(addresses) if self._is_there() else [False] * len(addresses)

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """As the store's own."""
        if self._is_there():
            self.store.bump(names, soft)

    def clear_group(self, group: str) -> int:
        """As the store's own."""
        return self.store.clear_group(group) if self._is_there() else 0

    def clear(self) -> int:
        """As the store's own."""
        return self.store.clear() if self._is_there() else 0

    def count(self, group: str | None = None) -> int:
        """As the store's own: of those that are expired, who asked for it wants to know."""
        return self.store.count(group) if self._is_there() else 0

    def close(self) -> None:
        """As the store's own."""
        self.store.close()
