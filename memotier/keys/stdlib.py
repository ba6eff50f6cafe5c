"""
How values of the standard library are opened: times, numbers, paths, patterns, addresses.

The types are found by their name in a module that is already loaded, so that nothing is
imported here for the sake of a type that a program does not use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, time, timezone, tzinfo
from typing import Any

from .containers import Opened, Opener
from .naming import bare_name
from .wire import SHORT, Raw, Refusal, name

_TEXT_LIMIT = 1 << 20


def _is_known_zone(zone: tzinfo) -> bool:
    return type(zone) is timezone or known(type(zone)) is _zoneinfo


def _datetime(value: datetime) -> Opened:
    head = b"t" + SHORT[value.fold]
    zone = value.tzinfo
    if zone is None:
        return head + b"0" + name(value.isoformat()), (), None

    local = value.replace(tzinfo=None).isoformat()
    # Zones of other makers are asked nothing: they come with a key of their own or not at all.
    offset = value.utcoffset() if _is_known_zone(zone) else None
    return head + b"1" + name(local), (offset, zone), ("utcoffset()", "tzinfo")


def _time(value: time) -> Opened:
    head = b"k" + SHORT[value.fold] + name(value.replace(tzinfo=None).isoformat())
    return head, (value.tzinfo,), ("tzinfo",)


def _timezone(value: timezone) -> Opened:
    return b"o", (value.utcoffset(None), value.tzname(None)), ("utcoffset()", "tzname()")


def _zoneinfo(value: Any) -> Opened:
    if value.key is None:
        raise Refusal("was read from a file and has no zone name")
    return b"Z" + name(value.key), (), None


def _decimal(value: Any) -> Opened:
    if value.__sizeof__() > _TEXT_LIMIT:
        raise Refusal("has too many digits")
    # The exponent's letter follows the decimal context, hence upper(); all else is exact, so
    # 1.0 and 1.00 differ, as in as_tuple().
    return b"x" + name(str(value).upper()), (), None


def _fraction(value: Any) -> Opened:
    return b"/", (value.numerator, value.denominator), ("numerator", "denominator")


def _uuid(value: Any) -> Opened:
    return b"u" + value.int.to_bytes(16, "big"), (), None


def _by_text(kind: bytes) -> Opener:
    """
    For types of which ``str()`` says everything and runs no code but the standard library's.
    """
    return lambda value: (kind, (str(value),), ("str()",))


def _pattern(value: Any) -> Opened:
    return b"R", (value.pattern, int(value.flags)), ("pattern", "flags")


def _array(value: Any) -> Opened:
    return b"a" + value.typecode.encode(), (len(value), Raw(value.tobytes())), ("len()", "data")


def _namespace(value: Any) -> Opened:
    return b"q", (dict(value.__dict__),), ("__dict__",)


_KNOWN: dict[str, list[tuple[str, Callable[[Any], Opened]]]] = {
    "datetime": [("datetime", _datetime)],
    "time": [("datetime", _time)],
    "timezone": [("datetime", _timezone)],
    "ZoneInfo": [("zoneinfo", _zoneinfo)],
    "Decimal": [("decimal", _decimal)],
    "Fraction": [("fractions", _fraction)],
    "UUID": [("uuid", _uuid)],
    "PosixPath": [("pathlib", _by_text(b"pP"))],
    "WindowsPath": [("pathlib", _by_text(b"pW"))],
    "PurePosixPath": [("pathlib", _by_text(b"pp"))],
    "PureWindowsPath": [("pathlib", _by_text(b"pw"))],
    "Pattern": [("re", _pattern)],
    "IPv4Address": [("ipaddress", _by_text(b"@a"))],
    "IPv6Address": [("ipaddress", _by_text(b"@b"))],
    "IPv4Network": [("ipaddress", _by_text(b"@c"))],
    "IPv6Network": [("ipaddress", _by_text(b"@d"))],
    "IPv4Interface": [("ipaddress", _by_text(b"@e"))],
    "IPv6Interface": [("ipaddress", _by_text(b"@f"))],
    "array": [("array", _array)],
    "SimpleNamespace": [("types", _namespace)],
}


def known(kind: type) -> Opener | None:
    """
    The opener of *kind* if it is one of the standard library's types in the table above.

    By identity, not by name alone: a class that merely calls itself ``Decimal`` is another.
    """
    short = bare_name(kind)
    for module, opener in _KNOWN.get(short, ()):
        loaded = sys.modules.get(module)
        if loaded is not None and vars(loaded).get(short) is kind:
            return opener
    return None
