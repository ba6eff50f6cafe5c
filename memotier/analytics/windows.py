"""
The last minute, hour and day, from pictures of counters that were taken now and then.

A ring per window keeps pictures at some distance (5 s, 1 min, 24 min); what happened in a window
is the difference between now and the last picture from before it. No thread has to run: a
picture is taken by a call that is not a hit when one is due, and by whoever asks. So between
two pictures nothing is known, and a window is as long as it says in ``seconds``.

Rings are read and written under a lock of their own, which nobody holds for longer than it takes
to append.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from ..types import Seconds
from .counters import WINDOWED, Whose

#: Windows: how long they are, and how far apart the pictures for them, in seconds.
SPANS: Final[Mapping[str, tuple[Seconds, Seconds]]] = {
    "1m": (60.0, 5.0),
    "1h": (3600.0, 60.0),
    "1d": (86400.0, 1440.0),
}
NEXT: Final = min(step for _, step in SPANS.values())
#: The part of that distance at which a picture is welcome, so that who looks at just that
#: interval is not told half the time that he is too early.
NEARLY: Final = 0.95

Counted = Mapping[Whose, tuple[float, ...]]


class Picture(NamedTuple):
    """
    All counters at one moment, in monotonic and in wall seconds.
    """

    now: Seconds
    wall: Seconds
    counted: Counted


class Passed(NamedTuple):
    """
    What happened in *seconds*, which ended at *at* (wall seconds).
    """

    at: Seconds
    seconds: Seconds
    functions: dict[Whose, dict[str, float]]

    def total(self) -> dict[str, float]:
        return {
            name: sum(counters[name] for counters in self.functions.values()) for name in WINDOWED
        }


class Windows:
    """
    The pictures of one cache. Whoever uses it holds the tracker's lock.
    """

    def __init__(self) -> None:
        self._rings: dict[str, deque[Picture]] = {
            name: deque(maxlen=int(span / step / NEARLY) + 2)
            for name, (span, step) in SPANS.items()
        }
        self._last: Counted = {}

    def add(self, picture: Picture) -> None:
        """
        Keep *picture* in every ring where one is due.
        """
        # Functions that did nothing share their numbers with the picture before.
        counted = {
            whose: old if (old := self._last.get(whose)) == new else new
            for whose, new in picture.counted.items()
        }
        self._last = counted
        picture = picture._replace(counted=counted)
        for name, (_, step) in SPANS.items():
            ring = self._rings[name]
            if not ring or picture.now - ring[-1].now >= step * NEARLY:
                ring.append(picture)

    def passed(self, window: str, now: Picture) -> Passed:
        """
        What happened in *window*, one of SPANS, before *now*.
        """
        begin = now.now - SPANS[window][0]
        pictures = [one for ring in self._rings.values() for one in list(ring)]
        before = [one for one in pictures if one.now <= begin]
        if before:
            return between(max(before, key=lambda one: one.now), now)
        first = min(pictures, key=lambda one: one.now, default=now)
        return between(first, now)

    def history(self, now: Picture, window: str = "1h") -> list[Passed]:
        """
        What happened from picture to picture of *window*'s ring, and up to *now*.
        """
        begin = now.now - SPANS[window][0]
        pictures = [one for one in list(self._rings[window]) if one.now >= begin]
        if not pictures or pictures[-1].now < now.now:
            pictures.append(now)
        return [between(*pair) for pair in pairwise(pictures)]


def between(before: Picture, after: Picture) -> Passed:
    """
    A counter that is less than it was belongs to a function that was defined anew: it began at 0.
    """
    functions = {}
    for whose, new in after.counted.items():
        old = before.counted.get(whose)
        if old is None or old[0] > new[0] or old[1] > new[1]:
            old = (0,) * len(new)
        passed = [max(0, a - b) for a, b in zip(new, old, strict=True)]
        functions[whose] = dict(zip(WINDOWED, passed, strict=True))
    return Passed(after.wall, max(0.0, after.now - before.now), functions)
