"""
The built-in types beyond plain data: for each a tag, and how it becomes bytes or parts.

A *leaf* is its own bytes. A *composite* is a list of parts, which are values again. Tags
are part of the stored format: they are never reused and never change their meaning.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

from ..errors import DecodeRefused, SerializationError

REFERENCE, BIG_INT, COMPLEX, SURROGATES, BYTEARRAY = 1, 2, 3, 4, 5
UUID_TAG, DECIMAL, TIMEDELTA, DATE = 6, 7, 8, 9
#: From here on an extension holds msgpack: a list of parts.
FIRST_COMPOSITE = 20
TUPLE, SET, FROZENSET, DEQUE, PAIRS, ORDERED, RANGE, SLICE = range(20, 28)
DATETIME, TIME, TIMEZONE, ZONE, FRACTION, PATH = range(28, 34)
OBJECT, ARRAY, SCALAR, FRAME = 40, 50, 51, 60

# Reducing a fraction takes quadratic time, so a record must not bring a huge one.
_MAX_FRACTION_BITS = 1 << 15
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")


class Leaf(NamedTuple):
    tag: int
    dump: Callable[[Any], bytes]


class Composite(NamedTuple):
    tag: int
    split: Callable[[Any], list[Any]]


def _dump_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _load_int(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _dump_complex(value: complex) -> bytes:
    return struct.pack("<dd", value.real, value.imag)


def _load_complex(data: bytes) -> complex:
    return complex(*struct.unpack("<dd", data))


def dump_text(value: str) -> bytes:
    """UTF-8 of a string that may hold lone surrogates."""
    return value.encode("utf-8", "surrogatepass")


def _load_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_SAFETY = {SafeUUID.safe: b"\0", SafeUUID.unsafe: b"\1", SafeUUID.unknown: b""}
_SAFETY_BACK = {mark: safety for safety, mark in _SAFETY.items()}


def _dump_uuid(value: UUID) -> bytes:
    return value.bytes + _SAFETY[value.is_safe]


def _load_uuid(data: bytes) -> UUID:
    return UUID(bytes=data[:16], is_safe=_SAFETY_BACK[data[16:]])


def _dump_decimal(value: Decimal) -> bytes:
    return str(value).encode("ascii")


def _load_decimal(data: bytes) -> Decimal:
    return Decimal(data.decode("ascii"))


def _dump_timedelta(value: timedelta) -> bytes:
    return struct.pack("<iii", value.days, value.seconds, value.microseconds)


def _load_timedelta(data: bytes) -> timedelta:
    return timedelta(*struct.unpack("<iii", data))


def _dump_date(value: date) -> bytes:
    return struct.pack("<I", value.toordinal())


def _load_date(data: bytes) -> date:
    return date.fromordinal(*struct.unpack("<I", data))


LEAVES: dict[type, Leaf] = {
    int: Leaf(BIG_INT, _dump_int),
    complex: Leaf(COMPLEX, _dump_complex),
    bytearray: Leaf(BYTEARRAY, bytes),
    UUID: Leaf(UUID_TAG, _dump_uuid),
    Decimal: Leaf(DECIMAL, _dump_decimal),
    timedelta: Leaf(TIMEDELTA, _dump_timedelta),
    date: Leaf(DATE, _dump_date),
}

LEAF_LOADERS: dict[int, Callable[[bytes], Any]] = {
    BIG_INT: _load_int,
    COMPLEX: _load_complex,
    SURROGATES: _load_text,
    BYTEARRAY: bytearray,
    UUID_TAG: _load_uuid,
    DECIMAL: _load_decimal,
    TIMEDELTA: _load_timedelta,
    DATE: _load_date,
}


def flatten(value: dict[Any, Any]) -> list[Any]:
    """Keys and values in turn."""
    return [part for pair in value.items() for part in pair]


def _pairs(parts: list[Any]) -> dict[Any, Any]:
    keys = parts[::2]
    made = dict(zip(keys, parts[1::2], strict=True))
    _whole(made, keys)
    return made


def _whole(made: Any, parts: list[Any]) -> Any:
    if len(made) != len(parts):
        raise DecodeRefused("a stored set or dict holds one key twice")
    return made


def _ordered(parts: list[Any]) -> OrderedDict[Any, Any]:
    return OrderedDict(_pairs(parts))


def _split_deque(value: deque[Any]) -> list[Any]:
    return [value.maxlen, *value]


def _join_deque(parts: list[Any]) -> deque[Any]:
    maxlen, *items = parts
    return deque(items, maxlen)


def _bounds(value: Any) -> list[Any]:
    return [value.start, value.stop, value.step]


def _zone(value: tzinfo | None) -> list[Any]:
    """No parts for no zone, one for a zone of the database, two for a fixed offset."""
    if value is None:
        return []
    if type(value) is timezone:
        offset = value.utcoffset(None)
        plain = timezone(offset)
        name = value.tzname(None)
        return [offset, None if name == plain.tzname(None) else name]
    if type(value) is ZoneInfo and value.key is not None and _ZONE_KEY.fullmatch(value.key):
        return [value.key]
    raise SerializationError(
        f"a {type(value).__module__}.{type(value).__qualname__} as time zone cannot be stored; "
        "use datetime.timezone, or a zoneinfo.ZoneInfo made from its key"
    )


def _join_zone(parts: list[Any]) -> tzinfo | None:
    if not parts:
        return None
    if len(parts) == 1:
        # A key is part of a path: nothing but the usual names may be looked for.
        if not _ZONE_KEY.fullmatch(parts[0]):
            raise DecodeRefused("a stored time zone has no name of the time zone database")
        return ZoneInfo(parts[0])
    offset, name = parts
    return timezone(offset) if name is None else timezone(offset, name)


def _clock(value: datetime | time) -> list[Any]:
    parts: list[Any] = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return parts + _zone(value.tzinfo)


def _split_datetime(value: datetime) -> list[Any]:
    return [value.year, value.month, value.day, *_clock(value)]


def _join_datetime(parts: list[Any]) -> datetime:
    year, month, day, hour, minute, second, micro, fold, *zone = parts
    tz = _join_zone(zone)
    return datetime(year, month, day, hour, minute, second, micro, tz, fold=fold)


def _join_time(parts: list[Any]) -> time:
    hour, minute, second, micro, fold, *zone = parts
    return time(hour, minute, second, micro, _join_zone(zone), fold=fold)


def _split_fraction(value: Fraction) -> list[Any]:
    if value.numerator.bit_length() + value.denominator.bit_length() > _MAX_FRACTION_BITS:
        raise SerializationError(f"a Fraction of more than {_MAX_FRACTION_BITS} bits is not stored")
    return [value.numerator, value.denominator]


def _join_fraction(parts: list[Any]) -> Fraction:
    above, below = parts
    if type(above) is not int or type(below) is not int:
        raise DecodeRefused("a stored Fraction is not made of integers")
    if above.bit_length() + below.bit_length() > _MAX_FRACTION_BITS:
        raise DecodeRefused("a stored Fraction is too long")
    return Fraction(above, below)


_PATHS: dict[type, int] = {PurePosixPath: 0, PureWindowsPath: 1, PosixPath: 2, WindowsPath: 2}


def _split_path(value: Any) -> list[Any]:
    return [_PATHS[type(value)], str(value)]


def _join_path(parts: list[Any]) -> Any:
    kind, text = parts
    return (PurePosixPath, PureWindowsPath, Path)[kind](text)


COMPOSITES: dict[type, Composite] = {
    tuple: Composite(TUPLE, list),
    set: Composite(SET, list),
    frozenset: Composite(FROZENSET, list),
    deque: Composite(DEQUE, _split_deque),
    OrderedDict: Composite(ORDERED, flatten),
    range: Composite(RANGE, _bounds),
    slice: Composite(SLICE, _bounds),
    datetime: Composite(DATETIME, _split_datetime),
    time: Composite(TIME, _clock),
    timezone: Composite(TIMEZONE, _zone),
    ZoneInfo: Composite(ZONE, _zone),
    Fraction: Composite(FRACTION, _split_fraction),
    **{path: Composite(PATH, _split_path) for path in _PATHS},
}

JOINERS: dict[int, Callable[[list[Any]], Any]] = {
    TUPLE: tuple,
    SET: lambda parts: _whole(set(parts), parts),
    FROZENSET: lambda parts: _whole(frozenset(parts), parts),
    DEQUE: _join_deque,
    PAIRS: _pairs,
    ORDERED: _ordered,
    RANGE: lambda parts: range(*parts),
    SLICE: lambda parts: slice(*parts),
    DATETIME: _join_datetime,
    TIME: _join_time,
    TIMEZONE: _join_zone,
    ZONE: _join_zone,
    FRACTION: _join_fraction,
    PATH: _join_path,
}
