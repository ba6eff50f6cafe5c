"""
memotier: memoize sync and async functions in memory and on disk, with one decorator.

    from memotier import tiered_cache

    @tiered_cache(namespace="weather", ttl="10m", tags=["city:{city}"])
    def forecast(city: str) -> dict: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analytics.analytics import CacheAnalytics
    from .auditing import Undeclared, audit
    from .cache import MultiLevelCache
    from .clock import Clock
    from .codecs.classes import register
    from .config import CacheLevelConfig, EvictionPolicy, WritePolicy
    from .current import current
    from .depends import env, epoch, file
    from .engine.modes import disabled
    from .engine.scopeinfo import ScopeInfo
    from .engine.stats import CacheInfo
    from .engine.tracing import trace
    from .entry import Entry
    from .errorlike import looks_like_error
    from .errors import (
        BatchMismatch,
        ComputeTimeout,
        ConfigError,
        InvalidationNotDurable,
        MemotierError,
        NotIsolated,
        QuotaExceeded,
        ScopeMissing,
        SerializationError,
        StoreError,
        StreamInterrupted,
        UnkeyableArgument,
    )
    from .explanation import Explanation
    from .invalidation.config import InvalidationStrategy
    from .invalidation.invalidator import CacheInvalidator
    from .keys.registry import register_key
    from .many import tiered_cache
    from .mutations import mutates
    from .quota import Quota
    from .registry import configure, forget, get_cache, invalidate_tags
    from .semantic.cache import SemanticCache
    from .semantic.near import Semantic
    from .types import MISS, Codec, Store
    from .warming.report import WarmingReport
    from .warming.strategies import WarmingStrategy
    from .warming.warm import awarm, lifespan, warm
    from .warming.warmer import CacheWarmer, WarmingConfig

#: The public names and where they live; a module is imported when one of its names is used.
_HOMES = {
    "BatchMismatch": "errors",
    "CacheAnalytics": "analytics.analytics",
    "CacheInfo": "engine.stats",
    "CacheInvalidator": "invalidation.invalidator",
    "CacheLevelConfig": "config",
    "CacheWarmer": "warming.warmer",
    "Clock": "clock",
    "Codec": "types",
    "ComputeTimeout": "errors",
    "ConfigError": "errors",
    "Entry": "entry",
    "EvictionPolicy": "config",
    "Explanation": "explanation",
    "InvalidationNotDurable": "errors",
    "InvalidationStrategy": "invalidation.config",
    "MISS": "types",
    "MemotierError": "errors",
    "MultiLevelCache": "cache",
    "NotIsolated": "errors",
    "Quota": "quota",
    "QuotaExceeded": "errors",
    "ScopeInfo": "engine.scopeinfo",
    "ScopeMissing": "errors",
    "Semantic": "semantic.near",
    "SemanticCache": "semantic.cache",
    "SerializationError": "errors",
    "Store": "types",
    "StoreError": "errors",
    "StreamInterrupted": "errors",
    "Undeclared": "auditing",
    "UnkeyableArgument": "errors",
    "WarmingConfig": "warming.warmer",
    "WarmingReport": "warming.report",
    "WarmingStrategy": "warming.strategies",
    "WritePolicy": "config",
    "audit": "auditing",
    "awarm": "warming.warm",
    "configure": "registry",
    "current": "current",
    "disabled": "engine.modes",
    "env": "depends",
    "epoch": "depends",
    "file": "depends",
    "forget": "registry",
    "get_cache": "registry",
    "invalidate_tags": "registry",
    "lifespan": "warming.warm",
    "looks_like_error": "errorlike",
    "mutates": "mutations",
    "register": "codecs.classes",
    "register_key": "keys.registry",
    "tiered_cache": "many",
    "trace": "engine.tracing",
    "warm": "warming.warm",
}

__all__ = [
    "MISS",
    "BatchMismatch",
    "CacheAnalytics",
    "CacheInfo",
    "CacheInvalidator",
    "CacheLevelConfig",
    "CacheWarmer",
    "Clock",
    "Codec",
    "ComputeTimeout",
    "ConfigError",
    "Entry",
    "EvictionPolicy",
    "Explanation",
    "InvalidationNotDurable",
    "InvalidationStrategy",
    "MemotierError",
    "MultiLevelCache",
    "NotIsolated",
    "Quota",
    "QuotaExceeded",
    "ScopeInfo",
    "ScopeMissing",
    "Semantic",
    "SemanticCache",
    "SerializationError",
    "Store",
    "StoreError",
    "StreamInterrupted",
    "Undeclared",
    "UnkeyableArgument",
    "WarmingConfig",
    "WarmingReport",
    "WarmingStrategy",
    "WritePolicy",
    "audit",
    "awarm",
    "configure",
    "current",
    "disabled",
    "env",
    "epoch",
    "file",
    "forget",
    "get_cache",
    "invalidate_tags",
    "lifespan",
    "looks_like_error",
    "mutates",
    "register",
    "register_key",
    "tiered_cache",
    "trace",
    "warm",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'memotier' has no attribute {name!r}")

    from importlib import import_module

    found = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
