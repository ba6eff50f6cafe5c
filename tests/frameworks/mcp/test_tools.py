"""
``MemotierTools``: results of a server's tools, kept by its client.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.subscriptions import ToolsListChanged

from memotier import ConfigError, MultiLevelCache, ScopeMissing
from memotier.integrations.mcp import MemotierTools

from .servers import READ, Asked

user: ContextVar[str] = ContextVar("user")
SEARCH = {"search": {"effects": "read"}}


@pytest.fixture
def cache(tmp_path):
    with MultiLevelCache(directory=tmp_path / "cache") as made:
        yield made


async def ask(tools, server, *questions, listed=False):
    async with Client(server.server) as client:
        if listed:
            await tools.list_tools(client)
        return await asyncio.gather(
            *(tools.call_tool(client, "search", {"q": q}) for q in questions)
        )


def calls(server):
    return [one for one in server.asked if one.startswith("tools/call")]


async def test_each_user_has_his_own(cache):
    """
    The second call of a user is not sent, and says so; it is what the server said.
    """
    server, tools = Asked(), MemotierTools("notes", scope=user, tools=SEARCH, cache=cache)
    user.set("ann")
    (first,) = await ask(tools, server, "owl")
    (second,) = await ask(tools, server, "owl")
    user.set("bob")
    (other,) = await ask(tools, server, "owl")

    assert 2 == len(calls(server))
    mark = second.meta.pop("memotier")
    assert "l1" == mark["tier"] and first == second
    assert "memotier" not in (other.meta or {})


async def test_concurrent_calls_are_one(cache):
    """
    On one connection or on several.
    """
    server, tools = Asked(), MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    await asyncio.gather(ask(tools, server, "owl", "owl"), ask(tools, server, "owl"))

    assert ["tools/call owl"] == calls(server)


@pytest.mark.parametrize(
    ("annotations", "options", "sent"),
    [
        (None, {"tools": SEARCH}, 1),
        (READ, {"read_only": True}, 1),
        (READ, {"tools": {"other": {"effects": "read"}}}, 2),
        (None, {"read_only": True}, 2),
        (types.ToolAnnotations(read_only_hint=False), {"read_only": True}, 2),
        (types.ToolAnnotations(destructive_hint=True), {"tools": SEARCH}, 2),
    ],
)
async def test_only_what_was_asked_for_is_cached(cache, annotations, options, sent):
    """
    A tool is named, or its listed hints are trusted; one that destroys never is.
    """
    server = Asked(annotations=annotations)
    tools = MemotierTools("notes", scope="public", cache=cache, **options)
    for _ in range(2):
        await ask(tools, server, "owl", listed=True)

    assert sent == len(calls(server))


async def test_hints_that_were_not_seen_are_none(cache):
    """
    A tool that was not listed is not cached on the word of its server.
    """
    server, tools = Asked(), MemotierTools("notes", scope="public", read_only=True, cache=cache)
    for _ in range(2):
        await ask(tools, server, "owl")

    assert ["tools/call owl"] * 2 == calls(server)


async def test_errors_and_questions_are_never_kept(cache):
    """
    What the server calls an error is that of one call.
    """
    server, tools = Asked(), MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    text = [types.TextContent(text="503")]
    server.answer = lambda params: types.CallToolResult(content=text, is_error=True)
    for _ in range(2):
        (told,) = await ask(tools, server, "owl")
        assert told.is_error and "memotier" not in (told.meta or {})
    assert 2 == len(calls(server))


async def test_a_connection_that_breaks_is_that_of_one_call(cache):
    """
    Who waits for a call on another connection makes it on his own.
    """
    tools = MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    asks = asyncio.Event()

    class Broken:
        async def call_tool(self, name, arguments=None):
            asks.set()
            await asyncio.sleep(0.01)
            raise ConnectionError("it broke")

    class Whole:
        async def call_tool(self, name, arguments=None):
            return types.CallToolResult(content=[types.TextContent(text="owl")])

    async def later():
        await asks.wait()
        return await tools.call_tool(Whole(), "search", {"q": "owl"})

    broken, whole = await asyncio.gather(
        tools.call_tool(Broken(), "search", {"q": "owl"}), later(), return_exceptions=True
    )
    assert isinstance(broken, ConnectionError)
    assert "owl" == whole.content[0].text


async def test_changed_tools_are_forgotten(cache):
    """
    ``on_message`` hears it where somebody listens: hints and results are gone.
    """
    server = Asked()
    tools = MemotierTools("notes", scope="public", read_only=True, cache=cache)
    async with Client(server.server, message_handler=tools.on_message) as client:
        await tools.list_tools(client)
        await tools.call_tool(client, "search", {"q": "owl"})
        async with client.listen(tools_list_changed=True) as heard:
            await server.bus.publish(ToolsListChanged())
            with anyio.fail_after(20):
                await anext(heard)
                while tools._hints:
                    await anyio.sleep(0)
        await tools.list_tools(client)
        await tools.call_tool(client, "search", {"q": "owl"})
        await tools.call_tool(client, "search", {"q": "owl"})
    assert 2 == len(calls(server))


async def test_a_session_will_do(cache):
    """
    ``ClientSession`` has the same methods.
    """
    server, tools = Asked(), MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    async with Client(server.server) as client:
        for _ in range(2):
            told = await tools.call_tool(client.session, "search", {"q": "owl"})
            assert {"q": "owl", "none": None} == told.structured_content
    assert 1 == len(calls(server))


async def test_nobody_is_told_nothing(cache):
    """
    The tool is not called.
    """
    server = Asked()
    tools = MemotierTools("notes", scope=lambda: "", tools=SEARCH, cache=cache)
    async with Client(server.server) as client:
        with pytest.raises(ScopeMissing, match="search"):
            await tools.call_tool(client, "search", {"q": "owl"})
    assert [] == server.asked


@pytest.mark.parametrize("lie", ["", "{}", 7, '{"content": 7}'])
async def test_what_is_no_result_is_replaced(cache, lie, monkeypatch):
    """
    Whatever lies in a store becomes a result of the protocol, or is asked for anew.
    """
    server, tools = Asked(), MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr("memotier.integrations.mcptools.text_of", lambda result, model: lie)
        await ask(tools, server, "owl")
    for _ in range(2):
        (told,) = await ask(tools, server, "owl")
        assert "owl" == told.structured_content["q"]
    assert 2 == len(calls(server))


async def test_arguments_without_a_key_go_through(cache):
    """
    The call is made, and nothing is kept.
    """
    tools = MemotierTools("notes", scope="public", tools=SEARCH, cache=cache)
    deep = []
    for _ in range(5000):
        deep = [deep]
    runs = []

    class Deep:
        async def call_tool(self, name, arguments=None):
            runs.append(name)
            return types.CallToolResult(content=[])

    for odd in (deep, object()):
        for _ in range(2):
            await tools.call_tool(Deep(), "search", {"q": odd})
    assert 4 == len(runs)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("", {"tools": SEARCH}, "name=''"),
        (7, {"tools": SEARCH}, "name=7"),
        (None, {"tools": SEARCH}, "name=None"),
        ("n", {}, "would cache nothing"),
        ("n", {"tools": {"a": {"effects": "write"}}}, "run at every"),
    ],
)
def test_misuse_is_said_at_once(name, options, said):
    """
    With the value.
    """
    with pytest.raises(ConfigError, match=said):
        MemotierTools(name, scope="public", **options)
