"""
``MemotierToolset`` in real runs of agents with scripted models.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    ApprovalRequired,
    CallDeferred,
    DeferredToolRequests,
    DeferredToolResults,
    ModelRetry,
    RunContext,
    ToolFailed,
)
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from memotier import ConfigError, MultiLevelCache, ScopeMissing
from memotier.integrations.pydantic_ai import MemotierToolset
from memotier.testing import FaultyStore

from . import of_module

user: ContextVar[str] = ContextVar("user")
SEARCH = {"search": {"effects": "read"}}


@pytest.fixture
def cache(make_cache):
    return make_cache("disk")


def calls(*asked, tool="search"):
    """
    A model that calls *tool* for each of *asked* at once, and ends when it was told of all.
    """

    def answer(messages, info):
        told = [p for m in messages for p in m.parts if isinstance(p, ToolReturnPart)]
        if len(told) >= len(asked):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(
            parts=[
                ToolCallPart(tool, one, tool_call_id=f"c{at}{len(messages)}")
                for at, one in enumerate(asked)
            ]
        )

    return FunctionModel(answer)


def told(done):
    return [p.content for m in done.all_messages() for p in m.parts if p.part_kind == "tool-return"]


class Notes:
    """
    A toolset with a tool ``search``, which notes for whom it ran.
    """

    def __init__(self, cache, search=None, **options) -> None:
        self.runs = runs = []

        async def plain(ctx: RunContext[str], query: str, limit: int = 3) -> str:
            runs.append((ctx.deps, query))
            await asyncio.sleep(0)
            return f"{ctx.deps}: {query}"

        inner = FunctionToolset()
        inner.add_function(search or plain, name="search")
        options.setdefault("tools", SEARCH)
        options.setdefault("scope", lambda ctx: ctx.deps)
        self.toolset = MemotierToolset(inner, cache=cache, **options)

    async def ask(self, who, *queries, **options):
        model = calls(*({"query": q} for q in queries))
        agent = Agent(model, deps_type=str, toolsets=[self.toolset], **options)
        return told(await agent.run("go", deps=who))


async def test_each_user_has_his_own(cache):
    """
    In one run and the next, and what is asked twice at once runs once.
    """
    notes = Notes(cache)
    for who in ("ann", "bob", "ann"):
        assert [f"{who}: owl"] * 2 == await notes.ask(who, "owl", "owl")

    assert [("ann", "owl"), ("bob", "owl")] == notes.runs


@pytest.mark.parametrize("scope", [user, "public"])
async def test_other_scopes(cache, scope):
    """
    A context variable, or everybody.
    """
    notes = Notes(cache, scope=scope)
    for who in ("ann", "bob", "ann"):
        user.set(who)
        await notes.ask(who, "owl")

    assert (1 if scope == "public" else 2) == len(notes.runs)


@pytest.mark.parametrize(
    "scope", [lambda ctx: None, lambda ctx: ctx.deps.user, lambda ctx: object(), ContextVar("none")]
)
async def test_nobody_is_told_nothing(cache, scope):
    """
    Whatever the callable does instead of telling for whom it is.
    """
    notes = Notes(cache, scope=scope)
    with pytest.raises(ScopeMissing, match="search"):
        await notes.ask("ann", "owl")
    assert [] == notes.runs


async def test_tools_that_nobody_named_run(cache):
    """
    Each time.
    """
    notes = Notes(cache, tools={"other": {"effects": "read"}})
    for _ in range(2):
        await notes.ask("ann", "owl")

    assert 2 == len(notes.runs)


@pytest.mark.parametrize(
    ("hints", "options", "runs"),
    [
        ({"readOnlyHint": True}, {"tools": {}, "read_only": True}, 1),
        ({"readOnlyHint": False}, {"tools": {}, "read_only": True}, 2),
        (None, {"tools": {}, "read_only": True}, 2),
        ({"destructiveHint": True}, {}, 2),
        ({"destructiveHint": False}, {}, 1),
    ],
)
async def test_hints_of_mcp_servers(cache, hints, options, runs):
    """
    They stand in the metadata of a tool; one that destroys is never cached.
    """
    notes = Notes(cache, **options)
    notes.toolset.wrapped.tools["search"].metadata = {"annotations": hints}
    for _ in range(2):
        await notes.ask("ann", "owl")

    assert runs == len(notes.runs)


async def test_ttl_and_tags(cache, clock):
    """
    A tool has a ttl of its own; tags are made of its arguments, and one is that of the toolset.
    """
    tools = {"search": {"effects": "read", "ttl": "1m", "tags": ["about:{query}"]}}
    notes = Notes(cache, tools=tools, ttl="1h", name="notes")
    await notes.ask("ann", "owl", "bat")
    await cache.invalidate_tags("about:owl")
    await notes.ask("ann", "owl", "bat")
    assert 3 == len(notes.runs)
    clock.advance(61)
    await notes.ask("ann", "owl", "bat")
    assert 5 == len(notes.runs)
    await cache.invalidate_tags("tools:notes")
    await notes.ask("ann", "owl", "bat")
    assert 7 == len(notes.runs)
    await cache.forget("ann")
    await notes.ask("ann", "owl", "bat")
    assert 9 == len(notes.runs)


@pytest.mark.parametrize("error", [ModelRetry("again"), ToolFailed("down")])
async def test_what_is_raised_is_not_kept(cache, error):
    """
    The model tries again, the tool runs again, and that result is kept.
    """
    runs = []

    def search(query: str) -> str:
        runs.append(query)
        if len(runs) == 1:
            raise error
        return query

    notes = Notes(cache, search)
    for _ in range(3):
        assert "owl" == (await notes.ask("ann", "owl"))[-1] or len(runs) == 1
    assert 2 == len(runs)


@pytest.mark.parametrize("kind", ["raises", "inside", "outside", "tool"])
async def test_an_approved_call_is_for_this_time_only(cache, kind):
    """
    However approval is asked for: its result is not kept, and the next call is asked for again.
    """
    runs = []

    def search(ctx: RunContext[str], query: str) -> str:
        if kind == "raises" and not ctx.tool_call_approved:
            raise ApprovalRequired
        runs.append(query)
        return query

    inner = FunctionToolset()
    inner.add_function(search, name="search", requires_approval=kind == "tool")
    wrapped = inner.approval_required() if kind == "inside" else inner
    cached = MemotierToolset(wrapped, scope="public", tools=SEARCH, cache=cache)
    toolset = cached.approval_required() if kind == "outside" else cached
    agent = Agent(
        calls({"query": "owl"}),
        deps_type=str,
        toolsets=[toolset],
        output_type=[str, DeferredToolRequests],
    )
    for number in range(2):
        asked = await agent.run("go", deps="ann")
        assert isinstance(asked.output, DeferredToolRequests)
        (call,) = asked.output.approvals
        assert number == len(runs)
        results = DeferredToolResults(approvals={call.tool_call_id: True})
        done = await agent.run(
            deps="ann", message_history=asked.all_messages(), deferred_tool_results=results
        )
        assert ["owl"] == told(done)
    assert 2 == len(runs)


async def test_a_deferred_call_is_deferred_each_time(cache):
    """
    ``CallDeferred`` is no result.
    """
    runs = []

    def search(query: str) -> str:
        runs.append(query)
        raise CallDeferred

    notes = Notes(cache, search)
    for number in range(2):
        agent = Agent(
            calls({"query": "owl"}),
            deps_type=str,
            toolsets=[notes.toolset],
            output_type=[str, DeferredToolRequests],
        )
        asked = await agent.run("go", deps="ann")
        assert 1 == len(asked.output.calls)
        assert number + 1 == len(runs)


async def test_calls_that_are_deferred_at_once_are_each_deferred(cache):
    """
    The tool is told of both, with the ids under which they will be answered.
    """
    ids = []

    async def search(ctx: RunContext[str], query: str) -> str:
        ids.append(ctx.tool_call_id)
        await asyncio.sleep(0)
        raise CallDeferred

    agent = Agent(
        calls({"query": "owl"}, {"query": "owl"}),
        deps_type=str,
        toolsets=[Notes(cache, search).toolset],
        output_type=[str, DeferredToolRequests],
    )
    asked = await agent.run("go", deps="ann")
    assert sorted(ids) == sorted(call.tool_call_id for call in asked.output.calls)
    assert 2 == len(set(ids))


class Query(BaseModel):
    text: str
    words: list[str] = []


async def test_arguments_and_results_of_classes(cache):
    """
    Validated arguments are keys by what they hold, and a result is a copy of what was returned.
    """
    runs = []

    def search(query: Query) -> Query:
        runs.append(query)
        return Query(text=query.text, words=["a"])

    notes = Notes(cache, search)
    for _ in range(2):
        (found,) = await notes.ask("ann", {"text": "owl"})
        assert Query(text="owl", words=["a"]) == found
        found.words.append("spoilt")
    assert 1 == len(runs)


@pytest.mark.parametrize("tool", ["search", "picture"])
async def test_another_process_finds_results_of_functions_of_modules(tmp_path, tool):
    """
    Exactly, with the content for the model and the metadata.
    """
    seen = []
    del of_module.RUNS[:]
    for _ in range(2):
        with MultiLevelCache(directory=tmp_path / "shared") as cache:
            toolset = MemotierToolset(
                FunctionToolset([of_module.search, of_module.picture], id="notes"),
                scope=lambda ctx: ctx.deps,
                tools={tool: {"effects": "read"}},
                cache=cache,
            )
            agent = Agent(calls({"query": "owl"}, tool=tool), deps_type=str, toolsets=[toolset])
            done = await agent.run("go", deps="ann")
            parts = [p for m in done.all_messages() for p in m.parts[-2:]]
            seen.append(
                [
                    (p.content, getattr(p, "metadata", None))
                    for p in parts
                    if p.part_kind in ("tool-return", "user-prompt")
                ]
            )
    assert seen[0] == seen[1]
    assert ["owl"] == of_module.RUNS


async def test_functions_in_functions_are_apart(cache):
    """
    Two toolsets of one kind, made for two accounts, do not share.
    """
    for word in ("one", "two"):

        def search(query: str, word=word) -> str:
            return word

        assert ["one" if word == "one" else "two"] == await Notes(cache, search).ask("ann", "owl")


async def test_a_store_that_fails_fails_no_call(clock):
    """
    Neither when it is read nor when it is written.
    """
    store = FaultyStore()
    with MultiLevelCache(l2_store=store, clock=clock) as cache:
        notes = Notes(cache)
        store.down = True
        for who in ("ann", "bob", "ann"):
            assert [f"{who}: owl"] == await notes.ask(who, "owl")


async def test_copies_of_the_toolset_are_the_same(cache):
    """
    Agents replace what a toolset wraps, for a run or for good.
    """
    notes = Notes(cache)
    copy = notes.toolset.visit_and_replace(lambda toolset: toolset)
    assert copy is not notes.toolset and copy.calls is notes.toolset.calls
    await notes.ask("ann", "owl")
    notes.toolset = copy
    await notes.ask("ann", "owl")
    assert 1 == len(notes.runs)
    assert "ToolCalls" not in repr(copy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scope": "me", "tools": SEARCH}, "scope='me'"),
        ({"scope": ("user",), "tools": SEARCH}, r"scope=\('user',\)"),
        ({"scope": ("who",), "tools": SEARCH}, "is given the RunContext"),
        ({"scope": asyncio.sleep, "tools": SEARCH}, "without await"),
        ({"scope": "public"}, "would cache nothing"),
        ({"scope": "public", "tools": {"a": {}}}, '"effects"'),
        ({"scope": "public", "tools": {"a": {"effects": "write"}}}, "run at every"),
        ({"scope": "public", "tools": {"a": {"effects": "read", "ttl": "soon"}}}, "soon"),
    ],
)
def test_misuse_is_said_at_once(options, said):
    """
    With the value; without *scope* there is no toolset.
    """
    with pytest.raises(ConfigError, match=said):
        MemotierToolset(FunctionToolset(), **options)
    with pytest.raises(TypeError, match="scope"):
        MemotierToolset(FunctionToolset(), tools=SEARCH)
