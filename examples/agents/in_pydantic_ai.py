"""
The same with pydantic-ai.
"""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from script import after
from tools import TOOLS


async def run(name: str) -> list[str]:
    """
    What the tools told the agent of *name*.
    """

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        done = sum(isinstance(one, ModelResponse) for one in messages)
        calls = [ToolCallPart(tool, given) for tool, given in after(name, done)]
        return ModelResponse(parts=calls or [TextPart("done")])

    agent = Agent(FunctionModel(model), tools=TOOLS)
    found = await agent.run("go")
    parts = [part for message in found.all_messages() for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]
