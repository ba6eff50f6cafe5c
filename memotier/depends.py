"""
What a result can depend on besides its arguments: ``file``, ``env``, ``epoch``.

They are descriptions, made when a function is decorated; who looks at the world is world.py.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cache import MultiLevelCache
from .durations import short
from .engine import names as naming
from .engine import removal
from .engine.drive import Plan, adrive, drive
from .engine.engine import Engine
from .errors import ConfigError, InvalidationNotDurable
from .registry import cache_named, caches_in_use
from .scopes import epoch_names, text_of
from .types import Name


@dataclass(frozen=True, slots=True)
class File:
    """
    A file or directory; see ``file``.
    """

    path: str | Callable[..., Any]
    content: bool = False


@dataclass(frozen=True, slots=True)
class Env:
    """
    An environment variable; see ``env``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Epoch:
    """
    A version with a name, which is bumped; see ``epoch``.
    """

    name: str

    def bump(self, *, scope: Any = None, cache: MultiLevelCache | str | None = None) -> None:
        """
        Make all results that depend on this epoch unreachable, however many there are: in both
        tiers and in every process, and those that are being computed as well.

        Args:
            scope: None: everybody's. Else those of this scope, and of functions without one; the
                value that the ContextVar, the callable or the parameter has, of several
                parameters a tuple.

            cache: A ``MultiLevelCache`` or the name of one. None: every named cache in use, and
                always the default one.

        Raises:
            InvalidationNotDurable: If a second tier could not be told; all others were.

            ConfigError: If the name is a template of some function: it names no epoch. If *scope*
                is empty, or has no stable key.
        """
        failed: list[InvalidationNotDurable] = []
        text = _text(scope)
        for one in self._caches(cache):
            try:
                drive(_bump(one, self.name, text))
            except InvalidationNotDurable as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def abump(self, *, scope: Any = None, cache: MultiLevelCache | str | None = None) -> None:
        """
        The same without blocking the event loop.
        """
        failed: list[InvalidationNotDurable] = []
        text = _text(scope)
        for one in self._caches(cache):
            try:
                await adrive(_bump(one, self.name, text))
            except InvalidationNotDurable as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _caches(self, cache: MultiLevelCache | str | None) -> list[MultiLevelCache]:
        if self.name in templates:
            raise ConfigError(
                f"epoch({self.name!r}) stands for many epochs, one for each value of what is in "
                'braces; bump the one that is meant, as in epoch(f"session:{session}").bump()'
            )
        if cache is None:
            return caches_in_use()
        if isinstance(cache, MultiLevelCache):
            return [cache]
        if not isinstance(cache, str) or not cache:
            raise ConfigError(
                f"cache={short(cache)} cannot be used: a MultiLevelCache, or the name of one"
            )
        return [cache_named(cache)]


#: The texts that functions use as templates: whoever bumps one of them has forgotten to fill it.
templates: set[str] = set()


def bumped(engine: Engine, name: str, scope: bytes | None) -> tuple[Name, ...]:
    """
    The names to invalidate when the epoch *name* is bumped: for everybody, or for one scope.
    """
    if scope is None:
        return (naming.epoch(name),)
    return *epoch_names(engine, scope, name), naming.any_epoch(name)


def _text(scope: Any) -> bytes | None:
    return None if scope is None else text_of(scope, "bump()")


def _bump(cache: MultiLevelCache, name: str, scope: bytes | None) -> Plan:
    engine = cache._keyed.engine
    if not engine.closed:
        yield from removal.bump(engine, bumped(engine, name, scope))


def file(path: str | os.PathLike[str] | Callable[..., Any], *, content: bool = False) -> File:
    """
    The result depends on a file: on its mtime (and ctime), size and inode, or on what it contains.

    A file that is not there is in a state like any other. A directory changes when an entry comes
    or goes. A relative path is relative to the working directory at the call, as for ``open()``.

    Args:
        path: A path, a template over the arguments such as ``"data/{name}.csv"``, or a callable
            that is given the arguments and returns the path. (A brace that is one: doubled.)

        content: Whether only the content counts. It is read again when the times change.

    Raises:
        ConfigError: If an argument cannot be used.
    """
    if type(content) is not bool:
        raise ConfigError(f"file(content={short(content)}): True or False")
    if callable(path):
        if inspect.iscoroutinefunction(path):
            raise ConfigError("file(): the callable is called without await; give a plain function")
        return File(path, content)
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError(
            f"file({short(path)}) cannot be used: give a path, a template, or a callable that is "
            "given the arguments and returns a path"
        )
    if not isinstance(path, str) and ("{{" in text or "}}" in text):
        raise ConfigError(
            f"file({short(path)}) cannot be used: in a template doubled braces are single ones. "
            "For a path that has them give a callable that returns it"
        )
    return File(text, content)


def env(name: str) -> Env:
    """
    The result depends on an environment variable, as ``os.environ`` has it. Not to be set is a
    state like any other. The value is kept nowhere, only a keyed digest of it.

    Raises:
        ConfigError: If there can be no variable of that name.
    """
    if type(name) is not str or not name or "=" in name or "\0" in name:
        raise ConfigError(f"env({short(name)}) cannot be used: give the name of a variable")
    return Env(name)


def epoch(name: str) -> Epoch:
    """
    The result depends on a version with a name: ``epoch(name).bump()`` forgets it.

    In *depends_on* the name may be a template over the arguments, such as ``"session:{user_id}"``.
    For a function with a scope it is one epoch for each: ``bump(scope=...)`` forgets its results.

    Raises:
        ConfigError: If *name* is not a text.
    """
    if type(name) is not str or not name:
        raise ConfigError(f"epoch({short(name)}) cannot be used: give a text that is not empty")
    return Epoch(name)
