"""
Time, behind one object that tests replace.

``monotonic`` measures how long something lasted and when an entry in memory expires;
``wall`` dates what is written down for other processes. Nothing else in memotier asks
the operating system for the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .types import Seconds


@dataclass(frozen=True, slots=True)
class Clock:
    """
    Two sources of time, each a function without arguments that returns seconds.
    """

    monotonic: Callable[[], Seconds] = time.monotonic
    wall: Callable[[], Seconds] = time.time


SYSTEM = Clock()


def moment(clock: Clock, wall: Seconds, now: Seconds) -> Seconds:
    """
    The monotonic time of what happened at *wall*; *now*, if that is still to come.
    """
    return now - max(0.0, clock.wall() - wall)
