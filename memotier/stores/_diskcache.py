"""
diskcache, as far as we let it: the layout of the file, and nothing that turns bytes to objects.

The layout (tables, indexes, triggers, settings) is diskcache's own and made by diskcache;
``diskcache.Cache(directory, disk=BytesDisk)`` opens our files. The statements of every day
are our own, on our own connections (disk.py), because a read must return the record and the
epoch from one snapshot, and a write must compare tokens in the transaction that stores.

What diskcache would do otherwise, and is refused here: unpickle keys and values, read and
unlink paths that it finds in a row (CVE-2025-69872 and its neighbours), obey settings that
stand in the file, wait 60 s to open, one connection per thread, SQL that needs SQLite's
double-quoted strings.
"""

from __future__ import annotations

import functools
import logging
import os
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import diskcache  # type: ignore[import-untyped]

from ..types import Seconds

log = logging.getLogger("memotier")

#: diskcache's mode of a value that lies in the row as it is.
MODE_RAW: Final[int] = diskcache.core.MODE_RAW
#: The SQL condition for a row that we can have written.
OURS: Final = f"mode = {MODE_RAW} AND filename IS NULL AND typeof(value) = 'blob'"
WAL_LIMIT: Final = 4 * 2**20  # bytes

_POLICY_OF: Final = {
    "ttl": "none",  # the index on expire_time is always there
    "fifo": "least-recently-stored",
    "lru": "least-recently-used",
    "lfu": "least-frequently-used",
}

_VERSION_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS memotier_version ("
    " name BLOB PRIMARY KEY NOT NULL, token BLOB NOT NULL) WITHOUT ROWID"
)


class ForeignRow(ValueError):
    """
    A row that memotier did not write.
    """


class BytesDisk(diskcache.Disk):  # type: ignore[misc]
    """
    Bytes to bytes, in the row itself; whatever else a row says is refused.
    """

    def __init__(self, directory: str, **_settings: Any) -> None:
        # A file may hold any number of disk_* settings; none of them means anything to us.
        super().__init__(directory)

    def put(self, key: Any) -> tuple[Any, bool]:
        if type(key) is not bytes:
            raise TypeError(f"keys are bytes, not {type(key).__qualname__}")
        return sqlite3.Binary(key), True

    def get(self, key: Any, raw: bool) -> bytes:
        if not raw or not isinstance(key, (bytes, memoryview)):
            raise ForeignRow("a key that is not plain bytes")
        return bytes(key)

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, Any]:
        if read or type(value) is not bytes:
            raise TypeError(f"values are bytes, not {type(value).__qualname__}")
        return 0, MODE_RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        if read or mode != MODE_RAW or filename is not None or type(value) is not bytes:
            raise ForeignRow("a value that is not plain bytes")
        return value

    def filename(self, key: Any = None, value: Any = None) -> tuple[str, str]:
        raise ForeignRow("values do not go to files")

    def remove(self, file_path: str | None) -> None:
        # Called after the commit, with a path out of the database: never unlink that, and
        # do not raise, or a write that was made would look as if it had failed.
        if file_path:
            log.warning("memotier: ignored a file name in the cache database: %r", file_path)


class BytesCache(diskcache.Cache):  # type: ignore[misc]
    """
    diskcache on one connection of ours: it lays out the file, and writes nothing if it is laid
    out already, so that opening does not wait for other writers.
    """

    def __init__(self, connection: sqlite3.Connection, eviction: str, limit: int) -> None:
        self._connection = connection
        # diskcache expands "~" and "$NAME" in the path it is given and makes that directory;
        # it has no need to know ours.
        super().__init__(os.sep, timeout=0, disk=BytesDisk, **_settings(eviction, limit))

    @property
    def _con(self) -> sqlite3.Connection:
        return self._connection

    @property
    def _sql(self) -> Callable[..., sqlite3.Cursor]:
        # diskcache writes 'WHERE key = "size"', which SQLite builds without double-quoted
        # strings (conda-forge, Homebrew) take for a column.
        execute = self._connection.execute
        return lambda statement, *args: execute(statement.replace('"', "'"), *args)

    @property
    def _sql_retry(self) -> Callable[..., Any]:
        return self._unless_it_is_so

    def _unless_it_is_so(self, statement: str, *args: Any) -> Any:
        """Run *statement*, but no write to Settings that would change nothing."""
        if args and statement.startswith(("INSERT OR", "UPDATE")):
            first, second = args[0]
            key, value = (second, first) if statement.startswith("UPDATE") else (first, second)
            found = self._sql("SELECT value FROM Settings WHERE key = ?", (key,)).fetchall()
            if found and (statement.startswith("INSERT OR IGNORE") or found == [(value,)]):
                return None
        return self._sql(statement, *args)

    def reset(self, key: str, value: Any = diskcache.core.ENOVAL, update: bool = True) -> Any:
        # The pragmas are set by connect(), to what we want, whatever the file says; and no
        # setting may put an attribute over one of our methods.
        if key.startswith(("sqlite_", "disk_")) and value is not diskcache.core.ENOVAL:
            return value
        return super().reset(key, value, update)

    def close(self) -> None:
        """The connection is closed by who opened it."""


