"""
The options of ``@tiered_cache`` about errors that are remembered, checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .durations import seconds, short, show_seconds
from .engine.clocks import Remembers
from .errors import ConfigError
from .types import Seconds

#: How long the first failure of a run is remembered, and the last of a long one at most.
ERROR_TTL: Final[Seconds] = 5.0
ERROR_TTL_MAX: Final[Seconds] = 60.0


def check_remembers(
    label: str, *, cache_exceptions: Any, error_ttl: Any, error_ttl_max: Any
) -> Remembers | None:
    """
    Which errors are remembered; None if none. ``ConfigError`` for what cannot be used.
    """
    named = _named(label, cache_exceptions)
    if not named:
        for option, value in (("error_ttl", error_ttl), ("error_ttl_max", error_ttl_max)):
            if value is not None:
                raise ConfigError(
                    f"{label}: {option}={short(value)} cannot be used: it says how long an error "
                    "is remembered, and none is without cache_exceptions="
                )
        return None
    usual = ERROR_TTL if error_ttl is None else _duration(label, "error_ttl", error_ttl)
    ttls = {
        kind: usual if ttl is None else _duration(label, f"cache_exceptions[{_name(kind)}]", ttl)
        for kind, ttl in named.items()
    }
    longest = max(ttls.values())
    if error_ttl_max is None:
        return Remembers(ttls=ttls, usual=usual, most=max(ERROR_TTL_MAX, longest))
    most = _duration(label, "error_ttl_max", error_ttl_max)
    if most < longest:
        raise ConfigError(
            f"{label}: error_ttl_max={short(error_ttl_max)} cannot be used: the first failure is "
            f"remembered for {show_seconds(longest)} already, and those after it for longer. "
            "Give at least that"
        )
    return Remembers(ttls=ttls, usual=usual, most=most)


def shown_remembers(remembers: Remembers | None) -> dict[str, Any]:
    """
    These options as ``cache_parameters`` shows them, in seconds.
    """
    known = remembers or Remembers(ttls={}, usual=ERROR_TTL, most=ERROR_TTL_MAX)
    return {
        "cache_exceptions": dict(known.ttls),
        "error_ttl": known.usual,
        "error_ttl_max": known.most,
    }


def _named(label: str, given: Any) -> dict[type[Exception], Any]:
    """
    What is said of each type; None: what *error_ttl* says.
    """
    if given is None:
        return {}
    if isinstance(given, type) or not isinstance(given, Iterable) or isinstance(given, str):
        given = (given,)
    kinds = list(given)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Exception):
            continue
        if isinstance(kind, type) and issubclass(kind, BaseException):
            why = "it ends a caller, a task or a program, and is no answer to a call"
        else:
            why = "it is no type of exception"
        raise ConfigError(
            f"{label}: cache_exceptions={_name(kind)} cannot be used: {why}. Give subclasses of "
            "Exception: one, a tuple of them, or a dict with a duration for each, such as "
            '{LookupError: "1m"}'
        )
    return dict(given) if isinstance(given, Mapping) else dict.fromkeys(kinds)


def _name(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else short(kind)


def _duration(label: str, option: str, value: Any) -> Seconds:
    try:
        found = seconds(value, what=option)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
    if found == math.inf:
        raise ConfigError(
            f"{label}: {option}={short(value)} cannot be used: an error is never for good. Give a "
            "duration that ends"
        )
    return found
