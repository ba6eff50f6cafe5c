"""
From a call to its values, by functions compiled for one signature.

``f(1, b=2)``, ``f(a=1, b=2)`` and, where 2 is the default of ``b``, ``f(1)`` are one call.
A binder has the *exact* parameters of the function, the way dataclasses generate their
``__init__``: Python itself binds the arguments, some fifty times faster than
``inspect.Signature.bind`` and with the same errors.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

#: From the values of a call to the (args, kwargs) with which to call the function.
Spread: TypeAlias = Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], dict[str, Any]]]

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD


def call_signature(function: Callable[..., Any]) -> inspect.Signature:
    """
    How *function* is called.

    A wrapper (``functools.wraps``) that takes just anything is called like what it wraps; one
    that names parameters of its own is called by those.

    Raises:
        TypeError, ValueError: If the function does not tell.
    """
    own = inspect.signature(function, follow_wrapped=False)
    wrapped = inspect.signature(function)
    kinds = {parameter.kind for parameter in own.parameters.values()}
    added = [
        name
        for name, parameter in own.parameters.items()
        if parameter.kind is KEYWORD_ONLY and name not in wrapped.parameters
    ]
    passes_on = VAR_POSITIONAL in kinds and VAR_KEYWORD in kinds and not added
    return wrapped if passes_on else own


class Parameters:
    """
    The parameters of one function, and source text made of them.
    """

    def __init__(self, signature: inspect.Signature) -> None:
        self.all = tuple(signature.parameters.values())
        self.names = tuple(parameter.name for parameter in self.all)
        # Generated names must never be a parameter's name.
        self.prefix = "_mt"
        while any(name.startswith(self.prefix) for name in self.names):
            self.prefix += "_"

    @property
    def take_instance(self) -> bool:
        """
        Whether the first can be the instance to which a method is bound.
        """
        return bool(self.all) and self.all[0].kind in POSITIONAL

    def head(self) -> str:
        """
        The parameter list as source; defaults are the names that ``defaults`` defines.
        """
        parts = []
        for at, parameter in enumerate(self.all):
            text = parameter.name
            if parameter.kind is VAR_POSITIONAL:
                text = "*" + text
            elif parameter.kind is VAR_KEYWORD:
                text = "**" + text
            elif parameter.default is not parameter.empty:
                text += f"={self.prefix}_d{at}"
            kinds = [other.kind for other in self.all[:at]]
            if parameter.kind is KEYWORD_ONLY and not {VAR_POSITIONAL, KEYWORD_ONLY} & set(kinds):
                parts.append("*")
            parts.append(text)
            following = self.all[at + 1].kind if at + 1 < len(self.all) else None
            if (
                parameter.kind is inspect.Parameter.POSITIONAL_ONLY
                and following is not inspect.Parameter.POSITIONAL_ONLY
            ):
                parts.append("/")
        return ", ".join(parts)

    def defaults(self) -> dict[str, Any]:
        return {
            f"{self.prefix}_d{at}": parameter.default
            for at, parameter in enumerate(self.all)
            if parameter.default is not parameter.empty
        }

    def values(self) -> str:
        """
        All values of a call as a tuple expression.
        """
        return "(" + "".join(f"{name}, " for name in self.names) + ")"

    def compile_binder(self, label: str) -> Callable[..., tuple[Any, ...]]:
        """
        A function with these parameters that returns the values of the call, in their order;
        a wrong call is an error of *label*.
        """
        source = f"def bind({self.head()}):\n    return {self.values()}\n"
        made: Callable[..., tuple[Any, ...]]
        made = compile_function(source, "bind", self.defaults(), "binder")
        made.__qualname__ = label
        return made

    def compile_spread(self) -> Spread:
        """
        The inverse: from the values to (args, kwargs) with which to call the function.
        """
        args, kwargs = [], []
        for at, parameter in enumerate(self.all):
            if parameter.kind in POSITIONAL:
                args.append(f"v[{at}], ")
            elif parameter.kind is VAR_POSITIONAL:
                args.append(f"*v[{at}], ")
            elif parameter.kind is KEYWORD_ONLY:
                kwargs.append(f"{parameter.name!r}: v[{at}], ")
            else:
                kwargs.append(f"**v[{at}], ")
        source = f"def spread(v):\n    return ({''.join(args)}), {{{''.join(kwargs)}}}\n"
        made: Spread = compile_function(source, "spread", {}, "spread")
        return made


def compile_function(source: str, name: str, scope: Mapping[str, Any], what: str) -> Any:
    """
    The function *name* defined by *source*, whose lines tracebacks and debuggers can show.
    """
    filename = f"<memotier {what} {hash((source, what)) & 0xFFFFFFFF:08x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = dict(scope)
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - made of names only
    return namespace[name]