def _settings(eviction: str, limit: int) -> dict[str, Any]:
    """Every setting there is: what we leave out would be taken from the file."""
    return {
        "size_limit": limit,
        "cull_limit": 0,
        "eviction_policy": _POLICY_OF[eviction],
        "statistics": 0,
        "tag_index": 0,
        "disk_min_file_size": 2**31 - 1,
        "disk_pickle_protocol": 0,
        "sqlite_auto_vacuum": 1,
        "sqlite_cache_size": 2**13,
        "sqlite_journal_mode": "wal",
        "sqlite_mmap_size": 0,
        "sqlite_synchronous": 1,
    }


def connect(place: Path | str, timeout: Seconds, wal: bool = True) -> sqlite3.Connection:
    """
    A connection to an existing file that trusts nothing in it; *timeout* seconds for locks.
    """
    if isinstance(place, Path):
        # mode=rw: a file that went away meanwhile must not come back with a mode of SQLite's.
        place = place.absolute().as_uri() + "?mode=rw"
    connection = sqlite3.connect(
        place, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True
    )
    # Text is only ever shown or compared; bad UTF-8 in a file must not raise.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    pragmas = [
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "mmap_size=0",
        # 32 MB at the most, as diskcache has it: with less, values of a megabyte are read
        # anew, page by page, five times as slowly.
        "cache_size=8192",
        "journal_mode=WAL" if wal else "journal_mode=DELETE",
        "synchronous=NORMAL" if wal else "synchronous=FULL",
        f"journal_size_limit={WAL_LIMIT}",
    ]
    try:
        # Without it the file never shrinks, and culling never ends. Setting what is set
        # already would wait for other writers.
        if connection.execute("PRAGMA auto_vacuum").fetchall() != [(1,)]:
            connection.execute("PRAGMA auto_vacuum=FULL").fetchall()
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(place: Path, timeout: Seconds, *, is_still: bool) -> sqlite3.Connection:
    """
    A connection that changes nothing.

    Args:
        is_still: Nobody changes the file either, and there is no log beside it. None is made then,
            and nothing is locked.
    """
    uri = place.absolute().as_uri() + ("?mode=ro&immutable=1" if is_still else "?mode=ro")
    connection = sqlite3.connect(
        uri, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def lay_out(connection: sqlite3.Connection, eviction: str, limit: int) -> BytesCache:
    """
    Make what is missing in the file, in one transaction, and put the settings right.
    """
    _forget_unknown(connection, {*_settings(eviction, limit), *diskcache.core.METADATA})
    cache = BytesCache(connection, eviction, limit)
    connection.execute(_VERSION_TABLE)
    _recount(connection)
    return cache


def _forget_unknown(connection: sqlite3.Connection, known: Collection[str]) -> None:
    """Each setting in the file becomes an attribute of diskcache's object: only those it knows."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Settings'").fetchall():
        return
    for (name,) in connection.execute("SELECT key FROM Settings").fetchall():
        if name not in known:
            connection.execute("DELETE FROM Settings WHERE key = ?", (name,))


def _recount(connection: sqlite3.Connection) -> None:
    """The number of rows decides about eviction, so a wrong one in the file is put right."""
    counted = "(SELECT count(*) FROM Cache)"
    ((real, noted),) = connection.execute(
        f"SELECT {counted}, (SELECT value FROM Settings WHERE key = 'count')"  # noqa: S608
    ).fetchall()
    if real != noted:
        connection.execute(
            f"UPDATE Settings SET value = {counted} WHERE key = 'count'"  # noqa: S608
        )


def strangers(connection: sqlite3.Connection) -> list[str]:
    """
    The names of triggers, views, tables and indexes that neither diskcache nor we make.
    """
    known = _layout()
    return [
        f"{kind} {name}"
        for kind, name, sql in _objects(connection)
        if (kind, name, sql) not in known
    ]


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return {
        (kind, name, (sql or "").replace('"', "'"))
        for kind, name, sql in rows
        # What ANALYZE leaves behind; the reserved prefix keeps others from using it.
        if not name.startswith("sqlite_stat")
    }


@functools.cache
def _layout() -> frozenset[tuple[str, str, str]]:
    """What may stand in a file: what this version of diskcache makes, for any policy."""
    found: set[tuple[str, str, str]] = set()
    for eviction in _POLICY_OF:
        connection = connect(":memory:", timeout=0)
        try:
            lay_out(connection, eviction, 2**30).create_tag_index()
            found |= _objects(connection)
        finally:
            connection.close()
    return frozenset(found)
