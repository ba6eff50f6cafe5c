"""
The guide on warming from which this API comes: every call in it works as it is written there.
"""

from __future__ import annotations

import pytest

from memotier import CacheWarmer, MultiLevelCache, WarmingConfig, WarmingStrategy


@pytest.fixture
async def cache():
    async with MultiLevelCache(directory="cache") as cache:
        yield cache


async def computed(key, namespace="tool"):
    return f"{namespace}/{key}"


@pytest.mark.parametrize("name", ["FREQUENCY", "RECENCY", "HYBRID", "TIME_BASED", "USER_SPECIFIC"])
async def test_every_strategy_of_the_guide(cache, name):
    """
    Made with its name and a count, asked for the top items.
    """
    warmer = CacheWarmer(
        cache=cache,
        strategy=WarmingStrategy[name],
        preload_count=100,
        recency_weight=0.5,
        enable_time_based=True,
        value_loader=computed,
    )
    await warmer.record_access(
        key="result_123", namespace="tool", hit=True, user_id="user@example.com"
    )

    assert 1 == await warmer.warm_top_items(n=100)
    assert "tool/result_123" == await cache.get("result_123", namespace="tool")


async def test_hours_and_users(cache):
    """
    The present hour, another hour, one user.
    """
    warmer = CacheWarmer(
        cache=cache,
        strategy=WarmingStrategy.TIME_BASED,
        enable_time_based=True,
        value_loader=computed,
    )
    await warmer.record_access("result_123", "tool", hit=False, user_id="user@example.com")

    assert 1 == await warmer.warm_top_items()
    assert 0 == await warmer.warm_top_items(hour=9)
    assert 0 == await warmer.warm_top_items(user_id="user@example.com", n=50, namespace="tool")


async def test_configuration_and_loader(cache):
    """
    ``WarmingConfig`` with every name of the guide; loaders are functions or coroutine functions.
    """
    config = WarmingConfig(
        strategy=WarmingStrategy.HYBRID,
        preload_count=100,
        warm_interval=300,
        recency_weight=0.5,
        enable_time_based=True,
        enable_user_specific=True,
    )

    assert config is CacheWarmer(cache=cache, config=config, value_loader=computed).config


async def test_startup(cache):
    """
    Load what was saved, warm, go on in the background, stop.
    """
    before = CacheWarmer(cache=cache)
    await before.record_access("result_123", "tool")
    await before.save_patterns_to_history()

    warmer = CacheWarmer(cache=cache, strategy=WarmingStrategy.HYBRID, value_loader=computed)
    await warmer.load_patterns_from_history()
    assert 1 == await warmer.warm_top_items(n=100)
    await warmer.start_background_warming()
    assert warmer.get_stats()["background_running"]
    await warmer.stop_background_warming()


async def test_manual_warming_and_statistics(cache):
    """
    One item with its ttl, and the names of the statistics.
    """
    warmer = CacheWarmer(cache=cache, warm_interval=60)
    await warmer.warm_item(key="result_123", value=[1], namespace="tool", ttl=3600)
    stats = warmer.get_stats()

    assert [1] == await cache.get("result_123", namespace="tool")
    assert {
        "strategy",
        "total_patterns",
        "unique_keys",
        "users_tracked",
        "background_running",
    } <= set(stats)
    assert "hybrid" == f"{stats['strategy']}"


async def test_get_with_warming(cache):
    """
    The wrapper that records every access, with positional arguments as in the guide.
    """
    warmer = CacheWarmer(cache=cache)

    async def get_with_warming(key, namespace):
        value = await cache.get(key, namespace)
        await warmer.record_access(key, namespace, hit=value is not None)
        return value

    assert None is await get_with_warming("a", "tool")
    assert 1 == warmer.get_stats()["total_patterns"]
