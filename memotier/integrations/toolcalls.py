"""
What adapters for tools of agents share: which tools are cached, for whom, and what a hit was.

No framework is imported here. An adapter says which tool is called, with which arguments, and how
to run it; each tool has cached functions of its own (``agent=True``), so that scopes, tags,
single flight and ``forget()`` are those of the decorator.

What must never happen: a tool that nobody named is cached without ``read_only=True``, one whose
hints say that it destroys is cached at all, or one tool's result is taken for that of another with
its name.
"""

from __future__ import annotations

import inspect
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from hashlib import blake2b
from string import Formatter
from typing import Any, Final

from ..callnames import identity_of, is_what_its_name_says
from ..decorator import tiered_cache
from ..durations import short
from ..effects import hint, of_hints
from ..errors import ConfigError, ScopeMissing
from ..keyed import check_tags
from ..keys.identity import source_version
from ..scopes import PUBLIC
from ..templates import fill
from .answers import Asked
from .chosen import Chosen

OPTIONS: Final = ("effects", "ttl", "tags")
_LONGEST: Final = 200


class ToolCalls:
    """
    The cached tools of one adapter.

    Args:
        label: What the adapter is called in error messages.

        scope: A ``ContextVar``, ``"public"``, or a callable: without arguments, or if the adapter
            has *asks*, of what it passes as *asker*.

        asks: What that is called; empty: there is none.

        tools: Tools that are cached, by name, each with ``effects`` and, if wanted, ``ttl`` and
            ``tags`` (texts, templates over the tool's arguments, or a callable of the dict of
            them), and what *more* names, which is the adapter's own.

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
        asks: str = "",
        more: tuple[str, ...] = (),
    ) -> None:
        self._label, self._known = label, (*OPTIONS, *more)
        if name is not None and (type(name) is not str or not name):
            raise ConfigError(f"{label}: name={short(name)} cannot be used: a text, not empty")
        if not isinstance(tools, Mapping):
            raise ConfigError(
                f"{label}: tools={short(tools)} cannot be used: give a dict of tools, each with "
                'what its call does: {"search": {"effects": "read"}}'
            )
        given = f"is given {asks}" if asks else "is called without arguments"
        is_text = type(scope) is str and scope == PUBLIC
        if not (is_text or isinstance(scope, ContextVar) or callable(scope)):
            raise ConfigError(
                f"{label}: scope={short(scope)} cannot be used: give a ContextVar or a callable "
                f'that {given} and says for whom a call is, or "public" if all callers may share '
                "the results"
            )
        if inspect.iscoroutinefunction(scope):
            raise ConfigError(
                f"{label}: scope={short(scope)} cannot be used: it is called without await; give a "
                "plain function"
            )
        if type(read_only) is not bool:
            raise ConfigError(f"{label}: read_only={short(read_only)}: True or False")
        if not tools and not read_only:
            raise ConfigError(
                f'{label} would cache nothing: name tools={{"search": {{"effects": "read"}}}}, or '
                "write read_only=True for all whose readOnlyHint you trust"
            )
        self._cache, self._namespace = Chosen(cache).given, namespace
        #: Says whose a call is, if who asks does.
        self._ask = scope if asks and callable(scope) else None
        self._scope = scope if self._ask is None else ("who",)
        self._read_only, self._ttl = read_only, ttl
        self._tools = {tool: self._checked(tool, options) for tool, options in tools.items()}
        self._is_named = name is not None
        self._memos: dict[tuple[str, str, str, bool], Any] = {}
        self._tokens = PerObject(lambda _: uuid.uuid4().hex)
        self._versions = PerObject(source_version)
        self._memo("", "", {"effects": "read"}, True)
        for tool, options in self._tools.items():
            self._memo("", tool, options, True)
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

    def asked(
        self,
        server: str,
        tool: str,
        options: Mapping[str, Any],
        arguments: Mapping[str, Any],
        *,
        asker: Any = None,
        also: Any = None,
        functions: Iterable[Any] = (),
        owner: Any = None,
        is_async: bool = True,
    ) -> Asked:
        """
        One call.

        Args:
            also: What counts besides the arguments.

            functions: Those behind the tool, if the adapter knows them: their source counts.

            owner: What there is once for each tool that may do something else: without a *name*
                it counts, unless all *functions* are those of a module. None: the functions, or
                the adapter.

        Raises:
            ScopeMissing: If nobody tells for whom it is.
        """
        memo = self._memo(server, tool, options, is_async)
        code = self._code_of(tuple(functions), owner)
        return Asked(memo, (self._who(tool, asker), also, code, dict(arguments)))

    def _who(self, tool: str, asker: Any) -> Any:
        if self._ask is None:
            return None
        try:
            return self._ask(asker)
        except Exception as error:
            raise ScopeMissing(
                f"tool {tool!r} was not called: its scope= raised {type(error).__qualname__}, and "
                "nobody else's result may be used"
            ) from error

    def _checked(self, tool: str, options: Any) -> Mapping[str, Any]:
        given = options if isinstance(options, Mapping) else {}
        if (
            "effects" not in given
            or not set(given) <= set(self._known)
            or callable(given.get("ttl"))
        ):
            known = " and ".join(f'"{one}"' for one in self._known[2:])
            raise ConfigError(
                f"{self._label}: tools={{{tool!r}: {short(options)}}} cannot be used: give a dict "
                'with "effects" ("pure", "read" or "idempotent": what a call does besides '
                f'answering) and, if wanted, "ttl" (a duration), {known}'
            )
        tags = given.get("tags", ())
        if callable(tags):
            return dict(given)
        return {**given, "tags": _templates(f"{self._label}: tool {tool!r}", tags)}

    def _memo(self, server: str, tool: str, options: Mapping[str, Any], is_async: bool) -> Any:
        at = (server, tool, options["effects"], is_async)
        memo = self._memos.get(at)
        if memo is None:
            memo = self._memos.setdefault(at, self._made(server, tool, options, is_async))
        return memo

    def _made(self, server: str, tool: str, options: Mapping[str, Any], is_async: bool) -> Any:
        own = options.get("tags", ())
        label = f"{self._label}: tool {tool!r}"

        def tags(who: Any, also: Any, code: Any, arguments: dict[str, Any], run: Any) -> list[str]:
            found = own(arguments) if callable(own) else [fill(label, t, arguments) for t in own]
            return [f"tools:{server}", *found]

        async def acall(who: Any, also: Any, code: Any, arguments: Any, run: Any) -> Any:
            return await run()

        def call(who: Any, also: Any, code: Any, arguments: Any, run: Any) -> Any:
            return run()

        called = acall if is_async else call
        called.__qualname__ = tool if tool.isidentifier() else "tool_call"
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
        return tiered_cache(**cached)(called)

    def _code_of(self, functions: tuple[Any, ...], owner: Any) -> Any:
        # Of a method, which is made anew each time it is looked up, the function.
        versions = tuple(self._versions.of(getattr(one, "__func__", one)) for one in functions)
        if self._is_named:
            return versions
        found = [identity_of(one, None) for one in functions]
        names = tuple(one.name for one in found)
        if found and all(one.stable for one in found) and all(map(_is_itself, functions)):
            return (versions, names)
        owners = (functions or (self,)) if owner is None else (owner,)
        try:
            return (versions, names, tuple(map(self._tokens.kept, owners)))
        except TypeError:
            return object()  # no key: the call goes through


class PerObject:
    """
    What is made once for each object, and kept as long as that is there.
    """

    def __init__(self, make: Callable[[Any], str]) -> None:
        self._make = make
        self._made: dict[int, tuple[weakref.ref[Any], str]] = {}

    def of(self, one: Any) -> str:
        """
        What is made of *one*, also if it cannot be kept.
        """
        try:
            return self.kept(one)
        except TypeError:
            return self._make(one)

    def kept(self, one: Any) -> str:
        """
        Raises:
            TypeError: If *one* takes no weak reference.
        """
        at = id(one)
        known = self._made.get(at)
        if known is None or known[0]() is not one:  # by identity: objects may be equal, or no keys
            made = self._make(one)
            known = (weakref.ref(one, lambda _: self._made.pop(at, None)), made)
            known = self._made.setdefault(at, known)
            if known[0]() is not one:
                known = self._made[at] = (weakref.ref(one), made)
        return known[1]


def _is_itself(function: Any) -> bool:
    return is_what_its_name_says(function, lambda found: found is function)


def _templates(label: str, tags: Any) -> tuple[str, ...]:
    try:
        found = check_tags(tags)
        for tag in found:
            list(Formatter().parse(tag))
    except ValueError as error:  # a ConfigError is one
        raise ConfigError(f"{label}: tags={short(tags)} cannot be used: {error}") from None
    return found
