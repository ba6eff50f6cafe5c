"""
``MemotierMiddleware`` in real servers, asked by real clients in memory.
"""

from __future__ import annotations

import asyncio
import functools
from contextvars import ContextVar

import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools.base import Tool, ToolResult
from mcp_types import ToolAnnotations

from memotier import ConfigError, MultiLevelCache
from memotier.integrations.fastmcp import MemotierMiddleware
from memotier.testing import FaultyStore

user: ContextVar[str] = ContextVar("user")
READ = ToolAnnotations(read_only_hint=True)
SEARCH = {"search": {"effects": "read"}}


@pytest.fixture
def cache(make_cache):
    return make_cache("disk")


class Server:
    """
    A server with a tool ``search``, which notes for whom it ran.
    """

    def __init__(self, cache, *, name="notes", annotations=None, **options) -> None:
        self.runs = runs = []
        self.mcp = mcp = FastMCP(name)

        @mcp.tool(annotations=annotations)
        async def search(q: str, k: int = 3) -> dict[str, object]:
            who = user.get("nobody")
            runs.append((who, q))
            await asyncio.sleep(0.01)
            return {"of": who, "q": q, "k": k, "none": None}

        self.middleware = MemotierMiddleware(cache=cache, **options)
        mcp.add_middleware(self.middleware)

    async def ask(self, who, *questions, tool="search"):
        if who is not None:
            user.set(who)
        async with Client(self.mcp) as client:
            asked = (client.call_tool(tool, {"q": q}) for q in questions)
            return await asyncio.gather(*asked)


def mark(result):
    return (result.meta or {}).get("memotier")


async def test_each_user_has_his_own(cache, clock):
    """
    The second call of a user is not run, and says so; the other user's is.
    """
    server = Server(cache, scope=user, tools=SEARCH)
    (first,) = await server.ask("ann", "owl")
    clock.advance(7)
    (second,) = await server.ask("ann", "owl")
    (other,) = await server.ask("bob", "owl")

    assert [("ann", "owl"), ("bob", "owl")] == server.runs
    assert "ann" == first.data["of"] and first.data == second.data
    assert first.content == second.content and "bob" == other.data["of"]
    assert mark(first) is None is mark(other)
    assert {"tier": "l1", "age": 7.0} == mark(second)


async def test_concurrent_calls_are_one(cache):
    """
    Of five clients at once one runs the tool; another user does not wait for it.
    """
    server = Server(cache, scope=user, tools=SEARCH)
    told = await asyncio.gather(
        *(server.ask("ann", "owl") for _ in range(5)), server.ask("bob", "owl")
    )

    assert [("ann", "owl"), ("bob", "owl")] == sorted(server.runs)
    assert ["ann"] * 5 + ["bob"] == [one.data["of"] for (one,) in told]
    marks = [mark(one) for (one,) in told]
    assert 4 == sum(one is not None and "joined" == one["tier"] for one in marks[:5])
    assert marks[5] is None


@pytest.mark.parametrize(
    ("annotations", "options", "runs"),
    [
        (None, {"tools": SEARCH}, 1),
        (READ, {"read_only": True}, 1),
        (
            ToolAnnotations(idempotent_hint=True),
            {"tools": {"search": {"effects": "idempotent"}}},
            1,
        ),
        (READ, {"tools": {"other": {"effects": "read"}}}, 2),
        (None, {"read_only": True}, 2),
        (ToolAnnotations(idempotent_hint=True, destructive_hint=False), {"read_only": True}, 2),
        (ToolAnnotations(destructive_hint=True), {"tools": SEARCH}, 2),
        (ToolAnnotations(destructive_hint=True, read_only_hint=True), {"read_only": True}, 2),
    ],
)
async def test_only_what_was_asked_for_is_cached(cache, annotations, options, runs):
    """
    A tool is named, or has ``readOnlyHint`` and that is enough; one that destroys never is.
    """
    server = Server(cache, annotations=annotations, scope="public", **options)
    await server.ask("ann", "owl")
    await server.ask("ann", "owl")

    assert runs == len(server.runs)


