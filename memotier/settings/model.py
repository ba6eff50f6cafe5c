"""
The settings of one named cache, as the rest of memotier sees them.

The classes say the types; defaults, forms and explanations stand in ``schema.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..types import Seconds
from .urls import RedisUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSettings:
    """
    One tier: how much it holds and for how long. None means no bound, no time of its own.
    """

    max_size: int | None
    max_bytes: int | None
    ttl: Seconds | None
    eviction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmingSettings:
    """
    What is recorded of calls, how much of it and where; durations in seconds, sizes in bytes.
    """

    record: bool
    modules: tuple[str, ...]
    history: Path | None
    interval: Seconds
    max_calls: int
    max_bytes: int
    max_age: Seconds
    half_life: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceSettings:
    """
    What holds for the functions of one namespace that do not say otherwise.

    *ttl* is None where no setting gives one.
    """

    ttl: Seconds | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The settings of the cache *name*.

    *origins* tells for every dotted key (``l1.max_size``) where its value came from:
    ``"default"``, the path of a file, the name of a variable or ``"configure()"``. For
    namespaces it has the keys that were written down, such as ``namespaces."tool.search".ttl``.
    """

    name: str
    directory: Path | None
    redis_url: RedisUrl | None
    encrypt: bool
    spill_directory: Path | None
    spill_max_age: Seconds
    max_l1_age: Seconds
    default_ttl: Seconds | None
    write_policy: Literal["write_through", "write_back", "write_around"]
    mode: Literal["on", "readonly", "offline", "off"]
    flush_interval: Seconds
    max_value_bytes: int
    snapshots: bool
    audit: Literal["off", "report"]
    l1: LevelSettings
    l2: LevelSettings
    warming: WarmingSettings
    namespaces: Mapping[str, NamespaceSettings] = field(hash=False)
    origins: Mapping[str, str] = field(repr=False, compare=False)

    def namespace(self, name: str) -> NamespaceSettings:
        """
        The settings of namespace *name*; what it does not set, the level above may have set.
        """
        for level in levels(name):
            if level in self.namespaces:
                return self.namespaces[level]
        return NamespaceSettings()


def levels(namespace: str) -> Iterator[str]:
    """
    *namespace* and those above it, nearest first: ``a.b.c``, ``a.b``, ``a``.
    """
    while namespace:
        yield namespace
        namespace = namespace.rpartition(".")[0]


def dotted(*parts: str) -> str:
    """
    The key that *parts* make, written as TOML wants it: ``namespaces."tool.search".ttl``.
    """
    return ".".join(f'"{part}"' if "." in part or not part else part for part in parts)
