"""
The same with LangChain.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from script import after
from tools import TOOLS


class Scripted(BaseChatModel):
    """
    A model that follows the script.
    """

    name_of_user: str

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        done = sum(isinstance(one, AIMessage) for one in messages)
        calls = [
            {"name": name, "args": given, "id": f"{done}.{at}"}
            for at, (name, given) in enumerate(after(self.name_of_user, done))
        ]
        message = AIMessage(content="" if calls else "done", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])


async def run(name: str) -> list[str]:
    """
    What the tools told the agent of *name*.
    """
    agent = create_agent(Scripted(name_of_user=name), tools=[tool(one) for one in TOOLS])
    found = await agent.ainvoke({"messages": [{"role": "user", "content": "go"}]})
    return [str(one.content) for one in found["messages"] if isinstance(one, ToolMessage)]
