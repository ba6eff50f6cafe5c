from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotier import WarmingStrategy
from memotier.recording.pattern import DAY, Pattern
from memotier.recording.records import Recorded
from memotier.recording.signature import Signature
from memotier.warming.strategies import rank, savings

NOW = 1_700_000_000.0


def used(name, *times, cost=1.0, ttl=None, hour=None):
    """
    A call that was made at these moments before now.
    """
    pattern = Pattern(cost=cost, ttl=ttl)
    for ago in sorted(times, reverse=True):
        at = NOW - ago
        pattern.add(1, 0, at, time.localtime(at).tm_hour if hour is None else hour)
    return Recorded(Signature("t", "f", name.encode()), pattern)


def names(calls, strategy, **more):
    ranked = rank(calls, strategy, NOW, half_life=DAY, **more)
    return "".join(one.signature.payload.decode() for one in ranked)


OFTEN_BUT_LONG_AGO = used("o", *[3 * DAY] * 20)
SELDOM_BUT_NOW = used("s", 1)
BETWEEN = used("b", *[3600] * 3)
ALL = [OFTEN_BUT_LONG_AGO, SELDOM_BUT_NOW, BETWEEN]


@pytest.mark.parametrize(
    ("strategy", "more", "expected"),
    [
        (WarmingStrategy.FREQUENCY, {}, "bos"),  # 20 uses three days ago count 2.5
        (WarmingStrategy.RECENCY, {}, "sbo"),
        (WarmingStrategy.HYBRID, {"recency_weight": 0.0}, "bos"),
        (WarmingStrategy.HYBRID, {"recency_weight": 1.0}, "sb"),
        (WarmingStrategy.HYBRID, {}, "bso"),
    ],
)
def test_what_comes_first(strategy, more, expected):
    """
    How often, how lately, or both.
    """
    assert expected == names(ALL, strategy, **more)


def test_one_favourite_does_not_hide_that_others_are_used_often():
    """
    HYBRID weighs how often both ways: many uses until two hours ago are more than one just now.
    """
    favourite, often, once = used("f", *[1] * 1000), used("o", *[7200] * 50), used("s", 1800)
    others = [used("x", *[DAY + n] * 3) for n in range(20)]

    assert "fo" == names([favourite, often, once, *others], WarmingStrategy.HYBRID)[:2]


def test_an_hour_of_the_day_has_its_own_favourites():
    """
    What is asked for at nine is warm at nine, and a little at ten.
    """
    nine, ten, noon = used("n", 1, 1, 1, hour=9), used("t", 1, 1, hour=10), used("x", 1, hour=12)

    assert "nt" == names([nine, ten, noon], WarmingStrategy.TIME_BASED, hour=9)
    assert "tx" == names([nine, ten, noon], WarmingStrategy.TIME_BASED, hour=11)
    assert "" == names([nine, ten, noon], WarmingStrategy.TIME_BASED, hour=0)


def test_the_favourites_of_an_hour_fade():
    """
    Four uses at nine five days ago are less than three at nine yesterday.
    """
    before, lately = used("b", *[5 * DAY] * 4, hour=9), used("l", *[DAY] * 3, hour=9)

    assert "lb" == names([before, lately], WarmingStrategy.TIME_BASED, hour=9)


def test_savings_weigh_what_a_computation_takes():
    """
    Ten seconds saved twice are more than a millisecond saved a hundred times; what is not needed
    before it expires saves nothing.
    """
    cheap = used("c", *range(1, 101), cost=0.001, ttl=DAY)
    dear = used("d", 1, 2, cost=10.0, ttl=DAY)
    gone = used("g", 1, 2, cost=10.0, ttl=1.0)

    assert "dc" == names([cheap, dear], WarmingStrategy.SAVINGS)
    assert "cd" == names([cheap, dear], WarmingStrategy.SAVINGS, has_budget=True)
    assert "dg" == names([gone, dear], WarmingStrategy.SAVINGS)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100)), max_size=20),
    st.sampled_from(list(WarmingStrategy)),
)
def test_every_strategy_ranks_anything_in_one_order(uses, strategy):
    """
    The same calls in another order give the same ranking, and nothing is invented.
    """
    calls = [used(f"{n},", ago, cost=cost) for n, (ago, cost) in enumerate(uses)]

    assert names(calls, strategy) == names(calls[::-1], strategy)
    assert {*names(calls, strategy).split(",")} <= {*(str(n) for n in range(20)), ""}


@given(st.floats(0, 1e6), st.floats(0, 1e9), st.floats(0, 1e9))
def test_savings_are_between_nothing_and_the_cost(weight, cost, ttl):
    """
    One call saves its caller at most what it takes.
    """
    pattern = Pattern(weight=weight, at=NOW, cost=cost, ttl=ttl)

    assert 0 <= savings(pattern, NOW, DAY) <= cost
    assert 0 <= savings(pattern, NOW, DAY, per_second=True) <= 1
