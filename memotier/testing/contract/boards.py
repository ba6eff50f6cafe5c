"""
Boards: how a process hears at once of what another one has invalidated, if the store tells it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ...stores.board import SLOTS, moved_cells, slot_on_board
from ...types import Store
from ..items import NAME, OTHER, address, item, noted, put
from .base import Base


def cells_of(store: Store) -> bytes:
    """
    What the board of *store* shows at present.
    """
    board = getattr(store, "board", None)
    assert board is not None, "a store that watches has a board once it was used"
    return bytes(board.cells)


class BoardTests(Base):
    """
    For stores with ``watches = True``: memory that others use is told what to drop.
    """

    def soon(self, condition: Callable[[], bool]) -> bool:
        """
        Whether *condition* is true, at once or when a message has had the time to arrive.
        """
        until = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True

    @pytest.fixture
    def watched(self, store: Store, other: Store) -> Store:
        """
        A handle that hears of what *store* invalidates, with nothing that is still to arrive.
        """
        if not getattr(store, "watches", False):
            pytest.skip("this store tells nobody what it invalidates: watches = False")
        put(store, "first")
        put(other, "first")
        before = cells_of(other)
        store.bump([b"begin".ljust(16)])
        assert self.soon(lambda: _has_moved(before, other, b"begin".ljust(16)))
        return other

    def test_a_board_is_an_epoch_and_slots(self, watched: Store) -> None:
        """
        Numbers of eight bytes; what was there before anything was read is kept.
        """
        board = getattr(watched, "board")  # noqa: B009 - not part of the protocol
        assert 1 + SLOTS == len(board.cells)
        assert 8 == board.cells.itemsize
        assert isinstance(board.cells[0], int)
        assert 8 * (1 + SLOTS) == len(board.first)

    @pytest.mark.parametrize("how", ["bump", "soft bump", "delete", "expire", "relabel"])
    def test_what_one_invalidates_the_other_is_told(
        self, store: Store, watched: Store, how: str
    ) -> None:
        """
        The epoch moves, and the slot of the name or the address.
        """
        put(store, "a", record=b"old")
        guard = noted(store)._replace(instead_of=b"old")
        invalidate: dict[str, Callable[[], object]] = {
            "bump": lambda: store.bump([NAME]),
            "soft bump": lambda: store.bump([NAME], True),
            "delete": lambda: store.delete([address("a")]),
            "expire": lambda: store.expire([address("a")]),
            "relabel": lambda: store.set([item(store, record=b"new", guard=guard)]),
        }
        before = cells_of(watched)
        invalidate[how]()

        marked = NAME if "bump" in how else address("a")
        assert self.soon(lambda: _has_moved(before, watched, marked))

    def test_many_are_told(self, store: Store, watched: Store) -> None:
        """
        Every slot of a large invalidation.
        """
        names = [(number * 7).to_bytes(2, "big").ljust(16) for number in range(500)]
        before = cells_of(watched)
        store.bump(names)

        assert self.soon(lambda: all(_has_moved(before, watched, name) for name in names))

    def test_what_invalidates_nothing_tells_nothing(self, store: Store, watched: Store) -> None:
        """
        Storing, reading, discarding, and what is refused: others' memory stays as it is.
        """
        put(store, "a", "b", record=b"old")
        store.get([address("a")])
        store.discard(address("b"))
        guard = noted(store)._replace(instead_of=b"another")
        before = cells_of(watched)
        assert [False] == list(store.set([item(store, record=b"late", guard=guard)]))
        put(store, "c")
        # What is told comes in order: when this is there, everything before it is.
        store.bump([OTHER])

        assert self.soon(lambda: _has_moved(before, watched, OTHER))
        assert [slot_on_board(OTHER)] == moved_cells(before, cells_of(watched))


def _has_moved(before: bytes, store: Store, marked: bytes) -> bool:
    now = cells_of(store)
    return before[:8] != now[:8] and slot_on_board(marked) in moved_cells(before, now)
