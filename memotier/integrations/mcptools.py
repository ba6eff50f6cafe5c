"""
Results of the tools of an MCP server, kept by its client.

A server does not say how long they hold. Those of tools that were named are kept, or those which
the hints of a trusted server call read-only.

What must never happen: a tool that nobody named is cached on the word of a server alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ..cache import MultiLevelCache
from ..errors import ConfigError
from ..types import Seconds
from .answers import Unkept
from .chosen import Chosen
from .toolcalls import ToolCalls

try:
    import mcp_types as types
    from pydantic import ValidationError
except ImportError as error:
    raise ImportError("memotier.integrations.mcp needs mcp: pip install memotier[mcp]") from error


class Caller(Protocol):
    """A ``Client`` or a ``ClientSession``."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any] | None = None
    ) -> types.CallToolResult:
        """Call a tool."""

    async def list_tools(self) -> types.ListToolsResult:
        """The tools."""


class MemotierTools:
    """
    Results of the tools of one server, for all connections to it.

    A hit has ``{"tier": ..., "age": ...}`` in its ``_meta`` under ``memotier``. Errors are never
    kept. All results have the tag ``tools:`` and *name*.

    Args:
        name: What the server is called in keys: one name for one server, such as its URL.

        scope, tools, ttl, cache, namespace: As those of ``MemotierMiddleware``.

        read_only: Whether tools whose ``readOnlyHint`` was seen in ``list_tools`` are cached as
            well. Only for servers that are trusted: a hint is what the server says. A tool with
            ``destructiveHint`` is never cached.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        scope: Any,
        tools: Mapping[str, Mapping[str, Any]] | None = None,
        read_only: bool = False,
        ttl: Seconds | Any = None,
        cache: MultiLevelCache | str = "default",
        namespace: str = "mcp.tools",
    ) -> None:
        if name is None:
            raise ConfigError("MemotierTools: name=None cannot be used: say which server it is")
        self._name, self._cache = name, Chosen(cache)
        self._hints: dict[str, types.ToolAnnotations | None] = {}
        self._calls = ToolCalls(
            "MemotierTools",
            scope=scope,
            tools={} if tools is None else tools,
            read_only=read_only,
            ttl=ttl,
            cache=cache,
            namespace=namespace,
            name=name,
        )

    async def list_tools(self, client: Caller, **options: Any) -> types.ListToolsResult:
        """``client.list_tools(**options)``, whose hints are remembered."""
        found = await client.list_tools(**options)
        self.learn(found.tools)
        return found

    def learn(self, tools: Iterable[types.Tool]) -> None:
        """Remember the hints of *tools*, which the server has listed."""
        self._hints.update({tool.name: tool.annotations for tool in tools})

    async def call_tool(
        self, client: Caller, name: str, arguments: dict[str, Any] | None = None
    ) -> types.CallToolResult:
        """``client.call_tool(name, arguments)``, or what that was before."""
        options = self._calls.options_of(name, self._hints.get(name))
        if options is None:
            return await client.call_tool(name, arguments)
        result: types.CallToolResult | None = None

        async def run() -> str:
            nonlocal result
            result = await client.call_tool(name, arguments)
            is_kept = type(result) is types.CallToolResult and not result.is_error
            text = text_of(result, types.CallToolResult) if is_kept else None
            if text is None:
                raise Unkept(result)
            return text

        asked = self._calls.asked(self._name, name, options, arguments or {})
        for again in (False, True):
            text, hit = await asked.acall(run, again=again)
            if hit is None:
                assert result is not None
                return result
            try:
                kept = types.CallToolResult.model_validate_json(text)
            except (ValidationError, TypeError):
                continue  # what lies there is no result: the next round replaces it
            meta: Any = {**(kept.meta or {}), "memotier": hit.shown()}
            return kept.model_copy(update={"meta": meta})
        return await client.call_tool(name, arguments)

    async def on_message(self, message: Any) -> None:
        """For ``message_handler=`` of a client: forget all when the server's tools change."""
        if isinstance(message, types.ToolListChangedNotification):
            await self.forget()

    async def forget(self) -> None:
        """Forget the hints and all results."""
        self._hints.clear()
        await self._cache.now().invalidate_tags(f"tools:{self._name}")


def text_of(value: Any, model: type[types.Result] | None) -> str | None:
    """*value* as JSON; None if it is no *model*, or would not come back equal."""
    if model is None or type(value) is not model:
        return None
    try:
        text = value.model_dump_json(by_alias=True)
        return text if model.model_validate_json(text) == value else None
    except Exception:
        return None