async def test_nobody_is_told_nothing(cache):
    """
    Where the scope has no value the tool is not run, and nobody else's result is served.
    """
    server = Server(cache, scope=lambda: None, tools=SEARCH)
    with pytest.raises(ToolError, match="search was not run: for whom it is cannot be told"):
        await server.ask("ann", "owl")

    assert [] == server.runs


@pytest.mark.parametrize("how", ["raise", "return", "is_error"])
async def test_errors_are_never_kept(cache, how):
    """
    Raised or returned, an error is that of one call.
    """
    mcp, runs = FastMCP("notes"), []

    @mcp.tool
    def search(q: str) -> ToolResult:
        runs.append(q)
        if len(runs) > 1:
            return ToolResult("found")
        if how == "raise":
            raise ToolError("503")
        return ToolResult("503", is_error=True)

    mcp.add_middleware(MemotierMiddleware(scope="public", tools=SEARCH, cache=cache))
    async with Client(mcp) as client:
        with pytest.raises(ToolError, match="503"):
            await client.call_tool("search", {"q": "owl"})
        for _ in range(2):
            assert "found" == (await client.call_tool("search", {"q": "owl"})).content[0].text

    assert 2 == len(runs)


async def test_callers_that_wait_for_an_error_result_run_the_tool_themselves(cache):
    """
    A result that is not kept is for whoever ran the tool alone.
    """
    mcp, runs = FastMCP("notes"), []

    @mcp.tool
    async def search(q: str) -> ToolResult:
        runs.append(q)
        number = len(runs)
        await asyncio.sleep(0.01)
        return ToolResult(f"error {number}", is_error=True)

    mcp.add_middleware(MemotierMiddleware(scope="public", tools=SEARCH, cache=cache))
    async with Client(mcp) as client:
        asked = (client.call_tool("search", {"q": "owl"}, raise_on_error=False) for _ in range(3))
        told = {one.content[0].text for one in await asyncio.gather(*asked)}

    assert {"error 1", "error 2", "error 3"} == told


@pytest.mark.parametrize("kind", ["module", "nested"])
async def test_another_process_finds_results_of_functions_of_modules(tmp_path, kind):
    """
    Or those of a server with a name of its own; a function inside another one could be any.
    """
    runs = []
    for number in range(2):
        with MultiLevelCache(directory=tmp_path / "shared") as cache:
            mcp = FastMCP("notes")

            def nested(q: str) -> str:
                runs.append(q)
                return q

            mcp.tool(name="search")(of_module if kind == "module" else nested)
            mcp.add_middleware(MemotierMiddleware(scope="public", tools=SEARCH, cache=cache))
            async with Client(mcp) as client:
                told = await client.call_tool("search", {"q": "owl"})
            assert "owl" == told.data
            expected = {"tier": "l2"} if kind == "module" and number else None
            assert expected == (mark(told) and {"tier": mark(told)["tier"]})


def of_module(q: str) -> str:
    return q


async def test_two_servers_of_one_name_do_not_share(cache):
    """
    Functions inside a function may mean something else each time.
    """
    told = []
    for word in ("one", "two"):
        mcp = FastMCP("notes")

        @mcp.tool
        def search(q: str, word=word) -> str:
            return word

        mcp.add_middleware(MemotierMiddleware(scope="public", tools=SEARCH, cache=cache))
        async with Client(mcp) as client:
            told.append((await client.call_tool("search", {"q": "owl"})).data)

    assert ["one", "two"] == told


class Account:
    def __init__(self, word) -> None:
        self.word = word

    def search(self, q: str) -> str:
        return self.word


