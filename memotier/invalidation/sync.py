"""
The invalidator for threads: the methods of ``CacheInvalidator`` without ``await``.

Nothing is decided here: every method drives the plan that its async twin awaits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from ..engine.drive import drive
from ..keyed import DEFAULT_NAMESPACE
from .core import Core
from .watching import Watcher, Watchers


class SyncInvalidator:
    """
    The methods of a ``CacheInvalidator``, for threads: the same names, without ``await``.
    """

    __slots__ = ("_core", "_watchers")

    def __init__(self, core: Core, watchers: Watchers) -> None:
        self._core = core
        self._watchers = watchers

    def __repr__(self) -> str:
        return f"<CacheInvalidator.sync {self._core.config.strategy.value} of {self._core.keyed}>"

    def tag(self, key: Any, namespace: str, tags: Iterable[str]) -> bool:
        """See ``CacheInvalidator.tag``."""
        return self._core.tag(key, namespace, tags)

    def add_dependency(self, key: Any, namespace: str, resource: str | os.PathLike[str]) -> bool:
        """See ``CacheInvalidator.add_dependency``."""
        return self._core.add_dependency(key, namespace, resource)

    def invalidate(self, key: Any, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """See ``CacheInvalidator.invalidate``."""
        return bool(drive(self._core.invalidate(key, namespace)))

    def invalidate_tag(self, tag: str) -> int:
        """See ``CacheInvalidator.invalidate_tag``."""
        return int(drive(self._core.invalidate_tag(tag)))

    def invalidate_dependents(self, resource: str | os.PathLike[str]) -> int:
        """See ``CacheInvalidator.invalidate_dependents``."""
        return int(drive(self._core.invalidate_dependents(resource)))

    def invalidate_namespace(self, namespace: str) -> int:
        """See ``CacheInvalidator.invalidate_namespace``."""
        return int(drive(self._core.invalidate_namespace(namespace)))

    def invalidate_all(self) -> int:
        """See ``CacheInvalidator.invalidate_all``."""
        return int(drive(self._core.invalidate_all()))

    def register_event_handler(self, name: str, handler: Callable[..., Any]) -> None:
        """See ``CacheInvalidator.register_event_handler``."""
        self._core.check_events("register_event_handler()")
        self._core.handlers.register(name, handler)

    def trigger_event(self, name: str, /, **values: Any) -> int:
        """
        See ``CacheInvalidator.trigger_event``. A coroutine function runs in an event loop of its
        own, so not where one is running already: there it counts as failed.
        """
        self._core.count_event(name)
        return self._core.handlers.trigger(name, values)

    def watch(
        self,
        path: str | os.PathLike[str],
        tags: Iterable[str],
        *,
        match: str = "*",
        debounce_ms: int = 200,
        polling: bool = False,
    ) -> Watcher:
        """See ``CacheInvalidator.watch``."""
        return self._watchers.watch(
            path, tags, match=match, debounce_ms=debounce_ms, polling=polling
        )

    def get_stats(self) -> dict[str, Any]:
        """See ``CacheInvalidator.get_stats``."""
        return {**self._core.stats(), "watchers": self._watchers.figures()}

    def close(self) -> None:
        """See ``CacheInvalidator.close``."""
        self._watchers.close()
        self._core.close()
