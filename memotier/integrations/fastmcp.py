"""
FastMCP: results of a server's own tools, kept for each caller; and a store for all else it keeps.

::

    mcp.add_middleware(MemotierMiddleware(scope=client, tools={"search": {"effects": "read"}}))

A hit is not run, but looked up on the server first, as every call is: a tool that is gone, disabled
or not for this caller (``auth=``) is not answered for. Middleware that refuses calls has to be
added before this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..cache import MultiLevelCache
from ..errors import ScopeMissing
from ..types import Seconds
from .answers import Hit, Unkept
from .keyvalue import MemotierStore
from .toolcalls import ToolCalls

try:
    import mcp_types
    from fastmcp.exceptions import ToolError
    from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
    from fastmcp.tools.base import RawStructuredToolResult, ToolResult
    from fastmcp.tools.function_tool import FunctionTool
    from pydantic import BaseModel, ValidationError
except ImportError as error:
    raise ImportError(
        "memotier.integrations.fastmcp needs fastmcp: pip install memotier[fastmcp]"
    ) from error

__all__ = ["MemotierMiddleware", "MemotierStore"]


class MemotierMiddleware(Middleware):
    """
    Answers ``tools/call`` with what the tool answered before, to the same caller.

    A hit has ``{"tier": ..., "age": ...}`` in its ``_meta`` under ``memotier``. Errors, questions
    to the client and what would not come back equal are never kept.

    Args:
        scope: For whom a call is: a ``ContextVar`` or a callable without arguments, such as one
            that reads ``get_access_token()``; a call of nobody is an error, and nothing is run.
            ``"public"``: all callers share.

        tools: Tools that are cached, by the name clients use, each with ``effects`` (``"pure"``,
            ``"read"`` or ``"idempotent"``), and ``ttl`` and ``tags`` if wanted. Tags are texts,
            templates over the tool's arguments (``"city:{city}"``) or a callable of their dict;
            all results of a server have the tag ``tools:`` and its name.

        read_only: Whether all tools with ``readOnlyHint`` are cached as well. One with
            ``destructiveHint`` never is.

        ttl: How long results are fresh, if their tool does not say: seconds, ``timedelta``,
            ``"10m"``; None: what the tiers say.

        name: What the server is called in keys; None: by its own name, and then only tools that
            are functions of a module have results that another process finds.

        cache: A ``MultiLevelCache``, or the name of a configured one.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        *,
        scope: Any,
        tools: Mapping[str, Mapping[str, Any]] | None = None,
        read_only: bool = False,
        ttl: Seconds | Any = None,
        name: str | None = None,
        cache: MultiLevelCache | str = "default",
        namespace: str = "fastmcp",
    ) -> None:
        self._name = name
        self._calls = ToolCalls(
            "MemotierMiddleware",
            scope=scope,
            tools={} if tools is None else tools,
            read_only=read_only,
            ttl=ttl,
            cache=cache,
            namespace=namespace,
            name=name,
        )

    async def on_call_tool(
        self,
        context: MiddlewareContext[mcp_types.CallToolRequestParams],
        call_next: CallNext[mcp_types.CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """
        See ``Middleware.on_call_tool``.
        """
        message, running = context.message, context.fastmcp_context
        if running is None or not self._calls.concerns(message.name):
            return await call_next(context)
        # Answers to questions of an earlier round, and calls of one version of a tool.
        is_special = message.input_responses is not None or message.request_state is not None
        if is_special or message.meta:
            return await call_next(context)
        server, name = running.fastmcp, message.name
        tool = await server.get_tool(name)
        options = None if tool is None else self._calls.options_of(name, tool.annotations)
        if tool is None or options is None:
            return await call_next(context)

        result: ToolResult | None = None

        async def run() -> str:
            nonlocal result
            result = await call_next(context)
            text = _text_of(result)
            if text is None:
                raise Unkept(result)
            return text

        function = tool.fn if type(tool) is FunctionTool else None
        try:
            asked = self._calls.asked(
                self._name or server.name,
                name,
                options,
                message.arguments or {},
                also=(tool.version, running._is_modern_protocol()),
                functions=() if function is None else (function,),
                owner=server if function is None else None,
            )
            for again in (False, True):
                text, hit = await asked.acall(run, again=again)
                if hit is None:
                    assert result is not None
                    return result
                kept = _result_of(text, hit)
                if kept is not None:
                    return kept
                # What lies there is no result: the next round replaces it.
        except ScopeMissing as missing:
            raise ToolError(f"{name} was not run: for whom it is cannot be told") from missing
        return await call_next(context)


class _Kept(BaseModel):
    """
    A result as it is stored: JSON, which becomes nothing but models of the protocol.
    """

    kind: Literal["plain", "raw", "wire"]
    result: mcp_types.CallToolResult


def _text_of(result: Any) -> str | None:
    """
    *result* as it is stored; None if it is none to keep, or would not come back equal.
    """
    if type(result) not in (ToolResult, RawStructuredToolResult) or result.is_error:
        return None
    try:
        wire = result._raw_mcp_result
        is_raw = type(result) is RawStructuredToolResult
        told = mcp_types.CallToolResult(
            content=result.content,
            structured_content=result.structured_content,
            is_error=False,
            _meta=result.meta,
        )
        kept = (
            _Kept(kind="wire", result=result.to_mcp_result())
            if wire is not None
            else _Kept(kind="raw" if is_raw else "plain", result=told)
        )
        text = kept.model_dump_json(by_alias=True)
        return text if _built(text) == result else None
    except Exception:
        return None


def _built(text: str) -> ToolResult:
    kept = _Kept.model_validate_json(text)
    told = kept.result
    if kept.kind == "wire":
        return ToolResult.from_mcp_result(told)
    make = ToolResult if kept.kind == "plain" else RawStructuredToolResult
    return make(told.content, told.structured_content, told.meta)


def _result_of(text: Any, hit: Hit) -> ToolResult | None:
    """
    The result in *text*, marked as a hit; None if there is none in it.
    """
    try:
        result = _built(text)
    except (ValidationError, ValueError, TypeError):
        return None
    return result.model_copy(update={"meta": {**(result.meta or {}), "memotier": hit.shown()}})
