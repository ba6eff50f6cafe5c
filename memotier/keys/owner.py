"""
Which Python function it is that runs when something is called.
"""

from __future__ import annotations

import functools
import inspect
import os
from types import FunctionType, MethodType
from typing import Any


def underlying(function: Any) -> Any:
    """
    The function, class or callable inside partials, methods and descriptors.
    """
    while True:
        if isinstance(function, (functools.partial, functools.partialmethod)):
            function = function.func
        elif isinstance(function, (MethodType, classmethod, staticmethod)):
            function = function.__func__
        else:
            return function


def source_stamp(function: Any) -> tuple[int, int] | None:
    """
    The (mtime in ns, size in bytes) of the file that *function* was loaded from; None without.

    To be noted when the function is decorated, and given to ``source_version`` later.
    """
    code = code_owner(function)
    if code is None:
        return None
    try:
        found = os.stat(code.__code__.co_filename)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def code_owner(function: Any) -> FunctionType | None:
    """
    The Python function that runs when *function* is called, seen through wrappers.
    """
    bare = inspect.unwrap(underlying(function))
    bare = underlying(bare)
    if isinstance(bare, FunctionType):
        return bare
    if isinstance(bare, type):
        made_by = bare.__dict__.get("__init__") or bare.__dict__.get("__new__")
        made_by = underlying(made_by)
        return made_by if isinstance(made_by, FunctionType) else None
    called = inspect.getattr_static(type(bare), "__call__", None)
    return called if isinstance(called, FunctionType) else None
