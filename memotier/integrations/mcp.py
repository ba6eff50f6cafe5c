"""
MCP clients: what servers say may be kept, in a cache that lasts.

Lists and resources say themselves how long they are fresh and for whom (``ttlMs``, ``cacheScope``);
the client of the SDK honours that, and hears when they change. ``ResponseStore`` is where it keeps
them::

    CacheConfig(store=ResponseStore(), partition=user_id, target_id="https://weather.example")

Results of ``tools/call`` say nothing of the kind; see mcptools.py.

What must never happen: an entry that was deleted, or one of another partition, is found.
"""

from __future__ import annotations

import time
from typing import Final

from ..cache import MultiLevelCache
from ..durations import check_namespace
from .chosen import Chosen
from .mcptools import MemotierTools, text_of

try:
    import mcp_types as types
    from mcp.client.caching import MAX_TTL_MS, CacheEntry, CacheKey
    from pydantic import ValidationError
except ImportError as error:
    raise ImportError("memotier.integrations.mcp needs mcp: pip install memotier[mcp]") from error

__all__ = ["MemotierTools", "ResponseStore"]

#: Seconds that the client keeps anything, whatever a server says.
LONGEST: Final = MAX_TTL_MS / 1000
#: What the answers to a method are: nothing else is made of what lies in a store.
MODELS: Final[dict[str, type[types.CacheableResult]]] = {
    "tools/list": types.ListToolsResult,
    "prompts/list": types.ListPromptsResult,
    "resources/list": types.ListResourcesResult,
    "resources/templates/list": types.ListResourceTemplatesResult,
    "resources/read": types.ReadResourceResult,
}


class ResponseStore:
    """
    A ``ResponseCacheStore`` whose entries lie in a cache, for many clients and processes.

    Private entries are kept apart by the ``partition`` of ``CacheConfig``: make it of a verified
    credential. Public ones are shared between partitions only with ``share_public=True``.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: Where the entries lie; ``clear()`` removes them all.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self, cache: MultiLevelCache | str = "default", *, namespace: str = "mcp.responses"
    ) -> None:
        self._cache, self._namespace = Chosen(cache), check_namespace(namespace)

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """The entry under *key*; None if there is none that can be read."""
        found = await self._cache.now().get(_key(key), self._namespace)
        model = MODELS.get(key.method)
        if model is None or type(found) is not tuple or len(found) != 3:
            return None
        text, scope, expires_at = found
        if scope not in ("public", "private") or type(expires_at) is not float:
            return None
        try:
            return CacheEntry(model.model_validate_json(text), scope, expires_at)
        except ValidationError:
            return None

    async def set(self, key: CacheKey, entry: CacheEntry) -> None:
        """Keep *entry*, or forget what was there if it would not come back equal."""
        until = entry.expires_at
        text = text_of(entry.value, MODELS.get(key.method))
        if text is None or until is None:
            await self.delete(key)
            return
        # Who gets it looks at the time itself; the ttl only lets go of it.
        ttl = min(max(until - time.time(), 1.0), LONGEST)
        await self._cache.now().set(
            _key(key), (text, entry.scope, float(until)), self._namespace, ttl=ttl
        )

    async def delete(self, key: CacheKey) -> None:
        """Forget what is under *key*."""
        await self._cache.now().delete(_key(key), self._namespace)

    async def clear(self) -> None:
        """Forget everything, of all partitions."""
        await self._cache.now().clear_namespace(self._namespace)


def _key(key: CacheKey) -> tuple[str, str, str]:
    return (key.method, key.params_key, key.partition)
