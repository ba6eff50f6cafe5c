"""
Telling when a figure leaves its bounds, and when it is back: once each.

States of one alert: *quiet*, *warning*, *critical*. It is raised when a figure passes a bound, and
once more if it gets worse; it ends only when the figure is back by a margin (hysteresis), so that
one that moves around a bound does not call every minute.

What must never happen: a callback that raises, or hangs the cache. It runs in the monitoring
thread or task; what goes wrong in it is logged by its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..types import Seconds

#: Accesses in the last minute below which rates say nothing.
ENOUGH: Final = 20

QUIET, WARNING, CRITICAL = 0, 1, 2
SEVERITIES: Final = ("ok", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """
    Bounds of one figure. It is bad to be beyond *warning*, worse to be beyond *critical* (None:
    there is no worse), and over when it is within *over*.
    """

    alert: str
    figure: str
    is_high_bad: bool
    warning: float
    over: float
    critical: float | None = None
    unit: str = ""

    def level(self, value: float, before: int) -> int:
        """
        The state that *value* leads to from *before*.
        """
        if self.critical is not None and self._beyond(value, self.critical):
            return CRITICAL
        if self._beyond(value, self.warning):
            # One that was critical stays so until it is over: it does not come and go.
            return max(WARNING, before)
        return before if self._beyond(value, self.over) else QUIET

    def _beyond(self, value: float, bound: float) -> bool:
        return value > bound if self.is_high_bad else value < bound

    def show(self, value: float) -> str:
        return f"{value:.1f} ms" if self.unit == "ms" else f"{value:.0%}"


THRESHOLDS: Final = (
    Threshold(
        alert="low_hit_rate",
        figure="hit_rate",
        is_high_bad=False,
        warning=0.30,
        critical=0.20,
        over=0.35,
    ),
    Threshold(
        alert="high_latency",
        figure="latency_avg_ms",
        is_high_bad=True,
        warning=10.0,
        critical=20.0,
        over=8.0,
        unit="ms",
    ),
    Threshold(
        alert="high_eviction_rate",
        figure="eviction_rate",
        is_high_bad=True,
        warning=0.20,
        over=0.15,
    ),
)


class Alerts:
    """
    The states of all alerts of one ``CacheAnalytics``.
    """

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}

    def judge(
        self, figures: Mapping[str, float], accesses: float, seconds: Seconds
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """
        What has changed: the alert's name and its data, with *severity* ``"ok"`` if it is over.

        Args:
            figures: By name, of the last *seconds*, in which there were *accesses*.
        """
        if accesses < ENOUGH:
            return  # an idle cache is neither good nor bad
        for one in THRESHOLDS:
            value, before = figures[one.figure], self.levels.get(one.alert, QUIET)
            now = one.level(value, before)
            self.levels[one.alert] = now
            if now > before or (now == QUIET and before != QUIET):
                yield one.alert, _data(one, value, now, accesses, seconds)


def _data(
    one: Threshold, value: float, level: int, accesses: float, seconds: Seconds
) -> dict[str, Any]:
    bound = one.critical if level == CRITICAL else one.warning if level == WARNING else one.over
    assert bound is not None
    what = one.figure.removesuffix("_avg_ms").replace("_", " ")
    state = "is back at" if level == QUIET else "is at"
    side = "above" if one.is_high_bad is (level != QUIET) else "below"
    return {
        "severity": SEVERITIES[level],
        "message": (
            f"The {what} {state} {one.show(value)}, {side} {one.show(bound)}, over "
            f"{accesses:,.0f} accesses in {seconds:.0f} s."
        ),
        "resolved": level == QUIET,
        "value": value,
        "threshold": bound,
        "figure": one.figure,
        "accesses": accesses,
        "seconds": seconds,
    }
