"""
Tools that are functions of a module, so that another process knows which they are.
"""

from __future__ import annotations

from pydantic_ai import BinaryContent, RunContext, ToolReturn

RUNS: list[str] = []


def search(ctx: RunContext[str], query: str) -> str:
    """Search the notes."""
    RUNS.append(query)
    return f"{ctx.deps}: {query}"


def picture(query: str) -> ToolReturn:
    """Draw it."""
    RUNS.append(query)
    return ToolReturn(
        return_value={"q": query, "at": (1, None)},
        content=["see", BinaryContent(data=b"\x00\x01", media_type="image/png")],
        metadata={"k": b"\x00"},
    )
