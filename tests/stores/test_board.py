"""
The board: marks are seen by whoever has it mapped, and a file that is not ours harms nobody.
"""

from __future__ import annotations

import logging
import os

import pytest

from memotier.errors import StoreError
from memotier.stores.board import SIZE, SLOTS, Board, moved_cells, slot_on_board

from .support import NAME, address, database, put, read


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "board", 0o600)


def test_marks_are_seen_at_once_by_everyone_who_mapped_it(board):
    """
    The epoch moves, and so do the slots of what was marked, and no others.
    """
    other = Board(board.path, 0o600)
    assert bytes(other.cells) == other.first
    before, epoch = bytes(other.cells), other.cells[0]

    board.mark([NAME, address("a")])

    assert epoch != other.cells[0]
    assert {slot_on_board(NAME), slot_on_board(address("a"))} == set(
        moved_cells(before, bytes(other.cells))
    )


def test_a_new_database_moves_every_slot(board):
    """
    Who has mapped the board of the old one finds that nothing it knows holds.
    """
    before = bytes(board.cells)
    board.mark_all()
    assert list(range(1, 1 + SLOTS)) == moved_cells(before, bytes(board.cells))


def test_every_name_has_a_slot(board):
    """
    All slots are within the file, and the epoch is none of them.
    """
    slots = {slot_on_board(bytes([high, low, 0])) for high in range(256) for low in range(256)}
    assert set(range(1, 1 + SLOTS)) == slots
    assert SIZE == board.path.stat().st_size


def test_a_board_that_was_replaced_is_not_written(board):
    """
    Others would not see it: the one who marks hears of it.
    """
    board.path.unlink()
    with pytest.raises(FileNotFoundError):
        board.mark([NAME])
    Board(board.path, 0o600)
    with pytest.raises(OSError, match="replaced"):
        board.mark([NAME])
    assert not board.is_current()


def test_a_short_file_is_given_its_size(tmp_path):
    """
    What somebody left there does not make reading a cell fatal.
    """
    path = tmp_path / "board"
    path.write_bytes(b"short")
    board = Board(path, 0o600)
    assert 1 + SLOTS == len(board.cells)
    assert isinstance(board.cells[SLOTS], int)


def test_fault_23_a_link_in_its_place_is_not_followed(tmp_path):
    """
    Neither read nor written.
    """
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    (tmp_path / "board").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        Board(tmp_path / "board", 0o600)
    assert b"mine" == target.read_bytes()


def test_a_removed_board_is_made_again(on_disk, place, time):
    """
    An invalidation that cannot be announced fails closed; within a second there is a new board.
    """
    store = on_disk()
    put(store, "a")
    board = database(place).with_name("cache.db-board")
    board.unlink()
    with pytest.raises(StoreError, match="could not be told"):
        store.bump([NAME])
    time.pass_(2)
    assert read(store, "a")
    store.bump([NAME])
    assert board.exists()


def test_without_a_board_the_store_works(on_disk, place, caplog):
    """
    Where no file can be mapped, one warning says what is missing, and everything else is there.
    """
    place.mkdir(mode=0o700)
    (place / "v1").mkdir(mode=0o700)
    board = place / "v1" / "cache.db-board"
    board.write_bytes(bytes(SIZE))
    board.chmod(0o600)
    store = on_disk()

    def refuse(*arguments, **options):
        raise OSError("no mapping today")

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr("memotier.stores.connections.Board", refuse)
        assert put(store, "a")
        store.bump([NAME])
        store.delete([address("a")])
    (line,) = caplog.messages
    assert "no mapping today" in line and "at once" in line
    assert store.board is None
    assert os.path.exists(board)
