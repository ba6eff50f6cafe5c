"""
How functions, classes and types are opened when they are arguments.

By name, where another process would find the same thing under it, and a function by the
version of its source as well. A lambda or a function inside a function has no such name.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import Any

from .containers import Opened, Opener, counted
from .identity import module_name
from .naming import can_be_found, class_name, mro
from .version import source_version
from .wire import Refusal, framed, name


def _class(value: type) -> Opened:
    return b"K" + framed(class_name(value)), (), None


def _function(value: types.FunctionType) -> Opened:
    module = module_name(value.__module__, value.__globals__)
    if module is None or not can_be_found(value):
        raise Refusal("has no name that means the same in another process")

    # What stands inside wrappers made with functools.wraps() is part of what it does.
    versions = [source_version(value)]
    if "__wrapped__" in value.__dict__:
        versions.append(_code_of(value))
    return b"A" + name(module) + name(value.__qualname__), (tuple(versions),), ("version",)


def _code_of(value: types.FunctionType) -> str:
    shell = types.FunctionType(
        value.__code__, value.__globals__, None, value.__defaults__, value.__closure__
    )
    return source_version(shell)


def _builtin(value: types.BuiltinFunctionType) -> Opened:
    owner = value.__self__
    if owner is not None and type(owner) is not types.ModuleType:
        return b"G", (owner, value.__name__), ("__self__", "__name__")
    if not can_be_found(value):
        raise Refusal("has no name that means the same in another process")
    return b"Y" + name(value.__module__ or "") + name(value.__qualname__), (), None


def _method(value: types.MethodType) -> Opened:
    return b"H", (value.__self__, value.__func__), ("__self__", "__func__")


def _descriptor(value: Any) -> Opened:
    """
    A method of a builtin taken from its class: ``str.upper``.
    """
    return b"X" + name(value.__name__), (value.__objclass__,), ("__objclass__",)


def _partial(value: functools.partial[Any]) -> Opened:
    return b"P", (value.func, value.args, value.keywords), ("func", "args", "keywords")


def _alias(value: Any) -> Opened:
    """
    ``list[int]``, ``int | None``, ``Literal["a"]``: what it is made of, and of which.
    """
    children = (_special(typing.get_origin(value)), *typing.get_args(value))
    return counted(b"g", len(children)), children, None


def _special(origin: Any) -> Any:
    """
    Forms such as ``typing.Union`` are no classes, but have a name of their own.
    """
    return origin if isinstance(origin, type) else f"typing.{getattr(origin, '_name', '')}"


def _special_form(value: Any) -> Opened:
    return b"J" + name(str(value)), (), None


_OPENERS: dict[type, Opener] = {
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: _method,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
    functools.partial: _partial,
    types.GenericAlias: _alias,
    types.UnionType: _alias,
    type(typing.Optional[int]): _alias,  # noqa: UP045
    type(typing.List[int]): _alias,  # noqa: UP006
    type(typing.Literal[1]): _alias,
    type(typing.Any) if not isinstance(typing.Any, type) else type(typing.Union): _special_form,
}


def of_callable(kind: type) -> Opener | None:
    """
    The opener of *kind* if its values are functions, classes or types.
    """
    return _class if type in mro(kind) else _OPENERS.get(kind)
