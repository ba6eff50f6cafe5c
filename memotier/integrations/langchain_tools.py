"""
A middleware for agents of LangChain that caches tools which somebody else has written.

A function of your own is better decorated below ``@tool``; see docs/frameworks/langchain.md. For
tools of MCP servers and toolkits, whose functions are not at hand::

    from memotier.integrations.langchain_tools import MemotierToolMiddleware

    caching = MemotierToolMiddleware(scope=user, tools={"search": {"effects": "read"}}, ttl="10m")
    agent = create_agent(model, tools, middleware=[caching])

What is kept is a ``ToolMessage`` that is no error; errors, exceptions, interrupts and ``Command``s
are what they are for the run they happened in.

What must never happen: a message answers another call than its ``tool_call_id`` says, replaces an
older one in the state because it has its ``id``, or answers somebody of another scope.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal

from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError
from ..types import Seconds
from .answers import Asked, Hit, Unkept
from .toolcalls import ToolCalls

try:
    from langchain.agents.middleware import AgentMiddleware
    from langchain.agents.middleware.types import ToolCallRequest
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import Tool

    from . import langchain_messages  # noqa: F401 - lets messages be stored
except ImportError as error:
    raise ImportError(
        "memotier.integrations.langchain_tools needs langchain: pip install memotier[langchain]"
    ) from error

#: Parameters that every tool may have, and that say nothing of its result.
_HARMLESS: Final = frozenset({"self", "callbacks", "run_manager"})


class MemotierToolMiddleware(AgentMiddleware):
    """
    The results of some tools, kept.

    A hit has ``{"tier": ..., "age": ...}`` in its ``response_metadata`` under ``memotier``.

    Args:
        scope: For whom a call is: a callable that is given the ``ToolCallRequest``, a
            ``ContextVar``, or ``"public"`` if all may share. A call of nobody raises
            ``ScopeMissing``, and nothing is run.

        tools: Tools that are cached, by name, each with ``effects`` (``"pure"``, ``"read"`` or
            ``"idempotent"``), and ``ttl`` and ``tags`` if wanted. Tags are texts, templates over
            the tool's arguments (``"city:{city}"``) or a callable of their dict; all results have
            the tag ``tools:`` and *name*. ``ignore`` names parameters that LangChain fills in
            (state, store, runtime, config), and on which the result does not depend, or only as
            *scope* says.

        read_only: Whether tools of MCP servers with ``readOnlyHint`` are cached as well: only for
            servers that are trusted. One with ``destructiveHint`` never is.

        ttl: How long results are fresh, if their tool does not say: seconds, ``timedelta``,
            ``"10m"``; None: what the tiers say.

        name: What the tools are called in keys; None: by their own functions, and then only those
            that are functions of a module have results that another process finds.

        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: What the results are found under in it.

    Raises:
        ConfigError: If an argument cannot be used; when a tool of *tools* is called, if it takes
            what LangChain fills in and *ignore* does not say what that means.
    """

    def __init__(
        self,
        *,
        scope: Callable[[ToolCallRequest], Any] | ContextVar[Any] | Literal["public"],
        tools: Mapping[str, Mapping[str, Any]] | None = None,
        read_only: bool = False,
        ttl: Seconds | Any = None,
        name: str | None = None,
        cache: MultiLevelCache | str = "default",
        namespace: str = "langchain.tools",
    ) -> None:
        super().__init__()
        self._calls = ToolCalls(
            "MemotierToolMiddleware",
            scope=scope,
            asks="the ToolCallRequest",
            tools={} if tools is None else tools,
            more=("ignore",),
            read_only=read_only,
            ttl=ttl,
            cache=cache,
            namespace=namespace,
            name=name,
        )
        self._server = name or ""
        self._ignored = {
            tool: frozenset(_names(tool, options.get("ignore", ())))
            for tool, options in (tools or {}).items()
        }

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """
        The message that answers *request*, from the cache or from *handler*.
        """
        asked = self._asked(request, is_async=False)
        if asked is None:
            return handler(request)
        for again in (False, True):
            found, hit = asked.call(lambda: _wanted(handler(request)), again=again)
            if hit is None:
                return found
            if type(found) is ToolMessage:
                return _answer(found, request, hit)
            # What lies there is no message: the next round replaces it.
        return handler(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """See ``wrap_tool_call``."""
        asked = self._asked(request, is_async=True)
        if asked is None:
            return await handler(request)

        async def run() -> ToolMessage:
            return _wanted(await handler(request))

        for again in (False, True):
            found, hit = await asked.acall(run, again=again)
            if hit is None:
                return found
            if type(found) is ToolMessage:
                return _answer(found, request, hit)
        return await handler(request)

    def _asked(self, request: ToolCallRequest, *, is_async: bool) -> Asked | None:
        tool, called = request.tool, request.tool_call
        if tool is None:
            return None
        name = called["name"]
        options = self._calls.options_of(name, tool.metadata)
        if options is None:
            return None
        wrong = _untold(tool, self._ignored.get(name, frozenset()))
        if wrong:
            if name not in self._ignored:
                return None
            raise ConfigError(f"tool {name!r}{wrong}")
        return self._calls.asked(
            self._server,
            name,
            options,
            called["args"],
            asker=request,
            also=getattr(tool, "response_format", None),
            functions=_functions(tool),
            owner=tool,
            is_async=is_async,
        )


def _wanted(result: Any) -> ToolMessage:
    if type(result) is ToolMessage and result.status == "success":
        return result
    raise Unkept(result)


def _answer(found: ToolMessage, request: ToolCallRequest, hit: Hit) -> ToolMessage:
    """
    *found* as the answer to this call.
    """
    said = {**found.response_metadata, "memotier": hit.shown()}
    own = {"tool_call_id": request.tool_call["id"], "id": None, "response_metadata": said}
    return found.model_copy(update=own)


def _untold(tool: Any, ignored: frozenset[str]) -> str:
    """
    What is wrong if the key does not tell all that *tool* takes; empty if it does. (A ``Tool`` has
    one argument, whatever that is called.)
    """
    told = _told_by_model(tool)
    for name in ignored.intersection(told):
        return f": ignore= names {name!r}, which the model writes: it is always in the key"
    known = {*_HARMLESS, *ignored, *told}
    for function in _functions(tool):
        for name in _parameters(function)[isinstance(tool, Tool) :]:
            if name not in known:
                return (
                    f" takes {name!r}, which is not among the arguments that the model writes, so "
                    "its result may be another one for equal arguments. If scope= says all that it "
                    f'depends on, add "ignore": ({name!r},) to its options; if not, do not cache it'
                )
    return ""


def _names(tool: str, ignore: Any) -> tuple[str, ...]:
    try:
        names = None if isinstance(ignore, str) else tuple(ignore)
    except TypeError:
        names = None
    if names is None or not all(type(one) is str for one in names):
        raise ConfigError(
            f"tool {tool!r}: ignore={short(ignore)} cannot be used: give a tuple of names"
        )
    return names


def _told_by_model(tool: Any) -> Iterable[str]:
    try:
        return tuple(tool.args)
    except KeyError:  # a schema without properties
        return ()


def _parameters(function: Any) -> list[str]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell, and is given arguments alone
        return []
    various = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [one.name for one in found if one.kind not in various]


def _functions(tool: Any) -> list[Callable[..., Any]]:
    own = [getattr(tool, "func", None), getattr(tool, "coroutine", None)]
    return [one for one in own if one is not None] or [tool._run, tool._arun]
