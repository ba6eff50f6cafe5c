"""
``CacheInvalidator``: forgetting by what entries are about. See docs/guide/invalidator.md.

The awaitable methods are for async code; ``invalidator.sync`` has the same ones for threads.
``tag`` and ``add_dependency`` are called without ``await`` in both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from ..cache import MultiLevelCache
from ..closing import Closing
from ..engine.drive import adrive
from ..keyed import DEFAULT_NAMESPACE, Ttl
from .config import THRESHOLD, InvalidationConfig, InvalidationStrategy, check_config
from .core import Core
from .sync import SyncInvalidator
from .watching import Watcher, Watchers


class CacheInvalidator(Closing):
    """
    Forgets entries of one cache by tag, by what they depend on, on events, when files change.

    Args:
        cache: The cache.

        strategy: What happens by itself; see ``InvalidationStrategy``.

        default_ttl: How long entries that say nothing themselves are fresh from now on: seconds,
            a ``timedelta``, ``"10m"``; None: what the cache says. For TTL and HYBRID.

        enable_tagging: Whether ``tag``, ``invalidate_tag`` and ``watch`` can be used.

        enable_dependencies: Whether ``add_dependency`` and ``invalidate_dependents`` can.

        predictive_refresh_threshold: Calls that a result of a decorated function answers before
            it is refreshed in the background in the last fifth of its ttl; None: nothing is.
            For PREDICTIVE and HYBRID.

    Raises:
        ConfigError: If an argument cannot be used, or the strategy has no use for it.
    """

    def __init__(
        self,
        cache: MultiLevelCache,
        strategy: InvalidationStrategy = InvalidationStrategy.HYBRID,
        default_ttl: Ttl = None,
        enable_tagging: bool = True,
        enable_dependencies: bool = True,
        predictive_refresh_threshold: int | None = THRESHOLD,
    ) -> None:
        config = check_config(
            strategy=strategy,
            default_ttl=default_ttl,
            enable_tagging=enable_tagging,
            enable_dependencies=enable_dependencies,
            predictive_refresh_threshold=predictive_refresh_threshold,
        )
        self._core = Core(cache, config)
        self._watchers = Watchers(self._core)
        #: The same for threads, without ``await``.
        self.sync = SyncInvalidator(self._core, self._watchers)

    def __repr__(self) -> str:
        return f"<CacheInvalidator {self._core.config.strategy.value} of {self._core.keyed}>"

    @property
    def config(self) -> InvalidationConfig:
        """
        The arguments, checked.
        """
        return self._core.config

    # -- what entries are about -------------------------------------------------------------

    def tag(self, key: Any, namespace: str, tags: Iterable[str]) -> bool:
        """
        Let the entry under *key*, if there is one, be found by *tags* as well; whether there is.

        Every process finds it by them. It keeps its age; a value that is set later has the tags
        it is set with. Reads and writes the disk at once; ``await cache.add_tags(...)`` does the
        same without blocking an event loop.

        Raises:
            InvalidationNotDurable: If the second tier could not be told; the entry is not used
                then.
        """
        return self._core.tag(key, namespace, tags)

    def add_dependency(self, key: Any, namespace: str, resource: str | os.PathLike[str]) -> bool:
        """
        What is under *key*, now and later, goes when *resource* changes; whether there is an
        entry now, which other processes then find by the resource as well.

        Args:
            resource: Any text: a path, a table, the key of another entry. It is not looked at.

        Raises:
            InvalidationNotDurable: As for ``tag``.
        """
        return self._core.add_dependency(key, namespace, resource)

    # -- forgetting ---------------------------------------------------------------------------

    async def invalidate(self, key: Any, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """
        Remove the entry under *key* from both tiers; whether there was one.

        Raises:
            InvalidationNotDurable: If the second tier could not be told. So do all that follow.
        """
        return bool(await adrive(self._core.invalidate(key, namespace)))

    async def invalidate_tag(self, tag: str) -> int:
        """
        Make every entry that carries *tag* unreachable, in one step; how many this process knew.
        """
        return int(await adrive(self._core.invalidate_tag(tag)))

    async def invalidate_dependents(self, resource: str | os.PathLike[str]) -> int:
        """
        Make every entry unreachable that depends on *resource*, directly or through the keys of
        other entries; how many this process knew.
        """
        return int(await adrive(self._core.invalidate_dependents(resource)))

    async def invalidate_namespace(self, namespace: str) -> int:
        """
        Remove every entry of *namespace* and of those below it; how many there were.
        """
        return int(await adrive(self._core.invalidate_namespace(namespace)))

    async def invalidate_all(self) -> int:
        """
        Remove every entry; how many there were.
        """
        return int(await adrive(self._core.invalidate_all()))

    # -- by itself ----------------------------------------------------------------------------

    def register_event_handler(self, name: str, handler: Callable[..., Any]) -> None:
        """
        Call *handler*, a function or a coroutine function, whenever *name* is triggered.

        Raises:
            ConfigError: If it cannot be called, or the strategy has no events.
        """
        self._core.check_events("register_event_handler()")
        self._core.handlers.register(name, handler)

    async def trigger_event(self, name: str, /, **values: Any) -> int:
        """
        Call the handlers of *name* with *values*, one after the other; how many succeeded.

        One that raises is logged by the type of its error, and does not stop the others.
        """
        self._core.count_event(name)
        return await self._core.handlers.atrigger(name, values)

    def watch(
        self,
        path: str | os.PathLike[str],
        tags: Iterable[str],
        *,
        match: str = "*",
        debounce_ms: int = 200,
        polling: bool = False,
    ) -> Watcher:
        """
        Invalidate *tags* whenever the file or directory changes, until the watcher, the
        invalidator or the cache is closed. Takes ``pip install memotier[watch]``.

        Args:
            path: A directory is watched with all below it.

            tags: Texts, in which ``{path}`` and ``{name}`` stand for the absolute path and the
                name of what has changed.

            match: What names of changed files look like, such as ``"*.py"``.

            debounce_ms: Milliseconds over which changes are gathered; those of one moment cause
                one invalidation.

            polling: Look at the files again and again, where the file system does not tell
                (network, containers).

        Raises:
            ConfigError: If there is no such path, or an argument cannot be used.

            MissingExtra: If watchfiles is not installed.
        """
        return self._watchers.watch(
            path, tags, match=match, debounce_ms=debounce_ms, polling=polling
        )

    # -- ends -----------------------------------------------------------------------------------

    def get_stats(self) -> dict[str, Any]:
        """
        What was done so far.

        ``strategy``; ``invalidations`` that were asked for, of them ``tag_invalidations`` and
        ``dependency_invalidations``; ``entries_invalidated`` by them; ``events`` with
        ``triggered, handlers, handlers_failed``; ``tags`` with ``total_tags, tagged_entries`` as
        far as this process knows; ``dependencies`` with ``resources, dependent_entries``;
        ``watchers`` with ``running, changes, failed``.
        """
        return {**self._core.stats(), "watchers": self._watchers.figures()}

    def close(self) -> None:
        """
        Stop watching and refreshing; the cache stays open. May be called twice.
        """
        self._watchers.close()
        self._core.close()

    async def __aenter__(self) -> CacheInvalidator:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
