"""
How long something took, as counts in buckets of equal relative width.

A bucket ends at 1.1 % more than it begins with, 64 of them to a power of two; so its middle is
within 0.6 % of whatever fell into it. Two histograms are merged by adding their counts, and a
quantile of the sum is as exact as of each.

One has at most 3,100 buckets, and those that are empty take no room. Two threads that count at
the same moment may lose a count, as with the counters of hits: there is no lock to wait for, and
none that a finalizer or a fork could find taken. Whoever reads copies the dict in one step.

Source:
    C. Masson, J. E. Rim, H. K. Lee: DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
    Relative-Error Guarantees. PVLDB 12(12), 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import Any, Final

from ..types import Seconds

#: Seconds, some 1 ns and 36 hours, beyond which everything is one bucket.
LEAST: Final = 2.0**-30
MOST: Final = 2.0**17

_PER_OCTAVE: Final = 64
#: So that no bucket has a negative number.
_OFFSET: Final = 30 * _PER_OCTAVE


def bucket_of(seconds: Seconds) -> int:
    """
    The number of the bucket that *seconds* fall into, from 0 on.
    """
    return int(log2(min(max(seconds, LEAST), MOST)) * _PER_OCTAVE + _OFFSET)


def bounds_of(bucket: int) -> tuple[Seconds, Seconds]:
    """
    The durations of a bucket: from the first one, up to and without the second.
    """
    at = bucket - _OFFSET
    return 2.0 ** (at / _PER_OCTAVE), 2.0 ** ((at + 1) / _PER_OCTAVE)


def middle_of(bucket: int) -> Seconds:
    """
    The duration that stands for all of a bucket.
    """
    return float(2.0 ** ((bucket - _OFFSET + 0.5) / _PER_OCTAVE))


class Histogram:
    """
    Durations of one operation. ``counts`` are by bucket, ``total`` is in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: dict[int, float] = {}
        self.total: Seconds = 0.0

    def add(self, seconds: Seconds, times: float = 1) -> None:
        """
        Count *seconds*, *times* times. A negative duration, of a clock that was set, is none.
        """
        if LEAST <= seconds <= MOST:
            bucket = int(log2(seconds) * _PER_OCTAVE + _OFFSET)
        else:
            seconds = min(max(seconds, 0.0), MOST)
            bucket = bucket_of(seconds)
        counts = self.counts
        try:
            counts[bucket] += times
        except KeyError:
            counts[bucket] = counts.get(bucket, 0) + times
        self.total += seconds * times

    def merge(self, other: Histogram, weight: float = 1) -> None:
        """
        Add the counts of *other*, each *weight* times.
        """
        counts = self.counts
        for bucket, count in other.counts.copy().items():
            counts[bucket] = counts.get(bucket, 0) + count * weight
        self.total += other.total * weight

    @property
    def count(self) -> float:
        return sum(self.counts.copy().values())

    @property
    def mean(self) -> Seconds:
        """
        Exact, unlike quantiles; 0 if nothing was counted.
        """
        count = self.count
        return self.total / count if count else 0.0

    def quantile(self, share: float) -> Seconds:
        """
        The duration that *share* of all, from 0 to 1, do not exceed; within 0.6 %.
        """
        return self.quantiles([share])[0]

    def quantiles(self, shares: Sequence[float]) -> list[Seconds]:
        """
        ``quantile`` of several *shares*, which ascend; all 0 if nothing was counted.
        """
        ordered = sorted(self.counts.copy().items())
        if not ordered:
            return [0.0] * len(shares)
        most = sum(count for _, count in ordered)
        found: list[Seconds] = []
        seen, at = ordered[0][1], 0
        for share in shares:
            wanted = share * most
            while seen < wanted and at + 1 < len(ordered):
                at += 1
                seen += ordered[at][1]
            found.append(middle_of(ordered[at][0]))
        return found

    # -- written down --------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """
        ``count``, ``total_seconds``, and ``buckets``: pairs of number and count, in order.
        """
        ordered = sorted(self.counts.copy().items())
        return {
            "count": sum(count for _, count in ordered),
            "total_seconds": self.total,
            "buckets": [list(pair) for pair in ordered],
        }

    @classmethod
    def of_json(cls, written: Mapping[str, Any]) -> Histogram:
        """
        Raises:
            ValueError: If *written* is none that ``to_json`` could have made.
        """
        made = cls()
        try:
            for bucket, count in written["buckets"]:
                known = isinstance(bucket, int) and 0 <= bucket <= bucket_of(MOST)
                if not known or not 0 <= count < math.inf:
                    raise ValueError(f"a histogram has no bucket {bucket!r} with count {count!r}")
                made.counts[bucket] = made.counts.get(bucket, 0) + count
            made.total = float(written["total_seconds"])
        except (KeyError, TypeError) as error:
            raise ValueError("this is no histogram") from error
        return made


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """
    All counts of *histograms* in a new one.
    """
    made = Histogram()
    for one in histograms:
        made.merge(one)
    return made
