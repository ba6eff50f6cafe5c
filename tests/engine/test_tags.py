"""
Tags: those that are added during a computation, their number, and who hears of them.
"""

from __future__ import annotations

from pathlib import Path

from memotier import CacheLevelConfig, MultiLevelCache, current, tiered_cache

from .worlds import Faulty, HandClock


def test_results_with_added_tags_reach_the_second_tier(tmp_path: Path) -> None:
    """
    A tag that nobody knew before the computation does not keep its result from disk.
    """
    runs = []

    def f(x: int) -> int:
        runs.append(x)
        current().add_tags(f"x{x}")
        return x

    for _ in range(2):
        with MultiLevelCache(directory=tmp_path) as cache:
            cached = tiered_cache(namespace="t", cache=cache, name="f", version=1)(f)
            assert [1, 2] == [cached(1), cached(2)]
    assert [1, 2] == runs

    with MultiLevelCache(directory=tmp_path) as cache:
        cache.sync.invalidate_tags("x1")
    with MultiLevelCache(directory=tmp_path) as cache:
        cached = tiered_cache(namespace="t", cache=cache, name="f", version=1)(f)
        assert [1, 2] == [cached(1), cached(2)]
    assert [1, 2, 1] == runs


def test_an_added_tag_that_may_have_been_invalidated_meanwhile_is_not_trusted(
    time: HandClock,
) -> None:
    """
    If anything was invalidated during the computation, its added tags prove nothing.
    """
    cache = MultiLevelCache(l2_config=CacheLevelConfig(max_size=100), clock=time.clock)
    store = cache._keyed.engine.store
    assert store is not None

    @tiered_cache(namespace="t", cache=cache, name="f")
    def f() -> str:
        store.bump([b"another process invalidates"[:16]])
        current().add_tags("late")
        return "value"

    assert "value" == f()
    assert 0 == store.count()


def test_invalidating_a_tag_costs_the_same_for_any_number_of_entries(time: HandClock) -> None:
    """
    One operation of the second tier, whether ten entries or a thousand carry the tag.
    """
    costs = []
    for number in (10, 1000):
        cache = MultiLevelCache(l2_config=CacheLevelConfig(max_size=None), clock=time.clock)
        engine = cache._keyed.engine
        cache.sync.set_many({f"k{n}": n for n in range(number)}, tags=["t"])
        faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
        cache.sync.invalidate_tags("t")
        costs.append(list(faulty.calls))
        assert {} == cache.sync.get_many([f"k{n}" for n in range(number)])
    assert [["bump"], ["bump"]] == costs


def test_entries_without_the_tag_stay(cache: MultiLevelCache) -> None:
    """
    An invalidation takes what carries the tag, and nothing else.
    """
    cache.sync.set("a", 1, tags=["t", "u"])
    cache.sync.set("b", 2, tags=["u"])
    cache.sync.set("c", 3)
    cache.sync.invalidate_tags("t")
    assert {"b": 2, "c": 3} == cache.sync.get_many("abc")
    cache.sync.invalidate_tags("u", "unknown")
    assert {"c": 3} == cache.sync.get_many("abc")


def test_a_namespace_takes_those_below_it_with_it(cache: MultiLevelCache) -> None:
    """
    Clearing ``tool`` clears ``tool.search``, not ``toolbox``; the count says how many.
    """
    for namespace in ("tool", "tool.search", "tool.search.deep", "toolbox", "other"):
        cache.sync.set("k", namespace, namespace=namespace)
    assert 3 == cache.sync.clear_namespace("tool")
    left = [
        n for n in ("tool", "tool.search", "toolbox", "other") if cache.sync.get("k", namespace=n)
    ]
    assert ["toolbox", "other"] == left
    assert 2 == cache.sync.clear()
    assert 0 == cache.sync.clear()
