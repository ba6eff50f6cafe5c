"""
A look at an Arrow stream before a library reads it: no compression, no invented rows.

The libraries trust the lengths that a stream states. A few hundred bytes can ask for a
column of 2**40 nulls, or unpack to gigabytes; so the messages are walked here first.

Source:
    Apache Arrow columnar format, "IPC Streaming Format"; FlatBuffers internals.
"""

from __future__ import annotations

import struct

from ..errors import DecodeRefused
from .survey import MAX_ITEMS

_CONTINUATION = 0xFFFFFFFF
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_NODE = struct.Struct("<qq")
# A boolean takes a bit.
_ROWS_PER_BYTE = 8


def check_stream(data: memoryview) -> None:
    """
    Refuse a stream that would become much larger in memory than it is.

    Raises:
        DecodeRefused: If it is compressed, malformed, or states more rows than it can hold.
    """
    allowed = max(MAX_ITEMS, _ROWS_PER_BYTE * len(data))
    try:
        rows = _rows(data, allowed)
    except (struct.error, IndexError) as error:
        raise DecodeRefused("a stored frame is not an Arrow stream") from error
    if rows > allowed:
        raise DecodeRefused("a stored frame states more rows than it can hold")


def _rows(data: memoryview, allowed: int) -> int:
    at = rows = 0
    while at < len(data):
        mark, size = struct.unpack_from("<II", data, at)
        if mark != _CONTINUATION:
            raise DecodeRefused("a stored frame is not an Arrow stream")
        if size == 0:
            break
        message = _Table.root(data[at + 8 : at + 8 + size])
        rows += _message_rows(message)
        body = message.integer(3, "<q")
        at += 8 + size + body
        if body < 0 or at > len(data) or rows > allowed:
            raise DecodeRefused("a stored frame is not an Arrow stream")
    return rows


def _message_rows(message: _Table) -> int:
    kind = message.integer(1, "<B")
    header = message.table(2)
    if header is None or kind not in (_SCHEMA, _DICTIONARY, _BATCH):
        raise DecodeRefused("a stored frame is not an Arrow stream")
    if kind == _SCHEMA:
        return 0
    batch = header.table(1) if kind == _DICTIONARY else header
    if batch is None or batch.table(3) is not None:
        raise DecodeRefused("a stored frame is compressed inside, which memotier never writes")
    return batch.integer(0, "<q") + sum(length for length, _ in batch.structs(1, _NODE))


class _Table:
    """
    One FlatBuffers table: fields are found by number, absent ones are zero.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self._at = at

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _field(self, number: int) -> int | None:
        vtable = self._at - struct.unpack_from("<i", self._data, self._at)[0]
        if vtable < 0:
            raise IndexError(vtable)
        size = struct.unpack_from("<H", self._data, vtable)[0]
        if 4 + 2 * number >= size:
            return None
        offset = struct.unpack_from("<H", self._data, vtable + 4 + 2 * number)[0]
        return self._at + offset if offset else None

    def integer(self, number: int, form: str) -> int:
        at = self._field(number)
        return 0 if at is None else int(struct.unpack_from(form, self._data, at)[0])

    def _target(self, number: int) -> int | None:
        at = self._field(number)
        return None if at is None else at + int(struct.unpack_from("<I", self._data, at)[0])

    def table(self, number: int) -> _Table | None:
        at = self._target(number)
        return None if at is None else _Table(self._data, at)

    def structs(self, number: int, form: struct.Struct) -> list[tuple[int, ...]]:
        at = self._target(number)
        if at is None:
            return []
        count = struct.unpack_from("<I", self._data, at)[0]
        if at + 4 + count * form.size > len(self._data):
            raise IndexError(at)
        found = [form.unpack_from(self._data, at + 4 + i * form.size) for i in range(count)]
        if any(number < 0 for numbers in found for number in numbers):
            raise IndexError(at)
        return found
