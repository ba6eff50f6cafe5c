"""
The words of the seed's API that say how a tier behaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

from .types import Seconds


class EvictionPolicy(Enum):
    """
    Who leaves a full tier: the least recently used, the least often used, the oldest, the
    one that expires first, or (memory only) whoever 2Q with a CLOCK chooses.
    """

    LRU = "lru"
    LFU = "lfu"
    FIFO = "fifo"
    TTL = "ttl"
    CLOCK2Q = "clock2q"


class WritePolicy(Enum):
    """
    Where a new value goes: both tiers at once, memory first, or the second tier only.
    """

    WRITE_THROUGH = "write_through"
    WRITE_BACK = "write_back"
    WRITE_AROUND = "write_around"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLevelConfig:
    """
    One tier of a ``MultiLevelCache``.

    Args:
        max_size: Entries; None: bounded by bytes alone. 0 leaves the memory tier out.

        ttl: How long an entry without a ttl of its own is fresh in this tier: seconds,
            ``timedelta``, ``"10m"`` or ``math.inf``; None: the cache's ``default_ttl``, else
            300 s for memory and 3600 s for the second tier.

        eviction_policy: Who leaves when there is no room.

        max_bytes: Bytes, or text such as ``"64MB"``; None: 64 MB for memory, 1 GB for the
            second tier.

        enable_persistence: Second tier only: keep it on disk, so that it survives the process.

        persistence_path: The directory for it (made if missing); None: a directory of this
            user's cache folder.
    """

    max_size: int | None = 1000
    ttl: Seconds | timedelta | str | None = None
    eviction_policy: EvictionPolicy = EvictionPolicy.LRU
    max_bytes: int | str | None = None
    enable_persistence: bool = False
    persistence_path: Path | str | None = None
