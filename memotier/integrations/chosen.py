"""
The cache that an adapter was told to use: an object, or a name that is looked up at each use, so
that ``memotier.configure()`` counts for adapters that were made before.
"""

from __future__ import annotations

from typing import Any

from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError
from ..registry import cache_named


class Chosen:
    """
    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

    Raises:
        ConfigError: If it is neither.
    """

    __slots__ = ("given",)

    def __init__(self, cache: Any) -> None:
        if not (isinstance(cache, MultiLevelCache) or (type(cache) is str and cache)):
            raise ConfigError(
                f"cache={short(cache)} cannot be used: give a MultiLevelCache, or the name of a "
                "configured one"
            )
        self.given: MultiLevelCache | str = cache

    def __repr__(self) -> str:
        return repr(self.given)

    def now(self) -> MultiLevelCache:
        """
        The cache. A name that no settings know is a ``ConfigError`` here, at the first use.
        """
        return cache_named(self.given) if isinstance(self.given, str) else self.given
