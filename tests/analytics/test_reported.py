"""
Argument reports in snapshots: taken, merged, fitted, believed, and shown to who looks from outside.
"""

from __future__ import annotations

import json

import pytest

from memotier import CacheAnalytics, tiered_cache
from memotier.analytics import arguments, merge, snapshot
from memotier.analytics.believing import believed
from memotier.analytics.fitting import fitted
from memotier.analytics.reported import FEW, MOST_REPORTS, advised, reports_of
from memotier.analytics.tracker import tracker_of


@pytest.fixture
def cache(make_cache):
    cache = make_cache(l1_maxsize=1000)
    CacheAnalytics(cache)
    return cache


def search_of(cache, name="app.search", calls=300, secret="hunter2"):
    @tiered_cache(cache=cache, name=name, namespace="tool")
    def search(query, request_id):
        return query

    for at in range(calls):
        search(f"{secret}{at % 3}", request_id=f"{secret}{at}")
    return search


def written(taken):
    return believed(json.dumps(taken).encode())


def test_what_a_snapshot_has_is_what_the_process_says(cache):
    """
    Written, read and believed it is the same report, with names and numbers and no value.
    """
    search = search_of(cache)
    taken = snapshot(cache)

    (report,) = reports_of(written(taken))
    assert arguments(search) == report
    assert "request_id" == report.worst.name
    assert "hunter2" not in json.dumps(taken)


def test_who_reads_it_is_told_what_to_change(cache):
    """
    The recommendation is that of the process itself.
    """
    search_of(cache)

    (one,) = [one for one in advised(written(snapshot(cache))) if one.kind == "argument"]
    (own,) = [one for one in CacheAnalytics(cache).get_recommendations() if one.kind == "argument"]
    assert own == one
    assert "ignore=('request_id',)" in one.action


def test_parameters_and_functions_are_bounded(cache):
    """
    Few parameters of each function, the one that ruins it among them, of the most called functions.
    """
    for number in range(MOST_REPORTS + 5):
        search_of(cache, name=f"app.f{number}", calls=2 + number)
    source = ", ".join(f"p{n}" for n in range(10))
    scope = {}
    exec(f"def wide({source}, key): return 1", scope)
    wide = tiered_cache(cache=cache, name="app.wide", namespace="tool")(scope["wide"])
    for at in range(200):
        wide(*range(10), at)

    rows = snapshot(cache)["arguments"]
    assert MOST_REPORTS == len(rows)
    assert "app.wide" == rows[0]["function"]
    assert FEW == len(rows[0]["arguments"])
    assert "key" in [one["name"] for one in rows[0]["arguments"]]
    assert "app.f0" not in [row["function"] for row in rows]


def test_of_several_processes_the_busiest_tells(make_cache):
    """
    Values of two processes cannot be added: the report of the one with more calls stands.
    """
    taken = []
    for calls in (100, 300, 200):
        cache = make_cache()
        CacheAnalytics(cache)
        search_of(cache, calls=calls)
        taken.append(snapshot(cache))

    (row,) = merge(taken)["arguments"]
    assert taken[1]["arguments"] == [row]
    old = {name: value for name, value in taken[0].items() if name != "arguments"}
    assert 200 == merge([old, taken[2]])["arguments"][0]["calls"]


def test_little_room_leaves_those_of_the_most_called(cache):
    """
    And it still is a snapshot.
    """
    for number in range(MOST_REPORTS):
        search_of(cache, name=f"app.f{number}", calls=20 + number)
    taken = snapshot(cache)
    data = fitted(taken, len(json.dumps(taken, separators=(",", ":"))) - 1)

    rows = believed(data)["arguments"]
    assert taken["arguments"][:5] == rows


def test_an_older_process_has_none(cache):
    """
    What was left by one that does not know of them is believed.
    """
    search_of(cache)
    taken = snapshot(cache)
    del taken["arguments"]

    assert [] == written(taken)["arguments"]
    assert [] == reports_of(taken)


@pytest.mark.parametrize(
    "damage",
    [
        {"arguments": [{"name": "\x1b[2J", "values": 1, "hit_rate_without": float(10**19)}]},
        {"arguments": [{"name": "x", "values": "1", "hit_rate_without": 0.5}]},
        {"arguments": None},
        {"together": []},
        {"label": 1},
        {"calls": None},
    ],
)
def test_what_is_none_is_refused(cache, damage):
    """
    A report that has not the form of one makes the whole no snapshot.
    """
    search_of(cache, calls=10)
    taken = snapshot(cache)
    taken["arguments"][0].update(damage)

    assert None is written(taken)


def test_names_that_steer_a_terminal_are_made_harmless(cache):
    """
    As all texts that others have left.
    """
    search_of(cache, calls=10)
    taken = snapshot(cache)
    taken["arguments"][0]["arguments"][0]["name"] = "\x1b[2J"

    assert "?[2J" == written(taken)["arguments"][0]["arguments"][0]["name"]


def test_nobody_counts_unasked(make_cache):
    """
    Without analytics there is nothing to tell.
    """
    cache = make_cache()
    search_of(cache)

    assert [] == snapshot(cache)["arguments"]


def test_a_forked_child_counts_its_own(cache):
    """
    What its parent was asked is no part of its report.
    """
    search = search_of(cache, calls=50)
    tracker_of(cache._keyed.engine).after_fork()
    for at in range(10):
        search("x", request_id=f"new{at}")

    (row,) = snapshot(cache)["arguments"]
    assert (10, 10) == (row["calls"], row["keys"])
