"""
The one form that everything that shows figures reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import memotier
from memotier import ConfigError, tiered_cache
from memotier.analytics import figures, merge, snapshot
from memotier.analytics.counters import COUNTERS, WINDOWED


@pytest.fixture
def used(call, tiers, clock):
    """
    A cache of which two functions and a namespace of keys were used.
    """

    @call.cached(cache=tiers, name="f", namespace="tool.f", tags=["web"])
    def f(x):
        clock.advance(0.5)
        return x

    @call.cached(cache=tiers, name="g", namespace="tool.g")
    def g(x):
        return x

    for x in (1, 2, 1, 1):
        call(f(x))
    call(g(1))
    tiers.sync.set("k", 1, namespace="keys")
    tiers.sync.get("k", namespace="keys")
    return tiers, f, g


def test_it_is_plain_json(used):
    """
    Written and read, it is the same; numbers are finite.
    """
    taken = snapshot(used[0])

    assert taken == json.loads(json.dumps(taken, allow_nan=False))


def test_it_has_the_form_of_its_description(used):
    """
    Every name of the docstring is there, and no other.
    """
    taken = snapshot(used[0])
    function = taken["functions"][1]

    assert {
        *("format", "cache", "processes", "taken", "since", "write_policy", "tiers"),
        *("pending_writes", "functions", "latency", "failures", "tags", "scopes", "hot_keys"),
        *("arguments", "history"),
    } == set(taken)
    assert {
        *("namespace", "function", "kind", "label", "entries", "bytes"),
        *("counters", "latency", "windows"),
    } == set(function)
    assert list(COUNTERS) == list(function["counters"])
    for window in ("1m", "1h", "1d"):
        assert {"seconds", *WINDOWED} >= set(function["windows"][window])


def test_figures_are_those_of_the_cache(used):
    """
    The same as ``cache_info()`` and ``get_stats()`` say.
    """
    cache, f, _ = used
    taken = snapshot(cache)
    by_name = {one["function"]: one for one in taken["functions"]}
    info, stats = f.cache_info(), cache.get_stats()

    assert {"f", "g", ""} == set(by_name)
    assert (info.hits, info.misses) == (2, 2)
    assert (2, 2, 2) == tuple(
        by_name["f"]["counters"][name] for name in ("hits", "misses", "computed")
    )
    assert info.currsize == by_name["f"]["entries"]
    assert pytest.approx(1.0, abs=1e-5) == by_name["f"]["counters"]["seconds_saved"]
    assert stats["l1"]["size"] == taken["tiers"]["l1"]["size"]
    assert stats["combined_hit_rate"] == figures.hit_rate(figures.total(taken))
    assert {"tag": "web", "entries": 2, "hits": 2}.items() <= taken["tags"][0].items()
    assert 0.5 == figures.hit_rate(figures.total(taken, "tool.f"))
    assert {"tool.f", "tool.g", "keys"} == set(figures.by_namespace(taken))
    assert figures.total(taken, "tool")["misses"] == 3


def test_without_asking_the_store(used):
    """
    ``asks_store=False`` does no I/O; everything else is the same.
    """
    cache = used[0]
    store = cache._keyed.engine.store
    if store is None:
        pytest.skip("there is none")
    taken = snapshot(cache, asks_store=False)

    assert 0 == taken["tiers"]["l2"]["size"]
    assert 3 == len(taken["functions"])


@pytest.mark.parametrize("cache", ["", 3, None])
def test_what_is_no_cache_is_refused(cache):
    """
    With the value.
    """
    with pytest.raises(ConfigError, match="cache="):
        snapshot(cache)


def test_a_cache_by_name():
    """
    The default one, or any configured one.
    """
    memotier.configure(directory="there")

    @tiered_cache(name="f")
    def f(x):
        return x

    f(1)

    assert "default" == snapshot()["cache"] == snapshot("default")["cache"]
    assert ["f"] == [one["function"] for one in snapshot()["functions"]]


# -- merging ---------------------------------------------------------------------------------


def test_merging_adds_up(used):
    """
    Counters and histograms are added, the second tier is one for all, keys and tags are joined.
    """
    one = snapshot(used[0])
    both = merge([one, one])

    for name in ("hits", "misses", "seconds_saved"):
        assert 2 * figures.total(one)[name] == figures.total(both)[name]
    for operation in figures.operations(one):
        first, second = (figures.latency(taken, operation) for taken in (one, both))
        assert 2 * first.count == second.count
        assert first.quantiles([0.1, 0.5, 0.9]) == second.quantiles([0.1, 0.5, 0.9])
    assert 2 * one["tiers"]["l1"]["size"] == both["tiers"]["l1"]["size"]
    assert 2 * one["tiers"]["l1"]["max_size"] == both["tiers"]["l1"]["max_size"]
    if one["tiers"]["l2"] is None:
        assert both["tiers"]["l2"] is None
    else:
        assert one["tiers"]["l2"]["size"] == both["tiers"]["l2"]["size"]
    assert 2 * one["tags"][0]["hits"] == both["tags"][0]["hits"]
    assert one["processes"] * 2 == both["processes"]
    assert set(one) == set(both)
    assert both == json.loads(json.dumps(both, allow_nan=False))


def test_one_is_itself(used):
    """
    Merging one snapshot changes no figure; merged ones can be merged again.
    """
    one = snapshot(used[0])

    assert one == {**merge([one]), "history": one["history"]}
    three = merge([merge([one, one]), one])
    assert 3 * figures.total(one)["misses"] == figures.total(three)["misses"]


def test_a_tier_without_a_bound_has_none_in_the_sum(used):
    """
    None means no bound, also for all together.
    """
    one = snapshot(used[0])
    other = json.loads(json.dumps(one))
    other["tiers"]["l1"]["max_size"] = None

    assert merge([one, other])["tiers"]["l1"]["max_size"] is None


def test_another_form_is_refused(used):
    """
    One of a later version cannot be read as if it were of this one, and nothing is no snapshot.
    """
    one = snapshot(used[0])
    with pytest.raises(ConfigError, match="format 2"):
        merge([one, {**one, "format": 2}])
    with pytest.raises(ConfigError, match="format None"):
        merge([{}])
    with pytest.raises(ConfigError, match="no snapshot"):
        merge([])


PROGRAM = """
import json, sys
from memotier import MultiLevelCache, tiered_cache
from memotier.analytics import snapshot
with MultiLevelCache(directory=sys.argv[1]) as cache:
    @tiered_cache(cache=cache, name="f", namespace="a", version=1)
    def f(x):
        return x
    for x in range(int(sys.argv[2])):
        f(x)
    print(json.dumps(snapshot(cache)))
"""


def test_figures_of_real_processes(tmp_path):
    """
    Two programs, one after the other on one directory: the second finds what the first stored,
    and the sum says so.
    """
    taken = []
    for count in ("3", "5"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "cache"), count],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ},
        )
        assert "" == done.stderr
        taken.append(json.loads(done.stdout))
    both = merge(taken)
    counters = figures.total(both)

    assert (3, 5) == (counters["l2_hits"], counters["computed"])
    assert 5 == both["tiers"]["l2"]["size"]
    assert 2 == len(set(both["processes"]))
