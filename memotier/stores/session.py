"""
One opened database: a connection that reads, a connection that writes, and which file it is.

A session ends when its file turns out to be damaged, gone or replaced, before a fork, and
when the store is closed; the store opens the next one when it needs it.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ..types import Name, Seconds
from ._diskcache import connect, lay_out, strangers
from .directory import Home
from .faults import LOCKED, kind_of
from .quarantine import Identity, identity_of
from .tokens import EPOCH, FILE, adopt, birth_of, renew_epoch, settle_in, tokens_of

T = TypeVar("T")

_PAUSE: Final = 0.002  # seconds between two tries to begin a transaction, on average


class Foreign(Exception):
    """
    The file holds triggers, views or tables that are not ours; set it aside.
    """


@dataclass(slots=True)
class Session:
    """
    The two connections; each is used under its own lock of the store.
    """

    home: Home
    reader: sqlite3.Connection
    writer: sqlite3.Connection
    identity: Identity
    timeout: Seconds
    wal: bool
    #: Whether the database was made, or its epoch lost: nothing known of it before holds.
    is_new: bool
    #: Of the epoch it was opened with.
    birth: bytes

    def is_at_home(self) -> bool:
        """
        Whether it was made in this very file, or adopted there; not so for a copy.
        """
        return tokens_of(self.writer, [FILE]).get(FILE) == self.identity.as_bytes()

    def has_lost_versions(self) -> bool:
        """
        Whether there are records, but the epoch was gone: nobody knows what was invalidated.
        """
        if not self.is_new:
            return False
        return bool(self.writer.execute("SELECT EXISTS (SELECT 1 FROM Cache)").fetchone()[0])

    def adopt(self, names: Sequence[Name]) -> None:
        """
        Let everything in it count as changed, durably; see ``tokens.adopt``.
        """
        file = self.identity.as_bytes()
        self.transact(lambda writer: adopt(writer, file, names), self.timeout, True)
        self.birth = birth_of(self.writer)

    def is_current(self) -> bool:
        """Whether the file still has its name."""
        return identity_of(self.home.database) == self.identity

    def transact(
        self, work: Callable[[sqlite3.Connection], T], timeout: Seconds, durable: bool
    ) -> T:
        """
        *work* in one write transaction; *durable*: on the disk when this returns.
        """
        writer = self.writer
        if writer.in_transaction:
            writer.execute("ROLLBACK")  # whatever kept the last one from its end
        careful = durable and self.wal
        if careful:
            # NORMAL may lose the last commits with the power, which costs a record; with an
            # invalidation lost, an old value would be served again.
            writer.execute("PRAGMA synchronous=FULL")
        try:
            try:
                self._begin(timeout)
                answer = work(writer)
                writer.execute("COMMIT")
            except BaseException:
                # In here, because there may be no stack left for a call (RecursionError).
                if writer.in_transaction:
                    try:
                        writer.execute("ROLLBACK")
                    except sqlite3.Error:
                        pass  # SQLite rolled back by itself; what is reported is why.
                raise
        finally:
            if careful:
                writer.execute("PRAGMA synchronous=NORMAL")
        return answer

    def _begin(self, timeout: Seconds) -> None:
        """
        Take the lock of the database. SQLite's own waiting sleeps for up to 100 ms between two
        tries: beside busy writers that is too seldom, and one of them starves. Ours tries some
        500 times a second, at random.
        """
        pause = _PAUSE if self.wal else self.timeout  # Without the log SQLite waits, see below.
        for left in range(max(1, int(timeout / pause)), -1, -1):
            try:
                self.writer.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not left or kind_of(error) != LOCKED:
                    raise
            # Counted, not timed: tests stop the clock.
            if self.wal:
                time.sleep(random.uniform(0, 2 * _PAUSE))  # noqa: S311

    def close(self) -> None:
        """Close both; a failure to checkpoint loses nothing."""
        for connection in (self.reader, self.writer):
            try:
                connection.close()
            except sqlite3.Error:
                pass


def open_session(home: Home, *, eviction: str, limit: int, timeout: Seconds, wal: bool) -> Session:
    """
    Open, and if need be create, the database of *home*. To be called under its lock file.

    Raises:
        Foreign: If someone has built triggers, views or tables into the file.

        sqlite3.Error, OSError: If it is damaged or cannot be used.
    """
    home.create_database()
    identity = identity_of(home.database)
    writer = connect(home.database, timeout, wal)
    reader = None
    try:
        odd = strangers(writer)
        if odd:
            raise Foreign(", ".join(sorted(odd)))
        is_new = _prepare(writer, eviction, limit, identity)
        if wal:
            # From here on we wait ourselves. Without the log a commit has to wait for readers,
            # and that is SQLite's to do.
            writer.execute("PRAGMA busy_timeout=0")
        reader = connect(home.database, timeout, wal)
        reader.execute("PRAGMA query_only=ON")
        if identity is None or identity_of(home.database) != identity:
            raise OSError(f"{os.fspath(home.database)!r} was replaced while it was opened")
    except BaseException:
        writer.close()
        if reader is not None:
            reader.close()
        raise
    return Session(home, reader, writer, identity, timeout, wal, is_new, birth_of(writer))


def _prepare(
    connection: sqlite3.Connection, eviction: str, limit: int, identity: Identity | None
) -> bool:
    """
    Layout, settings and epoch, in one transaction that only writes if something is missing;
    whether there was no epoch.
    """
    for begin in ("BEGIN", "BEGIN IMMEDIATE"):
        try:
            connection.execute(begin)
            lay_out(connection, eviction, limit)
            is_new = EPOCH not in tokens_of(connection, [EPOCH])
            if is_new:
                renew_epoch(connection)
                if identity is not None:
                    settle_in(connection, identity.as_bytes())
            connection.execute("COMMIT")
            return is_new
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # Another process wrote between our reading and our writing: once more, locked.
            is_locked = isinstance(error, sqlite3.Error) and kind_of(error) == LOCKED
            if begin != "BEGIN" or not is_locked:
                raise
    raise AssertionError("unreachable")
