"""
Who computes a key, among the processes of one machine.

A claim is a lock on one byte of a file beside the database, at a place that the address of the
key says. The kernel gives it back when its holder dies, however he dies, so there is nothing to
renew and nothing that expires: a killed leader is replaced by the next one who asks.

Whoever gives a claim back leaves a fresh random mark for its key before. So he who looked for a
result, and then claimed, knows whether somebody has computed in between: the mark has moved. The
marks share places by the first bytes of addresses, so one that moved tells only to look again.

They are locks of an open file (Linux: ``F_OFD_SETLK``), not of the process: two caches of one
process exclude each other too, and closing another file of the same name releases nothing. Where
there are none, every process computes for itself.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path
from typing import Final, NamedTuple

from ..types import Address, Seconds
from . import forks

_SET: Final = getattr(fcntl, "F_OFD_SETLK", None)
_PLACES: Final = 2**62  # a lock needs no file of that length
_MARKS: Final = 4096
_MARK: Final = 8  # bytes


class Taking(NamedTuple):
    """
    What came of asking for a claim, of the kernel's or of a server's.

    Args:
        is_ours: None if there are none to be had.

        has_moved: Whether somebody may have computed since the look before: to be looked at again.

        left: Seconds after which it ends if its holder does not renew it, if that is known.
    """

    is_ours: bool | None
    has_moved: bool
    left: Seconds | None = None


NONE: Final = Taking(None, False)


class _File:
    """
    The open file. Whoever uses its number holds it: after ``Claims.close`` in another thread the
    number may soon be that of somebody else's file, into which nothing may be written.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    __del__ = close


class Claims:
    """
    The claims of one store. Nothing here waits or raises.
    """

    #: Whether to take one is I/O that may last.
    is_remote = False
    #: Seconds between two looks of who waits, at first and at most.
    pauses: tuple[Seconds, Seconds] = (0.001, 0.01)
    #: Seconds after which a waiter computes all the same: the kernel leaves a claim to a process
    #: that was stopped.
    patience: Seconds = 60.0

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._mode = mode
        self._file: _File | None = None
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)
        forks.register(self)

    def claim(self, address: Address, reach: str) -> Address:
        """
        What to take and release for *address*; whatever the *reach*, it is this machine.
        """
        return address

    def take(self, address: Address) -> bool | None:
        """
        Claim *address*: whether it is ours now; None if there are no claims to be had here.
        """
        return self._set(fcntl.F_WRLCK, address)

    def mark(self, address: Address) -> bytes | None:
        """
        What was left when a claim of *address* was last given back; None if that is not known.
        """
        if _SET is None:
            return None
        try:
            file = self._file or self._open()
            return os.pread(file.number, _MARK, _place_of_mark(address)).ljust(_MARK, b"\0")
        except FileNotFoundError:
            return bytes(_MARK)  # not even the directory is there yet
        except OSError:
            return None

    def release(self, address: Address) -> None:
        """
        Somebody else may claim *address*.
        """
        file = self._file
        if file is None:
            return  # closing it gave back all of them
        try:
            os.pwrite(file.number, os.urandom(_MARK), _place_of_mark(address))
        except OSError:
            pass  # a full disk: somebody may compute what he could have found
        self._set(fcntl.F_UNLCK, address, file)

    def close(self) -> None:
        """Give back all claims."""
        with self._lock:
            self._file = None

    def before_fork(self) -> None:
        """Nobody else may be opening the file while the process is copied."""
        self._fork_locks.take()

    def after_fork(self, in_child: bool) -> None:
        """The claims are the parent's; the child must not keep them when he dies."""
        self._fork_locks.release(in_child, self._new_lock)
        if in_child and self._file is not None:
            self._file.close()  # also if a thread held it that is not here
            self._file = None

    def _new_lock(self) -> None:
        self._lock = threading.Lock()

    def _set(self, kind: int, address: Address, file: _File | None = None) -> bool | None:
        if _SET is None:
            return None
        try:
            file = file or self._file or self._open()
            at = int.from_bytes(address[:8], "big") % _PLACES
            fcntl.fcntl(file.number, _SET, struct.pack("hhqqi4x", kind, os.SEEK_SET, at, 1, 0))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return None
        return True

    def _open(self) -> _File:
        with self._lock:
            if self._file is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = _File(os.open(self._path, flags, self._mode))
            return self._file


def _place_of_mark(address: Address) -> int:
    return int.from_bytes(address[-8:], "big") % _MARKS * _MARK
