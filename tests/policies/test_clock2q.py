"""
The modern policy: two queues, counters that stop at three, and a border that moves.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotier.policies import clock2q
from memotier.policies.clock2q import Clock2Q

from ..effort import examples
from .model import drain, fill, hit, noted, resident, residents, small_limits, steps


class Cache:
    """
    A dict around the policy, driven as the memory tier drives it.
    """

    def __init__(self, capacity, *, bounded=True):
        self.policy = Clock2Q(capacity if bounded else None)
        self.capacity = capacity
        self.table = {}

    def ask(self, key):
        """Whether it was there; it is now."""
        if key in self.table:
            hit(self.table[key], 0.0)
            return True
        if len(self.table) >= self.capacity:
            del self.table[self.policy.victim().key]
        self.table[key] = resident(key)
        self.policy.add(self.table[key])
        return False


def kept(count=4):
    """
    A cache of 20 whose main queue holds the keys ``0 .. count - 1``.
    """
    cache = Cache(20)
    for key in (*range(count), *range(1000, 1000 + 20), *range(count)):
        cache.ask(key)
    return cache


@given(st.lists(st.one_of(st.just("look"), st.integers(0, 5)), max_size=200))
@settings(max_examples=examples(200), deadline=None)
def test_credit_and_hits_since_show_what_a_counter_that_stops_at_three_would(events):
    """
    Counting at each hit and looking back at the counts when the hand comes by are the same.
    """
    policy, living, counters = Clock2Q(6), residents(6), dict.fromkeys(range(6), 0)
    for one in living:
        policy._keep(one)
    hand = deque(range(6))

    for event in events:
        if event != "look":
            hit(living[event], 0.0)
            counters[event] = min(3, counters[event] + 1)
            continue
        while counters[hand[0]]:
            counters[hand[0]] -= 1
            hand.rotate(-1)
        expected = hand.popleft()

        leaver = policy._turn_hand()

        assert expected == leaver.key
        living[expected] = resident(expected)
        policy._keep(living[expected])
        counters[expected] = 0
        hand.append(expected)


def test_newcomers_leave_in_order_even_if_they_were_hit():
    """
    Hits do not keep a newcomer where the main queue is full: they often come in one burst.
    """
    policy, crowd = Clock2Q(10), residents(10)
    for one in crowd[:8]:
        policy._keep(one)
    fill(policy, crowd[8:])
    hit(crowd[8], 0.0)

    assert 8 == policy.victim().key


def test_newcomers_that_were_hit_fill_a_main_queue_with_room():
    """
    A cache that is not full of proven keys yet keeps those that were asked for twice.
    """
    policy, crowd = Clock2Q(10), residents(10)
    fill(policy, crowd)
    for one in crowd[:3]:
        hit(one, 0.0)

    assert 3 == policy.victim().key
    assert [0, 1, 2] == [one.key for one in policy._main]


def test_newcomers_that_were_never_hit_do_not_fill_it():
    """
    Room to spare is no reason to keep what nobody asked for again.
    """
    policy, crowd = Clock2Q(10), residents(10)
    fill(policy, crowd)

    assert list(range(10)) == drain(policy, 10)


def test_a_key_that_returns_stays_through_a_scan():
    """
    What came back after it had left is not driven out by keys that are asked for once.
    """
    cache = kept(4)
    for key in range(2000, 2500):
        cache.ask(key)

    assert all(cache.ask(key) for key in range(4))


def test_a_hit_in_the_main_queue_buys_a_round():
    """
    The hand passes over one that was hit and takes the next that was not.
    """
    policy, crowd = Clock2Q(4), residents(4)
    for one in crowd:
        policy._keep(one)
    hit(crowd[0], 0.0)

    assert [1, 2, 3, 0] == drain(policy, 4)


def test_what_was_worth_keeping_comes_back_after_it_expired():
    """
    Expiry and replacement say nothing about how popular a key is.
    """
    cache = kept(4)
    expired = cache.table.pop(2)
    cache.policy.remove(expired)
    cache.ask(2)
    for key in range(2000, 2500):
        cache.ask(key)

    assert cache.ask(2)


def test_one_that_left_the_main_queue_comes_back_as_a_newcomer():
    """
    It has had its chance there, so it must prove itself again.
    """
    policy, crowd = Clock2Q(4), residents(4)
    for one in crowd:
        policy._keep(one)
    again = resident(policy.victim().key)
    policy.add(again)

    assert again is policy._new[-1]
    assert clock2q.SHARE > policy._share


def test_returns_of_newcomers_give_newcomers_more_room():
    """
    Pairs of requests too far apart for the queue at first are hits once it has grown.
    """
    cache, found = Cache(100), []
    for key in (*range(-80, 0), *range(-300, -200), *range(-80, 0)):
        cache.ask(key)
    before = cache.policy._share
    for key in range(20_000):
        cache.ask(key)
        if key >= 60:
            found.append(cache.ask(key - 60))

    assert before < cache.policy._share <= clock2q.SHARE_MAX
    assert not any(found[:50])
    assert all(found[-1000:])


def test_what_is_remembered_is_bounded():
    """
    After any number of evictions no more keys are remembered than the room allows.
    """
    cache = Cache(50)
    for key in range(20_000):
        cache.ask(key * key % 7919)

    policy = cache.policy
    assert 50 * clock2q.GHOST_NEW >= len(policy._left_new)
    assert 50 * clock2q.GHOST_MAIN >= len(policy._left_main)
    assert 50 == noted(policy)


@pytest.mark.parametrize("capacity", [1, 2, 3, 10])
@pytest.mark.parametrize("bounded", [True, False])
def test_small_tiers_work(capacity, bounded):
    """
    Down to a single resident, whether or not the policy is told how many there can be.
    """
    cache = Cache(capacity, bounded=bounded)
    for turn in range(3000):
        cache.ask(turn * turn % 23)

    assert capacity == len(cache.table)
    assert set(cache.table) == set(drain(cache.policy, capacity))


def test_without_a_capacity_the_parts_follow_the_number_that_fits():
    """
    The same requests leave the same residents, told of the capacity or not.
    """
    told, untold = Cache(40), Cache(40, bounded=False)
    for turn in range(5000):
        assert told.ask(turn * turn % 331) == untold.ask(turn * turn % 331)

    assert set(told.table) == set(untold.table)


def test_room_that_shrinks_and_grows_is_followed():
    """
    Where bytes are the bound, the number of residents changes, and the memory with it.
    """
    cache = Cache(400, bounded=False)
    for capacity in (400, 5, 400, 1, 50):
        cache.capacity = capacity
        while len(cache.table) > capacity:
            del cache.table[cache.policy.victim().key]
        for turn in range(2000):
            cache.ask(turn * turn % 997)

    assert 50 == len(cache.table)
    assert 100 == cache.policy._left_new.limit


@given(steps=steps)
@settings(max_examples=examples(150), deadline=None)
def test_everyone_that_comes_leaves_once(steps):
    """
    Under any sequence each victim is one of the living, and the dead are swept out.
    """
    with small_limits():
        policy, living = Clock2Q(12), []
        for what, number, _ in steps:
            if what == "add":
                if len(living) == 12:
                    living.remove(policy.victim())
                living.append(resident(number))
                policy.add(living[-1])
            elif living and what == "hit":
                hit(living[number % len(living)], 0.0)
            elif living and what == "remove":
                policy.remove(living.pop(number % len(living)))
            elif living and what == "victim":
                living.remove(policy.victim())
            assert 2 * len(living) + 2 >= noted(policy)
            assert len(living) == policy._news + policy._mains

        assert {id(one) for one in living} == {id(policy.victim()) for _ in range(len(living))}


def test_a_clear_forgets_residents_and_the_past():
    """
    A key from before a clear is a newcomer like any other.
    """
    cache = kept(4)
    cache.policy.clear()
    fill(cache.policy, residents(10))

    assert list(range(10)) == drain(cache.policy, 10)
    assert clock2q.SHARE == cache.policy._share
