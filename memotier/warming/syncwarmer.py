"""
``CacheWarmer`` for threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from ..keyed import DEFAULT_NAMESPACE, Ttl

if TYPE_CHECKING:
    from .warmer import CacheWarmer


class SyncWarmer:
    """
    The methods of a ``CacheWarmer`` for threads: the same names, without ``await``.
    """

    def __init__(self, warmer: CacheWarmer) -> None:
        self._warmer = warmer

    def record_access(
        self,
        key: Any,
        namespace: str = DEFAULT_NAMESPACE,
        hit: bool = True,
        user_id: str | None = None,
    ) -> None:
        """
        Note that *key* was asked for.
        """
        self._warmer.accesses.record(key, namespace, hit, user_id)

    def save_patterns_to_history(self) -> int:
        """
        See ``CacheWarmer``.
        """
        return int(_run(self._warmer.save_patterns_to_history()))

    def load_patterns_from_history(self) -> int:
        """
        See ``CacheWarmer``.
        """
        return int(_run(self._warmer.load_patterns_from_history()))

    def warm_item(
        self, key: Any, value: Any, namespace: str = DEFAULT_NAMESPACE, ttl: Ttl = None
    ) -> None:
        """
        Store *value*, as ``cache.sync.set`` does.
        """
        _run(self._warmer.warm_item(key, value, namespace, ttl))

    def warm_top_items(
        self,
        n: int | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        hour: int | None = None,
    ) -> int:
        """
        See ``CacheWarmer``.
        """
        return int(_run(self._warmer.warm_top_items(n, namespace, user_id, hour)))

    def start_background_warming(self) -> None:
        """
        The same in a thread of its own.
        """
        if not self._warmer.background_running:
            self._warmer._background = self._warmer._new_background().start()

    def stop_background_warming(self) -> None:
        """
        Warm no longer.
        """
        if self._warmer._background is not None:
            self._warmer._background.stop()
        self.save_patterns_to_history()

    def get_stats(self) -> dict[str, Any]:
        """
        See ``CacheWarmer``.
        """
        return self._warmer.get_stats()


def _run(work: Awaitable[Any]) -> Any:
    async def run() -> Any:
        return await work

    return asyncio.run(run())
