"""
Tools of the OpenAI Agents SDK whose functions are cached, in real runs with a scripted model.
"""

from __future__ import annotations

import asyncio
import json
from contextvars import ContextVar
from dataclasses import dataclass

import pytest
from agents import (
    Agent,
    FunctionTool,
    Model,
    ModelResponse,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolGuardrailFunctionOutput,
    Usage,
    function_tool,
    tool_input_guardrail,
)
from agents.tool_context import ToolContext
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from memotier import ConfigError, tiered_cache

user: ContextVar[str] = ContextVar("user")


class Scripted(Model):
    """
    Calls a tool for each of *calls* at once, then tells what it was told.
    """

    def __init__(self, *calls, tool="search"):
        self.calls, self.tool = calls, tool

    async def get_response(self, system_instructions, input, *args, **kwargs):  # noqa: A002
        told = [one["output"] for one in input if one.get("type") == "function_call_output"]
        if told:
            text = ResponseOutputText(text=json.dumps(told), type="output_text", annotations=[])
            output = ResponseOutputMessage(
                id="m", content=[text], role="assistant", status="completed", type="message"
            )
            return ModelResponse(output=[output], usage=Usage(), response_id=None)
        output = [
            ResponseFunctionToolCall(
                arguments=json.dumps(arguments),
                call_id=f"c{at}",
                name=self.tool,
                type="function_call",
            )
            for at, arguments in enumerate(self.calls)
        ]
        return ModelResponse(output=output, usage=Usage(), response_id=None)

    def stream_response(self, *args, **kwargs):
        raise NotImplementedError


def run(tool, *calls, context=None):
    """
    What the model was told of *calls*.
    """
    agent = Agent(name="a", tools=[tool], model=Scripted(*calls, tool=tool.name))
    config = RunConfig(tracing_disabled=True)
    done = asyncio.run(Runner.run(agent, "go", context=context, run_config=config))
    return json.loads(done.final_output)


def make(kind, runs):
    if kind == "async":

        @function_tool
        @tiered_cache(agent=True, effects="read", scope=user, ttl="10m")
        async def search(query: str, limit: int = 3) -> str:
            """
            Search the notes.

            Args:
                query: What to look for.
                limit: How many.
            """
            runs.append(query)
            await asyncio.sleep(0)
            return f"{limit} of {user.get()} about {query}"
    else:

        @function_tool
        @tiered_cache(agent=True, effects="read", scope=user, ttl="10m")
        def search(query: str, limit: int = 3) -> str:
            """
            Search the notes.

            Args:
                query: What to look for.
                limit: How many.
            """
            runs.append(query)
            return f"{limit} of {user.get()} about {query}"

    return search


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_agent_of_two_users(kind):
    """
    Each user's calls are computed once, though the model asks twice at once and in two runs, and
    a default that is written out is the same call; nobody is told what the other was.
    """
    runs = []
    search = make(kind, runs)
    for name in ("ann", "bob", "ann"):
        user.set(name)
        told = run(search, {"query": "owl"}, {"query": "owl", "limit": 3})
        assert [f"3 of {name} about owl"] * 2 == told

    assert ["owl", "owl"] == runs


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_tool_is_the_one_of_the_function(kind):
    """
    Name, description, schema and strictness are those of the function without a cache.
    """
    with_cache = make(kind, [])

    def search(query: str, limit: int = 3) -> str:
        """
        Search the notes.

        Args:
            query: What to look for.
            limit: How many.
        """

    without = function_tool(search)
    assert isinstance(with_cache, FunctionTool)
    for name in ("name", "description", "params_json_schema", "strict_json_schema"):
        assert getattr(without, name) == getattr(with_cache, name)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_error_is_told_and_not_kept(kind):
    """
    The SDK makes a text of it, outside of the cache: the next call is made, and its result kept.
    """
    runs = []

    def look(query):
        runs.append(query)
        if len(runs) == 1:
            raise RuntimeError("down")
        return f"about {query}"

    if kind == "async":

        @function_tool
        @tiered_cache(agent=True, effects="read", scope="public")
        async def search(query: str) -> str:
            return look(query)
    else:

        @function_tool
        @tiered_cache(agent=True, effects="read", scope="public")
        def search(query: str) -> str:
            return look(query)

    (told,) = run(search, {"query": "owl"})
    assert "error" in told
    assert ["about owl"] == run(search, {"query": "owl"}) == run(search, {"query": "owl"})
    assert 2 == len(runs)


def test_nobody_is_told_nothing():
    """
    Without a user the function is not called; the model is told that it failed.
    """
    runs = []
    search = make("sync", runs)
    token = user.set("")
    (told,) = run(search, {"query": "owl"})
    user.reset(token)

    assert "error" in told
    assert [] == runs


@dataclass
class Session:
    who: str


@pytest.mark.parametrize("kind", [RunContextWrapper[Session], ToolContext[Session]])
def test_a_context_is_refused_or_does_not_count(kind):
    """
    Unless it is left out of the key, and *scope* says for whom the call is.
    """
    runs = []

    def search(ctx: kind, query: str) -> str:
        runs.append(ctx.context.who)
        return f"{ctx.context.who} {query}"

    search.__annotations__["ctx"] = kind
    with pytest.raises(ConfigError, match="'ctx' is annotated with agents"):
        tiered_cache(agent=True, effects="read", scope=user)(search)

    tool = function_tool(
        tiered_cache(agent=True, effects="read", scope=user, ignore=("ctx",), name="s")(search)
    )
    assert {"query"} == set(tool.params_json_schema["properties"])
    for name in ("ann", "bob", "ann"):
        user.set(name)
        assert [f"{name} owl"] == run(tool, {"query": "owl"}, context=Session(name))
    assert ["ann", "bob"] == runs


def test_structured_results_come_back_as_they_are():
    """
    The SDK makes the same text of a result from the cache.
    """
    runs = []

    @function_tool
    @tiered_cache(agent=True, effects="read", scope="public")
    def search(query: str) -> dict[str, list[int]]:
        runs.append(query)
        return {query: [1, 2]}

    first = run(search, {"query": "owl"})
    assert first == run(search, {"query": "owl"})
    assert 1 == len(runs)


def test_guardrails_and_approval_are_asked_in_every_call():
    """
    They are the tool's, outside of the cache.
    """
    runs, asked = [], []

    @tool_input_guardrail
    def guard(data):
        asked.append("guardrail")
        return ToolGuardrailFunctionOutput.allow()

    async def needs_approval(ctx, arguments, call_id):
        asked.append("approval")
        return False

    @function_tool(tool_input_guardrails=[guard], needs_approval=needs_approval)
    @tiered_cache(agent=True, effects="read", scope="public")
    def search(query: str) -> str:
        runs.append(query)
        return query

    for _ in range(2):
        assert ["owl"] == run(search, {"query": "owl"})
    assert 1 == len(runs)
    assert 2 == asked.count("guardrail") and 2 <= asked.count("approval")
