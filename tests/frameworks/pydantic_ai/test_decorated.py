"""
Functions that are cached below the decorators of pydantic-ai.
"""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from pydantic_ai import Agent, ModelRetry, RunContext, Tool
from pydantic_ai.models.test import TestModel

from memotier import ConfigError, tiered_cache

user: ContextVar[str] = ContextVar("user")
pytestmark = pytest.mark.usefixtures("loop")


def make(kind, runs):
    def search(query: str, limit: int = 3) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
            limit: How many.
        """
        runs.append(user.get())
        return f"{user.get()}: {query}"

    async def search_async(query: str, limit: int = 3) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
            limit: How many.
        """
        return search(query, limit)

    search_async.__name__ = "search"
    return search if kind == "sync" else search_async


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_agent_of_two_users(kind):
    """
    Each user's calls are computed once, in a thread or not.
    """
    runs = []
    cached = tiered_cache(agent=True, effects="read", scope=user)(make(kind, runs))
    agent = Agent(TestModel(), tools=[cached])
    for name in ("ann", "bob", "ann"):
        user.set(name)
        assert f"{name}: a" in agent.run_sync("go").output
    assert ["ann", "bob"] == runs


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_tool_is_the_one_of_the_function(kind):
    """
    Name, description and schema are those of the function without a cache.
    """
    function = make(kind, [])
    cached = tiered_cache(agent=True, effects="read", scope=user)(function)

    assert Tool(function).tool_def == Tool(cached).tool_def


def test_an_error_is_told_and_not_kept():
    """
    The model tries again, and the function is called.
    """
    runs = []
    agent = Agent(TestModel())

    @agent.tool_plain
    @tiered_cache(agent=True, effects="read", scope="public")
    def search(query: str) -> str:
        runs.append(query)
        if len(runs) == 1:
            raise ModelRetry("again")
        return query

    assert '{"search":"a"}' == agent.run_sync("go").output == agent.run_sync("go").output
    assert 2 == len(runs)


def test_a_context_is_refused_or_does_not_count():
    """
    Unless it is left out of the key, and *scope* says for whom the call is.
    """

    def search(ctx: RunContext[str], query: str) -> str:
        return f"{ctx.deps}: {query}"

    with pytest.raises(ConfigError, match="'ctx' is annotated with pydantic_ai"):
        tiered_cache(agent=True, effects="read", scope=user)(search)

    cached = tiered_cache(agent=True, effects="read", scope=user, ignore=("ctx",))(search)
    agent = Agent(TestModel(), deps_type=str)
    agent.tool(cached)
    for name in ("ann", "bob", "ann"):
        user.set(name)
        assert f"{name}: a" in agent.run_sync("go", deps=name).output
    assert (1, 2) == cached.cache_info()[:2]
