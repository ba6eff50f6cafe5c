"""
Limits and orders of eviction that every store of ours understands.
"""

from __future__ import annotations

from typing import Final

from ..errors import ConfigError

EVICTIONS: Final = ("ttl", "fifo", "lru", "lfu")


def check_limits(max_size: int | None, max_bytes: int | None, eviction: str) -> None:
    """
    Refuse limits that no store could keep.

    Raises:
        ConfigError: If one of them makes no sense.
    """
    if eviction not in EVICTIONS:
        raise ConfigError(f"eviction={eviction!r} is unknown; it is one of {', '.join(EVICTIONS)}")
    for name, value in (("max_size", max_size), ("max_bytes", max_bytes)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value!r} leaves no room for a record; give at least 1")
