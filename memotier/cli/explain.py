"""
Say why a call would be answered from the cache, or why not.

memotier explain app.tools:search NYC k=3 imports the module app.tools, with the directory you are
in searched first, and asks its function; the function is not called. Arguments are Python or JSON
literals (3, true, '[1, 2]', '"3"'), which are read and never run; what does not begin like one is
text, and name=value is by name. Put -- before a negative number. Where scope= is a ContextVar,
--scope says for whom the call is.

What is told is what this process and the second tier know: what another process has in memory,
that one alone can say.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..durations import short
from ..errors import ConfigError
from ..tiered import Tiered
from .frame import argument, as_command, json_option, option
from .view import console, shown

#: What the first character of a literal may be; a word that begins so is no text.
_LITERAL: Final = frozenset("\"'([{+-.0123456789")


@as_command("explain", "say why a call would hit or miss", __doc__)
@argument("function")
@argument("arguments", nargs=-1, metavar="[ARGUMENT]...")
@option("--scope", metavar="VALUE", help="For whom the call is: text or a literal, such as 42.")
@json_option("times in seconds")
def command(function: str, arguments: tuple[str, ...], scope: str | None, as_json: bool) -> int:
    sys.path.insert(0, os.fspath(Path.cwd()))
    args, kwargs = read_arguments(arguments)
    found = _found(function)
    _set_scope(function, found.cache_parameters()["scope"], scope)
    told = found.explain(*args, **kwargs)
    if inspect.isawaitable(told):
        import asyncio

        told = asyncio.run(_awaited(told))
    if as_json:
        print(json.dumps(told.as_dict(), indent=2))
    else:
        out = console()
        for line in str(told).splitlines():
            out.print(shown(line), soft_wrap=True)
    return 0


def _set_scope(function: str, variable: Any, scope: str | None) -> None:
    if not isinstance(variable, ContextVar):
        if scope is not None:
            raise ConfigError(
                f"--scope={short(scope)} cannot be used: the scope= of {function} is no ContextVar"
            )
    elif scope is not None:
        variable.set(read_value(scope))
    elif variable.get(None) is None:
        raise ConfigError(f"a call of {function} is somebody's: say with --scope for whom it is")


async def _awaited(told: Any) -> Any:
    return await told


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    if not module or not path:
        raise ConfigError(f"{name!r} is not module:name, such as app.tools:search")
    try:
        found: Any = import_module(module)
    except ImportError as error:
        raise ConfigError(f"module {module!r} cannot be imported: {error}") from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f"module {module!r} has no {path!r}") from None
    if not isinstance(found, Tiered) and not hasattr(found, "explain"):
        raise ConfigError(f"{name} is not decorated with tiered_cache: there is nothing to explain")
    return found


def read_arguments(texts: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """
    The arguments that *texts* say.

    Raises:
        ConfigError: If one begins like a literal and is none, or a name is said twice.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            args.append(read_value(text))
            continue
        if name in kwargs:
            raise ConfigError(f"argument {name} is given twice")
        kwargs[name] = read_value(value)
    return args, kwargs


def read_value(text: str) -> Any:
    """
    The literal that *text* is, or itself.

    Raises:
        ConfigError: If it begins like a literal and is none.
    """
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    if text[:1] in _LITERAL:
        raise ConfigError(
            f"{text[:60]!r} is neither a Python literal nor JSON; text that looks like one is "
            f"quoted twice: '{json.dumps(text[:60])}'"
        )
    return text
