"""
From settings or arguments to an engine: the one place where tiers are put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .clock import Clock
from .config import CacheLevelConfig, EvictionPolicy, WritePolicy
from .durations import seconds
from .engine import lifecycle
from .engine.engine import Engine, Options
from .errors import ConfigError
from .keys.digest import Digester
from .policies import make_policy
from .settings.model import NamespaceSettings, Settings
from .types import Seconds, Store

#: An argument that was not given, where None means something.
DEFAULT: Final[Any] = type("Default", (), {"__repr__": lambda self: "DEFAULT"})()

L1_TTL: Seconds = 300.0
L2_TTL: Seconds = 3600.0
#: Bytes that a record may have beyond its value: tags, names, what it depends on.
HEADER_ROOM = 64 * 1024
L1_BYTES = 64_000_000
L2_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """
    Everything that decides how one cache is built.
    """

    options: Options
    l1_eviction: str
    #: "disk", "local" (this process's memory, as bytes) or None.
    l2_kind: str | None
    directory: Path | None
    l2_max_size: int | None
    l2_max_bytes: int
    l2_eviction: str
    off: bool = False
    settings: Settings | None = field(default=None, repr=False)

    def namespace(self, name: str) -> NamespaceSettings:
        return NamespaceSettings() if self.settings is None else self.settings.namespace(name)

    def digesters(self, namespace: str, identity: str, version: str) -> list[Digester]:
        """
        One per key, the present key's first.
        """
        keys = self.options.keys or (None,)
        return [Digester(namespace, identity, version, key) for key in keys]

    @classmethod
    def of_settings(cls, settings: Settings) -> Wiring:
        """
        What the settings of a named cache say.
        """
        return cls(
            options=Options(
                name=settings.name,
                write_policy=settings.write_policy,
                l1_max_size=settings.l1.max_size,
                l1_max_bytes=settings.l1.max_bytes,
                l1_ttl=L1_TTL if settings.l1.ttl is None else settings.l1.ttl,
                l2_ttl=L2_TTL if settings.l2.ttl is None else settings.l2.ttl,
                max_value_bytes=settings.max_value_bytes,
                flush_interval=settings.flush_interval,
                keys=signing_keys(),
            ),
            l1_eviction=settings.l1.eviction,
            l2_kind=None if settings.directory is None else "disk",
            directory=settings.directory,
            l2_max_size=settings.l2.max_size,
            l2_max_bytes=settings.l2.max_bytes or L2_BYTES,
            l2_eviction=settings.l2.eviction,
            off=settings.mode == "off",
            settings=settings,
        )

    @classmethod
    def of_arguments(
        cls,
        *,
        l1_config: CacheLevelConfig | None,
        l2_config: CacheLevelConfig | None,
        write_policy: WritePolicy,
        directory: Path | str | None,
        l1_maxsize: Any,
        default_ttl: Any,
        flush_interval: Any,
        max_value_bytes: int,
        name: str,
    ) -> Wiring:
        """
        What the arguments of ``MultiLevelCache`` say.
        """
        for what, value in (("l1_config", l1_config), ("l2_config", l2_config)):
            if value is not None and not isinstance(value, CacheLevelConfig):
                raise ConfigError(f"{what}={value!r} is not a CacheLevelConfig")
        try:
            write_policy = WritePolicy(write_policy)
        except ValueError:
            names = ", ".join(f"WritePolicy.{one.name}" for one in WritePolicy)
            raise ConfigError(f"write_policy={write_policy!r} is not one of {names}") from None
        if l1_config is not None and l1_maxsize is not DEFAULT:
            raise ConfigError("l1_maxsize is short for l1_config.max_size; give one of the two")
        if directory is not None and l2_config is not None and l2_config.persistence_path:
            raise ConfigError("directory is short for l2_config.persistence_path; give one of them")

        l1 = l1_config or CacheLevelConfig()
        l2 = l2_config or CacheLevelConfig(max_size=10_000, eviction_policy=EvictionPolicy.TTL)
        default = None if default_ttl is None else seconds(default_ttl, what="default_ttl")
        place = directory if directory is not None else l2.persistence_path
        kind = None
        if place is not None or l2.enable_persistence:
            kind = "disk"
        elif l2_config is not None:
            kind = "local"
        if kind == "disk" and place is None:
            place = user_cache_folder() / name
        return cls(
            options=Options(
                name=name,
                write_policy=write_policy.value,
                l1_max_size=_size("l1", l1.max_size if l1_maxsize is DEFAULT else l1_maxsize, 0),
                l1_max_bytes=_bytes("l1", l1.max_bytes) or L1_BYTES,
                l1_ttl=_ttl("l1", l1.ttl, default, L1_TTL),
                l2_ttl=_ttl("l2", l2.ttl, default, L2_TTL),
                max_value_bytes=_bytes("max_value_bytes", max_value_bytes) or 1,
                flush_interval=seconds(flush_interval, what="flush_interval"),
                keys=signing_keys(),
            ),
            l1_eviction=_eviction("l1", l1.eviction_policy),
            l2_kind=kind,
            directory=None if place is None else Path(place).expanduser().absolute(),
            l2_max_size=_size("l2", l2.max_size, 1),
            l2_max_bytes=_bytes("l2", l2.max_bytes) or L2_BYTES,
            l2_eviction=_eviction("l2", l2.eviction_policy),
        )


def build_engine(wiring: Wiring, clock: Clock) -> Engine:
    """
    A running engine; the second tier is opened at its first use.
    """
    options = wiring.options
    policy = make_policy(wiring.l1_eviction, options.l1_max_size)
    heard: list[Engine] = []

    def hear(event: str, detail: Mapping[str, Any]) -> None:
        for engine in heard:
            engine.hear_store(event, detail)

    store = None if wiring.off else _store(wiring, clock, hear)
    engine = Engine(options, policy, store, clock)
    heard.append(engine)
    lifecycle.register(engine)
    return engine


def _store(
    wiring: Wiring, clock: Clock, hear: Callable[[str, Mapping[str, Any]], None]
) -> Store | None:
    if wiring.l2_kind is None:
        return None

    from .stores.open import open_store
    from .stores.wrap import Guarded

    store = open_store(
        wiring.directory if wiring.l2_kind == "disk" else None,
        max_size=wiring.l2_max_size,
        max_bytes=wiring.l2_max_bytes,
        eviction=wiring.l2_eviction,
        clock=clock,
        max_record_bytes=wiring.options.max_value_bytes + HEADER_ROOM,
        on_event=hear,
    )
    return Guarded(store, clock=clock)


def signing_keys() -> tuple[bytes, ...]:
    if "MEMOTIER_KEY" not in os.environ:
        return ()

    from .codecs.secrets import load_keys

    return load_keys(os.environ)


def user_cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "memotier"


def _ttl(tier: str, own: Any, default: Seconds | None, last: Seconds) -> Seconds:
    if own is not None:
        return seconds(own, what=f"{tier}_config.ttl")
    return last if default is None else default


def _size(tier: str, value: Any, least: int) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < least:
        raise ConfigError(
            f"{tier} max_size={value!r} cannot be used: a whole number of entries, "
            f"{least} or more, or None for no bound but bytes"
        )
    return value


def _bytes(what: str, value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise ConfigError(f"{what} max_bytes={value!r} cannot be used: a whole number of bytes")
    return value


def _eviction(tier: str, value: Any) -> str:
    try:
        policy = EvictionPolicy(value)
    except ValueError:
        names = ", ".join(f"EvictionPolicy.{one.name}" for one in EvictionPolicy)
        raise ConfigError(f"{tier} eviction_policy={value!r} is not one of {names}") from None
    if tier == "l2" and policy is EvictionPolicy.CLOCK2Q:
        raise ConfigError("l2 eviction_policy=CLOCK2Q is for the memory tier; use LRU or TTL")
    return policy.value
