"""
The cache for threads: the methods of ``MultiLevelCache`` without ``await``.

Nothing is decided here: every method drives the plan that its async twin awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .closing import Closing
from .durations import check_namespace
from .engine.drive import drive
from .keyed import DEFAULT_NAMESPACE, Keyed, Ttl
from .types import MISS

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo

T = TypeVar("T")


class SyncCache(Closing):
    """
    The methods of a ``MultiLevelCache``, for threads: the same names, without ``await``.
    """

    __slots__ = ("_keyed",)

    def __init__(self, keyed: Keyed) -> None:
        self._keyed = keyed

    def __repr__(self) -> str:
        return f"<MultiLevelCache.sync {self._keyed}>"

    def get(self, key: Any, namespace: str = DEFAULT_NAMESPACE, *, default: Any = None) -> Any:
        """See ``MultiLevelCache.get``."""
        keyed = self._keyed
        call = keyed.call(key, namespace)
        value = keyed.peek(call)
        return drive(keyed.get(call, default)) if value is MISS else value

    def set(
        self,
        key: Any,
        value: Any,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> None:
        """See ``MultiLevelCache.set``."""
        drive(self._keyed.set([(key, value)], namespace, ttl, tags))

    def delete(self, key: Any, namespace: str = DEFAULT_NAMESPACE, *, soft: bool = False) -> bool:
        """See ``MultiLevelCache.delete``."""
        return bool(drive(self._keyed.delete(key, namespace, soft=soft)))

    def get_or_compute(
        self,
        key: Any,
        function: Callable[[], T],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> T:
        """See ``MultiLevelCache.get_or_compute``."""
        plan = self._keyed.fetch(key, function, namespace, ttl, tags, in_task=False)
        return drive(plan)  # type: ignore[no-any-return]

    def get_many(
        self, keys: Iterable[Any], *, namespace: str = DEFAULT_NAMESPACE
    ) -> dict[Any, Any]:
        """See ``MultiLevelCache.get_many``."""
        return drive(self._keyed.get_many(keys, namespace))  # type: ignore[no-any-return]

    def set_many(
        self,
        mapping: Mapping[Any, Any],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> None:
        """See ``MultiLevelCache.set_many``."""
        drive(self._keyed.set(mapping.items(), namespace, ttl, tags))

    def delete_many(
        self, keys: Iterable[Any], *, namespace: str = DEFAULT_NAMESPACE
    ) -> dict[Any, bool]:
        """See ``MultiLevelCache.delete_many``."""
        return drive(self._keyed.delete_many(keys, namespace))  # type: ignore[no-any-return]

    def clear_namespace(self, namespace: str, *, soft: bool = False) -> int:
        """See ``MultiLevelCache.clear_namespace``."""
        return int(drive(self._keyed.clear(check_namespace(namespace), soft=soft)))

    def invalidate_tags(self, *tags: str, soft: bool = False) -> None:
        """See ``MultiLevelCache.invalidate_tags``."""
        drive(self._keyed.invalidate_tags(tags, soft=soft))

    def forget(self, scope: Any) -> None:
        """See ``MultiLevelCache.forget``."""
        drive(self._keyed.forget(scope))

    def scope_info(self, scope: Any) -> ScopeInfo:
        """See ``MultiLevelCache.scope_info``."""
        return self._keyed.scope_info(scope)

    def add_tags(self, key: Any, *tags: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """See ``MultiLevelCache.add_tags``."""
        return bool(drive(self._keyed.add_tags(key, namespace, tags)))

    def clear(self, *, soft: bool = False) -> int:
        """See ``MultiLevelCache.clear``."""
        return int(drive(self._keyed.clear(None, soft=soft)))

    def flush(self) -> int:
        """See ``MultiLevelCache.flush``."""
        return int(drive(self._keyed.flush()))

    def close(self) -> None:
        """See ``MultiLevelCache.close``."""
        drive(self._keyed.close())

    def get_stats(self) -> dict[str, Any]:
        """See ``MultiLevelCache.get_stats``."""
        return self._keyed.stats()
