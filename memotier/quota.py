"""
``Quota``: how much one scope may have of a function's results, and how often it may have it run.

A value that is checked when it is made; engine/ledger.py holds to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .durations import short, size_bytes
from .errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """
    What each scope of a function may have, in each process; see docs/guide/scope.md.

    Args:
        entries: Results that are stored, in whichever tier. None: no bound of its own.

        bytes: Room that they take in either tier: a number, or text such as ``"10MB"``.

        computations_per_second: How often the function may run, in the long run.

        burst: How many runs may come at once, after a time without any. None: those of one
            second, and at least one.

    Raises:
        ConfigError: If nothing is given, or something that cannot be used.
    """

    entries: int | None = None
    bytes: int | str | None = None
    computations_per_second: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        rate = self.computations_per_second
        if self.burst is not None and rate is None:
            raise ConfigError(f"Quota(burst={short(self.burst)}) needs computations_per_second=")
        if self.entries is None and self.bytes is None and rate is None:
            raise ConfigError(
                "Quota() bounds nothing: give entries=, bytes= or computations_per_second="
            )
        _check_count("entries", self.entries)
        if self.bytes is not None:
            object.__setattr__(self, "bytes", size_bytes(self.bytes, what="Quota(bytes=...)"))
        if rate is not None and not (type(rate) in (int, float) and 0 < rate < math.inf):
            raise ConfigError(
                f"Quota(computations_per_second={short(rate)}) cannot be used: give a number "
                "above 0, such as 5, or 0.1 for one in ten seconds"
            )
        _check_count("burst", self.burst)

    @property
    def is_of_storage(self) -> bool:
        """
        Whether it bounds what is stored.
        """
        return self.entries is not None or self.bytes is not None

    @property
    def most_at_once(self) -> int:
        """
        Runs that may come at once.
        """
        rate = self.computations_per_second
        return self.burst or max(1, math.floor(rate or 0))


def _check_count(name: str, value: Any) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigError(
            f"Quota({name}={short(value)}) cannot be used: give a whole number of 1 or more, or "
            "None"
        )


def check_quota(label: str, quota: Any, *, is_scoped: bool, on_unkeyable: str) -> Quota:
    """
    What the option ``quota=`` says.

    Args:
        is_scoped: Whether the function has a scope that is not everybody's.

    Raises:
        ConfigError: If it cannot be used, or not with the other options.
    """
    if not isinstance(quota, Quota):
        raise ConfigError(
            f"{label}: quota={short(quota)} cannot be used: write quota=Quota(entries=1000)"
        )
    if not is_scoped:
        raise ConfigError(
            f"{label}: quota={short(quota)} cannot be used without a scope: it says what each "
            'scope may have. Give scope=, other than "public"'
        )
    if quota.computations_per_second is not None and on_unkeyable == "bypass":
        raise ConfigError(
            f'{label}: on_unkeyable="bypass" cannot be used with quota={short(quota)}: calls '
            'that have no key would run uncounted. Write on_unkeyable="raise"'
        )
    return quota
