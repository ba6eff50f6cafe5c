"""
pydantic-ai: a toolset whose tools are cached, for each user.

::

    MemotierToolset(tools, scope=lambda ctx: ctx.deps.user, tools={"search": {"effects": "read"}})

For functions of your own, ``@tiered_cache`` below ``@agent.tool_plain`` does the same; this is for
toolsets that come from elsewhere, such as those of MCP servers.

What is raised (``ModelRetry``, ``ApprovalRequired``, ``CallDeferred``, ...) is never kept. A call
that somebody has approved runs, and its result is kept for nobody: the next one is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from ..cache import MultiLevelCache
from ..codecs.classes import register
from ..types import Seconds
from .toolcalls import ToolCalls

try:
    from pydantic_ai import (
        AudioUrl,
        BinaryContent,
        DocumentUrl,
        ImageUrl,
        RunContext,
        ToolReturn,
        VideoUrl,
    )
    from pydantic_ai.toolsets import FunctionToolset, ToolsetTool, WrapperToolset
    from pydantic_ai.toolsets.function import FunctionToolsetTool
    from typing_extensions import TypeVar
except ImportError as error:
    raise ImportError(
        "memotier.integrations.pydantic_ai needs pydantic-ai: pip install memotier[pydantic-ai]"
    ) from error

# What tools may return besides plain data; see docs/guide/values.md for classes of your own.
for _kind in (ToolReturn, BinaryContent, ImageUrl, AudioUrl, DocumentUrl, VideoUrl):
    register(_kind)

AgentDepsT = TypeVar("AgentDepsT", default=None, contravariant=True)


@dataclass
class MemotierToolset(WrapperToolset[AgentDepsT]):
    """
    The tools of *wrapped*, some of them cached.

    Args:
        scope: For whom a call is: a callable that is given the ``RunContext``, a ``ContextVar``,
            or ``"public"`` if all runs may share. A call of nobody raises ``ScopeMissing``.

        tools: Tools that are cached, by name, each with ``effects`` (``"pure"``, ``"read"`` or
            ``"idempotent"``), and ``ttl`` and ``tags`` if wanted. Tags are texts, templates over
            the tool's arguments (``"city:{city}"``) or a callable of their dict; all results have
            the tag ``tools:`` and *name*.

        read_only: Whether tools of MCP servers with ``readOnlyHint`` are cached as well: only for
            servers that are trusted. One with ``destructiveHint`` never is.

        ttl: How long results are fresh, if their tool does not say: seconds, ``timedelta``,
            ``"10m"``; None: what the tiers say.

        name: What the toolset is called in keys; None: by its ``id``, and then only tools that
            are functions of a module have results that another process finds.

        cache: A ``MultiLevelCache``, or the name of a configured one.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    _: KW_ONLY
    scope: Callable[[RunContext[AgentDepsT]], Any] | ContextVar[Any] | Literal["public"]
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    read_only: bool = False
    ttl: Seconds | Any = None
    name: str | None = None
    cache: MultiLevelCache | str = "default"
    namespace: str = "pydantic_ai"
    #: Goes on to the copies that are made for each run.
    calls: ToolCalls | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.calls is None:
            self.calls = ToolCalls(
                "MemotierToolset",
                scope=self.scope,
                asks="the RunContext",
                tools=self.tools,
                read_only=self.read_only,
                ttl=self.ttl,
                cache=self.cache,
                namespace=self.namespace,
                name=self.name,
            )

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[AgentDepsT],
        tool: ToolsetTool[AgentDepsT],
    ) -> Any:
        """
        See ``AbstractToolset.call_tool``.
        """
        assert self.calls is not None
        options = self.calls.options_of(name, (tool.tool_def.metadata or {}).get("annotations"))
        if options is None or ctx.tool_call_approved or tool.tool_def.kind != "function":
            return await super().call_tool(name, tool_args, ctx, tool)

        function = _function_of(name, tool)
        asked = self.calls.asked(
            self.name or self.wrapped.id or "",
            name,
            options,
            tool_args,
            asker=ctx,
            functions=() if function is None else (function,),
        )
        value, _ = await asked.acall(lambda: self.wrapped.call_tool(name, tool_args, ctx, tool))
        return value


def _function_of(name: str, tool: ToolsetTool[Any]) -> Any:
    """
    The function behind *tool*, if it is one of a toolset of functions.
    """
    if not isinstance(tool, FunctionToolsetTool) or not isinstance(tool.toolset, FunctionToolset):
        return None
    found = tool.toolset.tools.get(tool.original_name or name)
    return None if found is None else found.function
