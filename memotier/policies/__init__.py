"""
Who leaves when there is no room: five answers behind the ``Policy`` protocol.

A hit tells a policy nothing and takes no lock. It counts in ``resident.hits`` and, where
``needs_time`` asks for it, dates ``resident.used``; a policy looks at these when it has to choose.
What a policy is given must have both set, and ``fresh_until``, ``key`` and ``place``. The tier
asks for victims *before* it adds a newcomer, or the newcomer could be chosen itself.
"""

from __future__ import annotations

from ..errors import ConfigError
from ..types import Policy

#: The names that ``make_policy`` knows.
POLICIES = ("lru", "lfu", "fifo", "ttl", "clock2q")


def make_policy(name: str, capacity: int | None) -> Policy:
    """
    The policy called *name*, one of ``POLICIES``.

    Args:
        name: Which residents leave first: ``lru`` those used least recently, ``lfu`` with the
            fewest hits, ``fifo`` that arrived first, ``ttl`` that expire first, ``clock2q``
            that are least likely to be asked for again.

        capacity: Most residents there can be, or None if only their bytes are bounded.

    Raises:
        ConfigError: If there is no such policy.
    """
    # Imported here, so that a program loads the one policy that it uses.
    if name == "lru":
        from .lru import LRU

        return LRU()
    if name == "lfu":
        from .lfu import LFU

        return LFU()
    if name == "fifo":
        from .fifo import FIFO

        return FIFO()
    if name == "ttl":
        from .ttl import TTL

        return TTL()
    if name == "clock2q":
        from .clock2q import Clock2Q

        return Clock2Q(capacity)
    raise ConfigError(f"there is no eviction policy {name!r}; use one of {', '.join(POLICIES)}")
