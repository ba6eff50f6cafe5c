"""
All records of a database, one after the other, for who looks through them.

They are read in small pieces, each a snapshot of its own, so that nobody who writes is kept
waiting however long the reader takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from ..clock import Clock
from ..types import Lying, Seconds
from ._diskcache import OURS
from .access import Access
from .rows import ALIVE, in_group

#: Records that one statement reads.
AT_ONCE: Final = 100


def all_lying(access: Access, group: str | None, clock: Clock, most: int) -> Iterator[Lying]:
    """
    All unexpired records, of namespace *group* and those below it or of all, the oldest first;
    those that are stored or go meanwhile may be among them or not. One that is longer than *most*
    bytes is not read.
    """
    if access.connections.has_nothing():
        return
    after = 0
    while found := access.read(_lying, group, clock.wall(), after, most):
        for _, one in found:
            yield one
        after = found[-1][0]


def _lying(
    connection: sqlite3.Connection, group: str | None, now: Seconds, after: int, most: int
) -> list[tuple[int, Lying]]:
    """
    The next ones whose rows come after *after*, each with its row.
    """
    condition, values = in_group(group)
    rows = connection.execute(
        f"SELECT rowid, key, tag, expire_time, size,"  # noqa: S608
        f" CASE WHEN {OURS} AND length(value) <= ? THEN value END"
        f" FROM Cache WHERE rowid > ? AND {ALIVE}{condition} ORDER BY rowid LIMIT {AT_ONCE}",
        (most, after, now, *values),
    ).fetchall()
    return [
        (row, Lying(_bytes(key), _text(tag), record, _moment(until), _moment(at) if at else None))
        for row, key, tag, until, at, record in rows
    ]


def _moment(at: object) -> Seconds:
    return float(at) if isinstance(at, (int, float)) else 0.0


def _bytes(key: object) -> bytes:
    # Whoever writes to the file may write what he likes; such a one is listed as unreadable.
    return key if isinstance(key, bytes) else b""


def _text(tag: object) -> str:
    return tag if isinstance(tag, str) else ""
