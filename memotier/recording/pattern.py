"""
How often and when one call was made: counts that fade, so that old habits do not rule.

A count is worth half after every half-life (exponential decay, as in Cormode, Shkapenyuk,
Srivastava, Xu: Forward Decay. ICDE 2009, with the landmark moved along). Two patterns of one
call, from two processes or two days, add up to one, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..types import Seconds

HOURS: Final = 24
DAY: Final[Seconds] = 86_400.0
HALF_LIFE: Final[Seconds] = DAY
#: Wall seconds before which a clock was never set (2020).
_SET: Final[Seconds] = 1_577_836_800.0
#: Half-lives after which nothing is left that counts.
_GONE: Final = 60.0


@dataclass(slots=True)
class Pattern:
    """
    Uses of one call. Times are wall seconds; *weight* and *hours* are faded counts as of *at*.

    *hits* were answered by memory, *misses* were not; *cost* is what the last computation took,
    *ttl* how long its result was fresh (None: not known), both in seconds.
    """

    hits: int = 0
    misses: int = 0
    first: Seconds = 0.0
    last: Seconds = 0.0
    weight: float = 0.0
    at: Seconds = 0.0
    hours: list[float] = field(default_factory=lambda: [0.0] * HOURS)
    cost: Seconds = 0.0
    ttl: Seconds | None = None

    def add(
        self, hits: int, misses: int, now: Seconds, hour: int, half_life: Seconds = HALF_LIFE
    ) -> None:
        """
        Count uses at *now*, in *hour* of the day.
        """
        count = hits + misses
        if count <= 0:
            return
        self.fade(now, half_life)
        self.hits += hits
        self.misses += misses
        self.first = min(self.first, now) if self.first else now
        self.last = max(self.last, now)
        self.weight += count
        self.hours[hour] += count

    def fade(self, now: Seconds, half_life: Seconds = HALF_LIFE) -> None:
        """
        Bring the counts to *now*. A clock that was set back fades nothing.
        """
        share = faded(now - self.at, half_life)
        if share < 1.0:
            self.weight *= share
            self.hours = [count * share for count in self.hours]
        self.at = max(self.at, now)

    def believe(self, now: Seconds) -> None:
        """
        Nothing was used after *now*: what says so was counted while the clock was wrong, and would
        neither fade nor let anything be added to it. A clock that was never set knows nothing.
        """
        if now > _SET:
            self.first, self.last = min(self.first, now), min(self.last, now)
            self.at = min(self.at, now)

    def weight_at(self, now: Seconds, half_life: Seconds = HALF_LIFE) -> float:
        return self.weight * faded(now - self.at, half_life)

    def merge(self, other: Pattern, half_life: Seconds = HALF_LIFE) -> None:
        """
        Take what *other* has counted besides.
        """
        now = max(self.at, other.at)
        share = faded(now - other.at, half_life)
        self.fade(now, half_life)
        self.hits += other.hits
        self.misses += other.misses
        self.first = min(self.first or other.first, other.first or self.first)
        self.weight += other.weight * share
        self.hours = [
            mine + count * share for mine, count in zip(self.hours, other.hours, strict=True)
        ]
        if other.last >= self.last:
            # Whoever used it last knows best what it takes.
            self.last = other.last
            self.cost = other.cost or self.cost
            self.ttl = self.ttl if other.ttl is None else other.ttl

    def as_list(self) -> list[Any]:
        """
        For a record; ``of_list`` reads it.
        """
        hours = {at: count for at, count in enumerate(self.hours) if count}
        return [
            *(self.hits, self.misses, self.first, self.last, self.weight, self.at),
            *(hours, self.cost, self.ttl),
        ]

    @classmethod
    def of_list(cls, found: Sequence[Any]) -> Pattern:
        """
        Raises:
            ValueError, TypeError: If it is not what ``as_list`` makes.
        """
        hits, misses, first, last, weight, at, by_hour, cost, ttl = found
        hours = [0.0] * HOURS
        for hour, count in by_hour.items():
            if not 0 <= hour < HOURS:
                raise ValueError("an hour that no day has")
            hours[hour] = float(count)
        return cls(
            *(int(hits), int(misses), float(first), float(last), float(weight), float(at)),
            hours,
            float(cost),
            None if ttl is None else float(ttl),
        )


def faded(passed: Seconds, half_life: Seconds) -> float:
    """
    What is left of 1 after *passed* seconds.
    """
    if passed <= 0:
        return 1.0
    lives = passed / half_life
    return 0.0 if lives > _GONE else float(0.5**lives)
