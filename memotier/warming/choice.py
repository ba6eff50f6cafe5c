"""
What somebody wants to have warmed, checked before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..durations import check_namespace, is_below, short
from ..errors import ConfigError
from ..recording.records import Recorded
from ..types import Seconds
from .pace import rate_per_second, span
from .strategies import WarmingStrategy

#: Calls made at once where nothing is said.
CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    Which calls to warm, and how; checked.
    """

    strategy: WarmingStrategy
    top: int
    namespace: str | None
    user: str | None
    hour: int | None
    recency_weight: float
    concurrency: int
    rate: float | None
    deadline: Seconds | None
    budget: Seconds | None


def choose(
    *,
    strategy: WarmingStrategy | str = WarmingStrategy.HYBRID,
    top: int = 100,
    namespace: str | None = None,
    user: str | None = None,
    hour: int | None = None,
    recency_weight: float = 0.5,
    concurrency: int = CONCURRENCY,
    limit: Any = None,
    deadline: Any = None,
    budget: Any = None,
) -> Choice:
    """
    Check what was asked for.

    Raises:
        ConfigError: For the first argument that cannot be used.
    """

    def refuse(name: str, value: Any, advice: str) -> ConfigError:
        return ConfigError(f"{name}={short(value)} cannot be used: {advice}")

    try:
        strategy = WarmingStrategy(strategy)
    except ValueError:
        names = ", ".join(one.value for one in WarmingStrategy)
        raise refuse("strategy", strategy, f"there are: {names}") from None
    for name, count in (("top", top), ("concurrency", concurrency)):
        if type(count) is not int or count < 1:
            raise refuse(name, count, "give a whole number, 1 or more")
    if type(recency_weight) not in (int, float) or not 0 <= recency_weight <= 1:
        raise refuse("recency_weight", recency_weight, "give a number from 0 to 1")
    if hour is not None and (type(hour) is not int or not 0 <= hour <= 23):
        raise refuse("hour", hour, "give an hour of the day, 0 to 23")
    if user is not None and type(user) is not str:
        raise refuse("user", user, "give a text")
    if strategy is WarmingStrategy.USER_SPECIFIC and user is None:
        raise refuse("strategy", strategy.value, "say whose calls, with user=")
    return Choice(
        strategy=strategy,
        top=top,
        namespace=None if namespace is None else check_namespace(namespace),
        user=user,
        hour=hour,
        recency_weight=float(recency_weight),
        concurrency=concurrency,
        rate=None if limit is None else rate_per_second(limit),
        deadline=span("deadline", deadline),
        budget=span("budget", budget),
    )


def wanted(calls: Iterable[Recorded], choice: Choice, *, keys: bool = False) -> list[Recorded]:
    """
    The calls of functions that *choice* is about; and, with *keys*, accesses of plain keys.
    """
    return [
        one
        for one in calls
        if (keys or one.signature.function)
        and (choice.user is None or one.signature.user == choice.user)
        and (choice.namespace is None or is_below(one.signature.namespace, choice.namespace))
    ]
