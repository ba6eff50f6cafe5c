"""
What a decorated function is called in keys, where it takes more than its own name to tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

from .keys.identity import Identity, identify, module_name

_MAIN = ("__main__", "__mp_main__")


def identity_of(function: Callable[..., Any], name: str | None) -> Identity:
    """
    The identity of *function*; *name* is what the user called it, if anything.
    """
    identity = identify(function, name)
    if name is None and isinstance(function, MethodType):
        return Identity(identity.name, False, "it is a method of one object")
    return identity


def home_module(function: Callable[..., Any]) -> str:
    """
    The module by which *function* is known: ``package.tool``, also if that was run by
    ``python -m package.tool``; ``__main__`` in scripts, and in worker processes of scripts.
    """
    module = getattr(function, "__module__", None) or type(function).__module__
    if module not in _MAIN:
        return str(module)
    known_as = module_name(module, getattr(function, "__globals__", None))
    return "__main__" if known_as is None or ":" in known_as else known_as


def is_what_its_name_says(function: Callable[..., Any], is_it: Callable[[Any], bool]) -> bool:
    """
    Whether a wrapper has its name rightly.

    ``functools.wraps`` gives a wrapper the name of what it wraps. If *function* is one and its
    module has something else under that name, there may be several such wrappers, and one
    would be taken for the other in the second tier. Only known once the module is loaded.

    Args:
        is_it: Recognises *function* or what was made of it.
    """
    if not hasattr(function, "__wrapped__"):
        return True
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for part in getattr(function, "__qualname__", "").split("."):
        inside = getattr(found, "__dict__", {})
        found = inside.get(part)
    while found is not None and not is_it(found):
        # A decorator above ours: look through it.
        inner = [getattr(found, name, None) for name in ("__wrapped__", "fget", "func")]
        found = next((one for one in inner if one is not None), None)
    return found is not None
