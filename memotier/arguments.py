"""
The arguments of ``MultiLevelCache`` and ``CacheLevelConfig``, checked when a cache is made.

Every error names the argument, its value and what to give instead.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from .config import CacheLevelConfig, EvictionPolicy, WritePolicy
from .durations import bound, check_namespace, seconds, short, size_bytes
from .engine.options import Options
from .errors import ConfigError
from .settings.kinds import At
from .settings.schema import OPTIONS
from .settings.urls import RedisUrl
from .types import STORE_METHODS, Seconds
from .wiring import (
    L1_BYTES,
    L1_TTL,
    L2_BYTES,
    L2_TTL,
    MAX_L1_AGE,
    Wiring,
    mode_of,
    signing_keys,
)

E = TypeVar("E", bound=Enum)

#: An argument that was not given, where None means something.
DEFAULT: Final[Any] = type("Default", (), {"__repr__": lambda self: "DEFAULT"})()

_SERVER_MAKES_ROOM: Final = "the server makes room by its own maxmemory and maxmemory-policy"
_L2_DEFAULT = CacheLevelConfig(max_size=10_000, eviction_policy=EvictionPolicy.TTL)


def wiring_of(
    *,
    l1_config: Any,
    l2_config: Any,
    write_policy: Any,
    directory: Any,
    redis_url: Any,
    l2_store: Any = None,
    max_l1_age: Any,
    l1_maxsize: Any,
    default_ttl: Any,
    flush_interval: Any,
    snapshots: Any,
    max_value_bytes: Any,
    encrypt: Any,
    name: Any,
    mode: Any,
    spill_directory: Any,
    spill_max_age: Any,
) -> Wiring:
    """
    What the arguments say.

    Raises:
        ConfigError: If one of them cannot be used.
    """
    l1 = _level("l1", l1_config, CacheLevelConfig())
    l2 = _level("l2", l2_config, _L2_DEFAULT)
    if l1.enable_persistence or l1.persistence_path is not None:
        raise ConfigError("l1_config is memory and cannot persist; say it of l2_config")
    if l1_maxsize is not DEFAULT and l1_config is not None:
        raise ConfigError("l1_maxsize is short for l1_config.max_size; give one of the two")
    if directory is not None and l2.persistence_path is not None:
        raise ConfigError("directory is short for l2_config.persistence_path; give one of them")

    name = check_namespace(name, what="name =")
    place = _path("l2_config.persistence_path", l2.persistence_path)
    place = place or _path("directory", directory)
    if place is None and l2.enable_persistence:
        place = user_cache_folder() / name
    kind = "local" if l2_config is not None else None
    kind = kind if place is None else "disk"
    if redis_url is not None:
        _check_only(place, l2, l2_config, "redis_url", _SERVER_MAKES_ROOM)
        kind = "redis"
    elif max_l1_age is not None:
        raise ConfigError(
            f"max_l1_age = {short(max_l1_age)} cannot be used without redis_url: memory and a "
            "directory are of one machine, and need no messages"
        )
    if l2_store is not None:
        if redis_url is not None:
            raise ConfigError(
                "l2_store and redis_url are two places for the second tier; give one of them"
            )
        _check_only(place, l2, l2_config, "l2_store", "the store makes room by its own rules")
        check_store(l2_store)
        kind = "own"
    mode = _mode(mode)
    policy = _one_of(WritePolicy, write_policy, "write_policy")
    spill = _path("spill_directory", spill_directory)
    _check_spill(spill, kind, policy)
    default = None if default_ttl is None else seconds(default_ttl, what="default_ttl")
    l1_max_size = _size("l1_config.max_size", l1.max_size, 0)
    if l1_maxsize is not DEFAULT:
        l1_max_size = _size("l1_maxsize", l1_maxsize, 0)
    return Wiring(
        options=Options(
            name=name,
            mode=mode_of(mode, kind),
            write_policy=policy.value,
            l1_max_size=l1_max_size,
            l1_max_bytes=_bytes("l1", l1.max_bytes, L1_BYTES),
            l1_ttl=_ttl("l1", l1.ttl, default, L1_TTL),
            l2_ttl=_ttl("l2", l2.ttl, default, L2_TTL),
            max_value_bytes=size_bytes(max_value_bytes, what="max_value_bytes"),
            flush_interval=seconds(flush_interval, what="flush_interval"),
            keys=signing_keys(),
            encrypt=_flag("encrypt", encrypt),
        ),
        l1_eviction=_eviction("l1", l1.eviction_policy),
        l2_kind=kind,
        directory=place,
        redis=RedisUrl(redis_url) if isinstance(redis_url, str) else redis_url,
        store=l2_store,
        spill=spill,
        spill_max_age=seconds(spill_max_age, what="spill_max_age"),
        max_l1_age=MAX_L1_AGE if max_l1_age is None else bound(max_l1_age, what="max_l1_age"),
        l2_max_size=None
        if kind in ("redis", "own")
        else _size("l2_config.max_size", l2.max_size, 1),
        l2_max_bytes=_bytes("l2", l2.max_bytes, L2_BYTES),
        l2_eviction=_eviction("l2", l2.eviction_policy),
        mode=mode,
        snapshots=_flag("snapshots", snapshots),
    )


def _check_only(
    place: Path | None, l2: CacheLevelConfig, given: Any, what: str, who_bounds: str
) -> None:
    """
    Refuse what *what* cannot be combined with: a directory, and bounds that are not ours to keep.
    """
    if place is not None:
        raise ConfigError(
            f"{what} and a directory are two places for the second tier; give one of them"
        )
    bounds = ("max_size", "max_bytes", "eviction_policy")
    plain = CacheLevelConfig()
    said = [one for one in bounds if getattr(l2, one) != getattr(plain, one)]
    if given is not None and said:
        raise ConfigError(
            f"l2_config.{said[0]} = {short(getattr(l2, said[0]))} cannot be used with {what}: "
            f"{who_bounds}"
        )


def check_store(store: Any) -> None:
    """
    Whether *store* has what the ``Store`` protocol asks for.

    Raises:
        ConfigError: If it has not; the message names what is missing.
    """
    if isinstance(store, type):
        raise _wrong("l2_store", store, f"an instance: l2_store={store.__name__}(...)")
    missing = [name for name in STORE_METHODS if not callable(getattr(store, name, None))]
    if missing:
        raise _wrong(
            "l2_store",
            store,
            f"a memotier.Store; it has no {', '.join(f'{name}()' for name in missing)}. "
            "See docs/guide/stores.md",
        )
    kind = getattr(store, "kind", None)
    if not isinstance(kind, str) or not kind:
        raise ConfigError(
            f"l2_store.kind = {short(kind)} cannot be used: give the store a short text, by which "
            "logs call it"
        )


def _flag(what: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _wrong(what, value, "True or False")
    return value


def _check_spill(spill: Path | None, kind: str | None, policy: WritePolicy) -> None:
    if spill is None:
        return
    if kind != "redis":
        raise ConfigError(
            f"spill_directory = {short(str(spill))} cannot be used without redis_url: it is where "
            "results are kept while that server is away"
        )
    if policy is WritePolicy.WRITE_BACK:
        raise ConfigError(
            f"spill_directory = {short(str(spill))} cannot be used with WritePolicy.WRITE_BACK, "
            "which keeps for the server what it has not got yet; use WritePolicy.WRITE_THROUGH"
        )


def user_cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "memotier"


def _mode(value: Any) -> str:
    """
    What is asked for, else what the environment says.
    """
    option, what = OPTIONS["mode"], "mode"
    if value is None:
        what, value = option.env, os.environ.get(option.env, option.default)
    return str(option.kind.exact(value, At(what, None)))


def _level(tier: str, value: Any, default: CacheLevelConfig) -> CacheLevelConfig:
    if value is None:
        return default
    if not isinstance(value, CacheLevelConfig):
        raise _wrong(f"{tier}_config", value, "a CacheLevelConfig(...)")
    _flag(f"{tier}_config.enable_persistence", value.enable_persistence)
    _path(f"{tier}_config.persistence_path", value.persistence_path)
    return value


def _ttl(tier: str, own: Any, default: Seconds | None, last: Seconds) -> Seconds:
    if own is not None:
        return seconds(own, what=f"{tier}_config.ttl")
    return last if default is None else default


def _wrong(what: str, value: Any, advice: str) -> ConfigError:
    return ConfigError(f"{what} = {short(value)} cannot be used: give {advice}")


def _size(what: str, value: Any, least: int) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < least:
        raise _wrong(
            what, value, f"a whole number of entries from {least}, or None for no bound but bytes"
        )
    return value


def _bytes(tier: str, value: Any, default: int) -> int:
    return default if value is None else size_bytes(value, what=f"{tier}_config.max_bytes")


def _path(what: str, value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, (str, Path)) or str(value) == "" or "\0" in str(value):
        raise _wrong(what, value, "a pathlib.Path or a text")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise _wrong(what, value, "a path whose ~ is the home of a user here") from None


def _one_of(kind: type[E], value: Any, what: str) -> E:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(f"{kind.__name__}.{one.name}" for one in kind)
        raise _wrong(what, value, f"one of {names}") from None


def _eviction(tier: str, value: Any) -> str:
    what = f"{tier}_config.eviction_policy"
    policy = _one_of(EvictionPolicy, value, what)
    if tier == "l2" and policy is EvictionPolicy.CLOCK2Q:
        raise _wrong(what, value, "LRU or TTL: CLOCK2Q is for the memory tier")
    return str(policy.value)
