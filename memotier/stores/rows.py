"""
Records in the database: the SQL of reading, storing and removing them, on a given connection.

Plain SQL in diskcache's tables instead of its own ``get`` and ``set``, because a record must
be read together with the epoch and stored together with a comparison of tokens.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from ..types import MISS, Address, Item, Reading, Seconds, Token
from ._diskcache import MODE_RAW, OURS
from .tokens import EPOCH, SIZES, holds, one_moment, padded, slot_of, tokens_of

BATCH: Final = 500  # rows that one transaction of clear() removes


_FOUND: Final = (
    # CASE keeps what is foreign or too large inside the database: only a NULL comes out.
    # *size* is diskcache's for values in files: 0 in our rows, and in those that were expired
    # the moment of that, because diskcache puts it back to 0 with a new value, as we do.
    f"CASE WHEN {OURS} AND length(value) <= ? THEN value END, rowid, size"
)
# One statement is one snapshot; it has a row whether there is a record or not.
_VERSION: Final = "(SELECT token FROM memotier_version WHERE name = ?)"
_EPOCH: Final = _VERSION.replace("?", f"x'{EPOCH.hex()}'")
ALIVE: Final = "raw = 1 AND expire_time > ?"
_READ_ONE: Final = (
    f"SELECT {_EPOCH}, {_VERSION}, {_FOUND}"  # noqa: S608
    f" FROM (SELECT 1) LEFT JOIN Cache ON key = ? AND {ALIVE}"
)


def _read_statement(places: int) -> str:
    marks = ",".join("?" * places)
    return f"SELECT key, {_FOUND} FROM Cache WHERE key IN ({marks}) AND {ALIVE}"  # noqa: S608


_READ_MANY: Final = {size: _read_statement(size) for size in SIZES}
_COLUMNS: Final = (
    "key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, filename, value"
)
_REPLACED: Final = ", ".join(
    f"{column} = excluded.{column}"
    for column in _COLUMNS.split(", ")
    if column not in ("key", "raw")
)
_STORE: Final = (
    f"INSERT INTO Cache ({_COLUMNS})"  # noqa: S608
    f" VALUES (?, 1, ?, ?, ?, 0, ?, 0, {MODE_RAW}, NULL, ?)"
    f" ON CONFLICT (key, raw) DO UPDATE SET {_REPLACED}"
)
# The comparison and the storing in one statement, for the usual case that nothing at all was
# invalidated since the guard was noted.
_STORE_IF_UNMOVED: Final = (
    f"INSERT INTO Cache ({_COLUMNS})"
    f" SELECT ?, 1, ?, ?, ?, 0, ?, 0, {MODE_RAW}, NULL, ?"
    f" WHERE {_EPOCH} = ? AND (? OR {_VERSION} IS ?)"
    f" ON CONFLICT (key, raw) DO UPDATE SET {_REPLACED}"
)
_DROP_FOREIGN: Final = (
    f"DELETE FROM Cache WHERE rowid = ?"  # noqa: S608
    f" AND NOT ({OURS} AND length(value) <= ?)"
)
# "tool" and everything from "tool." up to "tool/", the next character: its descendants.
_GROUP: Final = " AND (tag = ? OR (tag >= ? AND tag < ?))"


def read_one(
    connection: sqlite3.Connection, address: Address, now: Seconds, most: int
) -> tuple[Token, Token, bytes | None, int | None, Any]:
    """
    Epoch, the token of the slot, the record, the number of its row, and what ``moment`` makes
    the time of that it was expired; all of one moment.

    The record is None for a row that is not ours or longer than *most* bytes.
    """
    values = (slot_of(address), most, address, now)
    rows: list[tuple[Token, Token, bytes | None, int | None, Any]]
    rows = connection.execute(_READ_ONE, values).fetchall()
    return rows[0]


def read_many(
    connection: sqlite3.Connection, addresses: Sequence[Address], now: Seconds, most: int
) -> tuple[Reading, list[int]]:
    """
    The same for any number of addresses, and the rows that are not ours.
    """
    found: dict[Address, bytes] = {}
    foreign: list[int] = []
    expired: dict[Address, Seconds] = {}
    slots = [slot_of(address) for address in addresses]
    with one_moment(connection):
        tokens = tokens_of(connection, [EPOCH, *slots])
        for piece in padded(addresses):
            values = (most, *piece, now)
            for address, record, row, at in connection.execute(_READ_MANY[len(piece)], values):
                if record is None:
                    foreign.append(row)
                else:
                    found[address] = record
                    if at != 0:
                        expired[address] = moment(at)
    reading = Reading(
        [found.get(address) for address in addresses],
        tokens.get(EPOCH),
        [tokens.get(slot) for slot in slots],
        [expired.get(address) for address in addresses] if expired else (),
    )
    return reading, foreign


def moment(size: Any) -> Seconds:
    """
    When a record was expired, by the *size* of its row: long ago, if that is not a time.
    """
    return float(size) if type(size) in (int, float) and math.isfinite(size) else 0.0


def store_items(
    connection: sqlite3.Connection, items: Sequence[Item], now: Seconds, most: int
) -> list[bool]:
    """
    Store those *items* whose guard holds and that are not longer than *most* bytes.
    """
    single = len(items) == 1 and items[0].guard.instead_of is None
    if single and _store_unmoved(connection, items[0], now, most):
        return [True]
    tokens = tokens_of(connection, [EPOCH, *{slot_of(item.address) for item in items}])
    epoch = tokens.get(EPOCH)
    names = {name for item in items if item.guard.epoch != epoch for name in item.guard.names}
    if names:
        tokens.update(tokens_of(connection, list(names)))

    stored = []
    for item in items:
        wanted = (
            len(item.record) <= most
            and holds(item, epoch, tokens)
            and _is_still_there(connection, item, now)
        )
        if wanted:
            connection.execute(_STORE, _row(item, now))
        stored.append(wanted)
    return stored


def _store_unmoved(connection: sqlite3.Connection, item: Item, now: Seconds, most: int) -> bool:
    guard = item.guard
    if len(item.record) > most or guard.epoch is None:
        return False
    condition = (guard.epoch, guard.mark is MISS, slot_of(item.address), guard.mark or None)
    return connection.execute(_STORE_IF_UNMOVED, (*_row(item, now), *condition)).rowcount == 1


def _is_still_there(connection: sqlite3.Connection, item: Item, now: Seconds) -> bool:
    old = item.guard.instead_of
    if old is None:
        return True
    sql = f"SELECT 1 FROM Cache WHERE key = ? AND {ALIVE} AND value = ?"  # noqa: S608
    return bool(connection.execute(sql, (item.address, now, old)).fetchall())


def _row(item: Item, now: Seconds) -> tuple[Any, ...]:
    until = math.inf if item.expire is None else now + item.expire
    return (item.address, now, until, now, item.group, item.record)


def delete_one(connection: sqlite3.Connection, address: Address, now: Seconds) -> bool:
    """
    Remove the record at *address*; whether there was one that had not expired.
    """
    found = connection.execute(
        "SELECT rowid, expire_time > ? FROM Cache WHERE key = ? AND raw = 1", (now, address)
    ).fetchall()
    for row, _ in found:
        connection.execute("DELETE FROM Cache WHERE rowid = ?", (row,))
    return any(alive for _, alive in found)


def expire_one(connection: sqlite3.Connection, address: Address, now: Seconds) -> bool:
    """
    Note that the record at *address* is not fresh any more, unless that was noted before;
    whether there is one that has not expired.
    """
    found = connection.execute(
        "SELECT rowid, size FROM Cache WHERE key = ? AND raw = 1 AND expire_time > ?",
        (address, now),
    ).fetchall()
    for row, size in found:
        if size == 0:
            connection.execute("UPDATE Cache SET size = ? WHERE rowid = ?", (now, row))
    return bool(found)


def drop_foreign(connection: sqlite3.Connection, row: int, most: int) -> None:
    """
    Remove *row* unless it has become one of ours; a file that it names stays where it is.
    """
    connection.execute(_DROP_FOREIGN, (row, most))


def last_row(connection: sqlite3.Connection) -> int:
    """
    The number of the last row, 0 if there is none.
    """
    return int(connection.execute("SELECT max(rowid) FROM Cache").fetchall()[0][0] or 0)


def clear_batch(
    connection: sqlite3.Connection, group: str | None, now: Seconds, after: int, last: int
) -> list[tuple[int, bool]]:
    """
    Remove up to ``BATCH`` records of *group* whose rows lie in ``(after, last]``.

    Returns:
        The rows, and for each whether it had not expired.
    """
    condition, values = in_group(group)
    rows: list[tuple[int, bool]] = connection.execute(
        f"SELECT rowid, coalesce({ALIVE}, 0) FROM Cache"  # noqa: S608
        f" WHERE rowid > ? AND rowid <= ?{condition} ORDER BY rowid LIMIT {BATCH}",
        (now, after, last, *values),
    ).fetchall()
    connection.executemany("DELETE FROM Cache WHERE rowid = ?", [(row,) for row, _ in rows])
    return rows


def count_rows(connection: sqlite3.Connection, group: str | None, now: Seconds) -> int:
    """
    Number of unexpired records of *group* and below, or of all.
    """
    condition, values = in_group(group)
    sql = f"SELECT count(*) FROM Cache WHERE {ALIVE}{condition}"  # noqa: S608
    return int(connection.execute(sql, (now, *values)).fetchall()[0][0])


def in_group(group: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if group is None else (_GROUP, (group, group + ".", group + "/"))
