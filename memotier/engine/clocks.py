"""
The clocks of an entry: until when it is fresh, and for what it is good after that.

    computed        attention     fresh_until      revalidate_until     error_until
       |---- fresh ----|--- fresh ----|---- stale: at once ----|-- if it fails --|  dead
                       |              |                        |
                       |              |                        computed by whoever asks; the
                       |              |                        old value if that fails
                       |              old value at once, one refresh behind
                       still fresh, one refresh behind (refresh_ahead)

Both windows begin where freshness ends (RFC 5861), and either may be the longer one. The hit
path knows one moment, ``Resident.fresh_until``: when somebody has to look. Without these
options that is the end of freshness, and there are no clocks.

A soft invalidation moves all that is to come forward, as if attention were due at that moment:

    computed     expired          revalidate_until      error_until
       |-- fresh --|-- stale: at once --|--- if it fails ---|  dead
       |---------------- fresh ---------------|---- stale ----...----|  dead without it
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import random
from typing import Any, NamedTuple

from ..entry import Resident
from ..types import Seconds
from .flights import Flight

NEVER_SERVED: Seconds = float("-inf")


class Clocks:
    """
    The moments of one entry, in monotonic seconds.
    """

    __slots__ = (
        "attention",
        "error_until",
        "fresh_until",
        "is_expired",
        "memory_until",
        "revalidate_until",
        "served_until",
    )

    def __init__(
        self, fresh_until: Seconds, windows: Windows, ttl: Seconds | None, cost: Seconds
    ) -> None:
        self.fresh_until = fresh_until
        #: When a refresh is due: at the end of freshness, if not earlier.
        self.attention = windows.attention(fresh_until, ttl, cost)
        until = fresh_until + windows.revalidate
        serves_at_once = windows.revalidate or windows.ahead is not None
        self.revalidate_until = until if serves_at_once else NEVER_SERVED
        self.error_until = fresh_until + windows.on_error
        #: Nothing is served after this, whatever happens.
        self.served_until = fresh_until + windows.longest
        #: Until when memory may have it without a look below.
        self.memory_until = fresh_until
        #: Whether it was invalidated softly.
        self.is_expired = False

    def expire(self, at: Seconds, windows: Windows) -> None:
        """
        It was invalidated softly *at* that moment. Only the first time counts: whoever compares
        the versions again finds the same invalidation again.
        """
        if self.is_expired:
            return
        self.is_expired = True
        if at >= self.fresh_until:
            return  # its windows have begun already
        # With refresh_ahead a result is served at once from the moment of attention on.
        # (If the function has asked for that itself: what an invalidator wants allows no more.)
        is_early = self.attention < self.fresh_until and not windows.least_hits
        early = self.fresh_until - self.attention if is_early else 0.0
        self.revalidate_until = min(self.revalidate_until, at + early + windows.revalidate)
        self.error_until = min(self.error_until, at + windows.on_error)
        self.served_until = max(self.revalidate_until, self.error_until)
        self.fresh_until = at
        self.attention = min(self.attention, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """
    What a function asks for beyond freshness; in seconds.
    """

    revalidate: Seconds = 0.0
    on_error: Seconds = 0.0
    backoff: Seconds = 5.0
    #: Seconds, and a fraction of the ttl, of which a random part is added to it.
    jitter: Seconds = 0.0
    jitter_share: float = 0.0
    #: The fraction of the ttl after which a refresh is due; 0: drawn for each entry; None: 1.
    ahead: float | None = None
    #: How often an entry must have answered for a refresh ahead of its end; see predict.py.
    least_hits: float = 0
    #: For how long the function is waited for, if there is an old value and at all.
    soft: Seconds | None = None
    hard: Seconds | None = None

    @property
    def is_timed(self) -> bool:
        """
        Whether a caller may go on before the function has returned.
        """
        return self.soft is not None or self.hard is not None

    @property
    def longest(self) -> Seconds:
        """
        How long an entry may be of use after its freshness.
        """
        return max(self.revalidate, self.on_error)

    @property
    def keeps_stale(self) -> bool:
        """
        Whether an entry may be of use that was invalidated softly.
        """
        return (self.ahead is not None and not self.least_hits) or self.longest > 0

    def draw(self) -> float:
        """
        How much of the jitter one entry gets, from [0, 1).
        """
        return random() if self.jitter or self.jitter_share else 0.0  # noqa: S311

    def lengthened(self, ttl: Seconds, draw: float) -> Seconds:
        """
        *ttl* with its jitter.
        """
        if ttl == math.inf:
            return ttl
        return ttl + draw * (self.jitter + ttl * self.jitter_share)

    def attention(self, fresh_until: Seconds, ttl: Seconds | None, cost: Seconds) -> Seconds:
        """
        When a refresh of an entry is due.

        Args:
            ttl: Seconds of freshness it began with; None: for ever.

            cost: Seconds that its computation took.

        Source:
            For the one that is drawn: Vattani, Chierichetti, Lowenstein: Optimal Probabilistic
            Cache Stampede Prevention. PVLDB 8(8), 2015, with beta = 1. They draw at every
            request; we draw once for each entry and process, so that a hit compares and does
            not draw, and each process is one of those who draw.
        """
        if self.ahead is None or ttl is None or ttl == math.inf:
            return fresh_until
        if self.ahead:
            return fresh_until - ttl * (1 - self.ahead)
        # 1 - random() is never 0, whose logarithm there is not.
        return fresh_until - min(ttl, -cost * math.log(1 - random()))  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembers:
    """
    Which errors of a function are remembered, and for how long; in seconds.
    """

    #: By type, for the first failure of a run. A subclass may have one of its own.
    ttls: Mapping[type[Exception], Seconds]
    #: What holds for types of which nothing else is said.
    usual: Seconds
    #: The most, however many failures there were.
    most: Seconds

    def ttl(self, error: BaseException) -> Seconds | None:
        """
        What is said of the type that is nearest to *error*; None if it is not remembered.
        """
        found = (self.ttls.get(kind) for kind in type(error).__mro__)
        return next((ttl for ttl in found if ttl is not None), None)


def soften(resident: Resident, at: Seconds) -> bool:
    """
    *resident* was invalidated softly at that moment; whether its function may have a use for it.
    Called under the lock.
    """
    clocks = None if resident.stamp is None else resident.stamp.clocks
    if clocks is None:
        return False
    if not clocks.is_expired:
        clocks.expire(at, resident.place.shelf.windows)
        # Also if it rests after a refresh that failed: this is news about it.
        resident.fresh_until = min(resident.fresh_until, clocks.attention)
    return True


class Old(NamedTuple):
    """
    A stale result in the hands of whoever computes the next one: what is given if that fails.
    """

    value: Any
    thaw: Any
    stamp: Any
    clocks: Clocks


class Renewal(Flight):
    """
    A flight of a function that has windows.
    """

    __slots__ = ("began", "behind", "failed", "is_apart", "old", "result", "unmodified")

    def __init__(self, key: Any, epoch: int, *, behind: bool = False, began: Seconds = 0.0) -> None:
        super().__init__(key, epoch)
        self.began = began
        #: Whether somebody else than its caller brings it; and what came out, for that caller.
        self.is_apart = False
        self.result: tuple[Any] | None = None
        #: What is kept in place of the function's result, because it said that it holds still.
        self.unmodified: tuple[Any] | None = None
        self.old: Old | None = None
        #: Whether it runs in the background: nobody called it, or its caller has gone on.
        self.behind = behind
        self.failed = False
