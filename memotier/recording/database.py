"""
The file of a history: SQLite, one row a call, in a folder that is its owner's alone.

A save is one transaction, so a process that is killed leaves the history as it was before, and
two that save at once take turns. A file that is damaged, too large or not ours is set aside
beside a new one. No connection is kept: nothing has to survive a fork.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from ..engine.events import logger
from ..errors import StoreUnavailable
from ..stores.quarantine import identity_of, set_aside
from ..types import Seconds

T = TypeVar("T")

#: Bytes of a file that is read at all.
LARGEST_FILE: Final = 256 * 2**20
#: Seconds that one process waits for another's save.
PATIENCE: Final[Seconds] = 2.0

_TABLE: Final = "CREATE TABLE calls (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID"


class Foreign(sqlite3.DatabaseError):
    """
    A database that is none of ours.
    """


class Database:
    """
    The file ``history.db`` in *folder*.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.db"

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def run(self, work: Callable[[sqlite3.Connection], T], now: Seconds) -> T:
        """
        What *work* returns, done in one transaction.

        Raises:
            StoreUnavailable: If the folder or the file cannot be used.
        """
        try:
            self._prepare()
            for left in (1, 0):
                bad = identity_of(self.path)
                try:
                    return self._transact(work)
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    if not left or self._passes(error):
                        raise
                    self._set_aside(bad, now, error)
        except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise StoreUnavailable(
                f"the history of calls {str(self.path)!r} cannot be used: {error}; make its "
                "folder writable, or set [tool.memotier.warming] history to another"
            ) from error
        raise AssertionError("either returned or raised")

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self.path.stat().st_size > LARGEST_FILE:
            raise Foreign(f"it is larger than {LARGEST_FILE:,} bytes")
        # Autocommit mode: the transaction is ours.
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        with closing(connection):
            # What is no text where text should be is not believed, like anything else.
            connection.text_factory = bytes
            connection.execute("PRAGMA trusted_schema = OFF")
            # What is forgotten does not stay in the file.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                _check_schema(connection)
                answer = work(connection)
            except BaseException:
                # (SQLite does so itself where there is no room.)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return answer

    def _prepare(self) -> None:
        folder = self.path.parent
        folder.mkdir(0o700, parents=True, exist_ok=True)
        _check_private(folder, stat.S_ISDIR, 0o077, "700")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.close(os.open(self.path, flags, 0o600))
        except FileExistsError:
            _check_private(self.path, stat.S_ISREG, 0o077, "600")

    def _passes(self, error: Exception) -> bool:
        """
        Whether the file is as good as it was: it is busy, there is no room, it is read-only.
        """
        if not isinstance(error, sqlite3.OperationalError):
            return False
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_READONLY:
            # (A damaged header may say so of a file that is not.)
            return not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK))
        # (Of what SQLite calls an error and nothing else, this alone is said of the file.)
        return code != sqlite3.SQLITE_ERROR or "file format" not in str(error)

    def forget_aside(self) -> None:
        """
        Remove what was set aside.
        """
        for path in self.path.parent.glob(self.path.name + ".corrupt-*"):
            path.unlink(missing_ok=True)

    def _set_aside(self, bad: Any, now: Seconds, error: Exception) -> None:
        with self._alone():
            kept = set_aside(self.path, bad, now)
        if kept is not None:
            logger.warning(
                "the history of calls %s could not be read (%s); it was set aside as %s",
                self.path,
                error,
                kept.name,
            )
        self._prepare()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        file = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _check_schema(connection: sqlite3.Connection) -> None:
    """
    Our one table and nothing else: no trigger, no view, no column that others have added.
    """
    found = connection.execute("SELECT type, name, sql FROM sqlite_master LIMIT 3").fetchall()
    if not found:
        connection.execute(_TABLE)
    elif found != [(b"table", b"calls", _TABLE.encode())]:
        raise Foreign("it holds tables of somebody else")


def _check_private(path: Path, is_kind: Callable[[int], bool], others: int, fix: str) -> None:
    found = path.lstat()
    if not is_kind(found.st_mode):
        raise StoreUnavailable(f"{str(path)!r} is a link, or not what it should be; remove it")
    if found.st_uid != os.geteuid():
        raise StoreUnavailable(f"{str(path)!r} belongs to user {found.st_uid}, not to you")
    if found.st_mode & others:
        raise StoreUnavailable(f"{str(path)!r} is open to other users: chmod {fix} {path}")
