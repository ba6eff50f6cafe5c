"""
The codes of Python's plain values: numbers, text, bytes, dates.

``ATOMS`` maps a type to a function that gives the code of a value of *exactly* that type
(``type(value) is int``), or None if the value needs the long way of ``long``: it is large,
or it is text that is not Unicode. Exact, because a subclass may mean something else and may
run code of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from struct import Struct
from types import EllipsisType, NoneType, NotImplementedType
from typing import Any

from .wire import MAX_TEXT, SHORT, Budget, Refusal, leaf, varint

NAN = b"f\x7f\xf8\x00\x00\x00\x00\x00\x00"

_float = Struct(">d").pack
_two_floats = Struct(">dd").pack
_days = Struct(">iii").pack
# Codes of small integers; those of negative ones lie at the end, where Python's indices find them.
_INTS: list[bytes] = [
    b"i" + SHORT[n.bit_length() // 8 + 1] + n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True)
    for n in (*range(4096), *range(-1024, 0))
]
_STR = [b"s" + varint(size) for size in range(512)]
_BYTES = [b"b" + varint(size) for size in range(128)]


def _int(value: int) -> bytes | None:
    # Not a dict: hashing a very long integer takes long.
    if -1024 <= value < 4096:
        return _INTS[value]

    size = value.bit_length() // 8 + 1
    if size > 127:
        return None
    return b"i" + SHORT[size] + value.to_bytes(size, "big", signed=True)


def _float_code(value: float) -> bytes:
    # Every NaN is one key: it should find its entry although it does not equal itself.
    return b"f" + _float(value) if value == value else NAN


def _complex(value: complex) -> bytes:
    real, imag = value.real, value.imag
    nan = float("nan")
    return b"c" + _two_floats(real if real == real else nan, imag if imag == imag else nan)


def _str(value: str) -> bytes | None:
    if len(value) > 127:
        return None
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        return None
    return _STR[len(raw)] + raw


def _bytes(value: bytes) -> bytes | None:
    return _BYTES[len(value)] + value if len(value) < 128 else None


def _timedelta(value: timedelta) -> bytes:
    return b"w" + _days(value.days, value.seconds, value.microseconds)


ATOMS: dict[type, Callable[[Any], bytes | None]] = {
    NoneType: lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
    EllipsisType: lambda value: b"E",
    NotImplementedType: lambda value: b"I",
    int: _int,
    float: _float_code,
    complex: _complex,
    str: _str,
    bytes: _bytes,
    date: lambda value: b"d" + value.toordinal().to_bytes(4, "big"),
    timedelta: _timedelta,
}


def _long_int(value: int, budget: Budget) -> bytes:
    size = value.bit_length() // 8 + 1
    budget.spend_text(size)
    return leaf(b"i", value.to_bytes(size, "big", signed=True), size, budget)


def long_str(value: str, budget: Budget) -> bytes:
    """
    The code of any text.
    """
    # Asked before encoding: the bytes are never fewer than the characters.
    if len(value) > MAX_TEXT:
        budget.spend_text(len(value))
    try:
        tag, raw = b"s", value.encode()
    except UnicodeEncodeError:
        tag, raw = b"S", value.encode("utf-8", "surrogatepass")
    budget.spend_text(len(raw))
    return leaf(tag, raw, len(raw), budget)


def _long_bytes(value: bytes, budget: Budget) -> bytes:
    budget.spend_text(len(value))
    return leaf(b"b", value, len(value), budget)


def _bytearray(value: bytearray, budget: Budget) -> bytes:
    budget.spend_text(len(value))
    return leaf(b"B", bytes(value), len(value), budget)


def _memoryview(value: memoryview, budget: Budget) -> bytes:
    try:
        size, shape = value.nbytes, value.shape or ()
        if value.format not in _FORMATS:
            raise Refusal(f"has the format {value.format!r}, which has no stable key")
        budget.spend_text(size)
        # The shape matters to whoever reads the view; its strides do not.
        head = b"".join(varint(length) for length in shape)
        tag = b"M" + value.format.encode() + SHORT[len(shape)] + head
        return tag + leaf(b"b", value.tobytes(), size, budget)
    except ValueError:
        raise Refusal("was released") from None


_FORMATS = frozenset("bBcdefhHiIlLqQ?nN")

#: The long way, by type: large values, and types that are never small.
LONG: dict[type, Callable[[Any, Budget], bytes]] = {
    int: _long_int,
    str: long_str,
    bytes: _long_bytes,
    bytearray: _bytearray,
    memoryview: _memoryview,
}


def scalar(value: Any, budget: Budget) -> bytes:
    """
    The code of a value whose exact type is in ``ATOMS`` or ``LONG``.
    """
    atom = ATOMS.get(type(value))
    code = atom(value) if atom is not None else None
    return code if code is not None else LONG[type(value)](value, budget)
