"""
Caches by name.

A named cache is made at its first use, from the settings as they are then. ``configure``
changes the settings of later uses: caches that are open are closed, and functions that know
their cache by name go on with the new one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import settings
from .cache import MultiLevelCache
from .errors import ConfigError, InvalidationNotDurable
from .wiring import Wiring

_lock = threading.RLock()
_caches: dict[str, MultiLevelCache] = {}
_overrides: dict[str, Any] = {}
#: The names that decorated functions know their caches by.
_of_functions: set[str] = set()
#: How a named cache is made; tests that keep caches apart put their own here.
_make: Callable[[Wiring], MultiLevelCache] = MultiLevelCache._of


def cache_named(name: str) -> MultiLevelCache:
    with _lock:
        cache = _caches.get(name)
        if cache is None or cache.closed:
            wiring = Wiring.of_settings(settings.load(name, overrides=_overrides))
            cache = _caches[name] = _make(wiring)
        return cache


def opened(name: str) -> MultiLevelCache | None:
    """
    The cache called *name* if it is in use.
    """
    return _caches.get(name)


def get_cache(name: str = "default") -> MultiLevelCache:
    """
    The cache called *name*, made from the settings at its first use.

    Raises:
        ConfigError: If no settings name it, or they cannot be used.
    """
    return cache_named(name)


def caches_in_use() -> list[MultiLevelCache]:
    """
    Every named cache that is open or that a function of this process names, and the default one.

    What lies in the second tier of one that was not used yet is used by the first call of its
    functions, so it has to hear of an invalidation before that.
    """
    cache_named("default")
    for name in list(_of_functions):
        try:
            cache_named(name)
        except ConfigError:
            continue  # nobody can use it; the calls of its functions say so
    return open_caches()


def note_use(name: str) -> None:
    """
    A function was decorated that knows its cache by *name*.
    """
    _of_functions.add(name)


def open_caches() -> list[MultiLevelCache]:
    """
    Every named cache that is open; none is made for the question.
    """
    with _lock:
        return [cache for cache in _caches.values() if not cache.closed]


def configure(**values: Any) -> None:
    """
    Set what environment variables and ``pyproject.toml`` may set, with more weight than they.

    Names and forms are those of ``[tool.memotier]``: ``configure(directory="cache",
    default_ttl="1h", l1={"max_size": 5000})``. Several calls add up. Named caches that are
    already open are closed, with everything written down, and opened anew when they are
    used next.

    Raises:
        ConfigError: If a name or a value cannot be used; nothing has changed then.
    """
    global _overrides
    with _lock:
        merged = _merge(_overrides, values)
        settings.load(overrides=merged)
        _overrides = merged
        caches = list(_caches.values())
        _caches.clear()
    for cache in caches:
        cache.sync.close()


def invalidate_tags(*tags: str, soft: bool = False) -> None:
    """
    Make every entry that carries one of *tags* unreachable, in every named cache in use.

    The default cache is always among them, so that a process which only invalidates reaches
    what others stored. In async code ``await get_cache().invalidate_tags(...)`` does not
    block the event loop.

    Args:
        soft: Let them be stale instead; see ``MultiLevelCache.invalidate_tags``.

    Raises:
        InvalidationNotDurable: If a second tier could not be told; all others were.
    """
    caches = caches_in_use()
    failed: list[InvalidationNotDurable] = []
    for cache in caches:
        try:
            cache.sync.invalidate_tags(*tags, soft=soft)
        except InvalidationNotDurable as error:
            failed.append(error)
    if failed:
        raise failed[0]


def forget(scope: Any) -> None:
    """
    Make every result of *scope* unreachable, in every named cache in use and in the default one.

    In async code ``await get_cache().forget(scope)`` does not block the event loop.

    Args:
        scope: See ``MultiLevelCache.forget``.

    Raises:
        InvalidationNotDurable: If a second tier could not be told; all others were.

        ConfigError: If *scope* is None or empty.
    """
    failed: list[InvalidationNotDurable] = []
    for cache in caches_in_use():
        try:
            cache.sync.forget(scope)
        except InvalidationNotDurable as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _after_fork_in_child() -> None:
    # The thread that held it is not here to release it.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
