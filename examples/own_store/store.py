"""
A second tier of one's own: records and tokens in one SQLite file, for the processes of a machine.

Small enough to be read at once, and complete: it passes memotier.testing.StoreContract.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memotier import MISS, Clock, StoreError
from memotier.errors import StoreUnavailable
from memotier.stores.board import Board
from memotier.tokens import hard_token, soft_token
from memotier.types import Item, Reading, Token

TABLES = """
CREATE TABLE IF NOT EXISTS tokens (name BLOB PRIMARY KEY, token BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    address BLOB PRIMARY KEY, record BLOB NOT NULL, space TEXT NOT NULL,
    until REAL NOT NULL, expired REAL);
"""
EPOCH = b"epoch"
BELOW = """(:group IS NULL OR space = :group
    OR substr(space, 1, length(:group) + 1) = :group || '.')"""


class SqliteStore:
    """
    The ``memotier.Store`` protocol in the file *path*, which is made if it is missing.

    Args:
        max_size: Records; beyond that the oldest go.

        timeout: Seconds that a caller waits for another process that is writing.
    """

    kind = "sqlite"
    watches = True  # what others invalidate is told on the board

    def __init__(
        self,
        path: Path | str,
        *,
        max_size: int = 10_000,
        timeout: float = 0.5,
        clock: Clock | None = None,
    ) -> None:
        self._path, self._max_size, self._timeout = Path(path), max_size, timeout
        self._clock, self._lock = clock or Clock(), threading.Lock()
        self._db: sqlite3.Connection | None = None
        self.board: Board | None = None
        self._closed = False
        self._removed = {"evictions": 0, "expirations": 0}

    def get(self, addresses: Sequence[bytes]) -> Reading:
        with self._transaction("DEFERRED") as db:
            now = self._clock.wall()
            rows = [_row(db, address, now) or (None, None) for address in addresses]
            marks = [_token(db, _slot(address)) for address in addresses]
            return Reading(
                [row[0] for row in rows], _token(db, EPOCH), marks, [row[1] for row in rows]
            )

    def set(self, items: Sequence[Item]) -> list[bool]:
        with self._transaction("IMMEDIATE") as db:
            now = self._clock.wall()
            stored = [self._store(db, item, now) for item in items]
            self._make_room(db, now)
        pairs = zip(items, stored, strict=True)
        relabelled = [one.address for one, is_in in pairs if is_in and _relabels(one)]
        if relabelled:  # what others have in memory has other labels now
            self._tell(relabelled)
        return stored

    def delete(self, addresses: Sequence[bytes]) -> list[bool]:
        return self._invalidate(addresses, "DELETE FROM records WHERE address = ?")

    def expire(self, addresses: Sequence[bytes]) -> list[bool]:
        now = self._clock.wall()
        change = f"UPDATE records SET expired = coalesce(expired, {now!r}) WHERE address = ?"
        return self._invalidate(addresses, change)

    def discard(self, address: bytes) -> None:
        with self._transaction("IMMEDIATE") as db:
            db.execute("DELETE FROM records WHERE address = ?", (address,))

    def versions(self, names: Sequence[bytes]) -> tuple[list[Token], Token]:
        with self._transaction("DEFERRED") as db:
            return [_token(db, b"n" + name) for name in names], _token(db, EPOCH)

    def bump(self, names: Sequence[bytes], soft: bool = False) -> None:
        with self._transaction("IMMEDIATE") as db:
            now = self._clock.wall()
            for key in {b"n" + name for name in names}:
                _set_token(db, key, soft_token(_token(db, key), now) if soft else hard_token())
            _set_token(db, EPOCH, hard_token())
        self._tell(names)

    def clear_group(self, group: str) -> int:
        return self._clear(group)

    def clear(self) -> int:
        return self._clear(None)

    def count(self, group: str | None = None) -> int:
        with self._transaction("DEFERRED") as db:
            return self._count(db, group)

    def usage(self) -> dict[str, int]:
        with self._transaction("DEFERRED") as db:
            room = "SELECT coalesce(sum(length(record) + 100), 0) FROM records"
            [taken] = db.execute(room).fetchone()
            return {"size": self._count(db, None), "bytes": taken, **self._removed}

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._db is not None:
                self._db.close()

    def _store(self, db, item: Item, now: float) -> bool:
        if not _holds(db, item, now):
            return False
        until = math.inf if item.expire is None else now + item.expire
        row = (item.address, item.record, item.group, until, None)
        db.execute("REPLACE INTO records VALUES (?, ?, ?, ?, ?)", row)
        return True

    def _invalidate(self, addresses, change: str) -> list[bool]:
        with self._transaction("IMMEDIATE") as db:
            now = self._clock.wall()
            found = [_row(db, address, now) is not None for address in addresses]
            for address in addresses:
                db.execute(change, (address,))
                _set_token(db, _slot(address), hard_token())
        self._tell(addresses)
        return found

    def _count(self, db, group) -> int:
        query = f"SELECT count(*) FROM records WHERE {BELOW} AND until > :now"
        return db.execute(query, {"group": group, "now": self._clock.wall()}).fetchone()[0]

    def _clear(self, group) -> int:
        with self._transaction("IMMEDIATE") as db:
            number = self._count(db, group)
            db.execute(f"DELETE FROM records WHERE {BELOW}", {"group": group})
            return number

    def _make_room(self, db, now: float) -> None:
        gone = db.execute("DELETE FROM records WHERE until <= ?", (now,)).rowcount
        self._removed["expirations"] += gone
        [size] = db.execute("SELECT count(*) FROM records").fetchone()
        oldest = "SELECT rowid FROM records ORDER BY rowid LIMIT ?"
        gone = db.execute(
            f"DELETE FROM records WHERE rowid IN ({oldest})", (max(0, size - self._max_size),)
        ).rowcount
        self._removed["evictions"] += gone

    def _tell(self, names: Sequence[bytes]) -> None:
        try:  # after the commit: whoever looks because of this must find it
            self.board.mark(names)
        except OSError as error:
            raise StoreError(f"{self._path}: an invalidation could not be told: {error}") from error

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the SQLite store is closed")
            try:
                db = self._db = self._db or self._open()
                db.execute(f"BEGIN {kind}")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as error:
                raise StoreError(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        self._use_wal(db)
        db.executescript(TABLES)
        db.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", (EPOCH, hard_token()))
        self.board = Board(self._path.with_name(self._path.name + "-board"), 0o600)
        return db

    def _use_wal(self, db: sqlite3.Connection) -> None:
        # Of two that do this at once SQLite refuses one, and for this does not let it wait.
        until = time.monotonic() + self._timeout
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.001)


def _relabels(item: Item) -> bool:
    return item.guard.instead_of is not None


def _holds(db, item: Item, now: float) -> bool:
    guard = item.guard
    if guard.epoch is None:
        return False
    if guard.mark is not MISS and guard.mark != _token(db, _slot(item.address)):
        return False
    if guard.instead_of is not None:
        row = _row(db, item.address, now)
        if row is None or row[0] != guard.instead_of:
            return False
    tokens = [_token(db, b"n" + name) for name in guard.names]
    return guard.epoch == _token(db, EPOCH) or list(guard.tokens) == tokens


def _row(db, address: bytes, now: float):
    query = "SELECT record, expired FROM records WHERE address = ? AND until > ?"
    return db.execute(query, (address, now)).fetchone()


def _token(db, key: bytes) -> Token:
    row = db.execute("SELECT token FROM tokens WHERE name = ?", (key,)).fetchone()
    return None if row is None else row[0]


def _set_token(db, key: bytes, token: bytes) -> None:
    db.execute("REPLACE INTO tokens VALUES (?, ?)", (key, token))


def _slot(address: bytes) -> bytes:
    return b"s" + (int.from_bytes(address[:2], "big") % 4096).to_bytes(2, "big")
