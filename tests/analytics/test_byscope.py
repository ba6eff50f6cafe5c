"""
Figures by scope: whose calls they were, without saying who that is.
"""

from __future__ import annotations

import json
import os

import pytest

from memotier import CacheAnalytics, Quota, tiered_cache
from memotier.analytics import merge, snapshot
from memotier.analytics.believing import believed
from memotier.analytics.byscope import NUMBERS, OTHERS, digits_of_scope, folded
from memotier.analytics.fitting import fitted
from memotier.analytics.since import begun, since
from memotier.analytics.taking import MOST_SCOPES
from memotier.engine import ledger as ledgers


def tool(cache, **options):
    @tiered_cache(cache=cache, name="read", scope=("who",), **options)
    def read(who, x):
        return x

    return read


def row_of(taken, cache, scope):
    digits = digits_of_scope(cache._keyed.engine, scope)
    (row,) = [one for one in taken["scopes"] if one["scope"] == digits]
    return row


def test_scopes_are_shown_by_their_digests(tiers):
    """
    What each had and was given, over all functions; the text of a scope is nowhere.
    """
    read = tool(tiers, quota=Quota(entries=2))
    other = tool(tiers, namespace="other")
    for x in (0, 1, 2, 2):
        read("canary-ann", x)
    other("canary-ann", 1)
    read("canary-bob", 1)
    taken = snapshot(tiers)

    assert "canary" not in json.dumps(taken)
    assert {
        "entries": 3,
        "hits": 1,
        "misses": 4,
        "computed": 4,
        "refused": 0,
        "evictions": 1,
    }.items() <= row_of(taken, tiers, "canary-ann").items()
    assert 1 == row_of(taken, tiers, "canary-bob")["misses"]
    assert 2 == len(taken["scopes"])
    assert taken["scopes"] == CacheAnalytics(tiers).get_comprehensive_stats()["scopes"]


def test_without_scopes_there_are_none(cache):
    """
    Functions without a scope, or with everybody's, are in no row.
    """

    @tiered_cache(cache=cache, scope="public")
    def f(x):
        return x

    f(1)
    assert [] == snapshot(cache)["scopes"]
    assert f._self_memo.shelf.ledger is None


def test_of_many_the_most_used_are_shown(cache, monkeypatch):
    """
    The others are one row: nothing is lost, whatever was forgotten.
    """
    monkeypatch.setattr(ledgers, "MOST_IDLE", 50)
    read = tool(cache, cache_if=lambda result: False)
    for n in range(400):
        for _ in range(1 + (n >= 395)):
            read(f"user{n}", 0)
    rows = snapshot(cache)["scopes"]

    assert 51 == len(rows)
    assert OTHERS == rows[-1]["scope"]
    assert [2] * 5 == [row["misses"] for row in rows[:5]]
    assert 405 == sum(row["misses"] for row in rows)


def test_processes_are_added_up(make_cache):
    """
    One scope is one row, whoever counted; beyond the most used all are one.
    """
    first, second = make_cache(), make_cache()
    for cache in (first, second):
        read = tool(cache)
        for n in range(MOST_SCOPES - 5):
            read(f"user{n}", 0), read(f"user{n}", 0)
    for n in range(20):
        tool(second, namespace="more")(f"more{n}", 0)
    both = merge([snapshot(first), snapshot(second)])

    assert MOST_SCOPES + 1 == len(both["scopes"])
    assert (2, 2) == tuple(row_of(both, first, "user3")[name] for name in ("hits", "misses"))
    assert 15 == both["scopes"][-1]["misses"]
    assert both["scopes"] == merge([both])["scopes"]


def test_snapshots_of_others_are_read_with_care(cache):
    """
    What has the form is believed, also where it has no scopes; anything else is not.
    """
    tool(cache)("ann", 1)
    taken = snapshot(cache)
    again = believed(json.dumps(taken).encode())
    older = {name: value for name, value in taken.items() if name != "scopes"}

    assert again is not None and taken["scopes"] == again["scopes"]
    assert [] == believed(json.dumps(older).encode())["scopes"]
    for wrong in ("x", [1], [{"scope": 1}], [{**taken["scopes"][0], "hits": "many"}]):
        assert believed(json.dumps({**taken, "scopes": wrong}).encode()) is None


def test_where_there_is_little_room_most_are_one(cache):
    """
    Twenty stay, and the sum.
    """
    read = tool(cache)
    for n in range(90):
        read(f"user{n}", 0)
    taken = snapshot(cache)
    data = fitted(taken, len(json.dumps(taken, separators=(",", ":"))) - 1)

    rows = json.loads(data)["scopes"]
    assert (21, 90) == (len(rows), sum(row["misses"] for row in rows))


def test_a_child_does_not_count_what_its_parent_did(cache):
    """
    Figures from before the fork are subtracted, also of scopes that are not shown one by one.
    """
    read = tool(cache)
    for n in range(MOST_SCOPES + 30):
        read(f"user{n}", 0)
    base = begun(cache._keyed)
    read("new", 0), read("new", 0), read("user1", 0)
    rows = since(snapshot(cache), base)["scopes"]

    assert (2, 1) == tuple(sum(row[name] for row in rows) for name in ("hits", "misses"))
    assert MOST_SCOPES + 31 == sum(row["entries"] for row in rows)


def test_folding_keeps_the_sum():
    """
    In any order, and again.
    """
    rows = [{"scope": f"{n % 7}", **dict.fromkeys(NUMBERS, n)} for n in range(50)]
    once = folded(rows, 3)

    assert once == folded(rows[::-1], 3) == folded(once, 3)
    assert sum(range(50)) == sum(row["bytes"] for row in once)


def test_the_key_of_the_cache_hides_whose_they_are(make_cache, monkeypatch):
    """
    With a key nobody without it can tell which digest a scope has.
    """
    plain = digits_of_scope(make_cache()._keyed.engine, "ann")
    monkeypatch.setenv("MEMOTIER_KEY", os.urandom(32).hex())
    cache = make_cache()
    tool(cache)("ann", 1)

    (row,) = snapshot(cache)["scopes"]
    assert row["scope"] == digits_of_scope(cache._keyed.engine, "ann") != plain
    assert pytest.approx(1) == cache.scope_info("ann").misses
