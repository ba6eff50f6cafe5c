"""
Any sequence of operations while the wall clock is set back and forth by seconds, hours and days.

When a clock is set, nobody can say any more how old a record of the second tier is: it may be
gone before its time. But no wrong value comes of it, nothing is immortal, and by how much a clock
was set back is the most by which anything outlives its time.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from memotier import CacheLevelConfig, MultiLevelCache, WritePolicy, tiered_cache
from memotier.engine.engine import SKEW

from ..effort import examples
from .worlds import HandClock

KEYS = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.sampled_from([3.0, 60.0, 3600.0, 86400.0, -3.0, -60.0, -3600.0, -86400.0])


class Known:
    """
    The newest value of a key; until when it is fresh; whether it must be there until then.
    """

    def __init__(self, value: int, until: float) -> None:
        self.value = value
        self.until = until
        self.is_certain = True


class UnderClocksThatAreSet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.time = HandClock()
        self.known: dict[str, Known] = {}
        self.number = 0

    @initialize(policy=st.sampled_from(WritePolicy), ttl=st.sampled_from([10, 1000, 5000]))
    def open(self, policy: WritePolicy, ttl: int) -> None:
        self.policy, self.ttl = policy, ttl
        self._open()

    def _open(self) -> None:
        self.cache = MultiLevelCache(
            l1_config=CacheLevelConfig(max_size=2),
            l2_config=CacheLevelConfig(max_size=None, persistence_path=self.home / "c"),
            write_policy=self.policy,
            flush_interval="1d",
            clock=self.time.clock,
        )

        @tiered_cache(
            namespace="n", cache=self.cache, name="f", version=1, ttl=self.ttl, tags=["t"]
        )
        def f(key: str) -> int:
            self.number += 1
            return self.number

        self.f = f

    def teardown(self) -> None:
        self.cache.sync.close()
        shutil.rmtree(self.home)

    @rule(key=KEYS)
    def call(self, key: str) -> None:
        before, known = self.number, self.known.get(key)
        found = self.f(key)
        if found <= before:
            assert known is not None, "a value that was invalidated"
            assert known.value == found
            assert self.time.now < known.until, "it lives too long"
        else:
            assert not (known and known.is_certain and self.time.now < known.until)
            self._remember(key)

    @rule(key=KEYS)
    def seed(self, key: str) -> None:
        self.number += 1
        self.f.seed(self.number, key)
        self._remember(key)

    @rule(key=KEYS)
    def refresh(self, key: str) -> None:
        assert self.f.refresh(key) == self.number
        self._remember(key)

    def _remember(self, key: str) -> None:
        self.known[key] = Known(self.number, self.time.now + self.ttl)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.f.invalidate(key)
        self.known.pop(key, None)

    @rule(way=st.sampled_from(["function", "tag", "namespace", "everything"]))
    def forget_all(self, way: str) -> None:
        sync = self.cache.sync
        {
            "function": self.f.cache_clear,
            "tag": lambda: sync.invalidate_tags("t"),
            "namespace": lambda: sync.clear_namespace("n"),
            "everything": sync.clear,
        }[way]()
        self.known.clear()

    @rule(seconds=STEPS)
    def set_the_clock(self, seconds: float) -> None:
        self.time.set_by += seconds
        for known in self.known.values():
            known.is_certain = False
            known.until += max(0.0, -seconds)

    @rule(seconds=st.sampled_from([1, 20, 600, 4000]))
    def wait(self, seconds: int) -> None:
        self.time.turn(seconds)

    @rule()
    def flush(self) -> None:
        self.cache.sync.flush()

    @rule()
    def restart(self) -> None:
        self.cache.sync.close()
        self._open()


TestFault46UnderClocksThatAreSet = UnderClocksThatAreSet.TestCase
TestFault46UnderClocksThatAreSet.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)


def test_fault_46_nothing_is_immortal_whatever_the_clock_says(tmp_path: Path) -> None:
    """
    A record from a day ahead is not believed; one that is older than it says dies with its time.
    """
    time, runs = HandClock(), []

    def opened() -> Any:
        cache = MultiLevelCache(directory=tmp_path, clock=time.clock)

        @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=100)
        def f() -> int:
            runs.append(time.now)
            return len(runs)

        return cache, f

    time.set_by = 86400.0
    cache, f = opened()
    assert 1 == f()
    cache.sync.close()
    time.set_by = 0.0  # it was wrong, and is put right
    cache, f = opened()
    assert 2 == f()
    time.set_by = -SKEW + 1  # a step of a time server
    cache.sync.close()
    cache, f = opened()
    assert 2 == f()
    time.turn(100 + SKEW)
    assert 3 == f()
    cache.sync.close()
