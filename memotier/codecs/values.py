"""
The default codec: exact Python types in msgpack, and nothing that runs when it is read.

Plain data (None, bool, int, float, str, bytes, list, dict) is msgpack as it is, written
and read in C. Everything else is taken apart into parts that are values again; see
kinds.py, layouts.py, arrays.py and frames.py. The parts lie side by side in one flat table
(write.py, read.py), so that neither writing nor reading recurses.
"""

from __future__ import annotations

from typing import Any

from ..errors import DecodeRefused, MemotierError, ValueTooLarge
from .kinds import FIRST_COMPOSITE
from .plain import pack_plain, unpack
from .read import Reader
from .survey import ATOMS, MAX_BYTES, MAX_ITEMS, PLAIN, check_depth, count_items, survey
from .write import Writer

# The one byte that begins no msgpack value: what follows says how to read the rest.
MARK = 0xC1
BYTES, TEXT, TABLE = b"\xc1\x01", b"\xc1\x02", b"\xc1\x03"


class SafeCodec:
    """
    Values to bytes and back with their exact types; see the list in docs/guide/values.md.

    What would not come back as the same type is refused when it is stored. Shared parts
    come back as equal, separate parts; cycles are refused.
    """

    name = "safe"

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"<SafeCodec max_bytes={self._max_bytes}>"

    def encode(self, value: Any) -> bytes:
        """
        The payload of *value*.

        Raises:
            SerializationError: If *value*, or something in it, would not come back the same.
            ValueTooLarge: If the payload is longer than ``max_bytes``.
        """
        payload = self._encode(value)
        if len(payload) > self._max_bytes:
            raise ValueTooLarge(
                f"a value of {len(payload):,} bytes is larger than the {self._max_bytes:,} bytes "
                "that are stored; raise max_value_bytes, or return less"
            )
        return payload

    def _encode(self, value: Any) -> bytes:
        kind = type(value)
        if kind is bytes:
            return b"".join((BYTES, value))
        if kind is str and (value.isascii() or is_text(value)):
            return b"".join((TEXT, value.encode()))

        kinds, _ = survey(value, MAX_ITEMS)
        if kinds <= PLAIN:
            try:
                return pack_plain(value)
            except TypeError:
                # A long integer, a lone surrogate: not plain after all.
                pass
        return Writer().write(value, TABLE)

    def decode(self, payload: bytes | memoryview) -> Any:
        """
        The value. Arrays are read-only views of *payload*.

        Raises:
            UnknownClass: If it holds an object of a class that is not registered here.
            DecodeRefused: If it is anything else that this codec does not read.
        """
        try:
            return self._decode(memoryview(payload).toreadonly())
        except MemotierError as error:
            if isinstance(error, DecodeRefused):
                raise
            raise DecodeRefused(f"payload cannot be read: {error}") from error
        except Exception as error:
            raise DecodeRefused(f"payload cannot be read: {type(error).__name__}") from error

    def _decode(self, data: memoryview) -> Any:
        if not 0 < len(data) <= self._max_bytes:
            raise DecodeRefused(
                f"a payload of {len(data):,} bytes is not between 1 and {self._max_bytes:,}"
            )
        if data[0] != MARK:
            return _plain(data)

        mark, rest = bytes(data[:2]), data[2:]
        if mark == BYTES:
            return bytes(rest)
        if mark == TEXT:
            return str(rest, "utf-8")
        if mark == TABLE:
            return Reader(rest).read()
        raise DecodeRefused(f"a payload of kind {mark[1:].hex()} was written by another version")


#: First bytes of msgpack that are a value by themselves: small integers, the empty text, list and
#: dict, None and booleans. Text, JSON, pickles and zlib streams begin with one of them, too.
_WHOLE = frozenset((*range(0x81), 0x90, 0xA0, 0xC0, 0xC2, 0xC3, *range(0xE0, 0x100)))


def _plain(data: memoryview) -> Any:
    # The reader of msgpack stops where a value ends and ignores what follows.
    if len(data) > 1 and data[0] in _WHOLE:
        raise DecodeRefused("payload cannot be read: it goes on where its value has ended")
    if len(data) > MAX_ITEMS:
        count_items(data, FIRST_COMPOSITE, MAX_ITEMS)
    value = unpack(data)
    if type(value) not in ATOMS:
        check_depth(value, only_plain=True)
    return value


def is_text(value: str) -> bool:
    """
    Whether *value* is text that UTF-8 can hold: no lone surrogates.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
