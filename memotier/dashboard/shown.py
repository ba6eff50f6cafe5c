"""
Numbers as people read them, in few digits and with their unit.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from ..types import Seconds
from .markup import NARROW, Html, tag


def number(value: float | None, text: str, name: str | None = None) -> Html:
    """
    *text*, which a program finds by *name* and reads as *value*.
    """
    return tag("span", text, class_="n", data_name=name, data_value=exact(value))


def exact(value: float | None) -> str | None:
    if value is None or not math.isfinite(value):
        return None
    return str(int(value)) if value == int(value) else repr(float(value))


def count(value: float) -> str:
    """
    ``1,234``; from a million on ``1.23 M``.
    """
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if abs(value) >= size:
            return f"{value / size:.3g}{NARROW}{unit}"
    return f"{value:,.0f}"


def amount(value: float) -> str:
    """
    Of a unit that only the user knows.
    """
    return count(value) if value >= 1000 or value == int(value) else f"{value:.3g}"


def percent(share: float) -> str:
    """
    ``93.4 %``; what is nearly all or nothing is not shown as all or nothing.
    """
    digits = 1 if 0.001 <= share <= 0.999 else 2
    return f"{100 * share:.{0 if share in (0, 1) else digits}f}{NARROW}%"


def duration(seconds: Seconds) -> str:
    """
    ``1.2 ms``, ``35 s``, ``3 h 20 min``.
    """
    if seconds < 0:
        return f"\N{MINUS SIGN}{duration(-seconds)}"
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if seconds < 999.5 * size and (unit != "s" or seconds < 120):
            return "0" if seconds == 0 else f"{_digits(seconds / size)}{NARROW}{unit}"
    minutes = round(seconds / 60)
    for unit, size, below in (("d", 1440, "h"), ("h", 60, "min")):
        whole, rest = divmod(minutes, size)
        if whole:
            left = rest // 60 if unit == "d" else rest
            return f"{whole:,}{NARROW}{unit}" + (f" {left}{NARROW}{below}" if left else "")
    return f"{minutes}{NARROW}min"


def size(value: float | None) -> str:
    """
    ``4.2 MB``; None is no bound.
    """
    if value is None:
        return "no bound"
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= step:
            return f"{_digits(value / step)}{NARROW}{unit}"
    return f"{value:.0f}{NARROW}B"


def moment(at: Seconds) -> Html:
    """
    A time of day in UTC, with its date for programs.
    """
    when = datetime.fromtimestamp(at, UTC)
    return tag("time", f"{when:%Y-%m-%d %H:%M} UTC", datetime=when.isoformat(timespec="seconds"))


def clock(at: Seconds) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def plural(value: float, one: str, many: str | None = None) -> str:
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 99.95 else f"{value:.0f}"


def evidence(name: str, value: Any) -> str:
    """
    A figure of a recommendation, by what its name ends in.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if name.endswith("_ms"):
        return duration(value / 1e3)
    if name.endswith("seconds"):
        return duration(value)
    if name.endswith("bytes"):
        return size(value)
    if name.endswith(("rate", "ratio", "share", "utilization")):
        return percent(value)
    return amount(value)
