"""
What an invalidator is asked for, checked when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from ..durations import seconds, short
from ..errors import ConfigError
from ..types import Seconds

#: Calls that an entry answers before it counts as hot.
THRESHOLD: Final = 10


class InvalidationStrategy(Enum):
    """
    What happens by itself. What is asked for (``invalidate``, ``invalidate_tag`` and the
    others) works with every strategy.
    """

    #: Entries that say nothing themselves are fresh for ``default_ttl``.
    TTL = "ttl"
    #: Handlers of events, and files that are watched.
    EVENT_BASED = "event_based"
    #: Nothing.
    MANUAL = "manual"
    #: Hot results of decorated functions are computed anew before they end.
    PREDICTIVE = "predictive"
    #: All of these.
    HYBRID = "hybrid"

    @property
    def has_ttl(self) -> bool:
        return self in (InvalidationStrategy.TTL, InvalidationStrategy.HYBRID)

    @property
    def has_events(self) -> bool:
        return self in (InvalidationStrategy.EVENT_BASED, InvalidationStrategy.HYBRID)

    @property
    def has_refresh(self) -> bool:
        return self in (InvalidationStrategy.PREDICTIVE, InvalidationStrategy.HYBRID)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidationConfig:
    """
    The arguments of a ``CacheInvalidator``, checked.
    """

    strategy: InvalidationStrategy
    #: Seconds; None: what the cache says.
    default_ttl: Seconds | None
    enable_tagging: bool
    enable_dependencies: bool
    #: None: nothing is refreshed.
    predictive_refresh_threshold: int | None

    @property
    def least_hits(self) -> int | None:
        """
        The threshold, if the strategy uses it.
        """
        return self.predictive_refresh_threshold if self.strategy.has_refresh else None


def check_config(
    *,
    strategy: Any,
    default_ttl: Any,
    enable_tagging: Any,
    enable_dependencies: Any,
    predictive_refresh_threshold: Any,
) -> InvalidationConfig:
    """
    The arguments, or ``ConfigError`` for the first that cannot be used or contradicts another.
    """
    try:
        chosen = InvalidationStrategy(strategy)
    except ValueError:
        names = ", ".join(f"InvalidationStrategy.{one.name}" for one in InvalidationStrategy)
        raise _wrong("strategy", strategy, f"give one of {names}") from None
    for option, value in (
        ("enable_tagging", enable_tagging),
        ("enable_dependencies", enable_dependencies),
    ):
        if type(value) is not bool:
            raise _wrong(option, value, "give True or False")

    ttl = None
    if default_ttl is not None:
        if not chosen.has_ttl:
            raise _unused("default_ttl", default_ttl, chosen, "TTL or HYBRID")
        ttl = seconds(default_ttl, what="CacheInvalidator: default_ttl")

    least = predictive_refresh_threshold
    if least is not None and (type(least) is not int or least < 1):
        raise _wrong(
            "predictive_refresh_threshold", least, "give a whole number of accesses from 1, or None"
        )
    if chosen is InvalidationStrategy.PREDICTIVE and least is None:
        raise _wrong(
            "predictive_refresh_threshold",
            least,
            "strategy=InvalidationStrategy.PREDICTIVE does nothing else; give a number, or MANUAL",
        )
    if not chosen.has_refresh and least not in (None, THRESHOLD):
        raise _unused("predictive_refresh_threshold", least, chosen, "PREDICTIVE or HYBRID")
    return InvalidationConfig(
        strategy=chosen,
        default_ttl=ttl,
        enable_tagging=enable_tagging,
        enable_dependencies=enable_dependencies,
        predictive_refresh_threshold=least,
    )


def _wrong(option: str, value: Any, advice: str) -> ConfigError:
    return ConfigError(f"CacheInvalidator: {option}={short(value)} cannot be used: {advice}")


def _unused(option: str, value: Any, strategy: InvalidationStrategy, others: str) -> ConfigError:
    return _wrong(
        option,
        value,
        f"strategy=InvalidationStrategy.{strategy.name} has no use for it; give strategy {others}",
    )
