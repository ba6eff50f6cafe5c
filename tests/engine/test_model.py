"""
Any sequence of operations, against a dictionary that remembers what each entry depends on.

Memory holds three entries, so nearly everything is evicted, demoted and promoted all the
time; the second tier has room for all. So the answer must be exactly what the dictionary
says: nothing lost, nothing old, nothing of somebody else. That holds for the stale results too
that a function falls back on: until a moment that soft invalidations can only bring nearer.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memotier import CacheLevelConfig, EvictionPolicy, MultiLevelCache, WritePolicy, tiered_cache

from ..effort import examples
from .worlds import HandClock

KEYS = st.sampled_from(["a", "b", "c", 1, 1.0, True, (1, "a"), 0.0])
SPACES = st.sampled_from(["tool", "tool.search", "toolbox"])
TAGS = st.lists(st.sampled_from(["t", "u", "v"]), unique=True, max_size=2)
TTLS = st.sampled_from([None, 10, 1000, math.inf])
SOFT = st.booleans()
#: Of the function that may be stale: odd, so that no sum of waits comes near a boundary.
FRESH, WINDOW = 1003.7, 601.3


class Down(Exception):
    pass


class AgainstADictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.time = HandClock()
        self.model: dict[Any, tuple[Any, float, list[str]]] = {}
        self.computed: dict[Any, tuple[int, float]] = {}
        #: Number of the run, and until when it is fresh, and of use.
        self.shown: dict[str, tuple[int, float, float]] = {}
        self.deep: dict[str, tuple[int, float]] = {}
        self._g_of: Any = None
        self.runs = 0
        self.number = 0
        self.is_down = False

    @initialize(policy=st.sampled_from(WritePolicy), eviction=st.sampled_from(EvictionPolicy))
    def open(self, policy: WritePolicy, eviction: EvictionPolicy) -> None:
        self.policy, self.eviction = policy, eviction
        self.cache = self._opened()
        self.cached, self.covered = self._decorated()

    def _opened(self) -> MultiLevelCache:
        return MultiLevelCache(
            l1_config=CacheLevelConfig(max_size=3, ttl=300, eviction_policy=self.eviction),
            l2_config=CacheLevelConfig(max_size=None, ttl=3600, persistence_path=self.home / "c"),
            write_policy=self.policy,
            flush_interval="1d",
            clock=self.time.clock,
        )

    def _decorated(self) -> Any:
        @tiered_cache(namespace="tool", cache=self.cache, name="f", version=1, tags=["t"])
        def f(x: Any) -> list[Any]:
            self.runs += 1
            return [self.runs, repr(x)]

        @tiered_cache(
            namespace="tool.search",
            cache=self.cache,
            name="g",
            version=1,
            tags=["t", "u"],
            ttl=FRESH,
            stale_if_error=WINDOW,
            error_backoff=0.001,
        )
        def g(x: Any) -> list[Any]:
            self.runs += 1
            if self.is_down:
                raise Down
            return [self.runs, repr(x)]

        return f, g

    def teardown(self) -> None:
        self.cache.sync.close()
        shutil.rmtree(self.home)

    # -- by key -----------------------------------------------------------------------

    @rule(key=KEYS, space=SPACES, ttl=TTLS, tags=TAGS)
    def set(self, key: Any, space: str, ttl: float | None, tags: list[str]) -> None:
        self.number += 1
        value = {"n": self.number, "key": repr(key), "list": [self.number]}
        self.cache.sync.set(key, value, namespace=space, ttl=ttl, tags=tags)
        until = self.time.now + (3600 if ttl is None else ttl)
        self.model[space, _exact(key)] = (value, until, tags)

    @rule(key=KEYS, space=SPACES)
    def get(self, key: Any, space: str) -> None:
        found = self.cache.sync.get(key, namespace=space, default="nothing")
        assert self._expected(key, space) == found
        if isinstance(found, dict):
            found["list"].append("a caller changes his own copy")

    @rule(space=SPACES)
    def get_many(self, space: str) -> None:
        keys = ["a", "b", "c", "d", "e"]
        expected = {key: self._expected(key, space) for key in keys}
        found = self.cache.sync.get_many(keys, namespace=space)
        assert {k: v for k, v in expected.items() if v != "nothing"} == found

    @rule(key=KEYS, space=SPACES, soft=SOFT)
    def delete(self, key: Any, space: str, soft: bool) -> None:
        was_there = self._expected(key, space) != "nothing"
        deleted = self.cache.sync.delete(key, namespace=space, soft=soft)
        # What a tag had made unreachable before may still have been there to be removed.
        assert deleted or not was_there
        self.model.pop((space, _exact(key)), None)

    def _expected(self, key: Any, space: str) -> Any:
        value, until, _ = self.model.get((space, _exact(key)), ("nothing", math.inf, []))
        return "nothing" if until <= self.time.now else value

    # -- by call ----------------------------------------------------------------------

    @rule(x=KEYS)
    def call(self, x: Any) -> None:
        number, until = self.computed.get(_exact(x), (None, 0.0))
        before = self.runs
        found = self.cached(x)
        if number is not None and until > self.time.now:
            assert [number, repr(x)] == found
            assert before == self.runs
        else:
            assert [before + 1, repr(x)] == found
            self.computed[_exact(x)] = (self.runs, self.time.now + 3600)
        found.append("changed")

    @rule(x=KEYS, soft=SOFT)
    def forget_call(self, x: Any, soft: bool) -> None:
        (self.cached.expire if soft else self.cached.invalidate)(x)
        self.computed.pop(_exact(x), None)

    @rule(x=KEYS)
    def refresh_call(self, x: Any) -> None:
        assert [self.runs + 1, repr(x)] == self.cached.refresh(x)
        self.computed[_exact(x)] = (self.runs, self.time.now + 3600)

    # -- by call, with something to fall back on ------------------------------------------

    @rule(x=KEYS, is_down=st.booleans())
    def call_covered(self, x: Any, is_down: bool) -> None:
        self.is_down, before = is_down, self.runs
        number, fresh, dead = self.shown.get(_exact(x), (0, 0.0, 0.0))
        if fresh > self.time.now:
            assert [number, repr(x)] == self.covered(x)
            assert before == self.runs
        elif not is_down:
            assert [before + 1, repr(x)] == self.covered(x)
            now = self.time.now
            self.shown[_exact(x)] = (self.runs, now + FRESH, now + FRESH + WINDOW)
        elif dead > self.time.now:
            assert [number, repr(x)] == self.covered(x)
            assert before + 1 == self.runs
        else:
            with pytest.raises(Down):
                self.covered(x)
        self.time.turn(0.01)  # past the backoff

    @rule(x=KEYS, soft=SOFT)
    def forget_covered(self, x: Any, soft: bool) -> None:
        (self.covered.expire if soft else self.covered.invalidate)(x)
        self._forget_shown(soft, _exact(x))

    @rule(soft=SOFT)
    def clear_covered(self, soft: bool) -> None:
        (self.covered.cache_expire if soft else self.covered.cache_clear)()
        self._forget_shown(soft)

    def _forget_shown(self, soft: bool, *keys: str) -> None:
        now = self.time.now
        for key in [key for key in keys or list(self.shown) if key in self.shown]:
            number, fresh, dead = self.shown.pop(key)
            if soft:
                until = (min(fresh, now), min(dead, now + WINDOW)) if fresh > now else (fresh, dead)
                self.shown[key] = (number, *until)

    # -- by name ------------------------------------------------------------------------

    @rule(tag=st.sampled_from(["t", "u", "v"]), soft=SOFT)
    def invalidate_tag(self, tag: str, soft: bool) -> None:
        self.cache.sync.invalidate_tags(tag, soft=soft)
        if tag != "v":
            self._forget_shown(soft)
        self.model = {k: v for k, v in self.model.items() if tag not in v[2]}
        if tag == "t":
            self.computed.clear()

    @rule(space=SPACES, soft=SOFT)
    def clear_namespace(self, space: str, soft: bool) -> None:
        self.cache.sync.clear_namespace(space, soft=soft)
        if space != "toolbox":
            self._forget_shown(soft)
        below = (space, space + ".")
        self.model = {
            k: v for k, v in self.model.items() if k[0] != space and not k[0].startswith(below[1])
        }
        if space == "tool":
            self.computed.clear()

    @rule(soft=SOFT)
    def clear(self, soft: bool) -> None:
        self.cache.sync.clear(soft=soft)
        self._forget_shown(soft)
        self.model.clear()
        self.computed.clear()
        self.deep.clear()

    # -- a function two levels deep, and every way to invalidate it ----------------------

    @property
    def g(self) -> Any:
        if self._g_of is not self.cache:
            self._g_of = self.cache

            @tiered_cache(
                namespace="shelf.deep",
                cache=self.cache,
                name="g",
                version=1,
                tags=lambda x: ["g", f"of:{_exact(x)}"],
            )
            def g(x: Any) -> list[Any]:
                self.runs += 1
                return [self.runs, repr(x)]

            self._g = g
        return self._g

    @rule(x=KEYS)
    def call_deep(self, x: Any) -> None:
        number, until = self.deep.get(_exact(x), (None, 0.0))
        before = self.runs
        found = self.g(x)
        if number is not None and until > self.time.now:
            assert [number, repr(x)] == found
            assert before == self.runs
        else:
            assert [before + 1, repr(x)] == found
            self.deep[_exact(x)] = (self.runs, self.time.now + 3600)
        found.append("changed")

    @rule(x=KEYS)
    def look_deep(self, x: Any) -> None:
        number, until = self.deep.get(_exact(x), (None, 0.0))
        entry = self.g.lookup(x)
        if number is not None and until > self.time.now:
            assert [number, repr(x)] == entry.value
        else:
            assert entry is None

    @rule(x=KEYS)
    def seed_deep(self, x: Any) -> None:
        self.runs += 1
        self.g.seed([self.runs, repr(x)], x)
        self.deep[_exact(x)] = (self.runs, self.time.now + 3600)

    @rule(x=KEYS)
    def refresh_deep(self, x: Any) -> None:
        assert [self.runs + 1, repr(x)] == self.g.refresh(x)
        self.deep[_exact(x)] = (self.runs, self.time.now + 3600)

    @rule(x=KEYS, how=st.sampled_from(["call", "its tag"]))
    def forget_deep(self, x: Any, how: str) -> None:
        if how == "call":
            self.g.invalidate(x)
        else:
            self.cache.sync.invalidate_tags(f"of:{_exact(x)}")
        self.deep.pop(_exact(x), None)

    @rule(how=st.sampled_from(["function", "tag", "shelf", "shelf.deep"]))
    def forget_all_deep(self, how: str) -> None:
        if how == "function":
            self.g.cache_clear()
        elif how == "tag":
            self.cache.sync.invalidate_tags("g")
        else:
            self.cache.sync.clear_namespace(how)
        self.deep.clear()

    @rule()
    def clear_function(self) -> None:
        self.cached.cache_clear()
        self.computed.clear()

    @rule(space=st.sampled_from(["shel", "shelf.dee", "shelf.deep.er", "tool.other"]))
    def clear_a_neighbour(self, space: str) -> None:
        """
        Names that only begin alike have nothing to do with each other.
        """
        assert 0 == self.cache.sync.clear_namespace(space)

    # -- the world ----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([5, 200, 400, 2000]))
    def wait(self, seconds: int) -> None:
        self.time.turn(seconds)

    @rule()
    def flush(self) -> None:
        self.cache.sync.flush()

    @rule()
    def restart(self) -> None:
        self.cache.sync.close()
        self.cache = self._opened()
        self.cached, self.covered = self._decorated()

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "cache"):
            stats = self.cache.get_stats()
            assert stats["l1"]["size"] <= 3
            assert stats["l2"]["errors"] == 0


def _exact(key: Any) -> str:
    return f"{type(key).__name__}:{key!r}"


TestAgainstADictionary = AgainstADictionary.TestCase
TestAgainstADictionary.settings = settings(
    max_examples=examples(40), stateful_step_count=50, deadline=None
)
