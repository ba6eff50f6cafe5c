"""
A middleware for agents of LangChain that caches tools which somebody else has written.

A function of your own is better decorated below ``@tool``; see docs/frameworks/langchain.md. For
tools of MCP servers and toolkits, whose functions are not at hand::

    from memotier.integrations.langchain_tools import MemotierToolMiddleware, ToolPolicy

    caching = MemotierToolMiddleware({"search": ToolPolicy(effects="read", scope=user, ttl="10m")})
    agent = create_agent(model, tools, middleware=[caching])

A tool that is not named runs at every call. What is kept is a ``ToolMessage`` that is no error;
errors, exceptions, interrupts and ``Command``s are what they are for the run they happened in.

What must never happen: a message answers another call than its ``tool_call_id`` says, replaces an
older one in the state because it has its ``id``, or answers somebody of another scope.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

from ..cache import MultiLevelCache
from ..decorator import tiered_cache
from ..durations import short
from ..errors import ConfigError, ScopeMissing, UnkeyableArgument
from ..keyed import check_tags
from ..scopes import PUBLIC
from ..types import MISS

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """
    How the results of one tool are kept.

    Args:
        effects: What a call does besides returning its result: ``"pure"``, ``"read"`` or
            ``"idempotent"``. A tool that writes has to run at every call.

        scope: Whose the results are: a ``ContextVar``, a callable that is given the
            ``ToolCallRequest``, or ``"public"``.

        ttl: How long a result is fresh: seconds, a ``timedelta``, ``"10m"``, ``math.inf``, or None
            (what the tiers say).

        tags: What ``invalidate_tags`` will know the results by.

        ignore: Names of parameters that LangChain fills in (state, store, runtime, config), and on
            which the result does not depend, or only as *scope* says.

        version: Results of another version are not used. Change it with the tool.
    """

    effects: str | None = None
    scope: ContextVar[Any] | Callable[[ToolCallRequest], Any] | str | None = None
    ttl: Any = None
    tags: Iterable[str] = ()
    ignore: Iterable[str] = ()
    version: str | int = 1


class MemotierToolMiddleware(AgentMiddleware):
    """
    The results of some tools, kept.

    A message that comes from the cache says so in ``response_metadata["memotier"]``: ``tier``
    (``"l1"``, ``"l2"``, or None if a call that was running was joined) and ``age`` in seconds.

    Args:
        tools: The policies, by the names of the tools.

        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: What the results are found under in it.

    Raises:
        ConfigError: If an argument cannot be used; when a tool is called, if it takes what
            LangChain fills in and its policy does not say what that means.
    """

    def __init__(
        self,
        tools: Mapping[str, ToolPolicy],
        *,
        cache: MultiLevelCache | str = "default",
        namespace: str = "langchain.tools",
    ) -> None:
        super().__init__()
        if not isinstance(tools, Mapping) or not tools:
            raise ConfigError(
                f"tools={short(tools)} cannot be used: give a dict with a ToolPolicy for each tool "
                "that is to be cached; no other is"
            )
        self._cached = {
            name: _Cached(name, policy, cache=cache, namespace=namespace)
            for name, policy in tools.items()
        }

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """
        The message that answers *request*, from the cache or from *handler*.
        """
        cached = self._of(request)
        if cached is None:
            return handler(request)
        asked = _Asked(cached.call, cached.who(request), request, handler)
        try:
            found = cached.call(*asked.values)
        except Exception:
            if asked.ran:
                raise
            # It ended a run that this call had joined, and may be an interrupt of that.
            return handler(request)
        if asked.ran:
            return found
        if type(found) is not ToolMessage:
            return handler(request)
        return asked.own(found, cached.call.lookup(*asked.values))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """See ``wrap_tool_call``."""
        cached = self._of(request)
        if cached is None:
            return await handler(request)
        asked = _Asked(cached.acall, cached.who(request), request, handler)
        try:
            found = await cached.acall(*asked.values)
        except Exception:
            if asked.ran:
                raise
            # It ended a run that this call had joined, and may be an interrupt of that.
            return await handler(request)
        if asked.ran:
            return found
        if type(found) is not ToolMessage:
            return await handler(request)
        return asked.own(found, await cached.acall.lookup(*asked.values))

    def _of(self, request: ToolCallRequest) -> _Cached | None:
        cached = self._cached.get(request.tool_call["name"])
        if cached is None or request.tool is None:
            return None
        cached.check(request.tool)
        return cached


class _Cached:
    """
    One tool with a policy: two functions of one name, so that what one kept the other finds.
    """

    def __init__(self, name: Any, policy: Any, *, cache: Any, namespace: Any) -> None:
        if type(name) is not str or type(policy) is not ToolPolicy:
            raise ConfigError(
                f"tools={{{short(name)}: {short(policy)}}} cannot be used: give the name of a tool "
                "and a ToolPolicy"
            )
        self.name = name
        self.ignore = frozenset(_names(name, policy.ignore))
        scope: Any = policy.scope
        #: Says whose a call is, if the request does.
        self._ask = scope if callable(scope) else None
        if inspect.iscoroutinefunction(scope):
            raise ConfigError(
                f"tool {name!r}: scope={short(scope)} cannot be used: it is called without await; "
                "give a plain function"
            )
        if not (self._ask or isinstance(scope, ContextVar) or scope is None or scope == PUBLIC):
            raise ConfigError(
                f"tool {name!r}: scope={short(scope)} cannot be used: arguments are what "
                "the model writes, and it cannot say whose a result is. Give a ContextVar, a "
                'callable that is given the ToolCallRequest, or "public"'
            )

        def call(args: Any, who: Any, asked: _Asked) -> Any:
            asked.ran = True
            return asked.handler(asked.request)

        async def acall(args: Any, who: Any, asked: _Asked) -> Any:
            asked.ran = True
            return await asked.handler(asked.request)

        # What logs and errors call them.
        call.__qualname__ = acall.__qualname__ = call.__name__ = acall.__name__ = name
        decorate = cast(Any, tiered_cache)(
            name=f"tool {name}",
            cache=cache,
            namespace=namespace,
            version=policy.version,
            ttl=policy.ttl,
            tags=check_tags(policy.tags),
            agent=True,
            effects=policy.effects,
            scope=("who",) if self._ask else scope,
            ignore=("asked",),
            cache_if=_is_result,
            on_unkeyable="bypass",
        )
        self.call = decorate(call)
        self.acall = decorate(acall)

    def who(self, request: ToolCallRequest) -> Any:
        """
        Whose a call is, if the policy asks the request.
        """
        if self._ask is None:
            return None
        try:
            return self._ask(request)
        except Exception as error:
            raise ScopeMissing(
                f"tool {self.name!r} was not called: its scope= raised "
                f"{type(error).__qualname__}, and nobody else's result may be used"
            ) from error

    def check(self, tool: Any) -> None:
        """
        Refuse what the key does not tell. (A ``Tool`` has one argument, whatever that is called.)
        """
        told = _told_by_model(tool)
        for name in self.ignore.intersection(told):
            raise ConfigError(
                f"tool {self.name!r}: ignore= names {name!r}, which the model writes: it is always "
                "in the key"
            )
        known = {*_HARMLESS, *self.ignore, *told}
        for function in _functions(tool):
            for name in _parameters(function)[isinstance(tool, Tool) :]:
                if name not in known:
                    raise ConfigError(
                        f"tool {self.name!r} takes {name!r}, which is not among the arguments that "
                        "the model writes, so its result may be another one for equal arguments. "
                        f"If scope= says all that it depends on, add ignore=({name!r},) to its "
                        "ToolPolicy; if not, do not cache it"
                    )


class _Asked:
    """
    One call of a tool.
    """

    __slots__ = ("began", "handler", "ran", "request", "tier", "values")

    def __init__(self, call: Any, who: Any, request: Any, handler: Callable[..., Any]) -> None:
        self.request, self.handler = request, handler
        #: Whether the tool ran for this very call.
        self.ran = False
        self.values = (request.tool_call["args"], who, self)
        try:
            self.tier = "l2" if call.peek(*self.values) is MISS else "l1"
        except UnkeyableArgument:
            self.tier = "l2"
        self.began = time.monotonic()

    def own(self, found: ToolMessage, entry: Any) -> ToolMessage:
        """
        *found* as the answer to this call.
        """
        own: dict[str, Any] = {"tool_call_id": self.request.tool_call["id"], "id": None}
        if entry is not None:
            joined = entry.age < time.monotonic() - self.began
            said = {"tier": None if joined else self.tier, "age": entry.age}
            own["response_metadata"] = {**found.response_metadata, "memotier": said}
        return found.model_copy(update=own)


def _is_result(result: Any) -> bool:
    return type(result) is ToolMessage and result.status == "success"


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
