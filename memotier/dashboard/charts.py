"""
Pictures, as SVG that is stretched and HTML around it: lines keep their width, and letters their
size, on every screen.

Nothing is told by colour alone: whatever a picture shows is beside it as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..analytics import figures
from ..types import Seconds
from . import shown
from .markup import Html, tag

_WIDE: Final = 1000.0
_HIGH: Final = 100.0
#: Seconds, from 100 ns to 100 s: where ranges of latencies lie.
_DECADES: Final = (-7, 2)


def over_time(history: Sequence[Mapping[str, Any]]) -> Html:
    """
    The hit rate as a line, and below it the calls, from point to point of a *history*.
    """
    begin: Seconds = min(point["at"] - point["seconds"] for point in history)
    end = max(point["at"] for point in history)
    span = max(end - begin, 1.0)

    def across(at: Seconds) -> float:
        share: float = (at - begin) / span
        return round(share * _WIDE, 2)

    most = max(map(figures.accesses, history)) or 1.0
    line: list[str] = []
    bars: list[Html] = []
    spots: list[Html] = []
    is_on = False
    for point in history:
        calls, rate = figures.accesses(point), figures.hit_rate(point)
        left, right = across(point["at"] - point["seconds"]), across(point["at"])
        wide = max(right - left, 0.5)
        x, y = (left + right) / 2, round(_HIGH * (1 - rate), 2)
        # A minute without calls has no hit rate: the line is interrupted.
        if calls:
            line.append(f"{'L' if is_on else 'M'}{x:.2f} {y}" + ("" if is_on else "h0.01"))
        is_on = bool(calls)
        low = 0.0
        for name in ("hits", "misses"):
            high = round(point[name] / most * _HIGH, 2)
            bars.append(
                tag(
                    "rect",
                    class_=name,
                    x=round(left + wide * 0.1, 2),
                    y=round(_HIGH - low - high, 2),
                    width=round(wide * 0.8, 2),
                    height=high,
                )
            )
            low += high
        told = f"{shown.clock(point['at'])} UTC: " + (
            f"{shown.percent(rate)} of {shown.plural(calls, 'call')}" if calls else "no calls"
        )
        spots.append(
            tag("rect", tag("title", told), class_="spot", x=left, y=0, width=wide, height=_HIGH)
        )
    grid = [
        tag("line", class_="grid", x1=0, x2=_WIDE, y1=_HIGH * part, y2=_HIGH * part)
        for part in (0, 0.25, 0.5, 0.75, 1)
    ]
    middle = [begin + span * part for part in (0, 0.25, 0.5, 0.75, 1)]
    return tag(
        "div",
        tag("div", *(tag("span", f"{part} %") for part in (100, 50, 0)), class_="y"),
        _plot("rates", grid, tag("path", class_="rate", d="".join(line)), spots),
        tag("div", tag("span", shown.count(most)), tag("span", "0"), class_="y low"),
        _plot("calls", bars, spots),
        tag("div", *(tag("span", shown.clock(at)) for at in middle), class_="x"),
        class_="time",
    )


def _plot(kind: str, *content: Any) -> Html:
    return tag(
        "svg",
        *content,
        class_=kind,
        viewBox=f"0 0 {_WIDE:.0f} {_HIGH:.0f}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def latencies(p50: Seconds, p95: Seconds, p99: Seconds) -> Html:
    """
    From the median to the 95th, and a tick at the 99th, on a logarithmic scale.
    """

    def across(seconds: Seconds) -> float:
        low, high = _DECADES
        power = math.log10(max(seconds, 1e-12))
        return round(min(max((power - low) / (high - low), 0.0), 1.0) * _WIDE, 1)

    decades = range(_DECADES[0] + 1, _DECADES[1])
    return _plot(
        "range",
        [
            tag("line", class_="grid", x1=at, x2=at, y1=0, y2=_HIGH)
            for at in (across(10.0**power) for power in decades)
        ],
        tag("line", class_="whisker", x1=across(p50), x2=across(p99), y1=50, y2=50),
        tag(
            "rect",
            class_="box",
            x=across(p50),
            y=22,
            width=max(across(p95) - across(p50), 4),
            height=56,
        ),
        tag("line", class_="p99", x1=across(p99), x2=across(p99), y1=22, y2=78),
    )


def bar(share: float, kind: str = "") -> Html:
    """
    A bar that is full at 1.
    """
    wide = min(max(share, 0.0), 1.0)
    inner = tag("i", class_=kind or None, style=f"width:{100 * wide:.2f}%")
    return tag("span", inner, class_="bar", aria_hidden="true")


def parts(shares: Iterable[tuple[str, float]]) -> Html:
    """
    A bar of several parts, each with its kind and its share of the whole.
    """
    inner = [
        tag("i", class_=kind, style=f"width:{100 * share:.2f}%") for kind, share in shares if share
    ]
    return tag("span", *inner, class_="bar parts", aria_hidden="true")
