"""
The vectors of one cache in one matrix, and the search for the nearest.

Rows are slots: one that is freed is used again, and the matrix doubles until it has *max_size*
rows, so that no ``add`` copies all. What is found here is a hint: whether there is an entry, and
which, the engine says.

Threads: every method takes one lock, under which there is numpy and nothing else. A search of
10,000 rows holds it for about half a millisecond.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

#: How many of the nearest are looked at: some may be refused, or be there no more.
MOST_CANDIDATES = 16
_FIRST_ROWS = 64

_indexes: weakref.WeakSet[VectorIndex] = weakref.WeakSet()


class Candidate(NamedTuple):
    """
    An entry that may answer: its key, its text, and the cosine of the angle to what was asked.
    """

    key: str
    text: str
    score: float
    #: Which of the vectors that were kept under this key.
    turn: int


@dataclass(slots=True)
class _Slot:
    row: int
    text: str
    group: bytes
    turn: int


class VectorIndex:
    """
    At most *max_size* vectors under keys, in groups that are searched apart.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.dim: int | None = None
        self.evictions = 0
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._free: list[int] = []
        #: Whose row it is; of a free one, whose it was.
        self._keys: list[str] = []
        self._used = 0
        self._turn = 0
        self._matrix: Any = None
        self._groups: Any = None
        self._lock = threading.Lock()
        _indexes.add(self)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: str) -> bool:
        return key in self._slots

    def keys(self) -> list[str]:
        """
        All keys, the one that was used longest ago first.
        """
        with self._lock:
            return list(self._slots)

    def add(self, key: str, text: str, group: bytes, vector: Any) -> bool:
        """
        Keep *vector*, in place of what is there under *key*; False if it is of another dimension.

        Args:
            group: Which searches may find it: a digest.

            vector: One row of length 1, float32.
        """
        with self._lock:
            if self.dim is None:
                self._begin(len(vector))
            elif self.dim != len(vector):
                return False
            old = self._slots.pop(key, None)
            row = self._row() if old is None else old.row
            self._turn += 1
            self._slots[key] = _Slot(row, text, group, self._turn)
            self._matrix[row] = vector
            self._groups[row] = _number(group)
            self._keys[row] = key
            return True

    def touch(self, key: str) -> None:
        """
        Note that *key* was of use: others leave before it.
        """
        with self._lock:
            if key in self._slots:
                self._slots.move_to_end(key)

    def drop(self, key: str, turn: int | None = None) -> None:
        """
        Forget *key*, unless it was added again since its *turn* was read.
        """
        with self._lock:
            slot = self._slots.get(key)
            if slot is not None and turn in (None, slot.turn):
                del self._slots[key]
                self._release(slot.row)

    def clear(self) -> None:
        with self._lock:
            self._slots.clear()
            self._free.clear()
            self._keys.clear()
            self._used, self.dim, self._matrix, self._groups = 0, None, None, None

    def search(self, vector: Any, group: bytes, threshold: float) -> list[Candidate]:
        """
        The nearest of *group* whose score is at least *threshold*, the nearest first.
        """
        with self._lock:
            if self.dim != len(vector) or not self._slots:
                return []
            used = self._used
            scores = self._matrix[:used] @ vector
            scores[self._groups[:used] != _number(group)] = -2.0
            rows = self._nearest(scores)
            near = [int(row) for row in rows if scores[row] >= threshold]
            near.sort(key=lambda row: -scores[row])
            found = []
            for row in near:
                key = self._keys[row]
                slot = self._slots[key]
                # Two groups may share a number; whoever chooses texts must gain nothing by that.
                if slot.group == group:
                    score = min(float(scores[row]), 1.0)
                    found.append(Candidate(key, slot.text, score, slot.turn))
            return found

    def _nearest(self, scores: Any) -> Any:
        if len(scores) <= MOST_CANDIDATES:
            return range(len(scores))
        return np.argpartition(scores, -MOST_CANDIDATES)[-MOST_CANDIDATES:]

    def _begin(self, dim: int) -> None:
        rows = min(_FIRST_ROWS, self.max_size)
        self.dim = dim
        self._matrix = np.zeros((rows, dim), dtype=np.float32)
        self._groups = np.full(rows, _NOBODY, dtype=np.int64)

    def _row(self) -> int:
        """
        A row to write to: a free one, a new one, or that of whoever was used longest ago.
        """
        if not self._free and self._used == self.max_size:
            _, slot = self._slots.popitem(last=False)
            self.evictions += 1
            self._release(slot.row)
        if self._free:
            return self._free.pop()
        if self._used == len(self._matrix):
            self._grow()
        self._keys.append("")
        self._used += 1
        return self._used - 1

    def _grow(self) -> None:
        rows = min(2 * len(self._matrix), self.max_size)
        matrix = np.zeros((rows, self._matrix.shape[1]), dtype=np.float32)
        groups = np.full(rows, _NOBODY, dtype=np.int64)
        matrix[: self._used], groups[: self._used] = self._matrix, self._groups
        self._matrix, self._groups = matrix, groups

    def _release(self, row: int) -> None:
        self._groups[row] = _NOBODY
        self._keys[row] = ""
        self._free.append(row)


#: The group of a row that is free.
_NOBODY = -1


def _number(group: bytes) -> int:
    return int.from_bytes(group[:7], "little")


def _after_fork_in_child() -> None:
    # The thread that held it is not here to release it.
    for index in list(_indexes):
        index._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
