"""
What adapters for tools of agents share: which tools are cached, for whom, and what a hit was.

No framework is imported here. An adapter says which tool is called, with which arguments, and how
to run it; each tool has a cached function of its own (``agent=True``), so that scopes, tags,
single flight and ``forget()`` are those of the decorator.

What must never happen: a tool that nobody named is cached without ``read_only=True``, one whose
hints say that it destroys is cached at all, or a result that the adapter does not want is kept.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from string import Formatter
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..callnames import identity_of
from ..decorator import tiered_cache
from ..durations import short
from ..effects import hint, of_hints
from ..errors import ConfigError, ScopeMissing, UnkeyableArgument
from ..keyed import check_tags
from ..keys.identity import source_version, underlying
from ..scopes import PUBLIC
from ..templates import fill
from ..types import MISS

OPTIONS: Final = ("effects", "ttl", "tags")
_LONGEST: Final = 200


class Unkept(Exception):
    """
    Raised by what runs a tool, with the result in it: it is for this caller alone, and not kept.
    """

    def __init__(self, result: Any) -> None:
        super().__init__("a result that is not kept")
        self.result = result


@dataclass(frozen=True, slots=True)
class Hit:
    """
    Who answered a call for which no tool was run: *tier* is ``"l1"`` or ``"l2"``, or ``"joined"``
    if another call was computing it; *age* is how many seconds ago the tool ran, None if unknown.
    """

    tier: str
    age: float | None

    def shown(self) -> dict[str, Any]:
        """
        As JSON has it.
        """
        return {"tier": self.tier, "age": None if self.age is None else round(self.age, 3)}


class ToolCalls:
    """
    The cached tools of one adapter.

    Args:
        label: What the adapter is called in error messages.

        scope: As that of ``@tiered_cache``; ``("who",)`` if the adapter passes *who*.

        tools: Tools that are cached, by name, each with ``effects`` and, if wanted, ``ttl`` and
            ``tags`` (texts, templates over the tool's arguments, or a callable of the dict of
            them).

        read_only: Whether tools whose hints say that they only read are cached as well.

        ttl: How long results are fresh where a tool says nothing else.

        name: What the user calls the server in keys, if anything: it tells one from another.

    Raises:
        ConfigError: If something cannot be used.
    """

    def __init__(
        self,
        label: str,
        *,
        scope: Any,
        tools: Mapping[str, Mapping[str, Any]],
        read_only: bool,
        ttl: Any,
        cache: Any,
        namespace: str,
        name: str | None,
    ) -> None:
        self._label = label
        if name is not None and (type(name) is not str or not name):
            raise ConfigError(f"{label}: name={short(name)} cannot be used: a text, not empty")
        if not isinstance(tools, Mapping):
            raise ConfigError(
                f"{label}: tools={short(tools)} cannot be used: give a dict of tools, each with "
                'what its call does: {"search": {"effects": "read"}}'
            )
        if not (scope in (PUBLIC, ("who",)) or isinstance(scope, ContextVar) or callable(scope)):
            raise ConfigError(
                f"{label}: scope={short(scope)} cannot be used: give a ContextVar or a callable "
                'that says for whom a call is, or "public" if all callers may share the results'
            )
        if type(read_only) is not bool:
            raise ConfigError(f"{label}: read_only={short(read_only)}: True or False")
        if not tools and not read_only:
            raise ConfigError(
                f'{label} would cache nothing: name tools={{"search": {{"effects": "read"}}}}, or '
                "write read_only=True for all whose readOnlyHint you trust"
            )
        self._scope, self._cache, self._namespace = scope, cache, namespace
        self._read_only, self._ttl, self._tools = read_only, ttl, dict(tools)
        # Without a name a function inside another one, or a server elsewhere, is known here alone.
        self._token = uuid.uuid4().hex if name is None else ""
        self._memos: dict[tuple[str, str, str], Any] = {}
        self._versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._memo("", "", {"effects": "read"})
        for tool, options in self._tools.items():
            self._memo("", tool, self._checked(tool, options))
        self._memos.clear()

    def concerns(self, tool: str) -> bool:
        """
        Whether *tool* may be cached, whatever its hints are.
        """
        return self._read_only or tool in self._tools

    def options_of(self, tool: str, annotations: Any) -> Mapping[str, Any] | None:
        """
        How *tool* is cached; None: not at all.
        """
        # Said outright it holds against whoever named the tool: it may have changed since.
        if hint(annotations, "destructiveHint"):
            return None
        named = self._tools.get(tool)
        if named is not None:
            return named
        if self._read_only and of_hints(annotations) == "read":
            return {"effects": "read"}
        return None

    async def call(
        self,
        server: str,
        tool: str,
        options: Mapping[str, Any],
        arguments: Mapping[str, Any],
        run: Callable[[], Awaitable[Any]],
        *,
        who: Any = None,
        also: Any = None,
        function: Any = None,
        again: bool = False,
    ) -> tuple[Any, Hit | None]:
        """
        What *run* returns, or returned before; and the hit, if it was one.

        Args:
            also: What counts besides the arguments.

            function: The function behind the tool, if the adapter knows it: its source counts.

            again: Run it now, and keep the result instead of what is there.
        """
        memo = self._memo(server, tool, options)
        ran = False

        async def once() -> Any:
            nonlocal ran
            ran = True
            return await run()

        key = (who, also, self._code_of(function), dict(arguments), once)
        began, here = time.monotonic(), _is_here(memo, key)
        try:
            value = await (memo.refresh if again else memo)(*key)
        except Unkept as unkept:
            # What another caller was given for himself alone is not for this one.
            return (unkept.result if ran else await _own(run)), None
        if ran:
            return value, None
        age = await _age(memo, key)
        is_new = age is None or age <= time.monotonic() - began
        return value, Hit("l1" if here else "joined" if is_new else "l2", age)

    def _checked(self, tool: str, options: Any) -> Mapping[str, Any]:
        given = options if isinstance(options, Mapping) else {}
        if "effects" not in given or not set(given) <= set(OPTIONS) or callable(given.get("ttl")):
            raise ConfigError(
                f"{self._label}: tools={{{tool!r}: {short(options)}}} cannot be used: give a dict "
                'with "effects" ("pure", "read" or "idempotent": what a call does besides '
                'answering) and, if wanted, "ttl" (a duration) and "tags"'
            )
        return given

    def _memo(self, server: str, tool: str, options: Mapping[str, Any]) -> Any:
        at = (server, tool, options["effects"])
        memo = self._memos.get(at)
        if memo is None:
            memo = self._memos.setdefault(at, self._made(server, tool, options))
        return memo

    def _made(self, server: str, tool: str, options: Mapping[str, Any]) -> Any:
        own = options.get("tags", ())
        label = f"{self._label}: tool {tool!r}"

        def tags(who: Any, also: Any, code: Any, arguments: dict[str, Any], run: Any) -> list[str]:
            found = own(arguments) if callable(own) else [fill(label, t, arguments) for t in own]
            return [f"tools:{server}", *found]

        async def tool_call(who: Any, also: Any, code: Any, arguments: Any, run: Any) -> Any:
            return await run()

        if not callable(own):
            _check_templates(label, own)
        tool_call.__qualname__ = tool if tool.isidentifier() else "tool_call"
        name = f"{len(server)}:{server}/{tool}"  # so that no other pair has the same text
        if len(name) > _LONGEST:
            name = blake2b(name.encode("utf-8", "surrogatepass")).hexdigest()
        cached: dict[str, Any] = {
            "name": name,
            "namespace": self._namespace,
            "scope": self._scope,
            "effects": options["effects"],
            "ttl": options.get("ttl", self._ttl),
            "tags": tags,
            "cache": self._cache,
            "ignore": ("run",),
            "agent": True,
            "version": 1,
            "record": False,
            # A model may send what has no stable key: the call goes through.
            "on_unkeyable": "bypass",
        }
        return tiered_cache(**cached)(tool_call)

    def _code_of(self, function: Any) -> tuple[str, ...]:
        if function is None:
            return ("", self._token)
        identity = identity_of(function, None)
        return (
            identity.name if self._token else "",
            self._version_of(function),
            "" if identity.stable else self._token,
        )

    def _version_of(self, function: Any) -> str:
        inner = underlying(function)
        try:
            return self._versions[inner]
        except KeyError:
            return self._versions.setdefault(inner, source_version(function))
        except TypeError:  # it takes no weak reference
            return source_version(function)


def _check_templates(label: str, tags: Any) -> None:
    try:
        for tag in check_tags(tags):
            list(Formatter().parse(tag))
    except ValueError as error:  # a ConfigError is one
        raise ConfigError(f"{label}: tags={short(tags)} cannot be used: {error}") from None


def _is_here(memo: Any, key: tuple[Any, ...]) -> bool:
    try:
        return memo.peek(*key) is not MISS
    except UnkeyableArgument:
        return False


async def _age(memo: Any, key: tuple[Any, ...]) -> float | None:
    try:
        entry = await memo.lookup(*key)
    except (ScopeMissing, UnkeyableArgument):  # a scope= that tells something else each time
        return None
    return None if entry is None else float(entry.age)


async def _own(run: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await run()
    except Unkept as unkept:
        return unkept.result
