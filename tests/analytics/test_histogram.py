"""
Durations in buckets: bounded, mergeable, and exact to a percent.
"""

from __future__ import annotations

import json
import math
import random

import pytest

from memotier.engine.histogram import LEAST, MOST, Histogram, bounds_of, bucket_of, merged

DICE = random.Random(6)


def durations(count):
    """From a nanosecond to a day, as many of each size."""
    return [math.exp(DICE.uniform(math.log(2e-9), math.log(86_400))) for _ in range(count)]


def filled(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95, 0.99, 1.0])
def test_quantiles_are_exact_to_a_percent(share):
    """
    Against the sorted values themselves, by nearest rank.
    """
    values = sorted(durations(5_000))
    exact = values[max(0, math.ceil(share * len(values)) - 1)]

    assert exact == pytest.approx(filled(values).quantile(share), rel=0.01)


def test_a_bucket_holds_what_falls_into_it():
    """
    Every duration lies within the bounds of its bucket, whose middle is within 1 % of it.
    """
    for value in durations(5_000):
        low, high = bounds_of(bucket_of(value))
        assert low <= value * (1 + 1e-12) and value <= high * (1 + 1e-12)
        assert value == pytest.approx(filled([value]).quantile(0.5), rel=0.01)


def test_merging_is_adding():
    """
    Parts that are merged are what one histogram of everything is; the mean is exact.
    """
    values = durations(3_000)
    parts = merged([filled(values[:1000]), filled(values[1000:1001]), filled(values[1001:])])
    whole = filled(values)

    assert whole.counts == parts.counts
    assert len(values) == parts.count
    assert sum(values) / len(values) == pytest.approx(parts.mean)


def test_it_is_bounded():
    """
    Whatever comes, there are no more buckets than the docstring says, and nothing raises.
    """
    odd = [0.0, -1.0, 1e-300, 5e300, math.inf, LEAST, MOST]
    made = filled([*odd, *durations(50_000)])

    assert bucket_of(MOST) < 3_100 and 0 == bucket_of(0.0) == bucket_of(-5.0)
    assert all(0 <= bucket <= bucket_of(MOST) for bucket in made.counts)
    assert math.isfinite(made.total)


def test_what_is_written_is_read():
    """
    As JSON and back, it is the same.
    """
    made = filled(durations(100))
    made.add(0.5, 7)
    back = Histogram.of_json(json.loads(json.dumps(made.to_json())))

    assert (made.counts, made.total) == (back.counts, back.total)
    assert 107 == made.to_json()["count"]


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"buckets": 5, "total_seconds": 1.0},
        {"buckets": [[1, -1]], "total_seconds": 1.0},
        {"buckets": [[-1, 1]], "total_seconds": 1.0},
        {"buckets": [[10**9, 1]], "total_seconds": 1.0},
        {"buckets": [["a", 1]], "total_seconds": 1.0},
        {"buckets": [[1, 1]]},
    ],
)
def test_what_is_none_is_refused(junk):
    """
    What no histogram wrote raises, and makes no bucket out of bounds.
    """
    with pytest.raises(ValueError, match="histogram"):
        Histogram.of_json(junk)


def test_nothing_counted():
    """
    Every figure of an empty one is 0.
    """
    empty = Histogram()

    assert [0.0, 0.0] == empty.quantiles([0.5, 0.99])
    assert (0, 0.0) == (empty.count, empty.mean)
