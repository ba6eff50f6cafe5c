"""
The board: how running processes of one machine see at once what one of them has invalidated.

A small file beside the database is mapped into the memory of every process that uses it. Its
cells are 8-byte numbers: cell 0 is the epoch, the others are slots that names and addresses
share by their first bytes. Whoever invalidates commits to the database first, then writes fresh
random numbers into the slots, then into the epoch. So a process that finds the epoch as it last
saw it knows that nothing was invalidated since, and needs neither a lock nor a system call to
find it. If it moved, the slots tell what may have been. Two names in one slot cost a look into
the database, never a wrong value.

The numbers are random, not counted, so that no update is lost and nobody has to hold a lock. They
are written with ``pwrite``, into room that was reserved when the file was made: a full disk or a
file that someone cut short is an error of the writer, and not a signal that kills him.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol

from .quarantine import Identity, identity_of

#: Slots; a power of two. With the epoch the file takes 32 KiB and 8 bytes.
SLOTS: Final = 4096
_CELL: Final = 8
SIZE: Final = _CELL * (1 + SLOTS)


def slot_on_board(name: bytes) -> int:
    """
    The cell of a name or an address: their bytes are those of a digest.
    """
    return 1 + (name[0] << 8 | name[1]) % SLOTS


class Cells(Protocol):
    """
    Where a process sees what others invalidate: a mapped file, or (redis/board.py) memory that a
    thread of its own writes to.
    """

    #: What is compared: the epoch, then the slots.
    cells: memoryview
    #: The cells before anything was read from the store.
    first: bytes


class Board:
    """
    One mapped file.

    Args:
        path: Made if it is missing. To be opened under the lock file of its directory.

        anew: Whether the database beside it is new; see ``mark_all``.

        makes: False: only one that is there already is mapped.

    Raises:
        OSError: If it cannot be opened, made, or given its size.
    """

    def __init__(self, path: Path, mode: int, *, anew: bool = False, makes: bool = True) -> None:
        if makes:
            _make(path, mode)
        # What is mapped stays open, and a file that is open for writing keeps its file system
        # from being remounted.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            found = os.fstat(file)
            if found.st_size < SIZE:
                raise OSError(f"{path} is too short")
            cells = mmap.mmap(file, SIZE, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
        self.path = path
        self._identity = Identity(found.st_dev, found.st_ino)
        #: What processes compare: the epoch, then the slots.
        self.cells = memoryview(cells).cast("Q")
        if anew:
            self.mark_all()
        #: The cells before anything was read from the database.
        self.first = bytes(cells)

    def is_current(self) -> bool:
        """Whether the file still has its name."""
        return identity_of(self.path) == self._identity

    def mark(self, names: Iterable[bytes]) -> None:
        """
        Let every process know that what carries one of *names*, or lies at them, was
        invalidated. The database must have it already.

        Raises:
            OSError: If the file cannot be written, or is not the one that is mapped.
        """
        self._write(
            (slot * _CELL, secrets.token_bytes(_CELL)) for slot in set(map(slot_on_board, names))
        )

    def mark_all(self) -> None:
        """
        Nothing that was known of the database holds any longer: it is a new one.
        """
        self._write([(_CELL, secrets.token_bytes(SIZE - _CELL))])

    def _write(self, cells: Iterable[tuple[int, bytes]]) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            found = os.fstat(file)
            if (found.st_dev, found.st_ino) != self._identity:
                raise FileNotFoundError(f"{self.path} was replaced")
            for at, value in cells:
                os.pwrite(file, value, at)
            os.pwrite(file, secrets.token_bytes(_CELL), 0)
        finally:
            os.close(file)


class NoBoard:
    """
    What a reader has while there is no file at *path*: a hit asks whether one has come, because
    from then on others may invalidate.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self.cells: Any = self
        self.first = bytes(SIZE)

    def __getitem__(self, at: int) -> int:
        return int(os.access(self._path, os.F_OK))

    def __bytes__(self) -> bytes:
        return self.first


def _make(path: Path, mode: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        if os.fstat(file).st_size < SIZE:
            os.fchmod(file, mode)
            _reserve(file)
    finally:
        os.close(file)


def _reserve(file: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, SIZE)
    else:  # macOS; a hole in the file is an error of the writer there, too
        os.truncate(file, SIZE)


def moved_cells(old: bytes, new: bytes) -> list[int]:
    """
    The slots in which two pictures of the cells differ.
    """
    step = 64 * _CELL  # most of a board is as it was
    moved = []
    for start in range(0, SIZE, step):
        if old[start : start + step] != new[start : start + step]:
            for at in range(start, min(start + step, SIZE), _CELL):
                if old[at : at + _CELL] != new[at : at + _CELL]:
                    moved.append(at // _CELL)
    return [slot for slot in moved if slot]
