"""
From settings to an engine: the one place where tiers are put together. (What the arguments of
``MultiLevelCache`` say is in arguments.py.)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .clock import Clock
from .engine import lifecycle, names
from .engine.engine import Engine
from .engine.options import Options
from .engine.tier2 import count_foreign
from .errors import MissingExtra
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
#: What a store says that found, and dropped, what no memotier has written.
FOREIGN = "foreign_rows"
#: Seconds that a server rests after a failure before one call tries it again, which takes a quarter
#: of a second if it is still away.
REDIS_REST: Seconds = 5.0
#: The same for a store of the user's.
REST: Seconds = 5.0

#: Seconds for which what is kept meanwhile is believed.
SPILL_MAX_AGE: Seconds = 30.0
#: Seconds for which memory is believed when no message of others can arrive.
MAX_L1_AGE: Seconds = 30.0

log = logging.getLogger("memotier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """
    Everything that decides how one cache is built.
    """

    options: Options
    l1_eviction: str
    #: "disk", "redis", "local" (this process's memory, as bytes), "own" or None.
    l2_kind: str | None
    directory: Path | None
    #: A ``RedisUrl``, or a client of the user's.
    redis: Any = field(default=None, repr=False)
    #: Where results are kept while the Redis is away, and for how long they are believed.
    spill: Path | None = None
    spill_max_age: Seconds = SPILL_MAX_AGE
    max_l1_age: Seconds = MAX_L1_AGE
    l2_max_size: int | None
    l2_max_bytes: int
    l2_eviction: str
    #: One of settings.schema.MODES; ``Options.mode`` says what it comes to.
    mode: str = "on"
    #: False: no calls are recorded, whatever functions and settings say.
    records: bool = True
    #: A ``Store`` of the user's, if the kind is "own".
    store: Any = field(default=None, repr=False)
    #: Whether this process leaves its figures there; see snapshots.py.
    snapshots: bool = True
    #: Whether what its functions do and have not declared is told; see auditing.py.
    audits: bool = False
    settings: Settings | None = field(default=None, repr=False)

    @property
    def off(self) -> bool:
        return self.mode == "off"

    def namespace(self, name: str) -> NamespaceSettings:
        return NamespaceSettings() if self.settings is None else self.settings.namespace(name)

    def digesters(self, namespace: str, identity: str, version: str) -> list[Digester]:
        """
        One per key, the present key's first.
        """
        if not self.options.keys:
            return [Digester(namespace, identity, version, salt=self._salt)]
        return [Digester(namespace, identity, version, key) for key in self.options.keys]

    @property
    def _salt(self) -> Callable[[], bytes | None] | None:
        if self.l2_kind != "disk" or self.directory is None:
            return None  # a server is shared by machines, and each user has a key of his own
        from .salting import salt_of

        return partial(salt_of, self.directory)

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
                mode=mode_of(settings.mode, kind),
                write_policy=settings.write_policy,
                l1_max_size=settings.l1.max_size,
                l1_max_bytes=settings.l1.max_bytes,
                l1_ttl=L1_TTL if settings.l1.ttl is None else settings.l1.ttl,
                l2_ttl=L2_TTL if settings.l2.ttl is None else settings.l2.ttl,
                max_value_bytes=settings.max_value_bytes,
                flush_interval=settings.flush_interval,
                keys=signing_keys(),
                encrypt=settings.encrypt and settings.mode != "off",
            ),
            l1_eviction=settings.l1.eviction,
            l2_kind=kind,
            directory=settings.directory,
            redis=settings.redis_url,
            spill=settings.spill_directory,
            spill_max_age=settings.spill_max_age,
            max_l1_age=settings.max_l1_age,
            l2_max_size=None if kind == "redis" else settings.l2.max_size,
            l2_max_bytes=settings.l2.max_bytes or L2_BYTES,
            l2_eviction=settings.l2.eviction,
            mode=settings.mode,
            snapshots=settings.snapshots,
            audits=settings.audit == "report",
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
                engine.store.reachable()  # type: ignore[union-attr]
                lifecycle.catch_up(engine)
            else:
                if event == FOREIGN:
                    count_foreign(engine, detail["count"])
                engine.hear_store(event, detail)

    store = _store(wiring, clock, hear)
    engine = Engine(options, policy, store, clock)
    heard.append(engine)
    lifecycle.register(engine)
    return engine


def _store(
    wiring: Wiring, clock: Clock, hear: Callable[[str, Mapping[str, Any]], None]
) -> Store | None:
    mode = wiring.options.mode
    if wiring.l2_kind is None or mode == "offline" or (wiring.l2_kind == "local" and wiring.off):
        return None

    from .stores.modes import ReadOnly, Refusing, TellOnly
    from .stores.open import has_database, open_reader, open_redis, open_store
    from .stores.wrap import Guarded

    if wiring.l2_kind == "own":
        from .stores.foreign import Foreign

        own = Guarded(Foreign(wiring.store), clock=clock, rest=REST)
        if wiring.off:
            return TellOnly(own, lambda: True)
        return ReadOnly(own) if mode == "readonly" else own
    max_record_bytes = wiring.options.max_value_bytes + HEADER_ROOM
    if wiring.l2_kind == "redis":
        if not wiring.options.keys and not wiring.off:
            log.warning(
                "memotier: the records of cache %r at the Redis are not signed, so whoever can "
                "write there can forge results: set MEMOTIER_KEY",
                wiring.options.name,
            )
        try:
            shared = open_redis(
                wiring.redis,
                name=wiring.options.name,
                clock=clock,
                max_record_bytes=max_record_bytes,
                max_l1_age=wiring.max_l1_age,
                on_event=hear,
                reads_only=mode == "readonly",
            )
        except MissingExtra as error:
            if not wiring.off:
                raise
            return Refusing("redis", str(error))  # who turns all off does not need it
        store: Store = Guarded(shared, clock=clock, rest=REDIS_REST)
        if wiring.off:
            return TellOnly(store, lambda: True)
        if mode == "readonly":
            return ReadOnly(store)
        return store if wiring.spill is None else _spilling(wiring, store, clock, hear)
    if mode == "readonly":
        assert wiring.directory is not None
        reader = open_reader(
            wiring.directory, max_record_bytes=max_record_bytes, clock=clock, on_event=hear
        )
        return ReadOnly(Guarded(reader, clock=clock))
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
    store = Guarded(store, clock=clock)
    if not wiring.off:
        return store
    assert wiring.directory is not None
    return TellOnly(store, partial(has_database, wiring.directory))


def _spilling(
    wiring: Wiring, shared: Store, clock: Clock, hear: Callable[[str, Mapping[str, Any]], None]
) -> Store:
    from .stores.open import open_store
    from .stores.spill import Spilling
    from .stores.wrap import Guarded

    spill = open_store(
        wiring.spill,
        max_size=None,
        max_bytes=L2_BYTES,
        clock=clock,
        max_record_bytes=wiring.options.max_value_bytes + HEADER_ROOM,
        on_event=hear,
        everything=(names.EVERYTHING,),
    )
    return Spilling(
        shared,
        Guarded(spill, clock=clock),
        everything=names.EVERYTHING,
        max_age=wiring.spill_max_age,
        patience=wiring.max_l1_age,
        clock=clock,
    )


def mode_of(mode: str, l2_kind: str | None) -> str:
    """
    What *mode* comes to: a cache that shares nothing with others does all it can.
    """
    return mode if l2_kind in ("disk", "redis", "own") or mode == "off" else "on"


def signing_keys() -> tuple[bytes, ...]:
    if "MEMOTIER_KEY" not in os.environ:
        return ()

    from .codecs.secrets import load_keys

    return load_keys(os.environ)
