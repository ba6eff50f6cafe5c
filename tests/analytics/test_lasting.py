"""
Counters that never go down, from snapshots by hand.
"""

from __future__ import annotations

import copy

import pytest

from memotier.analytics import snapshot
from memotier.analytics.lasting import Lasting


@pytest.fixture
def taken(cache):
    """
    A snapshot of one function that was called ten times.
    """
    cache.sync.set("k", 1)
    for _ in range(10):
        cache.sync.get("k")
    return snapshot(cache)


def changed(taken, **counters):
    made = copy.deepcopy(taken)
    made["functions"][0]["counters"].update(counters)
    return made


def told(snapshots, counter):
    (one,) = snapshots
    return one["functions"][0]["counters"][counter]


def test_a_figure_that_is_taken_back_does_not_fall(taken):
    """
    A miss is none any more when another call turns out to compute the same; saved seconds become
    less with a look-up that took longer than computing.
    """
    lasting = Lasting()
    for misses, saved, most in ((5, 3.0, 5), (4, 2.5, 5), (6, 4.0, 6)):
        found = lasting.look({1: changed(taken, misses=misses, seconds_saved=saved)})
        assert most == told(found, "misses")
    assert 4.0 == told(found, "seconds_saved")


def test_it_is_counted_once(taken):
    """
    The same figures again are nothing new; what is more is added once.
    """
    lasting = Lasting()
    for hits in (10, 10, 15, 15):
        found = lasting.look({1: changed(taken, l1_hits=hits)})
        assert hits == told(found, "l1_hits")


def test_sources_of_one_name_are_added(taken):
    """
    Two caches of one name are one; when one goes, its part stays.
    """
    lasting = Lasting()
    assert 20 == told(lasting.look({1: taken, 2: taken}), "l1_hits")
    assert 20 == told(lasting.look({2: taken}), "l1_hits")
    assert 25 == told(lasting.look({2: changed(taken, l1_hits=15)}), "l1_hits")
    assert 35 == told(lasting.look({2: changed(taken, l1_hits=15), 3: taken}), "l1_hits")


def test_a_cache_that_is_gone_is_told_all_the_same(taken):
    """
    Its counters stay, and it has no size.
    """
    lasting = Lasting()
    lasting.look({1: taken})
    (one,) = found = lasting.look({})

    assert 10 == told(found, "l1_hits")
    assert {"l1": None, "l2": None} == one["tiers"]
    assert 0 == one["functions"][0]["entries"]


def test_failures_of_the_second_tier_stay(taken):
    """
    A store that was opened anew begins at 0; the sum goes on.
    """
    lasting = Lasting()
    for failures, sum_of_all in ((3, 3), (1, 3), (2, 4)):
        (one,) = lasting.look({1: {**taken, "failures": {"l2.get": failures}}})
        assert sum_of_all == one["failures"]["l2.get"]


def test_what_is_given_is_left_as_it_is(taken):
    """
    Snapshots are read, not written.
    """
    before = copy.deepcopy(taken)
    lasting = Lasting()
    lasting.look({1: taken})
    lasting.look({1: changed(taken, l1_hits=3)})

    assert before == taken
