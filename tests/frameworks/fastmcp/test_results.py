"""
What comes back is what the tool returned, also from disk; and what cannot is not kept.
"""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types
import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.server import create_proxy
from fastmcp.tools.base import InputRequiredToolResult, RawStructuredToolResult, ToolResult
from mcp_types import InputRequiredResult, TextContent

from memotier import MultiLevelCache
from memotier.integrations.answers import Hit
from memotier.integrations.fastmcp import MemotierMiddleware, _result_of, _text_of

BLOCKS = [
    TextContent(type="text", text="ä\u2028\x00"),
    TextContent(
        type="text",
        text="",
        annotations=mcp_types.Annotations(audience=["user"], priority=0.5),
        _meta={"a": [1, None]},
    ),
    mcp_types.ImageContent(type="image", data="AAEC", mime_type="image/png"),
    mcp_types.AudioContent(type="audio", data="AAEC", mime_type="audio/wav"),
    mcp_types.ResourceLink(type="resource_link", uri="file:///a%20b", name="a", size=3),
    mcp_types.EmbeddedResource(
        type="resource",
        resource=mcp_types.BlobResourceContents(uri="x:/1", blob="AAEC", mime_type="a/b"),
    ),
    mcp_types.EmbeddedResource(
        type="resource", resource=mcp_types.TextResourceContents(uri="x:/1", text="t")
    ),
]
DEEP = {"a": [1, 1.5, None, True, {"b": {}}], "_meta": 2**60, "": ""}


def again(result: Any) -> Any:
    text = _text_of(result)
    return None if text is None else _result_of(text, Hit("l1", 1.0))


@pytest.mark.parametrize("meta", [None, {}, {"fastmcp": {"wrap_result": True}, "x": None}])
@pytest.mark.parametrize("structured", [None, {}, DEEP])
def test_results_come_back_equal(structured, meta):
    """
    All kinds of content, structured content and meta; only the mark is new.
    """
    result = ToolResult(list(BLOCKS), structured, meta)
    kept = again(result)

    assert type(kept) is ToolResult
    assert {**(meta or {}), "memotier": {"tier": "l1", "age": 1.0}} == kept.meta
    assert result.content == kept.content
    assert [type(block) for block in BLOCKS] == [type(block) for block in kept.content]
    assert structured == kept.structured_content


@pytest.mark.parametrize("structured", [7, [1, None], "x", None, DEEP])
def test_those_of_proxies_come_back_equal(structured):
    """
    Their structured content may be any JSON, and they have fields of their own.
    """
    raw = again(RawStructuredToolResult([BLOCKS[0]], structured))
    assert (RawStructuredToolResult, structured) == (type(raw), raw.structured_content)
    wire = mcp_types.CallToolResult(content=[BLOCKS[0]], structured_content={"x": structured})
    kept = again(ToolResult.from_mcp_result(wire))
    assert wire.model_copy(update={"meta": kept.meta}) == kept.to_mcp_result()


@pytest.mark.parametrize(
    "result",
    [
        ToolResult("x", is_error=True),
        RawStructuredToolResult([BLOCKS[0]], float("nan")),
        ToolResult("x", meta={"x": float("inf")}),
        ToolResult("x", meta={"x": object()}),
        ToolResult("x", meta={"x": (1, 2)}),
        InputRequiredToolResult(InputRequiredResult(input_requests={}, request_state="s")),
        mcp_types.CallToolResult(content=[]),
        None,
    ],
)
def test_what_would_not_come_back_equal_is_not_kept(result):
    """
    Errors, questions, what JSON has no word for, and what is no result.
    """
    assert _text_of(result) is None


def everything(q: str) -> ToolResult:
    return ToolResult(list(BLOCKS), {**DEEP, "q": q}, {"m": 1})


async def test_from_disk_in_another_process(tmp_path):
    """
    A client is told the same, by a server that never ran the tool.
    """
    told = []
    for _ in range(2):
        with MultiLevelCache(directory=tmp_path / "cache") as cache:
            mcp = FastMCP("notes")
            mcp.tool(everything, output_schema=None)
            tools = {"everything": {"effects": "pure"}}
            mcp.add_middleware(MemotierMiddleware(scope="public", tools=tools, cache=cache))
            async with Client(mcp) as client:
                told.append(await client.call_tool("everything", {"q": "owl"}))

    first, second = told
    assert "l2" == second.meta.pop("memotier")["tier"]
    assert first == second


@pytest.mark.parametrize("name", [None, "backend"])
async def test_a_proxy(tmp_path, name):
    """
    Results of a server elsewhere are kept; beyond this process only under a name for it.
    """
    runs = []
    backend = FastMCP("backend")

    @backend.tool
    def search(q: str) -> list[str]:
        runs.append(q)
        return [q]

    for _ in range(2):
        with MultiLevelCache(directory=tmp_path / "cache") as cache:
            proxy = create_proxy(backend, name="proxy")
            proxy.add_middleware(
                MemotierMiddleware(
                    scope="public", tools={"search": {"effects": "read"}}, cache=cache, name=name
                )
            )
            async with Client(proxy) as client:
                for _ in range(2):
                    assert ["owl"] == (await client.call_tool("search", {"q": "owl"})).data
    assert (1 if name else 2) == len(runs)


async def test_questions_to_the_client_are_asked_each_time(tmp_path):
    """
    Neither the question nor what came of its answer is kept for other calls.
    """
    mcp, runs = FastMCP("notes"), []

    @mcp.tool
    async def search(q: str, ctx: Context) -> str | InputRequiredResult:
        runs.append((q, ctx.request_state))
        if ctx.request_state is None:
            return InputRequiredResult(input_requests={}, request_state="asked")
        return q

    with MultiLevelCache() as cache:
        mcp.add_middleware(
            MemotierMiddleware(scope="public", tools={"search": {"effects": "read"}}, cache=cache)
        )
        async with Client(mcp) as client:
            for _ in range(2):
                told = await client.call_tool("search", {"q": "owl"})
                assert "owl" == told.content[0].text
    assert [("owl", None), ("owl", "asked")] * 2 == runs


async def test_a_client_that_leaves_takes_nobody_with_it():
    """
    The one who ran the tool is cancelled: another who waits gets his result.
    """
    mcp, runs, gate = FastMCP("notes"), [], asyncio.Event()

    @mcp.tool
    async def search(q: str) -> str:
        runs.append(q)
        await gate.wait()
        return q

    with MultiLevelCache() as cache:
        mcp.add_middleware(
            MemotierMiddleware(scope="public", tools={"search": {"effects": "read"}}, cache=cache)
        )

        async def ask():
            async with Client(mcp) as client:
                return (await client.call_tool("search", {"q": "owl"})).data

        first = asyncio.create_task(ask())
        while not runs:
            await asyncio.sleep(0)
        second = asyncio.create_task(ask())
        for _ in range(200):
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        assert "owl" == await asyncio.wait_for(second, 20)
