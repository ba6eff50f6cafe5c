"""
All that a worker has to do with memotier: a cache, a decorator, and a tag when something changes.
"""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

from catalogue import Catalogue
from events import tell

from memotier import CacheInfo, InvalidationNotDurable, MultiLevelCache, tiered_cache

catalogue = Catalogue(Path(os.environ["CATALOGUE"]))

# The same line in all workers, on one machine or on many.
cache = MultiLevelCache(redis_url=os.environ["REDIS_URL"], name=os.environ["CACHE_NAME"])


@tiered_cache(cache=cache, namespace="shop", name="price", ttl="1h", tags=["product:{sku}"])
async def price(sku: str) -> Decimal:
    tell("computes", sku=sku)
    return await asyncio.to_thread(catalogue.price, sku)


async def reprice(sku: str, new: Decimal) -> bool:
    """
    Change a price; whether the other workers have been told.

    First the catalogue, then the cache: whoever computes in between has the new price, too.
    """
    await asyncio.to_thread(catalogue.set_price, sku, new)
    try:
        await cache.invalidate_tags(f"product:{sku}")
    except InvalidationNotDurable:
        # This worker does not use the old price any more. The others will be told by the cache
        # itself as soon as Redis can be reached.
        return False
    return True


def came_from(before: CacheInfo, after: CacheInfo) -> str:
    """
    Who answered the one call between two looks at the counters.
    """
    if after.misses > before.misses:
        return "computed"
    if after.joined > before.joined:
        return "from another call"
    if after.l2_hits > before.l2_hits:
        return "from Redis"
    return "from memory"
