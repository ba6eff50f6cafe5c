"""
What people write for a duration, a size or a namespace, checked and made exact.

Pure: text and numbers in, numbers and text out. What ``show_seconds`` and ``show_bytes``
print can be written in a settings file again (a long duration is shown to the millisecond,
a size to three digits).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from .errors import ConfigError
from .types import Seconds

_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_DAY: Final[Seconds] = 86_400.0
_BYTES: Final = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip

# One optional part per unit, largest first: "1m1m" and "30m1h" are slips, not durations.
# Digits are spelt [0-9] because \d also takes those of other scripts.
_DURATION: Final = re.compile(
    "(?! )" + "".join(rf"(?: ?(?P<{unit}>[0-9]+(?:\.[0-9]+)?) ?{unit})?" for unit in _SECONDS)
)
_BARE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# Longer text is no duration or size that anyone means, and costs no time to refuse.
_LONGEST: Final = 40
_SIZE: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([kKMGT]?i?B)")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_NAMESPACE_LENGTH: Final = 64
# Names of devices, with or without an extension, on one of the systems that a shared
# cache may be copied to.
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)

DURATION_FORMS: Final = (
    'seconds such as 300 or 0.5, a timedelta, or text such as "500ms", "30s", "10m", "1h30m", '
    '"7d", "1w" or "never"'
)
BOUND_FORMS: Final = (
    'seconds from 1 to 86400, such as 5, a timedelta, or text such as "5s", "30s", "10m" or "1h"'
)
SIZE_FORMS: Final = 'a number of bytes such as 65536, or text such as "500kB", "64MB" or "1GiB"'
_NO_DURATION: Final = f"is not a duration: use {DURATION_FORMS}"
_NO_SIZE: Final = f"is not a size: use {SIZE_FORMS}"
NAMESPACE_FORMS: Final = (
    f"1 to {_NAMESPACE_LENGTH} of the characters A-Z a-z 0-9 _ - in levels joined by single "
    'dots, such as "tool.search"'
)


def seconds(value: Any, *, what: str) -> Seconds:
    """
    The duration *value* in seconds: a positive ``float``, infinite for "never ends".

    Args:
        value: ``int`` or ``float`` seconds, a ``timedelta``, or text with units.

        what: The name of the option, which begins the error message.

    Raises:
        ConfigError: If *value* is none of these, or not above zero.
    """
    if isinstance(value, str):
        found = _parsed_duration(value)
    elif isinstance(value, timedelta):
        found = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = _as_float(value)
    else:
        found = None

    if found is None:
        raise ConfigError(f"{what} = {short(value)} {_no_unit(value, 's') or _NO_DURATION}")
    if not found > 0:
        raise ConfigError(f"{what} = {short(value)} is not above zero: use {DURATION_FORMS}")
    return found


def bound(value: Any, *, what: str) -> Seconds:
    """
    The duration *value* in seconds, from a second to a day.

    Raises:
        ConfigError: If *value* is none; the message begins with *what*.
    """
    found = seconds(value, what=what)
    if not 1 <= found <= _DAY:
        raise ConfigError(f"{what} = {short(value)} is no bound: use {BOUND_FORMS}")
    return found


def size_bytes(value: Any, *, what: str) -> int:
    """
    The size *value* in bytes, at least 1; ``MB`` counts in thousands, ``MiB`` in 1024s.

    Raises:
        ConfigError: If *value* is not such a size; the message begins with *what*.
    """
    if isinstance(value, str):
        found = _parsed_size(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        found = None

    if found is None:
        raise ConfigError(f"{what} = {short(value)} {_no_unit(value, 'B') or _NO_SIZE}")
    if found <= 0:
        raise ConfigError(f"{what} = {short(value)} is not above zero: use {SIZE_FORMS}")
    return found


def check_namespace(value: Any, *, what: str = "namespace") -> str:
    """
    Give *value* back if it can be a namespace: dots make its levels, as in ``tool.search``.

    Args:
        what: What else is named by the same rule; it begins the error message.

    Raises:
        ConfigError: If it cannot; the message names what is wrong with it.
    """
    problem = _namespace_problem(value)
    if problem is None:
        assert type(value) is str
        return value

    # ascii() lets nobody take a look-alike letter for the one it imitates.
    raise ConfigError(f"{what} {short(value, ascii)} {problem}: use {NAMESPACE_FORMS}")


def show_seconds(value: Seconds) -> str:
    """
    A duration for people: ``300.0`` is ``"5m"``, ``5400`` is ``"1h30m"``, ``0.5`` is ``"500ms"``.
    """
    if value < 0:
        return f"-{show_seconds(-value)}"
    if math.isinf(value):
        return "never"
    if value < 1:
        return f"{_plain(value * 1000, 6)}ms" if value else "0s"
    if value % _SECONDS["w"] == 0:
        return f"{int(value // _SECONDS['w'])}w"

    rest, text = round(value, 3), ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _SECONDS[unit])
        text += f"{int(count)}{unit}" if count else ""
    last = _plain(rest, 3)
    return f"{text}{last}s" if last != "0" or not text else text


def show_bytes(value: int) -> str:
    """
    A size for people: ``64_000_000`` is ``"64 MB"``, ``8_388_608`` is ``"8 MiB"``.
    """
    binary = _largest(value, ("TiB", "GiB", "MiB", "KiB"))
    if binary is not None and value % _BYTES[binary] == 0 and value % 1000:
        return f"{value // _BYTES[binary]} {binary}"

    # What rounds up to 1000 of a unit is shown as 1 of the next.
    unit = _largest(value / 0.9995, ("TB", "GB", "MB", "kB")) or "B"
    number = value / _BYTES[unit]
    digits = max(0, 3 - len(str(int(number))))
    return f"{_plain(number, digits)} {unit}"


def short(value: Any, write: Callable[[Any], str] = repr) -> str:
    """
    *value* as Python writes it, on one line and of bounded length, for an error message.
    """
    text = write(value)
    return text if len(text) <= 60 else f"{text[:45]}... (cut from {len(text)} characters)"


def _as_float(value: float) -> Seconds:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _no_unit(value: Any, unit: str) -> str | None:
    if not isinstance(value, str) or not _BARE.fullmatch(value):
        return None
    return f'has no unit: write "{value}{unit}"'


def _parsed_duration(text: str) -> Seconds | None:
    if text in ("never", "inf"):
        return math.inf

    match = _DURATION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or match.lastgroup is None:
        return None
    parts = {unit: float(number) for unit, number in match.groupdict().items() if number}
    # The milliseconds are divided, not multiplied: 300 / 1000 is 0.3, 300 * 0.001 is not.
    whole = sum(number * _SECONDS[unit] for unit, number in parts.items() if unit != "ms")
    return whole + parts.get("ms", 0.0) / 1000


def _parsed_size(text: str) -> int | None:
    match = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or match[3] not in _BYTES:
        return None
    whole, fraction = match[1], match[2] or ""
    # In whole numbers, so that "0.1GB" is exactly 100,000,000.
    found, rest = divmod(int(whole + fraction) * _BYTES[match[3]], 10 ** len(fraction))
    return None if rest else found


def _namespace_problem(value: Any) -> str | None:
    if type(value) is not str:
        return f"is of type {type(value).__qualname__}, not str"
    if not value:
        return "is empty"
    if len(value) > _NAMESPACE_LENGTH:
        return "is too long"
    if _DEVICES.fullmatch(value):
        return "is the name of a device on some systems"
    if _NAMESPACE.fullmatch(value):
        return None

    strange = next((c for c in value if not re.fullmatch(r"[A-Za-z0-9._-]", c)), None)
    if strange is None:
        return "has an empty level"
    return f"holds {strange!a} (U+{ord(strange):04X})"


def _largest(value: float, units: tuple[str, ...]) -> str | None:
    return next((unit for unit in units if value >= _BYTES[unit]), None)


def _plain(number: float, digits: int) -> str:
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_below(namespace: str, above: str) -> bool:
    """
    Whether *namespace* is *above* or one under it: ``tool.search`` is below ``tool``.
    """
    return namespace == above or namespace.startswith(above + ".")
