"""
The guide from which this API comes: every call in it works as it is written there.

Left out are the parts that need companions: CacheWarmer comes with the issue on warming,
CacheAnalytics with the one on analytics. The guide on CacheInvalidator has a file of its own,
test_seed_invalidation.py. What they are built on is tested here: tags, statistics, promotion.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from memotier import (
    CacheInvalidator,
    CacheLevelConfig,
    EvictionPolicy,
    MultiLevelCache,
    WritePolicy,
)

logger = logging.getLogger("application")


@pytest.fixture
async def cache(clock):
    """
    The guide's two tiers, with its sizes and lifetimes.
    """
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(
            max_size=1000,
            ttl=300,  # 5 minutes
            eviction_policy=EvictionPolicy.LRU,
        ),
        l2_config=CacheLevelConfig(
            max_size=10000,
            ttl=3600,  # 1 hour
            eviction_policy=EvictionPolicy.TTL,
            enable_persistence=True,
            persistence_path=Path.home() / ".victor" / "cache_l2.pkl",
        ),
        write_policy=WritePolicy.WRITE_THROUGH,
        clock=clock,
    )
    yield cache
    await cache.close()


async def test_basic_setup_outlives_the_object(cache, clock):
    """
    The path of the guide, ".pkl" or not, is a directory in which a second cache finds all.
    """
    await cache.set("key", "value", namespace="tool")
    await cache.close()
    place = Path.home() / ".victor" / "cache_l2.pkl"
    again = MultiLevelCache(
        l2_config=CacheLevelConfig(enable_persistence=True, persistence_path=place), clock=clock
    )

    assert place.is_dir()
    assert "value" == await again.get("key", namespace="tool")
    await again.close()


@pytest.mark.parametrize("policy", list(WritePolicy))
async def test_every_write_policy_of_the_guide(policy):
    """
    A cache of nothing but a write policy keeps values, and can be flushed.
    """
    cache = MultiLevelCache(write_policy=policy)
    await cache.set("key", [1], namespace="tool")
    await cache.flush()

    assert [1] == await cache.get("key", namespace="tool")
    assert policy.value == cache.get_stats()["write_policy"]
    await cache.close()


@pytest.mark.parametrize("name", ["LRU", "LFU", "FIFO", "TTL"])
async def test_every_eviction_policy_of_the_guide(name):
    """
    Each name is a policy of both tiers.
    """
    config = CacheLevelConfig(eviction_policy=EvictionPolicy[name])
    async with MultiLevelCache(l1_config=config, l2_config=config) as cache:
        await cache.set("key", 1)
        assert 1 == await cache.get("key")


async def test_basic_operations(cache):
    """
    Store, retrieve, delete, clear a namespace, clear all.
    """
    await cache.set("result_123", {"lines": 3}, namespace="tool")
    await cache.set("result_124", {"lines": 4}, namespace="tool")

    assert {"lines": 3} == await cache.get("result_123", namespace="tool")
    assert await cache.delete("result_123", namespace="tool") is True
    assert await cache.get("result_123", namespace="tool") is None
    assert 1 == await cache.clear_namespace("tool")

    await cache.set("result_125", 1, namespace="tool")
    await cache.clear()
    assert await cache.get("result_125", namespace="tool") is None


async def test_promotion(cache, clock):
    """
    Old for memory, fresh for the disk: the first look finds it there, the second in memory.
    """
    await cache.set("key", "value", namespace="tool")
    clock.advance(301)

    assert "value" == await cache.get("key", namespace="tool")
    assert (0, 1) == tuple(cache.get_stats()[tier]["hits"] for tier in ("l1", "l2"))
    assert "value" == await cache.get("key", namespace="tool")
    assert (1, 1) == tuple(cache.get_stats()[tier]["hits"] for tier in ("l1", "l2"))

    clock.advance(3301)
    assert await cache.get("key", namespace="tool") is None


async def test_namespace_isolation(cache):
    """
    One key in two namespaces is two entries.
    """
    await cache.set("config", {"key": "value"}, namespace="app")
    await cache.set("config", {"key": "other"}, namespace="user")

    assert {"key": "value"} == await cache.get("config", namespace="app")
    assert {"key": "other"} == await cache.get("config", namespace="user")


async def test_statistics(cache):
    """
    What the guide prints can be printed, in its words.
    """
    await cache.set("key", 1, namespace="tool")
    for key in ("key", "key", "key", "other"):
        await cache.get(key, namespace="tool")

    stats = cache.get_stats()
    lines = [
        f"L1 Hit Rate: {stats['l1']['hit_rate']:.1%}",
        f"L2 Hit Rate: {stats['l2']['hit_rate']:.1%}",
        f"Combined Hit Rate: {stats['combined_hit_rate']:.1%}",
        f"Write Policy: {stats['write_policy']}",
    ]

    assert [
        "L1 Hit Rate: 75.0%",
        "L2 Hit Rate: 0.0%",
        "Combined Hit Rate: 75.0%",
        "Write Policy: write_through",
    ] == lines
    assert not stats["combined_hit_rate"] < 0.5
    assert not stats["l1"]["hit_rate"] < 0.3


@pytest.mark.parametrize(("l1_size", "l2_size"), [(500, 5000), (1000, 10000), (5000, 50000)])
def test_sizing_guidelines(l1_size, l2_size):
    """
    The sizes of the guide's table are what the statistics show.
    """
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=l1_size), l2_config=CacheLevelConfig(max_size=l2_size)
    )
    stats = cache.get_stats()

    assert (l1_size, l2_size) == (stats["l1"]["max_size"], stats["l2"]["max_size"])


async def test_ttl_of_a_call(cache, clock):
    """
    A minute and a day, in both tiers.
    """
    await cache.set("result", "now", namespace="tool", ttl=60)
    await cache.set("config", "long", namespace="app", ttl=86400)
    clock.advance(61)

    assert await cache.get("result", namespace="tool") is None
    clock.advance(86_000)
    assert "long" == await cache.get("config", namespace="app")


async def test_dotted_namespaces(cache):
    """
    Specific namespaces are levels: the upper one can be cleared with all below it.
    """
    await cache.set("result", 1, namespace="tool.code_analysis")
    await cache.set("result", 2, namespace="llm.response")

    assert 1 == await cache.clear_namespace("tool")
    assert 2 == await cache.get("result", namespace="llm.response")


async def test_error_handling(cache):
    """
    The guide's try and except is not needed, and does no harm.
    """

    async def cached(key):
        try:
            result = await cache.get(key, namespace="tool")
            if result is not None:
                return result
        except Exception as error:
            logger.error(f"Cache error: {error}")
            raise
        result = [key]
        await cache.set(key, result, namespace="tool")
        return result

    assert [["a"], ["a"]] == [await cached("a"), await cached("a")]
    assert 1 == cache.get_stats()["l1"]["hits"]


async def test_tags(cache):
    """
    What is stored with its tags.
    """
    await cache.set("key1", 1, namespace="tool", tags=["python_files", "src"])
    await cache.set("key2", 2, namespace="tool", tags=["docs"])
    await cache.invalidate_tags("python_files")

    assert await cache.get("key1", namespace="tool") is None
    assert 2 == await cache.get("key2", namespace="tool")


async def test_enable_intelligent_invalidation(cache):
    """
    Tagged afterwards, by the companion.
    """
    invalidator = CacheInvalidator(cache=cache, enable_tagging=True)
    await cache.set("key1", 1, namespace="tool")
    invalidator.tag("key1", "tool", ["python_files", "src"])
    await invalidator.invalidate_tag("python_files")

    assert await cache.get("key1", namespace="tool") is None
