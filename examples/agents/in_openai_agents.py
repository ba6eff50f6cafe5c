"""
The same with the OpenAI Agents SDK.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)
from script import after
from tools import TOOLS


class Scripted(Model):
    """
    A model that follows the script.
    """

    def __init__(self, name: str) -> None:
        self._name, self._done = name, 0

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        calls = after(self._name, self._done)
        self._done += 1
        output: list[Any] = [
            ResponseFunctionToolCall(
                arguments=json.dumps(given),
                call_id=f"{self._done}.{at}",
                name=tool,
                type="function_call",
            )
            for at, (tool, given) in enumerate(calls)
        ]
        if not output:
            text = ResponseOutputText(annotations=[], text="done", type="output_text")
            output = [
                ResponseOutputMessage(
                    id="0", content=[text], role="assistant", status="completed", type="message"
                )
            ]
        return ModelResponse(output=output, usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


async def run(name: str) -> list[str]:
    """
    What the tools told the agent of *name*.
    """
    set_tracing_disabled(True)  # it would send what it traces
    agent = Agent(name=name, model=Scripted(name), tools=[function_tool(one) for one in TOOLS])
    found = await Runner.run(agent, "go")
    return [str(one.output) for one in found.new_items if one.type == "tool_call_output_item"]
