"""
What ``cache_info()`` and ``get_stats()`` count stands in snapshots and metrics, too.
"""

from __future__ import annotations

import json

import pytest

import memotier
from memotier.analytics import figures, merge, snapshot
from memotier.analytics.believing import believed
from memotier.analytics.counters import COUNTERS
from memotier.analytics.exposition import exposition
from memotier.analytics.families import families

#: Counters that came later than snapshots did.
LATER = ("evicted_asked", "evicted_computed", "errors_returned", "undeclared_effects", "denied")


@pytest.fixture
def used(call, make_cache, tmp_path):
    """
    A cache of which each of three things happened, the first one twice.
    """
    cache = make_cache()
    path = tmp_path / "file"
    path.write_text("x", encoding="utf-8")

    @call.cached(cache=cache, name="fails", is_error=lambda result: True)
    def fails(x):
        return x

    @call.cached(cache=cache, name="hidden", scope=lambda: "ann", authorize=lambda *_: False)
    def hidden(x):
        return x

    @call.cached(cache=cache, name="reads", effects="pure")
    def reads(x):
        return path.read_text(encoding="utf-8")

    call(fails(1)), call(fails(1))
    call(hidden(1)), call(hidden(1))
    with memotier.audit():
        call(reads(1))
    return cache


def test_errors_denials_and_undeclared_effects_are_counted_everywhere(used):
    """
    One number each, whoever is asked.
    """
    stats, taken = used.get_stats(), snapshot(used)
    counters = figures.total(taken)
    told = {family.name: sum(value for _, value in samples) for family, samples in families(taken)}

    wanted = {"errors_returned": 2, "denied": 1, "undeclared_effects": 1}
    assert wanted == {name: stats[name] for name in wanted}
    assert wanted == {name: counters[name] for name in wanted}
    assert wanted == {name: told[f"memotier_{name}"] for name in wanted}
    text = exposition(taken)
    for name in wanted:
        assert f"# TYPE memotier_{name}_total counter" in text


def test_what_an_older_process_does_not_count_is_nothing(used):
    """
    Its snapshot is believed, and added to others.
    """
    taken = snapshot(used)
    old = json.loads(json.dumps(taken))
    for one in old["functions"]:
        for name in LATER:
            del one["counters"][name]

    read = believed(json.dumps(old).encode())
    assert set(COUNTERS) == set(read["functions"][0]["counters"])
    assert 0 == figures.total(read)["errors_returned"]
    assert 2 == figures.total(merge([read, taken]))["errors_returned"]
    assert "memotier_errors_returned_total" in exposition(merge([read, taken]))


def test_what_a_newer_process_counts_is_left_aside(used):
    """
    A counter that this version does not know is not shown.
    """
    taken = json.loads(json.dumps(snapshot(used)))
    taken["functions"][0]["counters"]["miracles"] = 1

    assert "miracles" not in believed(json.dumps(taken).encode())["functions"][0]["counters"]


def test_a_counter_that_is_no_number_is_refused(used):
    """
    As before.
    """
    taken = json.loads(json.dumps(snapshot(used)))
    taken["functions"][0]["counters"]["denied"] = "1"

    assert None is believed(json.dumps(taken).encode())
