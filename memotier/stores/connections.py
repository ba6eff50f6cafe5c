"""
Opens the database when it is needed, and again after a fork, a fault or a replaced file.

There is one session at a time, with one lock for its reading connection and one for its
writing connection: few file descriptors whatever the number of threads, and in WAL mode a
reader does not wait for writers, not even for those of other processes.

Locks are taken in the order opening, writing, reading; ``forks.py`` relies on it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..clock import Clock
from ..errors import StoreError, StoreUnavailable
from ..types import Name, Seconds
from . import forks
from .board import Board
from .directory import Home, network_type
from .faults import CORRUPT, FULL, LOCKED, StoreBusy, kind_of, translated
from .quarantine import Identity, identity_of, set_aside
from .session import Foreign, Session, open_session

log = logging.getLogger("memotier")

_LOOK_EVERY: Final = 1.0  # seconds between two looks whether the file is still the same
_LOOK_CALLS: Final = 1000  # ... or so many calls


class Connections:
    """
    The current session of one store, and the locks under which it is used.
    """

    def __init__(
        self,
        home: Home,
        *,
        eviction: str,
        limit: int,
        timeout: Seconds,
        clock: Clock,
        allow_network_fs: bool,
        mounts: Callable[[], str],
        everything: Sequence[Name] = (),
    ) -> None:
        self.home = home
        self.timeout = timeout
        #: What happened, to be told when no lock is held: a listener may do anything.
        self.events: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._eviction = eviction
        self._limit = limit
        self._clock = clock
        self._allow_network_fs = allow_network_fs
        self._mounts = mounts
        self._everything = everything
        #: The file of the last session; the births of the databases that were lost with theirs.
        self._last: Identity | None = None
        self._birth = b""
        self._lost: set[bytes] = set()
        self._was_replaced = False
        #: None until the first session, and where no file can be mapped.
        self.board: Board | None = None
        self._session: Session | None = None
        self._retired: list[Session] = []
        self._closed = False
        self._calls = 0
        self._look_at = 0.0
        self._make_locks()
        forks.register(self)

    def _make_locks(self) -> None:
        self._opening = threading.Lock()
        self.writing = threading.Lock()
        self.reading = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._opening, self.writing, self.reading)

    # A session may be retired between ready() and the moment its lock is taken, so whoever
    # took the lock asks is_current() and starts again.

    def ready(self) -> Session:
        """
        The session, opened if need be, after a look whether its file is still there.

        Raises:
            StoreError: If it cannot be opened; ``StoreUnavailable`` if it must not be.
        """
        session = self._session
        if session is None:
            return self._open()
        self._calls += 1
        if self._calls < _LOOK_CALLS and self._clock.monotonic() < self._look_at:
            return session
        self._calls, self._look_at = 0, self._clock.monotonic() + _LOOK_EVERY
        if not session.is_current():
            self.replaced(session)
        elif self.board is not None and not self.board.is_current():
            self.retire(session)
        return self._session or self._open()

    def has_nothing(self) -> bool:
        """Whether there is neither a session nor a file that one could be of."""
        if self._closed or self._session is not None:
            return False
        return identity_of(self.home.database) is None

    def is_current(self, session: Session) -> bool:
        """Whether *session* may be used by who holds one of its locks."""
        return session is self._session

    def replaced(self, session: Session) -> None:
        """
        The file of *session* was removed or replaced: its records and tokens are of the past.
        """
        if self.retire(session, replaced=True):
            log.info("memotier: %s was replaced; opening it again", self.home.database)
            self.events.append(("store_replaced", {"path": str(self.home.database)}))

    def lost_versions(self) -> None:
        """
        The epoch is gone from the database: have it opened again, which makes another.
        """
        session = self._session
        if session is not None:
            self.retire(session)

    def retire(self, session: Session, *, replaced: bool = False) -> bool:
        """
        Use *session* no more; whether it was the current one.
        """
        with self._opening:
            if session is not self._session:
                return False
            self._was_replaced = replaced
            self._session = None
            self._retired.append(session)
            self._bury(wait=0)
        return True

    def failed(self, session: Session, error: sqlite3.Error | OSError, doing: str) -> StoreError:
        """
        Draw the consequences of *error*; the error to raise instead. No lock may be held.
        """
        kind = kind_of(error)
        if kind == CORRUPT:
            self._quarantine(session, error)
        elif kind not in (LOCKED, FULL):
            # The next call opens again, and finds out what has become of the file.
            self.retire(session)
        return translated(error, doing, self.home.database)

    def close(self, patience: Seconds = -1, for_good: bool = True) -> None:
        """
        Close the session; *patience* is in seconds per lock, -1 waits for running calls.
        """
        if not self._opening.acquire(timeout=patience):
            return
        try:
            self._closed = self._closed or for_good
            if self._session is not None:
                self._retired.append(self._session)
                self._session = None
            self._bury(wait=patience)
        finally:
            self._opening.release()

    def before_fork(self) -> None:
        """Take all locks and close the session: no connection may cross a fork."""
        complete = self._fork_locks.take()
        if complete and self._session is not None:
            self._retired.append(self._session)
            self._session = None
        if complete:
            self._close_retired()

    def after_fork(self, in_child: bool) -> None:
        """Both sides open again when they need to."""
        self._fork_locks.release(in_child, self._abandon)

    def _abandon(self) -> None:
        """In a child with a parent's connection: neither use it nor close it."""
        if self._session is not None:
            _inherited.append(self._session)
        _inherited.extend(self._retired)
        self._session, self._retired = None, []
        self._make_locks()

    def _open(self) -> Session:
        # Many threads may find that there is no session; none waits for more than one opening.
        if not self._opening.acquire(timeout=4 * self.timeout):
            raise StoreBusy(f"another thread has been opening {self.home.database} for too long")
        try:
            if self._closed:
                raise StoreUnavailable(f"the disk store in {str(self.home.root)!r} is closed")
            if self._session is None:
                self._bury(wait=0)
                self._look_at = self._clock.monotonic() + _LOOK_EVERY
                self._session = self._opened()
            return self._session
        finally:
            self._opening.release()

    def _opened(self) -> Session:
        try:
            wal = self._check_file_system()
            self.home.prepare()
            with self.home.locked(self.timeout):
                self.home.prepare()  # Once more: others may have made the files meanwhile.
                session = self._opened_or_made_anew(wal)
                try:
                    self._open_board(self._adopted(session) or session.is_new)
                except BaseException:
                    session.close()
                    raise
                return session
        except StoreError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise translated(error, "opening the cache", self.home.database) from error

    def _opened_or_made_anew(self, wal: bool) -> Session:
        for last in (False, True):
            found = identity_of(self.home.database)
            try:
                return open_session(
                    self.home,
                    eviction=self._eviction,
                    limit=self._limit,
                    timeout=self.timeout,
                    wal=wal,
                )
            except (Foreign, sqlite3.Error) as error:
                damaged = isinstance(error, Foreign) or kind_of(error) == CORRUPT
                if last or not damaged:
                    raise
                self._set_aside(found, error)
        raise AssertionError("unreachable")

    def _adopted(self, session: Session) -> bool:
        """
        Whether nothing in the database was to be believed: it does not know of all that was
        invalidated, so that would be served again.

        Of the processes that find another one in the place of theirs, only the first has to do
        something about it.
        """
        why = ""
        if self._was_replaced or (self._last is not None and session.identity != self._last):
            self._lost.add(self._birth)
            if not session.is_new and (session.birth in self._lost or not session.is_at_home()):
                why = "another database was put in its place, which may be an older copy"
        if session.has_lost_versions():
            why = "it has lost its versions"
        if why:
            session.adopt(self._everything)
            log.warning(
                "memotier: %s: %s; everything in it counts as invalidated", self.home.database, why
            )
        self._last, self._birth, self._was_replaced = session.identity, session.birth, False
        return bool(why)

    def _open_board(self, is_new: bool) -> None:
        """Before the first reading, so that nothing which is invalidated after it is missed."""
        if self.board is None or not self.board.is_current():
            try:
                self.board = Board(self.home.board, self.home.file_mode, anew=is_new)
                return
            except OSError as error:
                self.board = None
                log.warning(
                    "memotier: %s cannot be mapped (%s): running processes learn what others "
                    "invalidate when they read from the disk, not at once",
                    self.home.board,
                    error,
                )
        if is_new and self.board is not None:
            self.board.mark_all()

    def _check_file_system(self) -> bool:
        """Whether the write-ahead log can be used, which needs a local file system."""
        network = network_type(self.home.root, self._mounts)
        if network is None:
            return True
        if not self._allow_network_fs:
            raise StoreUnavailable(
                f"{str(self.home.root)!r} lies on a network file system ({network}), where "
                "SQLite's locks cannot be relied on; choose a local directory"
            )
        log.warning(
            "memotier: %s lies on %s: slower, and safe only while one machine uses it",
            self.home.root,
            network,
        )
        return False

    def _quarantine(self, session: Session, error: Exception) -> None:
        self.retire(session)
        try:
            with self._opening, self.home.locked(self.timeout):
                self._set_aside(session.identity, error)
        except OSError as problem:
            log.warning("memotier: could not set aside %s: %s", self.home.database, problem)

    def _set_aside(self, bad: Identity | None, error: Exception) -> None:
        target = set_aside(self.home.database, bad, self._clock.wall())
        if target is None:
            return
        log.warning(
            "memotier: the cache database was damaged or foreign (%s); it is kept as %s, and an "
            "empty one takes its place",
            error,
            target,
        )
        self.events.append(("store_quarantined", {"path": str(target), "error": str(error)}))

    def _bury(self, wait: Seconds) -> None:
        """
        Close retired sessions if nobody is using one; else the next opening tries again.
        """
        if not self._retired or not self.writing.acquire(timeout=wait):
            return
        try:
            if self.reading.acquire(timeout=wait):
                try:
                    self._close_retired()
                finally:
                    self.reading.release()
        finally:
            self.writing.release()

    def _close_retired(self) -> None:
        while self._retired:
            self._retired.pop().close()


#: Connections of a parent process, kept so that the garbage collector does not close them.
_inherited: list[Session] = []
