"""
Tokens in the database: one for each name that was ever invalidated, for the slots of addresses
that were deleted, and for the epoch, which changes with every name. See memotier/tokens.py.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ..tokens import hard_token, soft_token
from ..types import MISS, Address, Item, Name, Seconds, Token

#: The row of ``memotier_version`` that holds the epoch. It cannot be mistaken for a name:
#: those have 16 bytes.
EPOCH: Final = b"epoch"
#: The row that says which file the database was made or adopted in: a copy lies in another one.
FILE: Final = b"file"
#: What stands before a name of which something is noted: with it no other row is as long.
_NOTE: Final = b"note:"
#: Notes of one name that are kept, the last ones; and bytes of one.
_MOST_NOTES: Final = 4
_LONGEST_NOTE: Final = 100
_BIRTH: Final = 4  # bytes at the front of an epoch that stay the same for the life of a file
_SLOTS: Final = 4096
_SLOT_NAMES: Final = [b"s" + slot.to_bytes(2, "big") for slot in range(_SLOTS)]
_PUT: Final = "INSERT OR REPLACE INTO memotier_version VALUES (?, ?)"

# So many placeholders does a statement have; the rest is filled up with the last name, so that
# SQLite compiles five statements and not five hundred.
SIZES: Final = (1, 2, 8, 64, 512)


def _statement(places: int) -> str:
    marks = ",".join("?" * places)
    return f"SELECT name, token FROM memotier_version WHERE name IN ({marks})"  # noqa: S608


_SELECT: Final = {size: _statement(size) for size in SIZES}


def padded(names: Sequence[bytes]) -> Iterator[list[bytes]]:
    """
    *names* in pieces of the sizes for which there are statements.
    """
    most = SIZES[-1]
    for start in range(0, len(names), most):
        piece = list(names[start : start + most])
        size = next(size for size in SIZES if size >= len(piece))
        yield piece + piece[-1:] * (size - len(piece))


def tokens_of(connection: sqlite3.Connection, names: Sequence[Name]) -> dict[Name, bytes]:
    """
    The tokens of those *names* that have one.
    """
    found: dict[Name, bytes] = {}
    for piece in padded(names):
        found.update(connection.execute(_SELECT[len(piece)], piece).fetchall())
    return found


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """
    All that is read inside is of one state of the database.
    """
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def tokens_at_once(connection: sqlite3.Connection, names: Sequence[Name]) -> dict[Name, bytes]:
    """
    The same, all of one moment.
    """
    if len(names) <= SIZES[-1]:
        return tokens_of(connection, names)  # One statement is one moment.
    with one_moment(connection):
        return tokens_of(connection, names)


def renew(connection: sqlite3.Connection, names: Iterable[Name]) -> None:
    """
    A fresh random token for each of *names*.
    """
    connection.executemany(_PUT, [(name, hard_token()) for name in names])


def renew_softly(connection: sqlite3.Connection, names: Sequence[Name], now: Seconds) -> None:
    """
    A fresh soft half for the token of each of *names*.
    """
    old = tokens_of(connection, names)
    tokens = [(name, soft_token(old.get(name), now)) for name in dict.fromkeys(names)]
    connection.executemany(_PUT, tokens)


def renew_epoch(connection: sqlite3.Connection) -> None:
    """
    Another epoch of the same file, or the first one of a new file.
    """
    epoch = tokens_of(connection, [EPOCH]).get(EPOCH, b"")
    birth = epoch[:_BIRTH] if len(epoch) == 8 else secrets.token_bytes(_BIRTH)
    connection.execute(_PUT, (EPOCH, birth + secrets.token_bytes(8 - _BIRTH)))


def birth_of(connection: sqlite3.Connection) -> bytes:
    """
    What tells this database from any other, and from itself before it was adopted.
    """
    return tokens_of(connection, [EPOCH]).get(EPOCH, b"")[:_BIRTH]


def settle_in(connection: sqlite3.Connection, file: bytes) -> None:
    """
    The database is at home in *file*.
    """
    connection.execute(_PUT, (FILE, file))


def adopt(connection: sqlite3.Connection, file: bytes, names: Iterable[Name]) -> None:
    """
    Let nothing that was known of the database, or stored in it under one of *names*, hold any
    longer: it gets a birth of its own, in *file*.
    """
    renew(connection, names)
    connection.execute("DELETE FROM memotier_version WHERE name = ?", (EPOCH,))
    renew_epoch(connection)
    settle_in(connection, file)


def slot_of(address: Address) -> Name:
    """
    The slot that *address* shares with some others; its first bytes are as good as any.
    """
    return _SLOT_NAMES[(address[0] << 8 | address[1]) % _SLOTS]


def holds(item: Item, epoch: Token, tokens: dict[Name, bytes]) -> bool:
    """
    Whether nothing has happened since the guard of *item* was noted.

    The guard of another database never holds in this one: its tokens were lost with it, so
    "never invalidated" here says nothing of what happened there. An epoch tells them apart
    by its first half.
    """
    guard = item.guard
    if epoch is None or guard.epoch is None:
        return False
    if guard.mark is not MISS and guard.mark != tokens.get(slot_of(item.address)):
        return False
    if guard.epoch == epoch:
        return True
    same_database = guard.epoch[:_BIRTH] == epoch[:_BIRTH]
    return same_database and [tokens.get(name) for name in guard.names] == list(guard.tokens)


def note_of(connection: sqlite3.Connection, name: Name) -> bytes | None:
    """
    What was noted of *name*: no token, and compared by nobody.
    """
    found = connection.execute(_SELECT[1], (_NOTE + name,)).fetchall()
    return next((data for _, data in found if type(data) is bytes), None)


def put_note(connection: sqlite3.Connection, name: Name, text: str) -> None:
    """
    Note *text* of *name*, before what was noted before.
    """
    new = text.encode("utf-8", "replace")[:_LONGEST_NOTE]
    known = (note_of(connection, name) or b"").split(b"\n")
    if known[0] != new:
        notes = [new, *(one for one in known if one not in (new, b""))]
        connection.execute(_PUT, (_NOTE + name, b"\n".join(notes[:_MOST_NOTES])))
