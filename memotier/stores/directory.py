"""
The directory of a disk store: who may look into it, on what it lies, and its lock file.

    <directory>/        given by the user; nobody else may write here
    <directory>/v1/     made by us, 0700; a later format lives beside it
        cache.db        the database, 0600, and SQLite's -wal and -shm beside it
        cache.db-lock   held while a process opens, creates or sets aside the database
        cache.db-claims bytes to lock: who computes a key, among processes; see claims.py
        cache.db-board  what was invalidated, for all running processes; see board.py
"""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import StoreUnavailable
from ..types import Seconds
from .faults import StoreBusy

FORMAT: Final = "v1"
_PAUSE: Final = 0.005  # seconds between two tries to get the lock file

# WAL needs memory that all users of the file share, so they must be on one machine
# (sqlite.org/wal.html); the locks of the others are not to be relied on either.
_NETWORK: Final = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs"),
    )
)


@dataclass(frozen=True, slots=True)
class Home:
    """
    Where the files of one store lie.
    """

    root: Path
    #: Others may read and write too; the user said so.
    shared: bool = False

    @property
    def folder(self) -> Path:
        return self.root / FORMAT

    @property
    def database(self) -> Path:
        return self.folder / "cache.db"

    @property
    def lock_file(self) -> Path:
        # diskcache's check() removes files that it does not know, unless named like this.
        return self.folder / "cache.db-lock"

    @property
    def board(self) -> Path:
        return self.folder / "cache.db-board"

    @property
    def claims(self) -> Path:
        return self.folder / "cache.db-claims"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files whose owner and mode matter, whether they exist or not."""
        name = str(self.database)
        beside = (Path(name + "-wal"), Path(name + "-shm"))
        return (self.database, *beside, self.lock_file, self.board, self.claims)

    @property
    def file_mode(self) -> int:
        return 0o660 if self.shared else 0o600

    def prepare(self) -> None:
        """
        Make the directory if it is missing, and check it.

        Raises:
            StoreUnavailable: If it cannot be made, or others could read or plant records in it.
        """
        try:
            _make(self.root)
            self._check_folder(self.root, others=0o022)
            _make(self.folder)
            self._check_inside()
        except OSError as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise StoreUnavailable(
                f"the cache directory {str(self.root)!r} cannot be used: {error}; "
                "make it writable, or choose another directory"
            ) from error

    def has_database(self) -> bool:
        """
        Whether there is one, after the same checks; nothing is made.

        Raises:
            StoreUnavailable: If it cannot be reached, or others could have planted records in it.
        """
        try:
            self._check_folder(self.root, others=0o022)
            self._check_inside()
            self.database.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise StoreUnavailable(
                f"the cache directory {str(self.root)!r} cannot be read: {error}"
            ) from error
        return True

    def _check_inside(self) -> None:
        # Only here no one may even look: this is where the records are. A root that
        # others can list (0755, what mkdir makes) shows them one closed door.
        self._check_folder(self.folder, others=0o077)
        for file in self.files:
            self._check_file(file)

    def _check_folder(self, path: Path, others: int) -> None:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise StoreUnavailable(
                f"the cache directory {str(path)!r} is a symbolic link, which someone else may "
                f"turn elsewhere; pass the real path: {str(path.resolve())!r}"
            )
        if not stat.S_ISDIR(found.st_mode):
            raise StoreUnavailable(
                f"the cache directory {str(path)!r} exists and is a file; it is not read or "
                "touched. Choose another directory, or move the file away"
            )
        self._check_owner(path, found, others, "700")

    def _check_file(self, path: Path) -> None:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISREG(found.st_mode):
            raise StoreUnavailable(
                f"{str(path)!r} is not a regular file; remove it with: rm {shlex.quote(str(path))}"
            )
        self._check_owner(path, found, 0o077, "600")

    def _check_owner(self, path: Path, found: os.stat_result, others: int, fix: str) -> None:
        if self.shared:
            return
        quoted = shlex.quote(str(path))
        if found.st_uid != os.geteuid():
            raise StoreUnavailable(
                f"{str(path)!r} belongs to user {found.st_uid}, not to you ({os.geteuid()}), who "
                f"could read and plant results; fix it with: chown {os.geteuid()} {quoted}; "
                "or choose another directory"
            )
        if found.st_mode & others:
            raise StoreUnavailable(
                f"{str(path)!r} is open to other users (mode "
                f"{stat.S_IMODE(found.st_mode):04o}); fix it with: chmod {fix} {quoted}"
            )

    @contextmanager
    def locked(self, timeout: Seconds) -> Iterator[None]:
        """
        Hold the lock file, which the kernel gives back when its holder dies.

        Raises:
            StoreBusy: If others hold it for longer than *timeout* seconds.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self.lock_file, flags, self.file_mode)
        try:
            if os.fstat(file).st_uid == os.geteuid():
                os.fchmod(file, self.file_mode)
            # Counted, not timed: tests stop the clock.
            for left in range(max(1, int(timeout / _PAUSE)), -1, -1):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not left:
                        raise StoreBusy(
                            f"the lock file in {str(self.folder)!r} was held by another process "
                            f"for {timeout:g} s; the cache goes on without the disk"
                        ) from None
                    time.sleep(_PAUSE)
            yield
        finally:
            os.close(file)

    def create_database(self) -> None:
        """
        Make an empty database file if there is none, readable by its owner whatever the umask;
        SQLite gives its other files the same mode.
        """
        # Exclusively, so that a database that exists is never opened here: closing any file
        # descriptor of it would drop the locks that SQLite holds on it in this process
        # (sqlite.org/howtocorrupt.html, 2.2).
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            file = os.open(self.database, flags, self.file_mode)
        except FileExistsError:
            return
        try:
            os.fchmod(file, self.file_mode)
            # These are of a database that was removed: whoever still has it open goes on
            # with them, but must not share them with the new one.
            for suffix in ("-wal", "-shm"):
                Path(str(self.database) + suffix).unlink(missing_ok=True)
        finally:
            os.close(file)


def _make(path: Path) -> None:
    """Make *path* and what is missing above it, all 0700: not only the last one."""
    missing = []
    step = path
    while not os.path.lexists(step):
        missing.append(step)
        step = step.parent
    for step in reversed(missing):
        try:
            step.mkdir(0o700)
        except FileExistsError:
            pass  # Another process made it at the same time; it is checked like any other.


def read_mountinfo() -> str:
    """
    The mounts of this process, or nothing where the system does not tell.
    """
    try:
        return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return ""


def network_type(path: Path, read: Callable[[], str] = read_mountinfo) -> str | None:
    """
    The type of the network file system on which *path* lies, such as ``"nfs4"``, or None.
    """
    place = os.path.realpath(path)  # Path.resolve raises, in a loop of links
    best, found = "", ""
    for line in read().splitlines():
        head, _, tail = line.partition(" - ")
        fields, types = head.split(), tail.split()
        if len(fields) < 5 or not types:
            continue
        point = _unescaped(fields[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        # The last of equals: a mount hides what was mounted at the same point before.
        if inside and len(point) >= len(best):
            best, found = point, types[0]
    is_network = found in _NETWORK or found.startswith("fuse.")
    return found if is_network else None


def _unescaped(text: str) -> str:
    for code in ("040", "011", "012", "134"):
        text = text.replace("\\" + code, chr(int(code, 8)))
    return text
