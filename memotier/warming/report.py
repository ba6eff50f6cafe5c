"""
What came of a warming.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..types import Seconds


@dataclass(slots=True, kw_only=True)
class Tally:
    """
    What was done with calls: of one function, or in all.

    *replayed* were computed (of which *refreshed* replaced what was about to expire), *fresh* were
    in the cache already, *failed* raised; *left* were not reached: no time or budget was left.
    *spent* are the seconds of computing, *saved* those that callers will not wait for the results.
    """

    replayed: int = 0
    refreshed: int = 0
    fresh: int = 0
    failed: int = 0
    left: int = 0
    spent: Seconds = 0.0
    saved: Seconds = 0.0


@dataclass(slots=True, kw_only=True)
class WarmingReport(Tally):
    """
    The result of ``memotier.warm``; times are seconds.

    Recorded calls that could not be made again: *vanished* (no function of this name in the
    modules given), *changed* (its parameters are others now), *redacted* (an argument is a
    secret, kept as a fingerprint), *unreadable* (not ours, damaged, or of a class that is not
    known here).
    """

    strategy: str
    planned: int = 0
    vanished: int = 0
    changed: int = 0
    redacted: int = 0
    unreadable: int = 0
    seconds: Seconds = 0.0
    dry_run: bool = False
    #: Why it ended before everything was done: "deadline", "budget", "closed" (the cache) or "".
    stopped: str = ""
    functions: dict[str, Tally] = field(default_factory=dict)
    #: Kinds of errors that functions raised, with how often. (Their texts may show data.)
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        """
        Recorded calls that were not made, for whatever reason.
        """
        return self.fresh + self.vanished + self.changed + self.redacted + self.unreadable

    def as_dict(self) -> dict[str, Any]:
        """
        For JSON.
        """
        return {**asdict(self), "skipped": self.skipped}

    def __str__(self) -> str:
        return (
            f"{self.replayed} calls replayed, {self.skipped} skipped, {self.failed} failed, "
            f"{self.left} left, {self.saved:.3g} s saved for those who come"
        )
