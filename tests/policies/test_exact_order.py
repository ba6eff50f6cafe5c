"""
LRU, LFU, FIFO and TTL choose exactly whom a list that is searched from end to end would.
"""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings

from memotier.policies import make_policy
from memotier.policies.rising import SHELF

from ..effort import examples
from .model import drain, fill, hit, noted, resident, residents, small_limits, steps

#: What the resident that leaves has least of; ``min`` takes the first arrival among equals.
LEAST = {
    "lru": lambda one: one.used,
    "lfu": lambda one: one.hits,
    "fifo": lambda one: 0,
    "ttl": lambda one: one.fresh_until,
}


@pytest.fixture(params=LEAST)
def name(request):
    return request.param


@pytest.mark.parametrize("exact", LEAST)
@given(steps=steps)
@settings(max_examples=examples(150), deadline=None)
def test_the_victim_is_the_one_a_full_search_finds(exact, steps):
    """
    Whatever was added, hit, extended and removed before, with a clock that may stand still.
    """
    with small_limits():
        policy, living, now = make_policy(exact, None), [], 0.0
        for step, (what, number, ticks) in enumerate(steps):
            now += ticks
            one = living[number % len(living)] if living else None
            if what == "add":
                one = resident(step, now, inf if number > 35 else now + number % 7)
                living.append(one)
                policy.add(one)
            elif one is None:
                continue
            elif what == "hit":
                hit(one, now)
            elif what == "extend":
                one.fresh_until = inf if number > 35 else one.fresh_until + ticks
            elif what == "remove":
                living.remove(one)
                policy.remove(one)
            else:
                expected = min(living, key=LEAST[exact])
                assert expected is policy.victim()
                living.remove(expected)

        assert [one.key for one in sorted(living, key=LEAST[exact])] == drain(policy, len(living))


def test_the_order_holds_beyond_one_shelf(name):
    """
    Thousands of residents, hit in an order unlike that of their arrival, leave in order.
    """
    count = 4 * SHELF + 7
    policy = make_policy(name, count)
    crowd = [resident(key, float(key), 0.0) for key in range(count)]
    fill(policy, crowd)
    for turn, one in enumerate(sorted(crowd, key=lambda one: one.key * 7919 % count)):
        one.fresh_until = float(turn % 50)
        for _ in range(turn % 5):
            hit(one, count + turn)

    assert [one.key for one in sorted(crowd, key=LEAST[name])] == drain(policy, count)


def test_under_a_clock_that_stands_still_the_first_to_arrive_leaves_first(name):
    """
    Equals leave in the order of their arrival, more of them than fit on a shelf, too.
    """
    count = 2 * SHELF + 3
    policy = make_policy(name, count)
    fill(policy, (resident(key) for key in range(count)))

    assert list(range(count)) == drain(policy, count)


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_a_tiny_tier_turns_over(name, capacity):
    """
    One, two or three residents that are never hit leave in the order in which they came.
    """
    policy = make_policy(name, capacity)
    fill(policy, (resident(key, key, key) for key in range(capacity)))

    for key in range(capacity, 20):
        assert key - capacity == policy.victim().key
        policy.add(resident(key, key, key))


def test_another_resident_for_the_same_key_is_another_resident(name):
    """
    A replaced resident does not leave a second time; the new one has its own place.
    """
    policy, old, other = make_policy(name, 3), resident("a"), resident("b")
    new = resident("a")
    fill(policy, [old, other])
    policy.remove(old)
    policy.add(new)

    assert [other, new] == [policy.victim(), policy.victim()]


def test_the_removed_do_not_pile_up(name):
    """
    Without a single eviction, those that left are forgotten before they outnumber the living.
    """
    policy = make_policy(name, 10)
    stay = [resident(("stay", key), key) for key in range(10)]
    fill(policy, stay)

    for key in range(5_000):
        passing = resident(key, key, key)
        policy.add(passing)
        policy.remove(passing)
        assert 2 * 11 + 64 >= noted(policy)

    assert [one.key for one in stay] == drain(policy, 10)


def test_empty_shelves_do_not_pile_up():
    """
    Whole shelves of removed residents leave no empty shelves behind.
    """
    policy = make_policy("lru", None)
    for start in range(0, 20 * SHELF, 2 * SHELF):
        crowd = [resident(key, float(key)) for key in range(start, start + 2 * SHELF)]
        fill(policy, crowd)
        for one in crowd:
            policy.remove(one)

    assert 3 >= len(policy._order._shelves)


def test_a_clear_forgets_everyone(name):
    """
    After a clear only those that came later can be chosen.
    """
    policy = make_policy(name, 10)
    fill(policy, residents(10))
    policy.victim()
    policy.clear()
    fill(policy, [resident("a", 1.0), resident("b", 2.0)])

    assert ["a", "b"] == drain(policy, 2)
    assert 0 == noted(policy)


def test_a_lost_update_is_survived():
    """
    A time of use that falls, as when two threads race, changes whose turn it is, no more.
    """
    with small_limits():
        policy, crowd = make_policy("lru", 20), residents(20)
        fill(policy, crowd)
        gone = drain(policy, 5)
        for one in crowd[5:]:
            one.used = 1.0

        assert set(range(20)) == {*gone, *drain(policy, 15)}


def test_only_lru_asks_for_the_time_of_use():
    """
    The others cost a hit one counter and nothing else.
    """
    needy = [n for n in (*LEAST, "clock2q") if make_policy(n, 10).needs_time]

    assert ["lru"] == needy
