"""
What the processes that use one store tell of themselves: small texts that expire by themselves.

    <directory>/snapshots-v1/   made by us, 0700
        <name>.json             0600; its time of change is when it was left

A notice is in a file and not in the database, so that to leave one never waits for a writer of
records, and no writer waits for it. It is written beside the old one and then put in its place:
who reads sees one or the other.

What is read may have been written by anybody who can write there: nobody believes it before he
has looked at it (analytics/believing.py).
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ..clock import Clock
from ..errors import StoreError, StoreUnavailable
from ..types import Seconds
from .directory import Home

#: Seconds that a notice is there after it was left.
LIFE: Final[Seconds] = 600.0
#: Notices that are kept: those of so many processes, the last that were heard of.
MOST: Final = 100
#: Bytes of one notice.
LARGEST: Final = 256 * 1024

#: Beside the files of the second tier; a later format lies in another folder.
FOLDER: Final = "snapshots-v1"
_NAME: Final = re.compile(r"[0-9a-f]{1,32}")
_SUFFIX: Final = ".json"


class Notice(NamedTuple):
    """
    What one process left, as it was found, and when (wall seconds).
    """

    name: str
    data: bytes
    at: Seconds


class Notices(Protocol):
    """
    Where a store keeps notices. Both raise ``StoreError`` and nothing else.
    """

    def leave(self, name: str, data: bytes) -> None:
        """
        Put *data* in the place of what was left under *name* (lower-case hexadecimal digits).
        """

    def left(self) -> list[Notice]:
        """
        What is there and has not expired, ``MOST`` at most.
        """


class FolderNotices:
    """
    The notices of a directory.
    """

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self.folder: Path = home.root / FOLDER

    def leave(self, name: str, data: bytes) -> None:
        assert _NAME.fullmatch(name) and len(data) <= LARGEST
        now = self._clock.wall()
        try:
            self._prepare()
            new = self.folder / f"{name}.new"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(new, flags, self._home.file_mode)
            try:
                _write(file, data)
                os.utime(file, (now, now))
            finally:
                os.close(file)
            new.replace(self.folder / (name + _SUFFIX))
            self._make_room(now)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"a notice could not be left in {self.folder}: {error}") from error

    def left(self) -> list[Notice]:
        now = self._clock.wall()
        try:
            if not os.path.lexists(self.folder):
                return []
            self._check()
            with os.scandir(self.folder) as found:
                names = [one.name.removesuffix(_SUFFIX) for one in found]
            notices = [self._read(name) for name in names if _NAME.fullmatch(name)]
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.folder} cannot be read: {error}") from error
        alive = [one for one in notices if one is not None and _is_alive(one.at, now)]
        return sorted(alive, key=lambda one: -one.at)[:MOST]

    def _read(self, name: str) -> Notice | None:
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.open(self.folder / (name + _SUFFIX), flags)
        except OSError:
            return None  # it has just expired, or is none of ours
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode) or not 0 < about.st_size <= LARGEST:
                return None
            if about.st_uid != os.geteuid() and not self._home.shared:
                return None
            with open(file, "rb", closefd=False) as reader:
                return Notice(name, reader.read(LARGEST), about.st_mtime)
        except OSError:
            return None
        finally:
            os.close(file)

    def _prepare(self) -> None:
        try:
            self.folder.mkdir(0o770 if self._home.shared else 0o700)
        except FileExistsError:
            pass
        self._check()

    def _check(self) -> None:
        about = self.folder.lstat()
        is_ours = about.st_uid == os.geteuid() and not about.st_mode & 0o077
        if not stat.S_ISDIR(about.st_mode) or not (is_ours or self._home.shared):
            raise StoreUnavailable(
                f"{str(self.folder)!r} is not a directory that only you can use; remove it"
            )

    def _make_room(self, now: Seconds) -> None:
        """
        Remove what has expired, and the oldest if there are too many.
        """
        with os.scandir(self.folder) as found:
            known = []
            for one in found:
                with suppress(FileNotFoundError):
                    known.append((one.stat(follow_symlinks=False).st_mtime, one.path))
        known.sort(reverse=True)
        for number, (at, path) in enumerate(known):
            if number >= MOST or not _is_alive(at, now):
                with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                    os.unlink(path)


def _is_alive(at: Seconds, now: Seconds) -> bool:
    # Also what is of the future: the clock was set back.
    return abs(now - at) < LIFE


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
