"""
How fast, how long and how much: a rate, a deadline and a budget of computing.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any, Final

from ..durations import seconds, short
from ..errors import ConfigError
from ..types import Seconds

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|sec|second|m|min|minute|h|hour)")
_PER: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def rate_per_second(value: Any) -> float:
    """
    Calls per second: a number, or text such as ``"50/s"`` or ``"10/min"``.

    Raises:
        ConfigError: If it is neither, or not more than 0.
    """
    rate = math.nan
    if type(value) in (int, float):
        rate = float(value)
    elif type(value) is str and (match := _RATE.fullmatch(value.strip())) is not None:
        rate = float(match[1]) / _PER[match[2][0]]
    if not 0 < rate < math.inf:
        raise ConfigError(
            f'limit={short(value)} cannot be used: give calls per second, or "50/s", "10/min"'
        )
    return rate


def span(what: str, value: Any) -> Seconds | None:
    """
    A duration that is more than nothing, or None.
    """
    return None if value is None else seconds(value, what=what)


class Pace:
    """
    When the next call may begin, and whether any may.

    Args:
        rate: Calls per second; None: as they come.

        deadline: Seconds from now after which nothing begins.

        budget: Seconds of computing after which nothing begins.
    """

    def __init__(
        self,
        monotonic: Callable[[], Seconds],
        *,
        rate: float | None = None,
        deadline: Seconds | None = None,
        budget: Seconds | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._step = 0.0 if rate is None else 1.0 / rate
        self.began = self._next = monotonic()
        self._until = math.inf if deadline is None else self.began + deadline
        self._budget = math.inf if budget is None else budget
        self.spent: Seconds = 0.0
        #: Why nothing begins any more; empty as long as something may.
        self.over = ""

    @property
    def left(self) -> Seconds:
        """
        Seconds until the deadline.
        """
        return max(0.0, self._until - self._monotonic())

    async def turn(self) -> bool:
        """
        Wait until the next call may begin; whether it may.
        """
        now = self._monotonic()
        if self._step and self._next > now:
            await asyncio.sleep(min(self._next - now, self.left))
        self._next = max(self._next, now) + self._step
        if self.spent >= self._budget:
            self.over = "budget"
        elif self._monotonic() >= self._until:
            self.over = "deadline"
        return not self.over
