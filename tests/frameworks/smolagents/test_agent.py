"""
Tools of a smolagents agent whose functions are cached.
"""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from smolagents import Model, Tool, ToolCallingAgent, tool
from smolagents.models import (
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
)

from memotier import tiered_cache

user: ContextVar[str] = ContextVar("user")
pytestmark = pytest.mark.filterwarnings("ignore:.*decorators other than @tool")


class Scripted(Model):
    """
    A model that makes two equal calls in one step, and then one more and its answer.
    """

    def __init__(self):
        super().__init__(model_id="scripted")
        self.steps = 0

    def generate(self, messages, **kwargs):
        self.steps += 1
        if self.steps == 3:
            return self._calls(("final_answer", {"answer": "done"}))
        return self._calls(*[("search", {"query": "owl"})] * (2 if self.steps == 1 else 1))

    def _calls(self, *calls):
        made = [
            ChatMessageToolCall(
                id=f"{self.steps}.{at}",
                type="function",
                function=ChatMessageToolCallFunction(name=name, arguments=arguments),
            )
            for at, (name, arguments) in enumerate(calls)
        ]
        return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=made)


def run(function):
    agent = ToolCallingAgent(tools=[tool(function)], model=Scripted(), verbosity_level=0)
    assert "done" == agent.run("go")
    return [
        observation
        for step in agent.memory.steps
        if (observation := getattr(step, "observations", None))
    ]


def test_an_agent_of_two_users():
    """
    Each user's calls are computed once in all runs, in whatever thread, and nobody is told what
    the other was.
    """
    runs = []

    @tiered_cache(agent=True, effects="read", scope=user)
    def search(query: str) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
        """
        runs.append(user.get())
        return f"{user.get()} {query}"

    for name in ("ann", "bob", "ann"):
        user.set(name)
        told = run(search)
        assert all(f"{name} owl" in one for one in told[:2]), told
    assert ["ann", "bob"] == runs


def test_the_tool_is_the_one_of_the_function():
    """
    Name, description and inputs are those of the function without a cache.
    """

    def search(query: str, limit: int = 3) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
            limit: How many.
        """
        return query * limit

    with_cache = tool(tiered_cache(agent=True, effects="read", scope="public")(search))
    without = tool(search)

    assert isinstance(with_cache, Tool)
    assert (without.name, without.description) == (with_cache.name, with_cache.description)
    assert (without.inputs, without.output_type) == (with_cache.inputs, with_cache.output_type)


def test_an_error_is_told_and_not_kept():
    """
    The function is called each time.
    """
    runs = []

    @tiered_cache(agent=True, effects="read", scope="public")
    def search(query: str) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
        """
        runs.append(query)
        raise RuntimeError("no notes")

    agent = ToolCallingAgent(tools=[tool(search)], model=Scripted(), verbosity_level=0)
    agent.run("go", max_steps=2)

    assert len(runs) > 1
