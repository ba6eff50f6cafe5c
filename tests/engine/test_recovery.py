"""
Invalidations that the second tier could not be told of: kept, bounded, told again, and said if not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memotier import InvalidationNotDurable, MultiLevelCache, tiered_cache
from memotier.engine import lifecycle
from memotier.engine.names import EVERYTHING
from memotier.engine.versions import MOST_PENDING, RETRY_AFTER

from .worlds import Faulty, HandClock

#: What fails while nobody can be told.
TELLING = ("delete", "expire", "bump")


class Process:
    """
    A cache as one process has it, whose second tier can be made to fail.
    """

    def __init__(self, directory: Path, time: HandClock) -> None:
        self.cache = MultiLevelCache(directory=directory, clock=time.clock)
        self.engine = self.cache._keyed.engine
        self.store = self.engine.store = Faulty(self.engine.store)
        self.sync = self.cache.sync

    def forget(self, key: Any) -> None:
        with pytest.raises(InvalidationNotDurable):
            self.sync.delete(key)

    @property
    def pending(self) -> int:
        return len(self.engine.versions.pending) + len(self.engine.versions.pending_keys)


@pytest.fixture
def both(tmp_path: Path, time: HandClock) -> Any:
    made = [Process(tmp_path / "cache", time), Process(tmp_path / "cache", time)]
    yield made
    for one in made:
        one.store.failing.clear()
        one.sync.close()


def test_what_could_not_be_told_is_told_though_others_are_all_the_time(
    both: list[Process], time: HandClock
) -> None:
    """
    Invalidations that succeed do not put off those that failed.
    """
    here, there = both
    here.sync.set("k", "old")
    assert "old" == there.sync.get("k")
    here.store.failing = {"delete"}
    here.forget("k")
    here.store.failing.clear()
    for n in range(10):
        time.turn(RETRY_AFTER / 2)
        here.sync.invalidate_tags(f"t{n}")
        here.sync.get_or_compute(n, lambda: 1)
    assert 0 == here.pending
    assert there.sync.get("k") is None


@pytest.mark.parametrize("what", ["delete", "bump"])
def test_who_is_telling_is_not_told_for(both: list[Process], what: str) -> None:
    """
    A store that can be reached again while somebody tells it: he hears what was there.
    """
    here, _ = both
    here.sync.set("k", 1)
    here.store.before[what] = lambda: lifecycle.catch_up(here.engine)
    if what == "delete":
        assert here.sync.delete("k")
    else:
        here.sync.invalidate_tags("t")
    assert 1 == here.store.calls.count(what)


def test_an_interrupted_telling_is_tried_again(both: list[Process], time: HandClock) -> None:
    """
    Whoever told is gone before he knew whether he was heard.
    """
    here, there = both
    here.sync.set("k", "old")
    assert "old" == there.sync.get("k")

    def interrupt() -> None:
        raise KeyboardInterrupt

    here.store.before["delete"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        here.sync.delete("k")
    here.store.before.clear()
    assert here.pending
    time.turn(RETRY_AFTER)
    assert here.sync.get_or_compute("k", lambda: "new") == "new"
    assert 0 == here.pending
    assert "new" == there.sync.get("k")


def test_many_keys_are_bounded_and_none_of_them_is_served(
    both: list[Process], time: HandClock
) -> None:
    """
    Beyond the bound everything is distrusted, and invalidated when the second tier is back.
    """
    here, there = both
    here.sync.set_many(dict.fromkeys(range(20), "old"))
    assert "old" == there.sync.get(7)
    here.store.failing = set(TELLING)
    for n in range(MOST_PENDING // 1000 + 1):
        with pytest.raises(InvalidationNotDurable):
            here.sync.delete_many(range(n * 1000, (n + 1) * 1000))
    assert here.pending <= MOST_PENDING
    assert EVERYTHING in here.engine.versions.pending
    assert here.sync.get(7) is None
    assert here.sync.get_or_compute(7, lambda: "new") == "new"
    here.store.failing.clear()
    time.turn(RETRY_AFTER)
    assert here.sync.get("anything") is None
    here.sync.get_or_compute("anything", lambda: 1)
    assert 0 == here.pending
    assert there.sync.get(7) is None


def test_many_tags_are_bounded_too(both: list[Process], time: HandClock) -> None:
    """
    The same for names: one that stands for all of them is left.
    """
    here, there = both
    here.sync.set("k", "old", tags=["t5"])
    assert "old" == there.sync.get("k")
    here.store.failing = set(TELLING)
    for n in range(0, MOST_PENDING + 1000, 1000):
        with pytest.raises(InvalidationNotDurable):
            here.sync.invalidate_tags(*(f"t{n + m}" for m in range(1000)))
    assert here.pending <= MOST_PENDING
    assert EVERYTHING in here.engine.versions.pending
    here.store.failing.clear()
    lifecycle.catch_up(here.engine)
    assert 0 == here.pending
    assert there.sync.get("k") is None


def test_the_last_word_counts(both: list[Process], time: HandClock) -> None:
    """
    A value that was set after an invalidation, and could be stored, is not lost to its replay
    by anybody who could be wrong about it: either it is served, or a newer one is computed, never
    the one from before.
    """
    here, there = both
    here.sync.set("k", "old")
    here.store.failing = set(TELLING)
    here.forget("k")
    here.sync.set("k", "new")
    assert "new" == here.sync.get("k")
    here.store.failing.clear()
    lifecycle.catch_up(here.engine)
    assert here.sync.get("k") in ("new", None)
    assert there.sync.get("k") in ("new", None)
    here.sync.set("k", "newest")
    assert "newest" == here.sync.get("k") == there.sync.get("k")


def test_after_recovery_each_key_is_computed_once(both: list[Process], time: HandClock) -> None:
    """
    What was distrusted is computed by one caller, and found by the others.
    """
    here = both[0]
    functions = []
    for process in both:
        runs: list[int] = []

        @tiered_cache(
            cache=process.cache, namespace="n", name="f", version=1, tags=["t"], ignore=("runs",)
        )
        def f(x: int, runs: list[int]) -> int:
            runs.append(x)
            return x

        functions.append((f, runs))
    (one, first), (two, others) = functions
    for n in range(50):
        one(n, runs=first), two(n, runs=others)
    here.store.failing = set(TELLING)
    with pytest.raises(InvalidationNotDurable):
        here.sync.invalidate_tags("t")
    here.store.failing.clear()
    lifecycle.catch_up(here.engine)
    first.clear(), others.clear()
    for n in range(50):
        one(n, runs=first), two(n, runs=others)
    assert list(range(50)) == first
    assert [] == others


LEAVING = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
from memotier import MultiLevelCache, InvalidationNotDurable
from tests.engine.worlds import Faulty
cache = MultiLevelCache(directory=sys.argv[1])
engine = cache._keyed.engine
engine.store = Faulty(engine.store)
cache.sync.set("k", 1)
engine.store.failing = {"delete"}
try:
    cache.sync.delete("k")
except InvalidationNotDurable:
    pass
if sys.argv[2] == "recovers":
    engine.store.failing.clear()
if sys.argv[3] == "closes":
    cache.sync.close()
"""


@pytest.mark.parametrize("end", ["closes", "exits"])
@pytest.mark.parametrize("what", ["recovers", "stays"])
def test_what_is_still_not_told_at_the_end_is_said(tmp_path: Path, what: str, end: str) -> None:
    """
    A process that ends tries once more; if that fails it is lost, and one WARNING says so.
    """
    child = subprocess.run(
        [sys.executable, "-c", LEAVING, str(tmp_path / "c"), what, end],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    said = [line for line in child.stdout.splitlines() if "could not be told" in line]
    assert (0 if what == "recovers" else 1) == len(said)
    assert all(line.startswith("WARNING") for line in said)
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        assert (1 if what == "stays" else None) == cache.sync.get("k")
