"""
Tools of a LlamaIndex agent whose functions are cached.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms import ChatResponse, LLMMetadata
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.calling import call_tool
from llama_index.core.workflow import Context

from memotier import ConfigError, tiered_cache

user: ContextVar[str] = ContextVar("user")
# Its workflows look at all attributes of an agent, also at those that pydantic would do without.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


class Scripted(FunctionCallingLLM):
    """
    A model that calls ``search`` for each of its words at once, and then tells what it was told.
    """

    words: list[str]

    @property
    def metadata(self):
        return LLMMetadata(is_function_calling_model=True)

    def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **kwargs):
        return {"messages": chat_history or []}

    async def astream_chat_with_tools(self, tools, chat_history=None, **kwargs):
        async def answer():
            told = [m.content for m in chat_history if m.role == MessageRole.TOOL]
            message = ChatMessage(role="assistant", content=" ".join(told))
            calls = [] if told else self.words
            yield ChatResponse(message=message, raw={"calls": calls})

        return answer()

    async def achat_with_tools(self, tools, chat_history=None, **kwargs):
        return await anext(await self.astream_chat_with_tools(tools, chat_history))

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        return [
            ToolSelection(tool_id=f"{at}", tool_name="search", tool_kwargs={"query": word})
            for at, word in enumerate(response.raw["calls"])
        ]

    async def achat(self, *args, **kwargs):
        raise NotImplementedError

    async def astream_chat(self, *args, **kwargs):
        raise NotImplementedError

    async def acomplete(self, *args, **kwargs):
        raise NotImplementedError

    async def astream_complete(self, *args, **kwargs):
        raise NotImplementedError

    def chat(self, *args, **kwargs):
        raise NotImplementedError

    def stream_chat(self, *args, **kwargs):
        raise NotImplementedError

    def complete(self, *args, **kwargs):
        raise NotImplementedError

    def stream_complete(self, *args, **kwargs):
        raise NotImplementedError


def make(kind, runs):
    if kind == "async":

        @tiered_cache(agent=True, effects="read", scope=user)
        async def search(query: str) -> str:
            """Search the notes."""
            runs.append(query)
            await asyncio.sleep(0)
            return f"{user.get()}:{query}"
    else:

        @tiered_cache(agent=True, effects="read", scope=user)
        def search(query: str) -> str:
            """Search the notes."""
            runs.append(query)
            return f"{user.get()}:{query}"

    return search


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_agent_of_two_users(kind):
    """
    Each user's calls are computed once, though the agent asks twice and in two runs, and nobody
    is told what the other was.
    """
    runs = []
    search = make(kind, runs)

    async def ask(name):
        user.set(name)
        tool = FunctionTool.from_defaults(search)
        agent = FunctionAgent(tools=[tool], llm=Scripted(words=["owl", "owl"]), streaming=False)
        return str(await agent.run("go"))

    for name in ("ann", "bob", "ann"):
        assert f"{name}:owl {name}:owl" == asyncio.run(ask(name))
    assert ["owl", "owl"] == runs


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_tool_is_the_one_of_the_function(kind):
    """
    Name, description and schema are those of the function without a cache.
    """
    search = make(kind, [])
    with_cache = FunctionTool.from_defaults(search).metadata
    without = FunctionTool.from_defaults(search.__wrapped__).metadata

    assert without.name == with_cache.name
    assert without.description == with_cache.description
    assert without.get_parameters_dict() == with_cache.get_parameters_dict()


def test_an_error_is_told_and_not_kept():
    """
    The model is told each time anew, because the function is called each time.
    """
    runs = []

    @tiered_cache(agent=True, effects="read", scope="public")
    def search(query: str) -> str:
        """Search the notes."""
        runs.append(query)
        raise RuntimeError("no notes")

    tool = FunctionTool.from_defaults(search)
    for _ in range(2):
        output = call_tool(tool, {"query": "owl"})
        assert output.is_error and "no notes" in output.content
    assert 2 == len(runs)


def test_the_context_of_a_workflow_is_refused():
    """
    It differs in each run, and would be part of the key.
    """

    def search(ctx: Context, query: str) -> str:
        return query

    with pytest.raises(ConfigError, match="'ctx' is annotated with"):
        tiered_cache(agent=True, effects="read", scope="public")(search)
