"""
From settings to an engine: the one place where tiers are put together. (What the arguments of
``MultiLevelCache`` say is in arguments.py.)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .clock import Clock
from .engine import lifecycle, names
from .engine.engine import Engine
from .engine.options import Options
from .keys.digest import Digester
from .policies import make_policy
from .settings.model import NamespaceSettings, Settings
from .types import Seconds, Store

L1_TTL: Seconds = 300.0
L2_TTL: Seconds = 3600.0
#: Bytes that a record may have beyond its value: tags, names, what it depends on.
HEADER_ROOM = 64 * 1024
L1_BYTES = 64_000_000
L2_BYTES = 1_000_000_000
#: What a store that hears of others says from time to time while it can be reached, in a thread
#: of its own.
REACHABLE = "store_reachable"
#: Seconds that a server rests after a failure before one call tries it again, which takes a quarter
#: of a second if it is still away.
REDIS_REST: Seconds = 5.0

log = logging.getLogger("memotier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """
    Everything that decides how one cache is built.
    """

    options: Options
    l1_eviction: str
    #: "disk", "redis", "local" (this process's memory, as bytes) or None.
    l2_kind: str | None
    directory: Path | None
    #: A ``RedisUrl``, or a client of the user's.
    redis: Any = field(default=None, repr=False)
    l2_max_size: int | None
    l2_max_bytes: int
    l2_eviction: str
    off: bool = False
    #: Whether this process leaves its figures there; see snapshots.py.
    snapshots: bool = True
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
        kind = None if settings.directory is None else "disk"
        if settings.redis_url is not None:
            kind = "redis"
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
            l2_kind=kind,
            directory=settings.directory,
            redis=settings.redis_url,
            l2_max_size=None if kind == "redis" else settings.l2.max_size,
            l2_max_bytes=settings.l2.max_bytes or L2_BYTES,
            l2_eviction=settings.l2.eviction,
            off=settings.mode == "off",
            snapshots=settings.snapshots,
            settings=settings,
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
            if event == REACHABLE:
                lifecycle.catch_up(engine)
            else:
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

    from .stores.open import open_redis, open_store
    from .stores.wrap import Guarded

    max_record_bytes = wiring.options.max_value_bytes + HEADER_ROOM
    if wiring.l2_kind == "redis":
        if not wiring.options.keys:
            log.warning(
                "memotier: the records of cache %r at the Redis are not signed, so whoever can "
                "write there can forge results: set MEMOTIER_KEY",
                wiring.options.name,
            )
        shared = open_redis(
            wiring.redis,
            name=wiring.options.name,
            clock=clock,
            max_record_bytes=max_record_bytes,
            on_event=hear,
        )
        return Guarded(shared, clock=clock, rest=REDIS_REST)
    store = open_store(
        wiring.directory if wiring.l2_kind == "disk" else None,
        max_size=wiring.l2_max_size,
        max_bytes=wiring.l2_max_bytes,
        eviction=wiring.l2_eviction,
        clock=clock,
        max_record_bytes=max_record_bytes,
        on_event=hear,
        everything=(names.EVERYTHING,),
    )
    return Guarded(store, clock=clock)


def signing_keys() -> tuple[bytes, ...]:
    if "MEMOTIER_KEY" not in os.environ:
        return ()

    from .codecs.secrets import load_keys

    return load_keys(os.environ)
