"""
What a failing database means, in words that say what to do.

diskcache turns every failure at ``BEGIN`` into an empty ``Timeout``; we talk to the connection
ourselves and look at SQLite's own code, because a full disk, a read-only one and a damaged
file each need another answer.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Final

from ..errors import StoreError

LOCKED: Final = "locked"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
CORRUPT: Final = "corrupt"
IO: Final = "io"
OTHER: Final = "other"

# The low byte of an extended code is the code of its family (sqlite.org/rescode.html).
_BY_CODE: Final = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: CORRUPT,
    sqlite3.SQLITE_NOTADB: CORRUPT,
    sqlite3.SQLITE_IOERR: IO,
    sqlite3.SQLITE_CANTOPEN: IO,
}

_BY_ERRNO: Final = {
    errno.EROFS: READ_ONLY,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
}

_WORDS: Final = {
    LOCKED: "the database is locked by another writer; the cache goes on without this write",
    READ_ONLY: "the directory or its file system is read-only; make it writable, or choose another",
    FULL: "the disk is full; free some room, or lower max_bytes",
    CORRUPT: "the database is corrupt",
    IO: "an I/O error; look at the disk and its permissions",
    OTHER: "an unexpected error",
}


class StoreBusy(StoreError):
    """
    Someone else held the store for longer than the time allowed; the next try may well work.
    """


def kind_of(error: sqlite3.Error | OSError) -> str:
    """
    One of the words above.
    """
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, IO)

    code = getattr(error, "sqlite_errorcode", None)
    return OTHER if code is None else _BY_CODE.get(code & 0xFF, OTHER)


def translated(error: sqlite3.Error | OSError, doing: str, database: Path) -> StoreError:
    """
    The error to raise ``from`` *error*: which file, what was tried, what it means.
    """
    kind = kind_of(error)
    text = f"{doing} in {str(database)!r} failed: {_WORDS[kind]} ({error})"
    return StoreBusy(text) if kind is LOCKED else StoreError(text)
