"""
``SemanticCache`` for threads: its methods without ``await``, driving the same plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..closing import Closing
from ..engine.drive import drive
from ..keyed import Ttl
from .asking import asked
from .hits import SemanticHit

if TYPE_CHECKING:
    from .cache import SemanticCache


class SyncSemanticCache(Closing):
    """
    The methods of a ``SemanticCache`` for threads: the same names, without ``await``.

    An embedder or *verify* that is a coroutine function cannot be used here: ``ConfigError``.
    """

    __slots__ = ("_cache",)

    def __init__(self, cache: SemanticCache) -> None:
        self._cache = cache

    def __repr__(self) -> str:
        return f"<SemanticCache.sync {self._cache!r}>"

    def get(self, query: Any, *, scope: Any = None, default: Any = None) -> Any:
        """See ``SemanticCache.get``."""
        (hit,) = drive(self._cache._find([query], scope, None, near=False))
        return default if hit is None else hit.value

    def get_similar(
        self, query: Any, threshold: float | None = None, *, scope: Any = None, default: Any = None
    ) -> Any:
        """See ``SemanticCache.get_similar``."""
        hit = self.find(query, threshold, scope=scope)
        return default if hit is None else hit.value

    def find(
        self, query: Any, threshold: float | None = None, *, scope: Any = None
    ) -> SemanticHit | None:
        """See ``SemanticCache.find``."""
        (hit,) = drive(self._cache._find([query], scope, threshold, near=True))
        return hit  # type: ignore[no-any-return]

    def get_many(
        self, queries: Iterable[Any], threshold: float | None = None, *, scope: Any = None
    ) -> list[SemanticHit | None]:
        """See ``SemanticCache.get_many``."""
        return drive(self._cache._find(queries, scope, threshold, near=True))  # type: ignore[no-any-return]

    def put(
        self,
        query: Any,
        response: Any,
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
        scope: Any = None,
    ) -> None:
        """See ``SemanticCache.put``."""
        drive(self._cache._put([(query, response)], ttl, tags, scope))

    def put_many(
        self,
        items: Mapping[Any, Any] | Iterable[tuple[Any, Any]],
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
        scope: Any = None,
    ) -> None:
        """See ``SemanticCache.put_many``."""
        drive(self._cache._put(items, ttl, tags, scope))

    def delete(self, query: Any, *, scope: Any = None) -> bool:
        """See ``SemanticCache.delete``."""
        return bool(drive(self._cache._finder.delete(asked(query, scope))))

    def invalidate_tags(self, *tags: str) -> None:
        """See ``SemanticCache.invalidate_tags``."""
        self._cache.cache.sync.invalidate_tags(*tags)

    def clear(self) -> int:
        """See ``SemanticCache.clear``."""
        return int(drive(self._cache._finder.clear()))

    def save(self) -> None:
        """See ``SemanticCache.save``."""
        drive(self._cache._finder.save())

    def close(self) -> None:
        """See ``SemanticCache.close``."""
        drive(self._cache._finder.save())
        if self._cache._owned:
            self._cache.cache.sync.close()

    def get_stats(self) -> dict[str, Any]:
        """See ``SemanticCache.get_stats``."""
        return self._cache.get_stats()

    def shadow_report(self) -> list[Any]:
        """See ``SemanticCache.shadow_report``."""
        return self._cache.shadow_report()
