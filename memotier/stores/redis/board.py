"""
The board of a process: what others invalidated, as the hit path wants to have it.

The cells are those of the disk's board (stores/board.py), but in this process's own memory: the
thread that hears of invalidations writes into them. Slots first, then the epoch.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Final

from ..board import SIZE

_CELL: Final = 8


class LocalBoard:
    """
    Cells that only this process has.
    """

    def __init__(self) -> None:
        self._room = memoryview(bytearray(SIZE))
        self._lock = threading.Lock()
        #: What the hit path compares: the epoch, then the slots.
        self.cells = self._room.cast("Q")
        #: The cells before anything was heard.
        self.first = bytes(self._room)

    def mark(self, slots: Iterable[int]) -> None:
        """
        What lies in *slots* was invalidated.
        """
        with self._lock:
            for slot in slots:
                self._room[slot * _CELL : (slot + 1) * _CELL] = secrets.token_bytes(_CELL)
            self._room[:_CELL] = secrets.token_bytes(_CELL)

    def mark_all(self) -> None:
        """
        Anything may have been invalidated.
        """
        with self._lock:
            self._room[_CELL:] = secrets.token_bytes(SIZE - _CELL)
            self._room[:_CELL] = secrets.token_bytes(_CELL)

    def forget_lock(self) -> None:
        """
        In a forked child: whoever held the lock stayed in the parent.
        """
        self._lock = threading.Lock()
