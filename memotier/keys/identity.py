"""
What a function is called in keys, and whether another process would call it the same.

A name that is not stable is good for this process only: two processes, or two runs of a
notebook, could mean different functions by it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from .owner import source_stamp, underlying
from .version import source_version

__all__ = ["Identity", "identify", "module_name", "source_stamp", "source_version", "underlying"]

_MAIN = ("__main__", "__mp_main__")


class Identity(NamedTuple):
    """
    The *name* of a function in keys. If it is not *stable*, *reason* completes the sentence
    "its results are kept in memory only, because ... ; give it a name=".
    """

    name: str
    stable: bool
    reason: str


def identify(function: Any, name: str | None = None) -> Identity:
    """
    How *function* is called in keys; *name* is what the user called it, if anything.
    """
    if name is not None:
        return Identity(name, True, "")

    bare = underlying(function)
    kind = bare if hasattr(bare, "__qualname__") else type(bare)
    qualname: str = kind.__qualname__
    scope = getattr(bare, "__globals__", None)
    module = module_name(kind.__module__, scope)
    full = f"{module or kind.__module__}.{qualname}"

    if isinstance(function, (functools.partial, functools.partialmethod)):
        return Identity(full, False, "a partial has the name of the function inside it")
    if "<lambda>" in qualname:
        return Identity(full, False, "a lambda has no name of its own")
    if "<locals>" in qualname:
        return Identity(full, False, "it is defined inside another function")
    if kind is not bare:
        return Identity(full, False, f"it is an instance of {qualname}, of which there may be more")
    if module is None:
        return Identity(full, False, "its module is a notebook, a REPL or not a file")
    return Identity(full, True, "")


def module_name(module: str | None, scope: Mapping[str, Any] | None = None) -> str | None:
    """
    The name of *module* that other processes know it by; None if there is none.

    ``python -m package.tool`` and ``import package.tool`` give one name. A script is named by
    its file and a hash of where that lies, so that two scripts of one name stay apart.

    Args:
        scope: The globals of the function in question. They are not always those of the
            module called ``__main__``: profilers run scripts in a namespace of their own.
    """
    if module is None:
        return None
    if module not in _MAIN:
        return module
    if scope is None:
        main = sys.modules.get(module)
        scope = vars(main) if main is not None else {}

    spec = scope.get("__spec__")
    if spec is not None and spec.name not in _MAIN:
        return str(spec.name)
    path = scope.get("__file__")
    if isinstance(path, str) and os.path.exists(path):
        real = os.path.realpath(path)
        digest = blake2b(os.fsencode(real), digest_size=8).hexdigest()
        return f"script:{os.path.basename(real)}:{digest}"
    return None
