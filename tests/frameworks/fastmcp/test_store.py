"""
``MemotierStore``: what py-key-value promises of a store.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.middleware.caching import ResponseCachingMiddleware
from key_value.aio.adapters.pydantic import PydanticAdapter
from key_value.aio.errors import InvalidTTLError
from key_value.aio.stores.base import ManagedEntry
from pydantic import BaseModel

from memotier import ConfigError, InvalidationNotDurable, MultiLevelCache, get_cache
from memotier.integrations.fastmcp import MemotierStore
from memotier.testing import FaultyStore

KEYS = ["k", "", "a/b", "ä\u2028", "x" * 5000, "__memotier__"]
COLLECTIONS = ["c", "C", "tools/list", "a", "a.b", "a.b.c", "ä", "x" * 300, "c-a", "default"]


@pytest.fixture
def store(make_cache):
    return MemotierStore(make_cache("disk"))


@pytest.mark.parametrize("key", KEYS)
async def test_a_value_is_there_until_it_is_deleted(store, key):
    """
    With the types that JSON has, once, and under any key.
    """
    value = {"a": [1, 1.5, None, True], "b": {"c": "ä"}}
    assert await store.get(key) is None
    await store.put(key, value)
    assert value == await store.get(key)
    assert (value, None) == await store.ttl(key)
    await store.put(key, {"a": 2})
    assert {"a": 2} == await store.get(key)
    assert await store.delete(key)
    assert await store.get(key) is None
    assert not await store.delete(key)


async def test_collections_are_apart(store):
    """
    Whatever they are called; destroying one leaves the others.
    """
    for collection in COLLECTIONS:
        await store.put("k", {"of": collection}, collection=collection)
    for collection in COLLECTIONS:
        assert {"of": collection} == await store.get("k", collection=collection)
    assert await store.get("k") is None
    assert await store.destroy_collection("a")
    assert not await store.destroy_collection("a")
    assert await store.get("k", collection="a") is None
    for collection in set(COLLECTIONS) - {"a"}:
        assert {"of": collection} == await store.get("k", collection=collection)


async def test_many_at_once(store):
    """
    In the order of the keys, those that are not there included.
    """
    await store.put_many(["a", "b"], [{"v": 1}, {"v": 2}], ttl=60)
    assert [{"v": 2}, None, {"v": 1}, {"v": 2}] == await store.get_many(["b", "x", "a", "b"])
    (value, left), (nothing, never) = await store.ttl_many(["a", "x"])
    assert ({"v": 1}, None, None) == (value, nothing, never)
    assert 59 < left <= 60
    assert 2 == await store.delete_many(["a", "b", "x"])
    assert [None, None] == await store.get_many(["a", "b"])


async def test_nothing_outlives_its_ttl(store, clock):
    """
    By the clock of the cache, and by that of the entry.
    """
    await store.put("k", {"v": 1}, ttl=60)
    clock.advance(59)
    assert {"v": 1} == await store.get("k")
    clock.advance(2)
    assert await store.get("k") is None

    past = datetime.now(UTC) - timedelta(seconds=1)
    await store.put("k", {"v": 1})
    entry = ManagedEntry(value={"v": 2}, expires_at=past)
    await store._put_managed_entry(collection="default_collection", key="k", managed_entry=entry)
    assert await store.get("k") is None
    with pytest.raises(InvalidTTLError):
        await store.put("k", {"v": 1}, ttl=0)


async def test_without_a_ttl_it_stays(store, clock):
    """
    Longer than the tiers keep what says nothing.
    """
    await store.put("k", {"v": 1})
    clock.advance(86400 * 365)

    assert {"v": 1} == await store.get("k")


async def test_two_processes(tmp_path):
    """
    What one stores the other finds, and what one deletes nobody finds again.
    """
    with (
        MultiLevelCache(directory=tmp_path / "c") as one,
        MultiLevelCache(directory=tmp_path / "c") as two,
    ):
        here, there = MemotierStore(one), MemotierStore(two)
        await here.put("k", {"v": 1})
        assert {"v": 1} == await there.get("k") == await here.get("k")
        await there.delete("k")
        assert await here.get("k") is None
        await here.put("k", {"v": 2})
        assert {"v": 2} == await there.get("k")
        await there.destroy()
        assert await here.get("k") is None
    with MultiLevelCache(directory=tmp_path / "c") as later:
        assert await MemotierStore(later).get("k") is None


async def test_a_deletion_that_is_not_durable_is_told(clock):
    """
    Rather than found again by another process, and here it is gone.
    """
    below = FaultyStore()
    with MultiLevelCache(l2_store=below, clock=clock) as cache:
        store = MemotierStore(cache)
        await store.put("k", {"v": 1})
        below.down = True
        with pytest.raises(InvalidationNotDurable):
            await store.delete("k")
        assert await store.get("k") is None
        below.down = False
        assert await store.get("k") is None


@pytest.mark.parametrize(
    "lie", ["", "[]", "{", '{"value": 7}', '{"value": {}, "expires_at": 7}', 7]
)
async def test_what_is_no_entry_is_not_found(store, lie):
    """
    Whatever lies in the cache, nothing else than a dict is made of it.
    """
    await store._cache.now().set("k", lie, "keyvalue.c-default_collection")

    assert await store.get("k") is None
    assert [None] == await store.get_many(["k"])


async def test_models(store):
    """
    With the adapter that FastMCP uses for its OAuth state.
    """

    class Token(BaseModel):
        value: str

    tokens = PydanticAdapter(store, Token, default_collection="mcp-oauth-tokens")
    await tokens.put("ann", Token(value="x"), ttl=60)
    assert Token(value="x") == await tokens.get("ann")


async def test_the_cache_may_be_a_name():
    """
    Then it is the one of that name now.
    """
    store = MemotierStore()
    await store.put("k", {"v": 1})

    assert {"v": 1} == await store.get("k")
    assert 1 == await get_cache().clear_namespace("keyvalue")
    with pytest.raises(ConfigError, match="a b"):
        MemotierStore(namespace="a b")


async def test_responses_of_fastmcp(store):
    """
    FastMCP's own middleware keeps its lists and results here.
    """
    mcp, runs = FastMCP("notes"), []

    @mcp.tool
    def search(q: str) -> str:
        runs.append(q)
        return q

    mcp.add_middleware(ResponseCachingMiddleware(cache_storage=store))
    async with Client(mcp) as client:
        for _ in range(2):
            assert ["search"] == [tool.name for tool in await client.list_tools()]
            assert "owl" == (await client.call_tool("search", {"q": "owl"})).data
    assert ["owl"] == runs
