"""
A forked child's tags, hot keys and arguments begin at the fork, as all of its figures do.
"""

from __future__ import annotations

import pytest

from memotier import CacheAnalytics, tiered_cache
from memotier.analytics import figures, snapshot
from memotier.analytics.since import begun, since
from memotier.analytics.taking import taken


@pytest.fixture(params=["memory", "disk"])
def cache(request, make_cache):
    cache = make_cache(request.param, l1_maxsize=400)
    CacheAnalytics(cache, hot_key_window=300)
    return cache


def tagged(cache):
    @tiered_cache(cache=cache, name="f", tags=["all", "t:{x}"])
    def f(x):
        return x

    return f


def of_child(cache, base):
    return since(taken(cache._keyed, before=base.before), base)


def test_tags_begin_at_the_fork(cache):
    """
    Hits of before are the parent's, of entries that are there and of some that have left; what is
    there now is there.
    """
    f = tagged(cache)
    for _ in range(5):
        f(1), f(2)
    f.invalidate(2)
    base = begun(cache._keyed)
    f(1), f(2), f(2), f(2)

    rows = {row["tag"]: row for row in of_child(cache, base)["tags"]}
    assert (3, 2) == (rows["all"]["hits"], rows["all"]["entries"])
    assert 3 == rows["t:*"]["hits"]
    assert rows["all"]["seconds_saved"] >= 0


def test_hot_keys_begin_at_the_fork(cache):
    """
    What the child asks for most is on top, though its parent had asked for others more often.
    """
    f = tagged(cache)
    for x in range(200):
        for _ in range(5):
            f(x)
    base = begun(cache._keyed)
    for _ in range(3):
        f(7)
    f(999), f(999)

    rows = of_child(cache, base)["hot_keys"]
    assert [(3, 3, 0), (2, 1, 1)] == [(row["accesses"], row["hits"], row["misses"]) for row in rows]


def test_hits_of_an_entry_that_leaves_after_the_fork(cache):
    """
    Its hits move from the entry to what is known of its key; those of the parent are not counted
    for that.
    """
    f = tagged(cache)
    for _ in range(5):
        f(1)
    base = begun(cache._keyed)
    f(1), f(1)
    f.invalidate(1)

    found = of_child(cache, base)
    assert [(2, 2)] == [(row["accesses"], row["hits"]) for row in found["hot_keys"]]
    assert {"all": 2, "t:*": 2} == {row["tag"]: row["hits"] for row in found["tags"]}


def test_a_key_that_was_forgotten_begins_anew(make_cache):
    """
    A count that is less than at the fork is of a key that was dropped and came again.
    """
    cache = make_cache(l1_maxsize=1)
    analytics = CacheAnalytics(cache, hot_key_window=2)

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return x

    for _ in range(10):
        f(1), f(1)
        f(2)
    base = begun(cache._keyed)
    for x in range(100, 150):
        f(x), f(x), f(x)
    f(1)

    rows = of_child(cache, base)["hot_keys"]
    assert rows
    assert all(row["accesses"] >= row["misses"] >= 0 <= row["hits"] for row in rows)
    assert analytics.get_hot_keys()


def test_without_a_fork_nothing_is_taken_off(cache):
    """
    The snapshot of a process that nobody forked has all of it.
    """
    f = tagged(cache)
    for _ in range(5):
        f(1)

    rows = snapshot(cache)["hot_keys"]
    assert [5] == [row["accesses"] for row in rows]
    assert {4} == {row["hits"] for row in snapshot(cache)["tags"]}
    assert 5 == figures.accesses(figures.total(snapshot(cache)))
