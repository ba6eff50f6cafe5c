"""
The cache that a command is about, opened by who only looks.
"""

from __future__ import annotations

from typing import Any

from ..cache import MultiLevelCache
from ..engine.effects import Io
from ..engine.engine import Engine
from ..errors import ConfigError, StoreError
from ..registry import cache_named


def opened(name: str) -> MultiLevelCache:
    """
    The cache called *name*; what the command does there is none of its figures.
    """
    cache = cache_named(name)
    cache._keyed.engine.meter.starter = None
    return cache


def with_second_tier(name: str) -> MultiLevelCache:
    """
    The same, if it has a second tier.

    Raises:
        ConfigError: If it has none, so that nothing of it can be seen from outside.
    """
    cache = opened(name)
    wiring = cache._keyed.wiring
    if wiring.off:
        raise ConfigError(f"cache {name!r} is off (mode = off): there is nothing to look at")
    if wiring.l2_kind is None:
        raise ConfigError(
            f"cache {name!r} is in memory only, which nobody else can see: set directory or "
            "redis_url in [tool.memotier], and run this where your program runs"
        )
    return cache


def asked(engine: Engine, function: Any, *arguments: Any) -> Any:
    """
    What the second tier answers.

    Raises:
        StoreError: If it fails.
    """
    answer = Io(engine.offload, function, *arguments).now()
    if isinstance(answer, StoreError):
        raise answer
    return answer
