"""
The guide on semantic caching from which this API comes: every call in it works as it is written
there, with ``memotier`` in place of its own package.
"""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

from memotier import CacheAnalytics, MultiLevelCache, SemanticCache

pytestmark = pytest.mark.extras


@dataclasses.dataclass
class Message:
    role: str
    content: str


class CompletionResponse:
    def __init__(self, content):
        self.content = content


class AsIfAModel:
    """
    Questions about JSON are near to each other, as a model would have them.
    """

    identity = "as-if"

    def __call__(self, texts):
        return np.array([(1.0, 0.1 * len(t)) if "JSON" in t else (-1.0, 1.0) for t in texts])


def messages(text):
    return [Message(role="user", content=text)]


def test_setup():
    """
    All arguments of the guide, and each alone.
    """
    cache = SemanticCache(
        similarity_threshold=0.85,
        embedding_model="text-embedding-ada-002",
        max_size=1000,
        default_ttl=3600,
        enable_exact_match_fallback=True,
        batch_size=100,
    )
    assert 1000 == cache.get_stats()["max_size"]
    for threshold in (0.92, 0.85, 0.75, 0.70, 0.95):
        SemanticCache(similarity_threshold=threshold)
    SemanticCache(embedding_model="your-custom-model")
    for size in (50, 200):
        SemanticCache(batch_size=size)
    for size in (500, 1000, 5000):
        SemanticCache(max_size=size)
    for ttl in (300, 3600, 86400):
        SemanticCache(default_ttl=ttl)


async def test_put_and_get():
    """
    A response of any class, by exact and by similar messages, with a threshold of its own.
    """
    cache = SemanticCache(embedder=AsIfAModel())
    first = messages("How do I parse JSON?")
    response = CompletionResponse(content="Use json.loads()")

    await cache.put(first, response)
    result = await cache.get(first)
    assert "Use json.loads()" == result.content
    assert "Use json.loads()" == (await cache.get_similar(first)).content
    second = messages("How to read a JSON file?")
    assert "Use json.loads()" == (await cache.get_similar(second)).content
    assert (await cache.get_similar(second, threshold=0.90)) is not None
    assert await cache.get_similar(messages("What is the weather?")) is None


async def test_statistics(caplog):
    """
    The figures have the names and the forms of the guide.
    """
    cache = SemanticCache(embedder=AsIfAModel())
    await cache.put(messages("Parse JSON in Python"), "json.loads")
    for text in ("Parse JSON in Python", "How to read JSON file Python", "weather"):
        await cache.get_similar(messages(text))
    stats = cache.get_stats()

    assert "Size: 1/1000" == f"Size: {stats['size']}/{stats['max_size']}"
    assert "66.7%" == f"{stats['hit_rate']:.1%}"
    assert "33.3%" == f"{stats['semantic_hit_rate']:.1%}"
    semantic_hits, exact_hits = stats["semantic_hits"], stats["exact_hits"]
    total_hits = semantic_hits + exact_hits
    semantic_ratio = semantic_hits / total_hits if total_hits > 0 else 0
    assert (0.5, 1) == (semantic_ratio, stats["misses"])
    if stats["semantic_hit_rate"] < 0.4:
        logging.getLogger("app").warning("Low semantic hit rate")
    assert "Low semantic hit rate" in caplog.text


async def test_edge_cases():
    """
    A miss is None; what was computed is put.
    """

    async def compute_result(asked):
        return "computed"

    cache, asked = SemanticCache(), messages("a question")
    result = await cache.get_similar(asked)
    if result is None:
        result = await compute_result(asked)
        await cache.put(asked, result)
    assert "computed" == await cache.get_similar(asked)


async def test_with_a_multi_level_cache():
    """
    In front of another cache, by hand.
    """
    l1_cache, l2_cache = SemanticCache(max_size=1000), MultiLevelCache()
    computed = []

    async def compute_result(asked):
        computed.append(asked)
        return "computed"

    async def get_with_semantic(key, asked):
        result = await l1_cache.get_similar(asked)
        if result:
            return result
        result = await l2_cache.get(key, namespace="tool")
        if result:
            await l1_cache.put(asked, result)
            return result
        result = await compute_result(asked)
        await l1_cache.put(asked, result)
        await l2_cache.set(key, result, namespace="tool")
        return result

    for _ in range(2):
        assert "computed" == await get_with_semantic("key", messages("a question"))
    await l1_cache.clear()
    assert "computed" == await get_with_semantic("key", messages("a question"))
    assert 1 == len(computed)
    await l2_cache.close()


async def test_with_analytics():
    """
    Analytics of a semantic cache are those of the cache it keeps its entries in.
    """
    cache = SemanticCache()
    analytics = CacheAnalytics(cache=cache, track_hot_keys=True)

    async def get_and_track(asked):
        result = await cache.get_similar(asked)
        analytics.record_access(key=str(asked), namespace="semantic", hit=result is not None)
        return result

    asked = messages("a question")
    assert await get_and_track(asked) is None
    await cache.put(asked, 1)
    assert 1 == await get_and_track(asked)
    (hot,) = [one for one in analytics.get_hot_keys() if one.namespace == "semantic"]
    assert (2, 1, 1) == (hot.access_count, hot.hit_count, hot.miss_count)
    analytics.sync.record_access("other", hit=False)
    assert 0 < analytics.get_hit_rate() < 1
