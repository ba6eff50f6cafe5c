"""
An agent without a framework: the loop that all of them have.
"""

from __future__ import annotations

import asyncio
import inspect

from script import after
from tools import TOOLS

_BY_NAME = {tool.__name__: tool for tool in TOOLS}


async def run(name: str) -> list[str]:
    """
    What the tools told the agent of *name*.
    """
    told: list[str] = []
    done = 0
    while calls := after(name, done):
        told += await asyncio.gather(*(_call(tool, given) for tool, given in calls))
        done += 1
    return told


async def _call(tool: str, given: dict[str, object]) -> str:
    function = _BY_NAME[tool]
    if inspect.iscoroutinefunction(function):
        return str(await function(**given))
    return str(await asyncio.to_thread(function, **given))
