"""
Which calls to make first.

Every strategy is a score of one recorded call; those with the highest scores are warmed.

    FREQUENCY      how often, with old uses fading
    RECENCY        how lately
    HYBRID         both: recency_weight * recency + (1 - recency_weight) * frequency, as the share
                   of the calls that are not used more often
    TIME_BASED     how often in this hour of the day
    USER_SPECIFIC  how often, and only one user's calls
    SAVINGS        how many seconds it is expected to save: what the computation takes, times the
                   chance that it is needed before it expires; with a budget of seconds, the same
                   for each second that it costs

Frequencies fade, so a score is a rate: uses per half-life. The chance that a call is needed
within t seconds is 1 - exp(-rate * t), as for arrivals that are independent (Poisson).
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from ..recording.pattern import HOURS, Pattern, faded
from ..recording.records import Recorded
from ..types import Seconds

#: Seconds after which a use is half as recent, where RECENCY is mixed with something else.
RECENT: Final[Seconds] = 3600.0
#: What a result is taken to be fresh for, if that is not known.
USUAL_TTL: Final[Seconds] = 3600.0
#: The share of a neighbouring hour that counts for an hour.
_NEXT_HOUR: Final = 0.25


class WarmingStrategy(StrEnum):
    """
    By what calls are chosen for warming.
    """

    FREQUENCY = "frequency"
    RECENCY = "recency"
    HYBRID = "hybrid"
    TIME_BASED = "time_based"
    USER_SPECIFIC = "user_specific"
    SAVINGS = "savings"


def rank(
    calls: Iterable[Recorded],
    strategy: WarmingStrategy,
    now: Seconds,
    *,
    half_life: Seconds,
    recency_weight: float = 0.5,
    hour: int | None = None,
    has_budget: bool = False,
) -> list[Recorded]:
    """
    *calls*, best first; those that nothing speaks for are left out.

    Args:
        now: Wall seconds.

        hour: Of the day, 0 to 23, for TIME_BASED; None: the present one.

        has_budget: Whether what counts for SAVINGS is what a second of computing brings.
    """
    calls = list(calls)
    score = _score(strategy, calls, now, half_life, recency_weight, hour, has_budget)
    scored = [(score(one.pattern), one) for one in calls]
    # Equal scores: the later used first, and then always in the same order.
    scored.sort(key=lambda pair: (-pair[0], -pair[1].pattern.last, pair[1].signature.identity))
    return [one for points, one in scored if points > 0]


def _score(
    strategy: WarmingStrategy,
    calls: list[Recorded],
    now: Seconds,
    half_life: Seconds,
    recency_weight: float,
    hour: int | None,
    has_budget: bool,
) -> Callable[[Pattern], float]:
    def frequency(pattern: Pattern) -> float:
        return pattern.weight_at(now, half_life)

    def recency(pattern: Pattern) -> float:
        return faded(now - pattern.last, RECENT)

    if strategy is WarmingStrategy.RECENCY:
        return lambda pattern: pattern.last
    if strategy is WarmingStrategy.HYBRID:
        ordered = sorted(frequency(one.pattern) for one in calls)

        def standing(pattern: Pattern) -> float:
            # Not in proportion to the most used: that one may be used a hundred times as often
            # as the next, which would then count no more than what was used once.
            mine = frequency(pattern)
            return (bisect_left(ordered, mine) + 1) / len(ordered) if mine else 0.0

        return lambda pattern: (
            recency_weight * recency(pattern) + (1 - recency_weight) * standing(pattern)
        )
    if strategy is WarmingStrategy.TIME_BASED:
        at = time.localtime(now).tm_hour if hour is None else hour
        return lambda pattern: in_hour(pattern, at) * faded(now - pattern.at, half_life)
    if strategy is WarmingStrategy.SAVINGS:
        return lambda pattern: savings(pattern, now, half_life, per_second=has_budget)
    return frequency


def in_hour(pattern: Pattern, hour: int) -> float:
    """
    Uses in *hour* of the day, and a little of those in the hours beside it; as of *at*.
    """
    hours = pattern.hours
    beside = hours[(hour - 1) % HOURS] + hours[(hour + 1) % HOURS]
    return hours[hour] + _NEXT_HOUR * beside


def savings(
    pattern: Pattern, now: Seconds, half_life: Seconds, *, per_second: bool = False
) -> float:
    """
    Seconds that callers are expected not to wait because this call was made before; or that for
    each second it takes.
    """
    # A steady rate r has a faded count of r * half_life / ln 2.
    rate = pattern.weight_at(now, half_life) * math.log(2) / half_life
    within = USUAL_TTL if pattern.ttl is None else pattern.ttl
    chance = 1.0 - math.exp(-rate * within)
    return chance if per_second else chance * pattern.cost