@pytest.mark.parametrize("kind", ["method", "partial", "mounted", "client"])
@pytest.mark.parametrize("servers", [1, 2])
async def test_what_has_the_name_of_another_tool_is_not_taken_for_it(cache, kind, servers):
    """
    One middleware for two servers of one name, or one whose tool is replaced: methods of two
    objects, partials, and functions that close over a client have nothing to tell them apart.
    """
    middleware = MemotierMiddleware(scope="public", tools=SEARCH, cache=cache)
    mcp, told = None, []
    for word in ("one", "two"):
        if mcp is None or servers == 2:
            mcp = FastMCP("notes")
            mcp.add_middleware(middleware)
        elif kind == "mounted":
            return  # nobody can see what a server that is mounted does
        else:
            mcp.local_provider.remove_tool("search")
        account = Account(word)
        found = {
            "method": account.search,
            "partial": functools.partial(Account.search, account),
            "mounted": account.search,
            "client": (lambda client: lambda q: client.word)(account),
        }[kind]
        tool = Tool.from_function(found, name="search")
        if kind == "mounted":
            inner = FastMCP("inner")
            inner.add_tool(tool)
            mcp.mount(inner)
        else:
            mcp.add_tool(tool)
        for _ in range(2):
            async with Client(mcp) as client:
                result = await client.call_tool("search", {"q": "owl"})
        assert "l1" == mark(result)["tier"]
        told.append(result.content[0].text)

    assert ["one", "two"] == told


@pytest.mark.parametrize(
    ("meta", "runs"),
    [
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "a=b"}, 1),
        ({"progressToken": 7}, 1),
        ({"fastmcp": {"version": "2"}}, 2),
    ],
)
async def test_what_a_client_adds_to_a_call(cache, meta, runs):
    """
    Traces and progress make no difference to a result; a version of the tool does.
    """
    server = Server(cache, scope="public", tools=SEARCH)
    for _ in range(2):
        async with Client(server.mcp) as client:
            try:
                await client.call_tool("search", {"q": "owl"}, meta=meta)
            except ToolError:
                server.runs.append("no such version")

    assert runs == len(server.runs)


async def test_an_error_is_that_of_one_call(cache):
    """
    Who waits for a run that fails runs the tool, as without a cache.
    """
    mcp, runs = FastMCP("notes"), []

    @mcp.tool
    async def search(q: str) -> str:
        runs.append(q)
        number = len(runs)
        await asyncio.sleep(0.01)
        if number == 1:
            raise ToolError("its connection broke")
        return q

    mcp.add_middleware(MemotierMiddleware(scope="public", tools=SEARCH, cache=cache))

    async def ask():
        async with Client(mcp) as client:
            return await client.call_tool("search", {"q": "owl"}, raise_on_error=False)

    told = await asyncio.gather(*(ask() for _ in range(3)))
    assert [False, False, True] == sorted(one.is_error for one in told)


async def test_ttl_and_tags(cache, clock):
    """
    A tool has a ttl of its own; tags are made of its arguments, and there is one of the server.
    """
    tools = {"search": {"effects": "read", "ttl": "1m", "tags": ["q:{q}"]}}
    server = Server(cache, scope=user, tools=tools, ttl="1h")
    await server.ask("ann", "owl", "bat")
    await cache.invalidate_tags("q:owl")
    await server.ask("ann", "owl", "bat")
    assert ["bat", "owl", "owl"] == sorted(q for _, q in server.runs)

    clock.advance(61)
    await server.ask("ann", "owl", "bat")
    assert 5 == len(server.runs)

    await cache.invalidate_tags("tools:notes")
    await server.ask("ann", "owl", "bat")
    assert 7 == len(server.runs)

    await cache.forget("ann")
    await server.ask("ann", "owl", "bat")
    assert 9 == len(server.runs)


