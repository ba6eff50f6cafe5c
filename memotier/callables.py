"""
What stands below the decorator: how it is called in messages, whether it is a method, what is no
function at all, and what writes.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from .durations import short
from .errors import ConfigError
from .keys.bind import call_signature
from .tiered import BoundMethod, Tiered


def refuse_others(function: Any, label: str) -> None:
    """
    What is no function: refused with what to write instead.
    """
    if isinstance(function, (Tiered, BoundMethod)):
        raise ConfigError(f"{label} is cached already; one @tiered_cache is enough")
    if isinstance(function, type):
        raise ConfigError(
            f"@tiered_cache is for functions and callables; {label} is a class. "
            "Cache a function that makes its instances"
        )
    if isinstance(function, (property, functools.cached_property)):
        raise ConfigError(
            f"@tiered_cache cannot stand above @{type(function).__name__}: put it below"
        )
    if not callable(function):
        raise ConfigError(
            f"@tiered_cache is for functions and callables; {short(function)} is a "
            f"{type(function).__qualname__}. Options are given by name, such as ttl=..."
        )


def refuse_writing(label: str, function: Any, effects: str | None) -> None:
    """
    Refuse to cache what says that it writes, unless once is as good as often.

    Raises:
        ConfigError: If *function*, or what it wraps, has ``@mutates``.
    """
    if effects == "idempotent":
        return
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        if _writes(function):
            raise ConfigError(
                f"{label} has @mutates, so it has to run at every call: leave out @tiered_cache, "
                'or write effects="idempotent" if once is as good as often'
            )
        partial = isinstance(function, functools.partial)
        function = function.func if partial else getattr(function, "__wrapped__", None)


def _writes(function: Any) -> bool:
    mutation = getattr(function, "_self_mutation", None)
    if mutation is None:
        return False
    from .mutations import Mutation  # (An object may answer to every name.)

    return isinstance(mutation, Mutation)


def innermost(function: Any) -> Any:
    """
    What is called in the end if *function* is partial, and else *function*.
    """
    while isinstance(function, functools.partial):
        function = function.func
    return function


def label_of(function: Any) -> str:
    inner = innermost(function)
    return getattr(inner, "__qualname__", None) or type(inner).__qualname__


def signature_of(function: Any, label: str) -> inspect.Signature:
    """
    How *function* is called.

    Raises:
        ConfigError: If it does not tell.
    """
    try:
        return call_signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{label} does not tell its parameters ({error}); wrap it in a function of your own"
        ) from None


def is_method_of(function: Any, signature: inspect.Signature) -> bool:
    """
    Whether *function* stands in a class body and takes the instance (or class) first.
    """
    outside, _, _ = getattr(function, "__qualname__", "").rpartition(".")
    if not outside or outside.endswith("<locals>"):
        return False
    return next(iter(signature.parameters), None) in ("self", "cls", "mcs")
