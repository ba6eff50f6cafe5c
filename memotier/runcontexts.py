"""
Parameters that agent frameworks fill in: the context of a run, a request, a session.

They differ in each call, so results keyed by them would never be found again; left out of the key
they would give one user another's results. ``agent=True`` refuses them at decoration. They are
known by the qualified names of their classes: no framework is imported, nothing is executed.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Iterator
from typing import Any, Final

from .callables import innermost
from .errors import ConfigError

#: Names of classes, and the packages in which they mean that.
KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "RunContext": ("pydantic_ai",),
    "RunContextWrapper": ("agents",),
    "ToolContext": ("agents", "google.adk"),
    "Context": ("fastmcp", "mcp", "llama_index", "workflows"),
    "RequestContext": ("mcp",),
    "ServerSession": ("mcp",),
    "ToolRuntime": ("langchain", "langgraph"),
    "Runtime": ("langgraph",),
    "InjectedState": ("langgraph",),
    "InjectedStore": ("langgraph",),
    "RunnableConfig": ("langchain_core",),
    "InjectedToolCallId": ("langchain_core",),
    "HTTPConnection": ("starlette",),
    "Request": ("starlette", "fastapi", "django", "rest_framework"),
    "WebSocket": ("starlette", "fastapi"),
    "HttpRequest": ("django",),
    "Session": ("sqlalchemy", "sqlmodel"),
    "AsyncSession": ("sqlalchemy", "sqlmodel"),
}
#: How deep annotations are looked into; what is deeper is refused by no framework either.
DEEPEST: Final = 20


def refuse_contexts(
    label: str,
    function: Any,
    signature: inspect.Signature,
    *,
    counted: tuple[str, ...],
    ignore: tuple[str, ...],
) -> None:
    """
    Refuse parameters that a framework fills in, unless the options say what they mean.

    Args:
        counted: Names of parameters that are the scope.

    Raises:
        ConfigError: With the parameter and its type.
    """
    known = _hints(function)
    for name, parameter in signature.parameters.items():
        if name in ignore or name in counted or parameter.annotation is parameter.empty:
            continue
        hint = known.get(name, parameter.annotation)
        found = next(_contexts(hint, _globals(function), DEEPEST), None)
        if found is not None:
            raise ConfigError(
                f"{label}: {name!r} is annotated with {found}, which a framework fills in anew "
                f"for each call: add ignore=({name!r},), and let scope= say whose the results "
                "are; or take what you need of it as a parameter of its own"
            )


def _inner(function: Any) -> Any:
    function = innermost(function)
    if not hasattr(function, "__globals__") and not inspect.isroutine(function):
        return type(function).__call__ if callable(function) else function
    return function


def _globals(function: Any) -> dict[str, Any]:
    inner = inspect.unwrap(_inner(function))
    found = getattr(inner, "__globals__", None)
    if found is None:
        module = sys.modules.get(getattr(inner, "__module__", ""))
        found = {} if module is None else vars(module)
    return found


def _hints(function: Any) -> dict[str, Any]:
    """
    The annotations as types; none if one of them cannot be told, as with imports that are there
    for type checkers alone. Then each is looked at by its own.
    """
    try:
        return typing.get_type_hints(inspect.unwrap(_inner(function)), include_extras=True)
    except Exception:
        return {}


def _contexts(hint: Any, names: dict[str, Any], depth: int) -> Iterator[str]:
    """
    What *hint* has of a framework's, as text.
    """
    if depth == 0:
        return
    if isinstance(hint, str):
        yield from _in_text(hint, names, depth)
        return
    if isinstance(hint, typing.ForwardRef):
        yield from _in_text(hint.__forward_arg__, names, depth)
        return
    if isinstance(hint, typing.TypeVar):
        parts: tuple[Any, ...] = (hint.__bound__, *hint.__constraints__)
    else:
        origin = typing.get_origin(hint)
        kind = hint if isinstance(hint, type) and origin is None else origin
        if kind is None and type(hint).__module__ not in ("typing", "types", "builtins"):
            kind = type(hint)  # what stands in Annotated[...]
        if isinstance(kind, type):
            found = _known(kind)
            if found:
                yield found
        parts = (
            *getattr(hint, "__args__", ()),
            *getattr(hint, "__metadata__", ()),
            getattr(hint, "__supertype__", None),  # a NewType
            getattr(hint, "__value__", None) if type(hint).__name__ == "TypeAliasType" else None,
        )
    for part in parts:
        if part is not None and part is not hint:
            yield from _contexts(part, names, depth - 1)


def _known(kind: type) -> str:
    """
    The qualified name of the framework's class that *kind* is or comes from; else "".
    """
    for one in kind.__mro__:
        module, name = getattr(one, "__module__", None), getattr(one, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str):
            continue
        for package in KNOWN.get(name, ()):
            if module == package or module.startswith(package + "."):
                return f"{module}.{name}"
    return ""


def _in_text(text: str, names: dict[str, Any], depth: int) -> Iterator[str]:
    """
    The same of an annotation that is text: its names are looked up where the function stands.
    What is not found there counts by its name alone: rather refused than shared.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value != text:
                yield from _in_text(node.value, names, depth - 1) if depth else ()
            continue
        dotted = _dotted(node)
        if not dotted:
            continue
        found: Any = names.get(dotted[0])
        for part in dotted[1:]:
            found = None if found is None else getattr(found, part, None)
        if found is None:
            if dotted[-1] in KNOWN:
                yield ".".join(dotted)
        else:
            yield from _contexts(found, names, depth - 1)


def _dotted(node: ast.AST) -> list[str]:
    """
    The parts of a name such as ``pydantic_ai.RunContext``; empty if *node* is none.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []
