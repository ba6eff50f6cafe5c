"""
Keeps a database within its limits: what has expired leaves first, then what the policy names.

Everything happens inside write transactions, in bounded batches, never while reading: diskcache's
own LRU turns each read into a write, four times as slow under load. Reads are noted in memory
and written down together when the next eviction needs to know them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ..types import Address, Seconds

_ORDER: Final = {
    "ttl": "expire_time",  # infinite for what never expires, so that leaves last
    "fifo": "store_time",
    "lru": "access_time",
    "lfu": "access_count",
}

BATCH: Final = 256  # rows per transaction: some 3 ms
_SWEEP_EVERY: Final = 64  # writes between two looks for expired rows
_WEIGH_EVERY: Final = 16  # writes between two looks at the size of the file
_WEIGH_BYTES: Final = 2**20  # ... or so many bytes written
_ROW: Final = 200  # bytes that a row takes beside its value: key, columns, indexes
_EMPTY: Final = 12  # pages: tables and indexes without a row
_NOTES: Final = 4096  # reads that are remembered at most


@dataclass(frozen=True, slots=True)
class Removed:
    """
    What one batch removed; *more* if there is still something to do.
    """

    evicted: int = 0
    expired: int = 0
    more: bool = False


class Room:
    """
    The limits of one store. All but ``note`` is called under the store's writing lock.
    """

    def __init__(self, max_size: int | None, max_bytes: int, eviction: str) -> None:
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._eviction = eviction
        self._writes = 0
        self._weight = 0
        self._unfinished = False
        self._notes: dict[Address, tuple[Seconds, int]] = {}
        #: Whether reads matter for the order at all.
        self.wants_notes = eviction in ("lru", "lfu")

    def note(self, address: Address, now: Seconds) -> None:
        """
        *address* was read. Called by reading threads under their own lock.
        """
        notes = self._notes
        # A full book forgets new reads rather than growing; the next eviction empties it.
        if address in notes or len(notes) < _NOTES:
            notes[address] = (now, notes.get(address, (0.0, 0))[1] + 1)

    def after_write(
        self, connection: sqlite3.Connection, now: Seconds, weight: int, new: Collection[Address]
    ) -> Removed:
        """
        Within the transaction that has just stored *new*, *weight* bytes: make room.

        What was just stored stays, unless it alone is more than fits.
        """
        self._writes += 1
        self._weight += weight
        over_count = self._over_count(connection)
        weigh = self._writes % _WEIGH_EVERY == 1 or self._weight >= _WEIGH_BYTES
        over_bytes = self._over_bytes(connection) if weigh or self._unfinished else 0
        sweep = self._writes % _SWEEP_EVERY == 1 or self._unfinished
        if over_count <= 0 and over_bytes <= 0 and not sweep:
            return _NOTHING
        return self._remove(connection, now, over_count, over_bytes, new)

    def sweep(self, connection: sqlite3.Connection, now: Seconds) -> Removed:
        """
        One batch of whatever has to leave now.
        """
        over = self._over_count(connection), self._over_bytes(connection)
        return self._remove(connection, now, *over, ())

    def _remove(
        self,
        connection: sqlite3.Connection,
        now: Seconds,
        over_count: int,
        over_bytes: int,
        new: Collection[Address],
    ) -> Removed:
        expired = connection.execute(
            "SELECT rowid, length(value) FROM Cache WHERE expire_time <= ?"
            " ORDER BY expire_time LIMIT ?",
            (now, BATCH),
        ).fetchall()
        _delete(connection, [row for row, _ in expired])
        over_count -= len(expired)
        over_bytes -= sum((size or 0) + _ROW for _, size in expired)

        evicted = []
        if over_count > 0 or over_bytes > 0:
            self._write_notes(connection)
            evicted = self._victims(connection, over_count, over_bytes, new)
            _delete(connection, [row for row, _ in evicted])
            over_count -= len(evicted)
            over_bytes -= sum(size for _, size in evicted)

        more = len(expired) == BATCH or (bool(evicted) and (over_count > 0 or over_bytes > 0))
        self._unfinished = more
        return Removed(len(evicted), len(expired), more)

    def _victims(
        self,
        connection: sqlite3.Connection,
        over_count: int,
        over_bytes: int,
        new: Collection[Address],
    ) -> list[tuple[int, int]]:
        """Rows and what they free, the first in the policy's order, no more than needed."""
        enough = BATCH if over_bytes > 0 else min(BATCH, over_count)
        rows = connection.execute(
            f"SELECT rowid, key, length(value) FROM Cache"  # noqa: S608
            f" ORDER BY {_ORDER[self._eviction]} LIMIT ?",
            (enough + len(new),),
        ).fetchall()
        old = [row for row in rows if row[1] not in new]
        young = [row for row in rows if row[1] in new]
        chosen: list[tuple[int, int]] = []
        # The newcomers come last, and only to keep to the number: a file that is a page too
        # long will shrink with the next write.
        for row, key, size in old + (young if over_count > len(old) else []):
            if len(chosen) == BATCH or (over_count <= 0 and (over_bytes <= 0 or key in new)):
                break
            freed = (size or 0) + _ROW
            chosen.append((row, freed))
            over_count -= 1
            over_bytes -= freed
        return chosen

    def _over_count(self, connection: sqlite3.Connection) -> int:
        if self._max_size is None:
            return 0
        # Kept by diskcache's triggers; put right at every opening.
        rows = connection.execute("SELECT value FROM Settings WHERE key = 'count'").fetchall()
        return rows[0][0] - self._max_size if rows and isinstance(rows[0][0], int) else 0

    def _over_bytes(self, connection: sqlite3.Connection) -> int:
        self._weight = 0
        return room_taken(connection) - self._max_bytes

    def _write_notes(self, connection: sqlite3.Connection) -> None:
        if not self._notes:
            return
        notes, self._notes = self._notes, {}
        connection.executemany(
            "UPDATE Cache SET access_time = max(access_time, ?), access_count = access_count + ?"
            " WHERE key = ? AND raw = 1",
            [(time, count, address) for address, (time, count) in notes.items()],
        )


_NOTHING: Final = Removed()


def room_taken(connection: sqlite3.Connection) -> int:
    """
    Bytes of the database file that are in use, beyond those of an empty one.
    """
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int(max(0, pages - free - _EMPTY) * size)


def _delete(connection: sqlite3.Connection, rows: list[int]) -> None:
    connection.executemany("DELETE FROM Cache WHERE rowid = ?", [(row,) for row in rows])
