"""
What a user may give to a semantic cache, checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError
from .guards import RULES


def check_threshold(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 1:
        raise ConfigError(f"{name}={short(value)} cannot be used: a number above 0, and at most 1")
    return float(value)


def check_max_size(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ConfigError(f"max_size={short(value)} cannot be used: a number of entries")
    return value


def check_flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ConfigError(f"{name}={short(value)} cannot be used: True or False")
    return value


def check_function(name: str, value: Any, *, optional: bool = False) -> Any:
    if not callable(value) and not (value is None and optional):
        raise ConfigError(f"{name}={short(value)} cannot be used: give a callable")
    return value


def check_guards(value: Any) -> tuple[str, ...]:
    """
    The names of the rules that *value* asks for.
    """
    if value is True or value is False:
        return tuple(RULES) if value else ()
    advice = f"True, False, or names among {', '.join(RULES)}"
    try:
        names = (value,) if isinstance(value, str) else tuple(value)
        strange = [name for name in names if name not in RULES]
    except TypeError:
        raise ConfigError(f"guards={short(value)} cannot be used: {advice}") from None
    if strange or isinstance(value, str):
        raise ConfigError(f"guards={short(value)} cannot be used: {advice}")
    return names


def check_cache(cache: Any, max_size: int) -> MultiLevelCache | str:
    if cache is None:
        return MultiLevelCache(l1_maxsize=max_size, name="semantic")
    if isinstance(cache, MultiLevelCache) or (type(cache) is str and cache):
        return cache
    raise ConfigError(
        f"cache={short(cache)} cannot be used: a MultiLevelCache, or the name of a configured one"
    )


def check_queries(queries: Any) -> Iterable[Any]:
    if isinstance(queries, str):
        raise ConfigError("get_many() is given one text; write get_many([...])")
    return queries  # type: ignore[no-any-return]


def short_digest(identity: str) -> str:
    """
    *identity* as a level of a namespace.
    """
    data = identity.encode("utf-8", "surrogatepass")
    return "e" + blake2b(data, digest_size=10).hexdigest()
