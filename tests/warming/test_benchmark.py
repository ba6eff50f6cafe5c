"""
The benchmark of warming runs, and says what it should; numbers are not looked at.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from memotier import WarmingStrategy

ROOT = Path(__file__).parents[2]
WAYS = [
    *("no restart", "none", "oracle"),
    *(one.value for one in WarmingStrategy if one != WarmingStrategy.USER_SPECIFIC),
]


def run(*words) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "warming.py"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout


@pytest.fixture
def trace(tmp_path):
    """
    400 requests for 60 keys, a few of them most of the time.
    """
    chance = random.Random(1)
    keys = array("I", (int(60 * chance.random() ** 3) for _ in range(400)))
    if sys.byteorder == "big":
        keys.byteswap()
    path = tmp_path / "tiny.u32"
    path.write_bytes(keys.tobytes())
    return path


@pytest.mark.slow
def test_a_trace_is_replayed_in_every_way(trace, tmp_path):
    """
    A row for each strategy and each bound; what is warmed is answered, and at most once computed.
    """
    written = tmp_path / "seen.json"
    printed = run(trace, "--memory", "0.3", "--json", written)

    assert all(any(line.startswith(way + " ") for line in printed.splitlines()) for way in WAYS)
    (runs,) = json.loads(written.read_text()).values()
    runs = {one["how"]: one for one in runs}
    assert sorted(WAYS) == sorted(runs)
    assert {200} == {len(one["hits"]) for one in runs.values()}
    first = {way: sum(one["hits"][:40]) for way, one in runs.items()}
    assert first["none"] < first["oracle"]
    assert all(first["none"] <= first[way] for way in WAYS)
    assert 0 == runs["none"]["warmed"] < runs["frequency"]["warmed"] <= 20
    waits = {way: one["waited"] + one["spent"] for way, one in runs.items()}
    assert all(waits["none"] <= waits[way] * 1.0001 for way in WAYS if way != "no restart")


@pytest.mark.slow
def test_it_is_drawn(trace, tmp_path):
    """
    The picture of the page is made by the same command.
    """
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "warming.png"
    run(trace, "--requests", "100", "--picture", picture)

    assert picture.read_bytes().startswith(b"\x89PNG")
