"""
``memotier simulate``: a table for people, figures for programs, one line for what is wrong.
"""

from __future__ import annotations

import json
from array import array

import pytest
from click import testing

from memotier import tiered_cache
from memotier.analytics import record_trace
from memotier.errors import ConfigError


@pytest.fixture
def run():
    """
    The command itself, with its words.
    """
    from memotier.cli.simulate import command

    def run(*words):
        return testing.CliRunner().invoke(
            command, list(map(str, words)), standalone_mode=False, catch_exceptions=True
        )

    return run


@pytest.fixture
def trace(clock, make_cache, tmp_path):
    """
    Thirty keys in turn, in a memory of twenty entries.
    """
    cache = make_cache(l1_maxsize=20)

    @tiered_cache(cache=cache)
    def slow(x):
        clock.advance(1)
        return x

    with record_trace(cache, tmp_path / "t.mttrace"):
        for at in range(300):
            slow(at % 30)
    return tmp_path / "t.mttrace"


def test_people_get_a_table(run, trace):
    """
    How it was first, with what was measured; then what is asked for.
    """
    done = run(trace, "--size", "10,30", "--policy", "lru")
    rows = done.stdout.splitlines()

    assert "300 accesses to 30 keys" in rows[0]
    assert "as it was; measured 0.0%" in rows[2]
    assert ["10", "lru"] == rows[3].split()[:2]
    assert ["30", "lru"] == rows[4].split()[:2]
    assert "90.0%" in rows[4]


def test_without_options_sizes_and_policies_are_tried(run, trace):
    """
    Those around the present size, and all policies.
    """
    found = json.loads(run(trace, "--json").stdout)["outcomes"]

    assert [20, 10, 40, 80, 160] == list(dict.fromkeys(one["max_size"] for one in found))
    assert {"lru", "lfu", "fifo", "ttl", "clock2q"} == {one["policy"] for one in found}


def test_programs_get_json(run, trace):
    """
    Everything that is known of each, and of the trace.
    """
    found = json.loads(run(trace, "--size", "30", "--ttl", "10s,1h", "--json").stdout)
    short, long = (one for one in found["outcomes"] if one["max_size"] == 30)

    assert (300, 30, 0.0) == (found["accesses"], found["keys"], found["measured_hit_rate"])
    assert (10.0, 3600.0) == (short["ttl"], long["ttl"])
    assert short["hit_rate"] < 0.1 < long["hit_rate"]
    assert 270 == pytest.approx(long["seconds_saved"])


def test_a_plain_trace(run, tmp_path):
    """
    Knows neither how it was nor times.
    """
    path = tmp_path / "t.u32"
    path.write_bytes(array("I", [1, 2] * 100).tobytes())
    done = run(path, "--size", "2")

    assert "99.0%" in done.stdout
    assert "as it was;" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "many"), "--size 'many'"),
        (("--policy", "best"), "'best'"),
        (("--ttl", "soon"), "'soon'"),
    ],
)
def test_misuse_is_said(run, trace, words, said):
    """
    With the value.
    """
    done = run(trace, *words)

    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
