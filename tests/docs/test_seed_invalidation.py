"""
The guide on invalidation from which ``CacheInvalidator`` comes: every call in it works as it is
written there.

Left out is CacheAnalytics, which comes with the issue on analytics; what the guide does with its
answers is done here with a list. Its handlers for watchdog, which is no package of ours, are given
the events by hand; ``watch`` does the same with real files in tests/invalidation.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest

from memotier import CacheInvalidator, InvalidationStrategy, MultiLevelCache

logger = logging.getLogger("application")


@pytest.fixture(params=["memory", "disk"])
def cache(request, make_cache):
    return make_cache(request.param)


@pytest.fixture
def invalidator(cache):
    """
    The one that the guide recommends.
    """
    return CacheInvalidator(
        cache=cache,
        strategy=InvalidationStrategy.HYBRID,
        default_ttl=3600,
        enable_tagging=True,
    )


async def keys_left(cache, *keys, namespace="tool"):
    return sorted(await cache.get_many(keys, namespace=namespace))


async def test_time_based(cache, clock):
    """
    Entries end after the default ttl.
    """
    CacheInvalidator(cache=cache, strategy=InvalidationStrategy.TTL, default_ttl=3600)
    await cache.set("k", 1, namespace="tool")
    clock.advance(3601)

    assert await cache.get("k", namespace="tool") is None


async def test_event_based(cache):
    """
    A function of the application that is called when a file has changed.
    """
    invalidator = CacheInvalidator(cache=cache, strategy=InvalidationStrategy.EVENT_BASED)

    async def on_file_change(file_path: str):
        await invalidator.invalidate_dependents(file_path)

    await cache.set("k", 1, namespace="tool")
    invalidator.add_dependency("k", "tool", "/src/main.py")
    await on_file_change("/src/main.py")

    assert await cache.get("k", namespace="tool") is None


async def test_manual(cache):
    """
    One entry, on demand.
    """
    invalidator = CacheInvalidator(cache=cache, strategy=InvalidationStrategy.MANUAL)
    await cache.set("key", 1, namespace="tool")
    await invalidator.invalidate("key", namespace="tool")

    assert await cache.get("key", namespace="tool") is None


async def test_creating_and_invalidating_tags(cache, invalidator):
    """
    Tagged when they are stored, in sync calls between awaited ones.
    """
    await cache.set("result_123", {"a": 1}, namespace="tool")
    invalidator.tag("result_123", "tool", ["python_files", "src"])
    await cache.set("result_456", {"a": 2}, namespace="tool")
    invalidator.tag("result_456", "tool", ["python_files", "tests", "unit"])

    assert 2 == await invalidator.invalidate_tag("python_files")
    assert 0 == await invalidator.invalidate_tag("tests")


@pytest.mark.parametrize(
    ("tag", "left"),
    [("code", []), ("python", ["key3"]), ("src", ["key2"])],
)
async def test_tag_hierarchies(cache, invalidator, tag, left):
    """
    Each level takes what is below it.
    """
    await cache.set_many({"key1": 1, "key2": 2, "key3": 3}, namespace="tool")
    invalidator.tag("key1", "tool", ["code", "python", "src"])
    invalidator.tag("key2", "tool", ["code", "python", "tests"])
    invalidator.tag("key3", "tool", ["code", "javascript", "src"])
    await invalidator.invalidate_tag(tag)

    assert left == await keys_left(cache, "key1", "key2", "key3")


async def test_cascading_invalidation(cache, invalidator, caplog):
    """
    Two of three depend on the file; the number is logged by the application.
    """
    caplog.set_level(logging.INFO)
    keys = ("analysis_result", "test_result", "full_report")
    await cache.set_many(dict.fromkeys(keys, 1), namespace="tool")
    invalidator.add_dependency("analysis_result", "tool", "/src/main.py")
    invalidator.add_dependency("test_result", "tool", "/tests/test_main.py")
    invalidator.add_dependency("full_report", "tool", "/src/main.py")
    invalidator.add_dependency("full_report", "tool", "/src/utils.py")

    async def on_file_modified(file_path: str):
        count = await invalidator.invalidate_dependents(file_path)
        logger.info(f"{count} entries because of {file_path}")

    await on_file_modified("/src/main.py")
    assert "2 entries because of /src/main.py" in caplog.text
    assert ["test_result"] == await keys_left(cache, *keys)


async def test_transitive_dependencies(cache, invalidator):
    """
    From c to b, and from b to a.
    """
    await cache.set_many({"result_a": 1, "result_b": 2}, namespace="tool")
    invalidator.add_dependency("result_a", "tool", "result_b")
    invalidator.add_dependency("result_b", "tool", "result_c")

    assert 2 == await invalidator.invalidate_dependents("result_c")
    assert [] == await keys_left(cache, "result_a", "result_b")


async def test_file_system_events(cache, invalidator):
    """
    A handler that makes a task of the invalidation, as those of watchdog do.
    """

    class CacheInvalidationHandler:
        def __init__(self, invalidator: CacheInvalidator):
            self.invalidator = invalidator

        def on_modified(self, event):
            if not event.src_path.endswith(".py"):
                return None
            return asyncio.create_task(self.invalidator.invalidate_dependents(event.src_path))

    await cache.set("k", 1, namespace="tool")
    invalidator.add_dependency("k", "tool", "/x/y.py")
    handler = CacheInvalidationHandler(invalidator)

    assert handler.on_modified(SimpleNamespace(src_path="/x/y.txt")) is None
    assert 1 == await handler.on_modified(SimpleNamespace(src_path="/x/y.py"))


async def test_config_changes_and_schedules(cache, invalidator):
    """
    Loops of the application: what they do in one turn.
    """
    await cache.set("k", 1, namespace="tool", tags=["config"])
    await cache.set("t", 1, namespace="temp")
    await cache.set("h", 1, namespace="tool", tags=["hourly_data"])
    await invalidator.invalidate_tag("config")
    await invalidator.invalidate_namespace("temp")
    await invalidator.invalidate_tag("hourly_data")

    assert [] == await keys_left(cache, "k", "h")
    assert await cache.get("t", namespace="temp") is None


async def test_custom_events(cache, invalidator):
    """
    A handler clears the namespace of one user.
    """

    async def on_user_logout(user_id: str):
        await invalidator.invalidate_namespace(f"user_{user_id}")

    await cache.set("k", 1, namespace="user_user123")
    await cache.set("k", 1, namespace="user_user124")
    invalidator.register_event_handler("user_logout", on_user_logout)
    await invalidator.trigger_event("user_logout", user_id="user123")

    assert await cache.get("k", namespace="user_user123") is None
    assert 1 == await cache.get("k", namespace="user_user124")


async def test_manual_invalidation_api(cache, invalidator):
    """
    Whether there was one, how many there were, and everything.
    """
    await cache.set("result_123", 1, namespace="tool")
    assert await invalidator.invalidate("result_123", namespace="tool")
    assert not await invalidator.invalidate("result_123", namespace="tool")

    await cache.set_many({"a": 1, "b": 2}, namespace="tool")
    assert 2 == await invalidator.invalidate_namespace("tool")
    await cache.set("a", 1, namespace="tool")
    await invalidator.invalidate_all()
    assert await cache.get("a", namespace="tool") is None


async def test_predictive_refresh(cache):
    """
    The threshold can be asked for, and the application may refresh by itself what is hot.
    """
    invalidator = CacheInvalidator(
        cache=cache, strategy=InvalidationStrategy.PREDICTIVE, predictive_refresh_threshold=10
    )
    hot_keys = [
        SimpleNamespace(key="hot", namespace="tool", access_count=12),
        SimpleNamespace(key="cold", namespace="tool", access_count=9),
    ]

    async def recompute_value(key):
        return key.upper()

    for hot_key in hot_keys:
        if hot_key.access_count >= invalidator.config.predictive_refresh_threshold:
            new_value = await recompute_value(hot_key.key)
            await cache.set(hot_key.key, new_value, namespace=hot_key.namespace)

    assert "HOT" == await cache.get("hot", namespace="tool")
    assert await cache.get("cold", namespace="tool") is None
    # The guide goes on with this one: what is asked for works with every strategy.
    assert invalidator.tag("hot", "tool", ["python", "src", "api", "v1", "endpoint"])
    assert invalidator.add_dependency("hot", "tool", "config:/app/config.yaml")
    assert 1 == await invalidator.invalidate_dependents("config:/app/config.yaml")


async def test_ttls_without_a_namespace(cache, clock):
    """
    A minute and a day, in the default namespace.
    """
    await cache.set("result", 1, ttl=60)
    await cache.set("config", 2, ttl=86400)
    clock.advance(61)

    assert (None, 2) == (await cache.get("result"), await cache.get("config"))


async def test_statistics(cache, invalidator, clock):
    """
    What the guide looks at and prints can be looked at and printed.
    """
    await cache.set_many({"a": 1, "b": 2}, namespace="tool")
    invalidator.tag("a", "tool", ["t"])
    invalidator.add_dependency("b", "tool", "r")
    stats = invalidator.get_stats()
    tags, deps = stats["tags"], stats["dependencies"]
    assert "Total Tags: 2" == f"Total Tags: {tags['total_tags']}"
    assert 2 == tags["tagged_entries"]
    assert (1, 1) == (deps["resources"], deps["dependent_entries"])

    await invalidator.invalidate_tag("t")
    await invalidator.invalidate_dependents("r")
    stats = invalidator.get_stats()
    assert "Strategy: hybrid" == f"Strategy: {stats['strategy']}"
    assert (2, 1, 1) == (
        stats["invalidations"],
        stats["tag_invalidations"],
        stats["dependency_invalidations"],
    )
    assert not stats["invalidations"] > 1000
    assert "0.5/hour" == f"{stats['invalidations'] / 4:.1f}/hour"


async def test_graceful_degradation(cache, invalidator):
    """
    Key and namespace by position, inside of a try.
    """
    try:
        await invalidator.invalidate("k", "tool")
    except Exception as error:
        logger.error(f"Invalidation failed: {error}")
        raise


async def test_write_through_and_read_through(cache, invalidator):
    """
    The two patterns of the guide, with the namespace by position.
    """
    source = {}

    async def write_and_invalidate(key, value, namespace):
        source[key] = value
        await invalidator.invalidate(key, namespace)
        await cache.set(key, value, namespace)

    async def get_with_refresh(key, namespace):
        value = await cache.get(key, namespace)
        if value is None:
            value = source[key]
            await cache.set(key, value, namespace)
        return value

    await write_and_invalidate("k", 1, "tool")
    assert 1 == await get_with_refresh("k", "tool")
    await invalidator.invalidate("k", "tool")
    source["k"] = 2
    assert 2 == await get_with_refresh("k", "tool")
    assert 2 == await cache.get("k", "tool")


async def test_with_multi_level_cache():
    """
    Nothing but the cache is needed.
    """
    async with MultiLevelCache() as cache:
        invalidator = CacheInvalidator(cache=cache)
        await cache.set("key", 1, namespace="tool")
        await invalidator.invalidate("key", namespace="tool")
        assert await cache.get("key", namespace="tool") is None