async def test_tags_of_a_callable(cache):
    """
    It is given the arguments as the client sent them.
    """
    tools = {"search": {"effects": "read", "tags": lambda arguments: [f"about {arguments['q']}"]}}
    server = Server(cache, scope=user, tools=tools)
    await server.ask("ann", "owl")
    await cache.invalidate_tags("about owl")
    await server.ask("ann", "owl")

    assert 2 == len(server.runs)


async def test_a_result_whose_tag_cannot_be_made_is_not_kept(cache):
    """
    Nobody could invalidate it; the call goes through.
    """
    tools = {"search": {"effects": "read", "tags": ["k:{k}"]}}
    server = Server(cache, scope=user, tools=tools)
    for _ in range(2):
        (told,) = await server.ask("ann", "owl")
        assert "ann" == told.data["of"]

    assert 2 == len(server.runs)


async def test_a_tool_that_is_gone_or_forbidden_is_not_answered_for(cache):
    """
    The server is asked for the tool in every call, so that its ``auth=`` and visibility hold.
    """
    server = Server(cache, scope="public", tools=SEARCH)
    await server.ask("ann", "owl")
    server.mcp.disable(names={"search"})
    with pytest.raises(ToolError, match="Unknown tool"):
        await server.ask("ann", "owl")


async def test_a_store_that_fails_fails_no_call(clock):
    """
    Neither when it is read nor when it is written.
    """
    store = FaultyStore()
    with MultiLevelCache(l2_store=store, clock=clock) as cache:
        server = Server(cache, scope=user, tools=SEARCH)
        store.down = True
        for who in ("ann", "bob", "ann"):
            (told,) = await server.ask(who, "owl")
            assert who == told.data["of"]


@pytest.mark.parametrize("lie", ["", "{}", "[1]", '{"kind":"plain","result":{"content":1}}', 7])
async def test_what_is_no_result_is_replaced(cache, lie, monkeypatch):
    """
    Whatever lies in a store becomes a result of the protocol, or is computed anew.
    """
    server = Server(cache, scope="public", tools=SEARCH)
    with monkeypatch.context() as patch:
        patch.setattr("memotier.integrations.fastmcp._text_of", lambda result: lie)
        await server.ask("ann", "owl")
    for _ in range(2):
        (told,) = await server.ask("ann", "owl")
        assert "owl" == told.data["q"]

    assert 2 == len(server.runs)
    assert {"tier", "age"} == set(mark(told))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": SEARCH}, "scope"),
        ({"scope": "me", "tools": SEARCH}, "scope='me'"),
        ({"scope": 7, "tools": SEARCH}, "scope=7"),
        ({"scope": ("who",), "tools": SEARCH}, "scope=\\("),
        ({"scope": asyncio.sleep, "tools": SEARCH}, "without await"),
        ({"scope": "public"}, "would cache nothing"),
        ({"scope": "public", "read_only": 1}, "read_only=1"),
        ({"scope": "public", "tools": {"a": {}}}, '"effects"'),
        ({"scope": "public", "tools": {"a": "read"}}, '"effects"'),
        ({"scope": "public", "tools": {"a": {"effects": "write"}}}, "run at every"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "tll": 1}}}, "tll"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "ttl": "soon"}}}, "soon"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "ttl": len}}}, "ttl"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "tags": "x"}}}, "tags='x'"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "tags": [7]}}}, "tag is a int"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "tags": ["{q"]}}}, "{q"),
        ({"scope": "public", "tools": ["search"]}, "a dict of tools"),
        ({"scope": "public", "tools": SEARCH, "name": ""}, "name=''"),
        ({"scope": "public", "tools": SEARCH, "cache": 7}, "cache=7"),
        ({"scope": "public", "tools": SEARCH, "namespace": "a b"}, "a b"),
        ({"scope": "public", "read_only": True, "ttl": -1}, "-1"),
    ],
)
def test_misuse_is_said_at_once(options, said):
    """
    When the middleware is made, with the value.
    """
    with pytest.raises((ConfigError, TypeError), match=said):
        MemotierMiddleware(**options)
