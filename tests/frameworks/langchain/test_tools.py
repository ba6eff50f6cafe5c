"""
``@tiered_cache`` below ``@tool``, which is all that a function of your own needs.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import pytest
from langchain.tools import InjectedState, InjectedStore, ToolRuntime, tool
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolCallId, StructuredTool

from memotier import ConfigError, ScopeMissing, tiered_cache

from .people import user

agent_tool = tiered_cache(agent=True, effects="read", scope=user)


def search(
    query: Annotated[str, "What to look for."], kind: Literal["a", "b"] = "a", limit: int = 3
) -> str:
    """
    Search the notes.

    Args:
        query: What to look for.
        kind: Which of them.
        limit: How many.
    """
    return f"{limit} {kind} {query} of {user.get('nobody')}"


async def find(query: str) -> str:
    """Find one."""
    return f"{query} of {user.get('nobody')}"


@pytest.mark.parametrize("options", [{}, {"parse_docstring": True}])
@pytest.mark.parametrize("function", [search, find])
def test_the_model_is_shown_the_same(function, options):
    """
    Name, description and schema are those of the tool without a cache.
    """
    if function is find and options:
        options = {"return_direct": True}
    plain, cached = tool(**options)(function), tool(**options)(agent_tool(function))

    assert plain.name == cached.name and plain.description == cached.description
    assert plain.tool_call_schema.model_json_schema() == cached.tool_call_schema.model_json_schema()
    assert (plain.func is None, plain.coroutine is None) == (
        cached.func is None,
        cached.coroutine is None,
    )


def test_each_user_has_his_own(run, become):
    """
    In a conversation: one run for two equal calls, and another one for somebody else.
    """
    runs = []

    @tool
    @agent_tool
    def notes(query: str) -> str:
        """Search."""
        runs.append(user.get())
        return f"{query} of {user.get()}"

    twice = [("notes", {"query": "owls"})] * 2
    become("ann")
    assert ["owls of ann"] * 2 == [m.content for m in run([notes], twice)]
    become("bob")
    assert ["owls of bob"] * 2 == [m.content for m in run([notes], twice)]
    assert ["ann", "bob"] == runs


def test_nobody_is_answered_nothing():
    """
    Without a scope the tool is not called.
    """
    with pytest.raises(ScopeMissing):
        tool(agent_tool(search)).invoke({"query": "owls"})


def test_coroutine_functions(become):
    """
    Awaited by the tool, computed once.
    """
    become("ann")
    cached = agent_tool(find)

    async def both():
        searching = tool(cached)
        return [await searching.ainvoke({"query": "owls"}) for _ in range(2)]

    assert ["owls of ann"] * 2 == asyncio.run(both())
    assert 1 == cached.cache_info().misses


def test_methods():
    """
    A bound method is a tool as any other; two objects are two.
    """

    class Library:
        def __init__(self, name):
            self.name = name

        @tiered_cache(agent=True, effects="read", scope="public")
        def find(self, title: str) -> str:
            """Find a book."""
            return f"{title} in {self.name}"

    one, two = (Library(name) for name in "ab")
    tools = [StructuredTool.from_function(library.find) for library in (one, two)]

    assert ["x in a", "x in b"] * 2 == [t.invoke({"title": "x"}) for t in tools * 2]
    assert {"title"} == set(tools[0].args)
    assert (2, 2) == Library.find.cache_info()[:2]


def with_id(query: str, call: Annotated[str, InjectedToolCallId]) -> str:
    """Search."""
    return query


def with_state(query: str, state: Annotated[dict, InjectedState]) -> str:
    """Search."""
    return query


def with_store(query: str, store: Annotated[object, InjectedStore()]) -> str:
    """Search."""
    return query


def with_runtime(query: str, runtime: ToolRuntime) -> str:
    """Search."""
    return query


def with_config(query: str, config: RunnableConfig) -> str:
    """Search."""
    return query


@pytest.mark.parametrize("function", [with_id, with_state, with_store, with_runtime, with_config])
def test_what_langchain_fills_in_is_refused(function):
    """
    Unless it is said that it does not count; the model is not shown it either way.
    """
    name = list(function.__annotations__)[1]
    with pytest.raises(ConfigError, match=rf"ignore=\('{name}',\)"):
        agent_tool(function)

    cached = tool(tiered_cache(agent=True, effects="read", scope=user, ignore=(name,))(function))
    assert {"query"} == set(cached.args)


def test_what_is_ignored_is_filled_in(run):
    """
    The function is given the state, and its result is kept although that differs in each call.
    """
    seen = []

    @tool
    @tiered_cache(agent=True, effects="read", scope="public", ignore=("state", "call"))
    def notes(
        query: str,
        state: Annotated[dict, InjectedState],
        call: Annotated[str, InjectedToolCallId],
    ) -> str:
        """Search."""
        seen.append((len(state["messages"]), call))
        return query

    messages = run([notes], [("notes", {"query": "owls"})] * 2)

    assert ["call-0", "call-1"] == [m.tool_call_id for m in messages]
    assert [(2, "call-0")] == seen


def test_errors_are_told_and_not_kept(run):
    """
    What a tool raises becomes a message outside of the cache.
    """
    runs = []

    @tiered_cache(agent=True, effects="read", scope="public")
    def notes(query: str) -> str:
        """Search."""
        runs.append(query)
        if len(runs) == 1:
            raise ValueError("busy")
        return query

    searching = tool(notes)
    searching.handle_tool_error = True
    with pytest.raises(ValueError, match="busy"):
        run([searching], [("notes", {"query": "owls"})])
    assert ["owls"] == [m.content for m in run([searching], [("notes", {"query": "owls"})])]
    assert 2 == len(runs)
