"""
The disk store for those who may not write: what is there is found, and nothing is made, locked for
others, put right or removed.

    nothing there ──> still  <──> alive
         ^              │           │       looked at before and after every reading
         └──────────────┴───────────┘

*alive*: there is a write-ahead log, so somebody has the database open, or had when he died. It is
read through SQLite like by everybody else, with the locks of a reader.

*still*: there is no log, so nobody has it open. SQLite would make a log to read it; so it is told
that the file does not change (``immutable``), and what it read counts only if afterwards there
still is no log and the file is the very same, by its size and the times of its last changes. Those
times move in ticks of some milliseconds, so a file that was changed just now is looked at again
when a tick is over.

What must never happen: an answer from before an invalidation that was over when it was asked for.
So the board is mapped before anything is read; while there is none, because there is no database,
a hit in memory looks whether one has come (``NoBoard``). A database that was put in the place of
the one that was read before, and was not made there, may be an older copy: it is left alone until
somebody who may write has opened it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from ..clock import SYSTEM, Clock
from ..errors import StoreError, StoreUnavailable
from ..types import Address, Name, Reading, Seconds, Token
from . import forks
from ._diskcache import connect_to_read, strangers
from .board import Board, NoBoard
from .directory import Home, network_type, read_mountinfo
from .faults import CORRUPT, StoreBusy, kind_of, translated
from .modes import Refusing
from .quarantine import Identity
from .room import room_taken
from .rows import count_rows, moment, read_many, read_one
from .tokens import EPOCH, FILE, tokens_at_once, tokens_of

log = logging.getLogger("memotier")

T = TypeVar("T")

_TRIES: Final = 8  # a file can change while it is read; not again and again
#: Seconds in which two changes of a file may have one time.
TICK: Final[Seconds] = 0.02


class _Stamp(NamedTuple):
    """
    A database as it was at one moment; *is_still*: without a log beside it.
    """

    identity: Identity
    size: int
    changed: tuple[int, int]
    is_still: bool


class DiskReader(Refusing):
    """
    The reading half of the ``Store`` protocol on the directory of a ``DiskStore``.

    Args:
        directory: Need not be there, and not be writable; refused like that of a ``DiskStore``.

        max_record_bytes: A larger record is not read.

        timeout: Seconds to wait for a lock.

        on_event: Hears ``store_replaced``; no lock is held.
    """

    watches = True

    def __init__(
        self,
        directory: Path,
        *,
        max_record_bytes: int,
        timeout: Seconds = 1.0,
        clock: Clock = SYSTEM,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
        mounts: Callable[[], str] = read_mountinfo,
    ) -> None:
        super().__init__("disk", "it is opened for reading only")
        self._home = Home(Path(directory).absolute())
        self._most = max_record_bytes
        self._timeout = timeout
        self._clock = clock
        self._on_event = on_event
        self._mounts = mounts
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)
        self._connection: sqlite3.Connection | None = None
        self._seen: _Stamp | None = None
        self._last: Identity | None = None
        self._board: Board | NoBoard = NoBoard(self._home.board)
        self._closed = False
        forks.register(self)

    def __repr__(self) -> str:
        return f"<DiskReader {str(self._home.root)!r}>"

    # -- reading -----------------------------------------------------------------------

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        nothing = [None] * len(addresses)
        now, most = self._clock.wall(), self._most
        if len(addresses) == 1:
            found = self._read(read_one, addresses[0], now, most)
            if found is None:
                return Reading(nothing, None, nothing)
            epoch, mark, record, _, at = found
            reading = Reading([record], epoch, [mark], (moment(at),) if at != 0 else ())
        else:
            both = self._read(read_many, addresses, now, most)
            if both is None:
                return Reading(nothing, None, nothing)
            reading = both[0]
        if reading.epoch is None:
            return reading._replace(records=nothing)  # it has lost its versions
        return reading

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""
        found = self._read(tokens_at_once, [EPOCH, *names]) or {}
        return [found.get(name) for name in names], found.get(EPOCH)

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""
        return self._read(count_rows, group, self._clock.wall()) or 0

    def usage(self) -> Mapping[str, int]:
        """``size`` (records) and ``bytes`` (room they take in the file)."""
        room = self._read(room_taken) or 0
        return {"size": self.count(), "bytes": room, "evictions": 0, "expirations": 0}

    @property
    def board(self) -> Any:
        """Where it is seen what the running processes of this machine invalidate."""
        if isinstance(self._board, NoBoard) and self._board[0]:
            with self._lock:
                self._map_board()
        return self._board

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""
        with self._lock:
            self._closed = True
            self._let_go()

    # -- the connection ------------------------------------------------------------------

    def _read(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """
        The answer of *work*, given a connection and *arguments*; None if there is no database.
        """
        for _ in range(_TRIES):
            replaced = False
            try:
                with self._lock:
                    before = self._last
                    connection = self._opened()
                    replaced = before is not None and before != self._last
                    if connection is None:
                        return None
                    answer = work(connection, *arguments)
                    if self._is_unchanged():
                        return answer
                    self._let_go()
            except (sqlite3.Error, OSError) as error:
                if isinstance(error, StoreError):
                    raise
                with self._lock:
                    self._let_go()
                    changed = self._seen is not None and self._stamp() != self._seen
                if changed and kind_of(error) == CORRUPT:
                    continue  # it was changed under our hands
                raise translated(error, "reading", self._home.database) from error
            finally:
                if replaced and self._on_event is not None:
                    self._on_event("store_replaced", {"path": str(self._home.database)})
        raise StoreBusy(f"{self._home.database} was changed again and again while it was read")

    def _opened(self) -> sqlite3.Connection | None:
        """
        The connection, a new one if the database is another than it was. Under the lock.
        """
        if self._closed:
            raise StoreUnavailable(f"the disk store in {str(self._home.root)!r} is closed")
        stamp = self._stamp()
        has_board = not isinstance(self._board, Board) or self._board.is_current()
        if self._connection is not None and has_board and self._is_unchanged(stamp):
            return self._connection
        self._let_go()
        if not self._home.has_database():
            if isinstance(self._board, Board):
                self._board = NoBoard(self._home.board)
            return None
        network = network_type(self._home.root, self._mounts)
        if network is not None:
            raise StoreUnavailable(
                f"{str(self._home.root)!r} lies on a network file system ({network}), where "
                "SQLite's locks cannot be relied on; choose a local directory"
            )
        self._map_board()
        stamp = self._settled()
        if not stamp.is_still and not os.path.lexists(f"{self._home.database}-shm"):
            raise StoreUnavailable(
                f"{str(self._home.database)!r} has a log, but not the -shm file that belongs to "
                "it, and none is made here: a process that may write must open it first"
            )
        connection = connect_to_read(self._home.database, self._timeout, is_still=stamp.is_still)
        try:
            self._check(connection, stamp)
        except BaseException:
            connection.close()
            raise
        self._connection, self._seen, self._last = connection, stamp, stamp.identity
        return connection

    def _check(self, connection: sqlite3.Connection, stamp: _Stamp) -> None:
        odd = strangers(connection)
        if odd:
            raise StoreUnavailable(
                f"{str(self._home.database)!r} is not used, because it has what no cache has: "
                + ", ".join(sorted(odd))
            )
        if self._last is not None and stamp.identity != self._last:
            home = tokens_of(connection, [FILE]).get(FILE)
            if home != stamp.identity.as_bytes():
                raise StoreUnavailable(
                    f"another database was put in the place of {str(self._home.database)!r}, which "
                    "may be an older copy: it is not read until a process that may write has "
                    "opened it"
                )

    def _is_unchanged(self, now: _Stamp | None = None) -> bool:
        """
        Whether what is read, or was just read, is of the database as it is.
        """
        now, seen = now or self._stamp(), self._seen
        if now is None or seen is None or now.identity != seen.identity:
            return False
        return now == seen if seen.is_still else not now.is_still

    def _stamp(self) -> _Stamp | None:
        database = self._home.database
        try:
            found = os.stat(database)
        except OSError:
            return None
        # After the file: whoever makes a log does so before he changes anything.
        is_still = not os.path.lexists(f"{database}-wal")
        identity = Identity(found.st_dev, found.st_ino)
        return _Stamp(identity, found.st_size, (found.st_mtime_ns, found.st_ctime_ns), is_still)

    def _settled(self) -> _Stamp:
        """
        The database as it is, such that any later change shows.
        """
        for _ in range(_TRIES):
            stamp = self._stamp()
            if stamp is None:
                break
            if not stamp.is_still:
                return stamp
            # The system's clock, which the times of files are of.
            ages = [time.time() - moment / 1e9 for moment in stamp.changed]
            if all(abs(age) > TICK for age in ages):
                return stamp
            time.sleep(TICK)
        raise StoreBusy(f"{self._home.database} is being changed")

    def _map_board(self) -> None:
        """Before the first reading, so that nothing which is invalidated after it is missed."""
        if isinstance(self._board, Board) and self._board.is_current():
            return
        try:
            self._board = Board(self._home.board, self._home.file_mode, makes=False)
        except OSError as error:
            if isinstance(self._board, Board):
                self._board = NoBoard(self._home.board)
            if os.path.lexists(self._home.board):
                log.warning(
                    "memotier: %s cannot be mapped (%s): what others invalidate is seen when "
                    "something is read from the disk, not at once",
                    self._home.board,
                    error,
                )

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                pass  # it has written nothing

    # -- forks ---------------------------------------------------------------------------

    def before_fork(self) -> None:
        """No connection may cross a fork."""
        if self._fork_locks.take():
            self._let_go()

    def after_fork(self, in_child: bool) -> None:
        """Both sides open again when they need to."""
        self._fork_locks.release(in_child, self._abandon)

    def _abandon(self) -> None:
        """In a child with a parent's connection: neither use it nor close it."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection = None
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)


#: Connections of a parent process, kept so that the garbage collector does not close them.
_inherited: list[sqlite3.Connection] = []
