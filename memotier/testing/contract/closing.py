"""
Closing, and what a store may raise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from ...errors import StoreError, StoreUnavailable
from ...types import Item, Store
from ..items import NAME, address, item, put
from .base import Base


class ClosingTests(Base):
    """
    The one family of errors, and the one that is for good.
    """

    def test_close_twice_then_unavailable(self, store: Store) -> None:
        """
        Closing is for good, and may be repeated.
        """
        put(store, "a")
        one = item(store)
        store.close()
        store.close()

        for call in _every_operation(store, one):
            with pytest.raises(StoreUnavailable):
                call()

    def test_a_store_that_was_never_used_can_be_closed(self, store: Store) -> None:
        """
        A store may open what it needs at the first call, which may never come.
        """
        store.close()
        with pytest.raises(StoreUnavailable):
            store.get([])

    def test_closing_one_leaves_the_other(self, store: Store, other: Store) -> None:
        """
        What another process has open stays open.
        """
        put(store, "a")
        store.close()
        assert [True] == list(other.delete([address("a")]))

    def test_errors_are_store_errors(self, store: Store) -> None:
        """
        A damaged place is an error of the store, or nothing to see; never another exception.
        """
        put(store, "a")
        one = item(store)
        self.spoil()

        for call in _every_operation(store, one):
            with contextlib.suppress(StoreError):
                call()


def _every_operation(store: Store, one: Item) -> Iterator[Callable[[], object]]:
    yield lambda: store.get([address("a")])
    yield lambda: store.set([one])
    yield lambda: store.delete([address("a")])
    yield lambda: store.expire([address("a")])
    yield lambda: store.discard(address("a"))
    yield lambda: store.versions([NAME])
    yield lambda: store.bump([NAME])
    yield lambda: store.bump([NAME], True)
    yield lambda: store.clear_group("g")
    yield store.clear
    yield store.count
    yield lambda: store.count("g")
    yield store.usage
