"""
``ResponseStore``: lists and resources are kept as long and for whom the server says.
"""

from __future__ import annotations

import time

import anyio
import mcp_types as types
import pytest
from mcp.client.caching import CacheEntry, CacheKey
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged

from memotier import ConfigError, MultiLevelCache
from memotier.integrations.mcp import ResponseStore
from memotier.testing import FakeClock, FaultyStore

from .servers import METHODS, Asked, connect


@pytest.fixture
def cache(tmp_path):
    with MultiLevelCache(directory=tmp_path / "cache") as made:
        yield made


async def ask_all(client):
    return [
        await client.list_tools(),
        await client.list_prompts(),
        await client.list_resources(),
        await client.read_resource("x:/r"),
    ]


async def test_another_client_is_told_the_same_without_asking(cache, tmp_path):
    """
    Of the same user, after a restart; exactly what the server said.
    """
    server = Asked()
    async with connect(server, cache) as client:
        first = await ask_all(client)
    assert 4 == len(server.asked)
    with MultiLevelCache(directory=tmp_path / "cache") as later:
        async with connect(server, later) as client:
            assert first == await ask_all(client)
    assert 4 == len(server.asked)


@pytest.mark.parametrize(
    ("scope", "share_public", "asked"),
    [("private", False, 2), ("private", True, 2), ("public", False, 2), ("public", True, 1)],
)
async def test_for_whom_it_is(cache, scope, share_public, asked):
    """
    Another user asks the server himself, unless the server says that it is for all and the client
    trusts that.
    """
    server = Asked(scope=scope)
    for who in ("ann", "bob", "ann", "bob"):
        async with connect(server, cache, who, share_public=share_public) as client:
            await client.list_tools()
    assert asked == len(server.asked)


async def test_servers_are_apart(cache):
    """
    By their ``target_id``.
    """
    server = Asked()
    for target in ("https://one", "https://two"):
        async with connect(server, cache, target=target) as client:
            await client.read_resource("x:/r")
    assert 2 == len(server.asked)


@pytest.mark.parametrize(("hints", "ttl_ms"), [(False, 1), (True, 0)])
async def test_what_says_nothing_is_not_kept(cache, hints, ttl_ms):
    """
    Nor what says that it is stale at once.
    """
    server = Asked(hints=hints, ttl_ms=ttl_ms)
    for _ in range(2):
        async with connect(server, cache) as client:
            await client.list_tools()
    assert 2 == len(server.asked)


async def test_no_longer_than_the_server_says(cache):
    """
    By the clock of the client.
    """
    server, late = Asked(ttl_ms=60_000), 0.0
    async with connect(server, cache, clock=lambda: time.time() + late) as client:
        await client.list_tools()
        late = 59.0
        await client.list_tools()
        assert 1 == len(server.asked)
        late = 61.0
        await client.list_tools()
    assert 2 == len(server.asked)


async def test_room_is_made_in_time():
    """
    By the clock of the cache as well: nothing stays that nobody would use.
    """
    clock, value = FakeClock(), types.ListToolsResult(tools=[])
    with MultiLevelCache(clock=clock) as cache:
        store, key = ResponseStore(cache), CacheKey("tools/list", "", "p")
        await store.set(key, CacheEntry(value, "private", time.time() + 60))
        assert await store.get(key) is not None
        clock.advance(61)
        assert await store.get(key) is None


async def test_changes_are_heard(cache):
    """
    Of a list and of a resource, by those who listen; the other resource stays.
    """
    server = Asked()
    async with connect(server, cache) as client:
        await client.list_tools()
        for uri in ("x:/a", "x:/b"):
            await client.read_resource(uri)
        async with client.listen(tools_list_changed=True, resource_subscriptions=["x:/a"]) as heard:
            await server.bus.publish(ToolsListChanged())
            await server.bus.publish(ResourceUpdated(uri="x:/a"))
            with anyio.fail_after(20):
                for _ in range(2):
                    await anext(heard)
        del server.asked[:]
        await client.list_tools()
        for uri in ("x:/a", "x:/b"):
            await client.read_resource(uri)
    assert ["tools/list", "resources/read x:/a"] == server.asked
    async with connect(server, cache) as client:
        await client.list_tools()
    assert 2 == len(server.asked)


async def test_a_cache_that_fails_fails_no_call():
    """
    The server is asked.
    """
    store = FaultyStore()
    with MultiLevelCache(l2_store=store) as cache:
        server = Asked()
        store.down = True
        async with connect(server, cache) as client:
            for _ in range(2):
                assert 4 == len(await ask_all(client))


LIST = '{"tools": [], "ttlMs": 1, "cacheScope": "private"}'


@pytest.mark.parametrize(
    "lie",
    [
        *(None, 7, "", LIST, [LIST, "private", 9e9], (LIST, "private")),
        *((LIST, "all", 9e9), (LIST, "private", "9e9"), (LIST, "private", None)),
        *(("", "private", 9e9), ("[]", "private", 9e9), (7, "private", 9e9)),
        ('{"tools": [{"name": 7}]}', "private", 9e9),
    ],
)
async def test_what_is_no_entry_is_not_found(cache, lie):
    """
    Whatever lies in the cache, only an answer of that method is made of it.
    """
    store, key = ResponseStore(cache), CacheKey("tools/list", "", "p")
    place = ("tools/list", "", "p"), "mcp.responses"
    await cache.set(place[0], lie, namespace=place[1])
    assert await store.get(key) is None
    await cache.set(place[0], (LIST, "private", 9e9), namespace=place[1])
    found = await store.get(key)
    assert isinstance(found.value, types.ListToolsResult)
    assert ("private", 9e9) == (found.scope, found.expires_at)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("tools/list", types.ListPromptsResult(prompts=[])),
        ("tools/list", {"tools": []}),
        ("tools/call", types.CallToolResult(content=[])),
        ("tools/list", types.ListToolsResult(tools=[], _meta={"x": object()})),
    ],
)
async def test_what_would_not_come_back_is_not_kept(cache, method, value):
    """
    And what was there before is not there any more.
    """
    store, key = ResponseStore(cache), CacheKey(method, "", "p")
    await store.set(key, CacheEntry(types.ListToolsResult(tools=[]), "private", time.time() + 60))
    await store.set(key, CacheEntry(value, "private", time.time() + 60))

    assert await store.get(key) is None


async def test_keys_are_apart_and_can_be_forgotten(cache):
    """
    Method, parameters and partition count; ``clear()`` leaves what is not of clients.
    """
    store = ResponseStore(cache)
    keys = [CacheKey(m, p, q) for m in METHODS[:1] for p in ("", "a") for q in ("", "a", "b")]
    for number, key in enumerate(keys):
        value = types.ListToolsResult(tools=[], next_cursor=str(number))
        await store.set(key, CacheEntry(value, "public", time.time() + 60))
    for number, key in enumerate(keys):
        assert str(number) == (await store.get(key)).value.next_cursor
    await store.delete(keys[0])
    assert [False] + [True] * 5 == [await store.get(key) is not None for key in keys]
    await cache.set("other", 1)
    await store.clear()
    assert not any([await store.get(key) for key in keys])
    assert 1 == await cache.get("other")
    with pytest.raises(ConfigError, match="a b"):
        ResponseStore(namespace="a b")
