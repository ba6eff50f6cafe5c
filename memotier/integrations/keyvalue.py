"""
A store of py-key-value in memotier: what FastMCP keeps (responses, OAuth state, sessions) gets
memory in front of a disk or a Redis, coherent between processes.

Each collection is a namespace of its own. A cache makes room when it is full: for what must not be
lost, give it one with bounds that are never reached, and a directory.

What must never happen: something that was deleted, or whose time is over, is found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from ..cache import MultiLevelCache
from ..durations import check_namespace
from .chosen import Chosen

try:
    from key_value.aio.errors import DeserializationError
    from key_value.aio.stores.base import (
        BaseDestroyCollectionStore,
        BaseDestroyStore,
        BaseStore,
        ManagedEntry,
    )
except ImportError as error:
    raise ImportError(
        "memotier.integrations.keyvalue needs py-key-value-aio: pip install memotier[fastmcp]"
    ) from error

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_LONGEST: Final = 64


class MemotierStore(BaseDestroyCollectionStore, BaseDestroyStore, BaseStore):
    """
    An ``AsyncKeyValue`` whose values lie in a cache.

    A value without a ttl never expires, but leaves when there is no room. While caching is off it
    keeps nothing.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: The namespace above those of the collections.

        default_collection: The collection of those who name none.

    Raises:
        ConfigError: If *cache* or *namespace* cannot be used.
    """

    def __init__(
        self,
        cache: MultiLevelCache | str = "default",
        *,
        namespace: str = "keyvalue",
        default_collection: str | None = None,
        **options: Any,
    ) -> None:
        self._cache = Chosen(cache)
        self._namespace = check_namespace(namespace)
        super().__init__(default_collection=default_collection, stable_api=True, **options)

    def _space(self, collection: str) -> str:
        # Letters before it keep the two apart; there are no levels inside a collection's name.
        if 0 < len(collection) <= _LONGEST and _PLAIN.issuperset(collection):
            return f"{self._namespace}.c-{collection}"
        text = collection.encode("utf-8", "surrogatepass")
        return f"{self._namespace}.d-{blake2b(text, digest_size=16).hexdigest()}"

    def _entry(self, text: Any) -> ManagedEntry | None:
        if type(text) is not str:
            return None
        try:
            return self._serialization_adapter.load_json(text)
        except (DeserializationError, TypeError, ValueError):
            return None

    async def _get_managed_entry(self, *, collection: str, key: str) -> ManagedEntry | None:
        return self._entry(await self._cache.now().get(key, self._space(collection)))

    async def _get_managed_entries(
        self, *, collection: str, keys: Sequence[str]
    ) -> list[ManagedEntry | None]:
        found = await self._cache.now().get_many(keys, namespace=self._space(collection))
        return [self._entry(found.get(key)) for key in keys]

    async def _put_managed_entry(
        self, *, collection: str, key: str, managed_entry: ManagedEntry
    ) -> None:
        left = managed_entry.ttl
        if left is not None and left <= 0:
            await self._delete_managed_entry(collection=collection, key=key)
            return
        text = self._serialization_adapter.dump_json(managed_entry)
        ttl = math.inf if left is None else left
        await self._cache.now().set(key, text, self._space(collection), ttl=ttl)

    async def _delete_managed_entry(self, *, key: str, collection: str) -> bool:
        return await self._cache.now().delete(key, self._space(collection))

    async def _delete_collection(self, *, collection: str) -> bool:
        return await self._cache.now().clear_namespace(self._space(collection)) > 0

    async def _delete_store(self) -> bool:
        await self._cache.now().clear_namespace(self._namespace)
        return True
