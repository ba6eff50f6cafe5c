"""
An invalidation wins against a computation that began before it, at every level.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from memotier import MISS, CacheLevelConfig, MultiLevelCache, current, tiered_cache

from .worlds import Background, Faulty, Gate, HandClock, in_threads

WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "key": lambda cache, f: f.invalidate(1),
    "function": lambda cache, f: f.cache_clear(),
    "tag": lambda cache, f: cache.sync.invalidate_tags("t"),
    "template": lambda cache, f: cache.sync.invalidate_tags("x:1"),
    "added tag": lambda cache, f: cache.sync.invalidate_tags("added"),
    "namespace": lambda cache, f: cache.sync.clear_namespace("race.deep"),
    "namespace above": lambda cache, f: cache.sync.clear_namespace("race"),
    "clear": lambda cache, f: cache.sync.clear(),
}


@pytest.mark.parametrize("way", WAYS)
def test_fault_03_04_invalidated_while_computing_is_served_but_not_kept(
    cache: MultiLevelCache, way: str
) -> None:
    """
    A caller that was already computing gets its value; nobody who comes later does.
    """
    gate, data = Gate(), ["old"]

    @tiered_cache(namespace="race.deep", cache=cache, name="f", tags=["t", "x:{x}"])
    def f(x: int) -> str:
        current().add_tags("added")
        seen = data[0]
        if seen == "old":
            gate.wait()
        return seen

    early = Background(lambda: f(1))
    gate.entered.wait(10)
    data[0] = "new"
    WAYS[way](cache, f)
    late = Background(lambda: f(1))
    answered = late.result()
    gate.open()

    assert "old" == early.result()
    assert "new" == answered
    assert "new" == f(1)
    restarted = _again(cache)
    if restarted is not None:
        same = tiered_cache(
            namespace="race.deep", cache=restarted, name="f", tags=["t", "x:{x}"], version="auto"
        )(f.__wrapped__)
        assert "new" == same(1)
        restarted.sync.close()


def _again(cache: MultiLevelCache) -> MultiLevelCache | None:
    """
    The same directory as another process would open it.
    """
    directory = cache._keyed.wiring.directory
    return None if directory is None else MultiLevelCache(directory=directory)


@pytest.mark.parametrize("way", ["key", "tag", "namespace", "clear"])
def test_fault_05_a_result_that_is_on_its_way_to_the_second_tier_is_refused(
    time: HandClock, way: str
) -> None:
    """
    Between the last look and the write another process invalidates: the write is refused.
    """
    cache = MultiLevelCache(l2_config=CacheLevelConfig(max_size=100), clock=time.clock)
    engine = cache._keyed.engine
    store = engine.store
    faulty = engine.store = Faulty(store)  # type: ignore[assignment, arg-type]
    other = MultiLevelCache(l2_config=CacheLevelConfig(max_size=100), clock=time.clock)
    other._keyed.engine.store = store
    runs = []

    @tiered_cache(namespace="race.deep", cache=cache, name="f", tags=["t", "x:{x}"])
    def f(x: int) -> int:
        runs.append(x)
        return len(runs)

    g = tiered_cache(namespace="race.deep", cache=other, name="f", tags=["t", "x:{x}"])(
        f.__wrapped__
    )

    def invalidate() -> None:
        faulty.before.clear()
        WAYS[way](other, g)

    faulty.before["set"] = invalidate

    assert 1 == f(1)
    assert MISS is f.peek(1)
    assert g.lookup(1) is None
    assert 2 == f(1)
    assert 2 == f(1)


def test_a_value_promoted_while_its_key_is_deleted_does_not_stay(time: HandClock) -> None:
    """
    Who reads the second tier just before a delete must not put the old value into memory.
    """
    cache = MultiLevelCache(l2_config=CacheLevelConfig(max_size=100), clock=time.clock)
    engine = cache._keyed.engine
    cache.sync.set("k", "old")
    with engine.lock:
        engine.remove(engine.local_residents(None))
    faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
    gate = Gate()
    faulty.after["get"] = gate.wait

    reader = Background(lambda: cache.sync.get("k"))
    gate.entered.wait(10)
    assert cache.sync.delete("k")
    gate.open()

    assert "old" == reader.result()
    assert cache.sync.get("k") is None


def test_a_computation_does_not_overwrite_what_was_set_meanwhile(cache: MultiLevelCache) -> None:
    """
    A value that a user sets is newer than a computation that began before.
    """
    gate = Gate()

    def slow() -> str:
        gate.wait()
        return "computed"

    caller = Background(lambda: cache.sync.get_or_compute("k", slow))
    gate.entered.wait(10)
    cache.sync.set("k", "set")
    gate.open()

    assert "computed" == caller.result()
    assert "set" == cache.sync.get("k")


def test_many_threads_and_many_invalidations_never_show_an_old_value(
    cache: MultiLevelCache,
) -> None:
    """
    A value read after an invalidation returned was computed after it began.
    """
    truth = [0]

    @tiered_cache(namespace="race", cache=cache, name="f", tags=["t"])
    def f(x: int) -> int:
        return truth[0]

    def write() -> int:
        for _ in range(150):
            truth[0] += 1
            cache.sync.invalidate_tags("t") if truth[0] % 2 else f.invalidate(1)
            assert f(1) >= truth[0]
        return 0

    def read() -> int:
        for _ in range(3000):
            before = truth[0] - 1  # what was invalidated for certain
            assert f(1) >= before
        return 0

    assert [0, 0, 0] == in_threads(write, read, read)


def test_a_late_follower_does_not_take_what_began_before_an_invalidation(
    cache: MultiLevelCache,
) -> None:
    """
    Also in tasks of one loop: the one who came after the invalidation computes anew.
    """

    async def main() -> None:
        gate, entered = asyncio.Event(), asyncio.Event()
        data = ["old"]

        @tiered_cache(namespace="race", cache=cache, name="f", tags=["t"])
        async def f() -> str:
            seen = data[0]
            if seen == "old":
                entered.set()
                await gate.wait()
            return seen

        early = asyncio.create_task(f())
        await entered.wait()
        data[0] = "new"
        await cache.invalidate_tags("t")
        late = await f()
        gate.set()
        assert ("old", "new") == (await early, late)

    asyncio.run(main())
