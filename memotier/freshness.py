"""
The options of ``@tiered_cache`` about what a result is good for beyond its freshness, checked.
"""

from __future__ import annotations

import math
from typing import Any, Final

from .durations import seconds, short
from .engine.clocks import Windows
from .errors import ConfigError
from .types import Seconds

#: What keeps results of use when they are no longer fresh.
WINDOWS: Final = ("stale_while_revalidate", "stale_if_error")
BACKOFF: Final[Seconds] = 5.0


def check_windows(
    label: str,
    *,
    ttl: Any,
    single_flight: Any,
    stale_while_revalidate: Any,
    stale_if_error: Any,
    error_backoff: Any,
) -> Windows | None:
    """
    What the function asks for; None if nothing. ``ConfigError`` for what cannot be used.
    """
    revalidate = _window(label, "stale_while_revalidate", stale_while_revalidate)
    on_error = _window(label, "stale_if_error", stale_if_error)
    if not (revalidate or on_error):
        if error_backoff is not None:
            raise ConfigError(
                f"{label}: error_backoff={short(error_backoff)} cannot be used: it says when a "
                f"failed refresh is tried again, and nothing is refreshed without {_either()}"
            )
        return None

    given = "stale_while_revalidate" if revalidate else "stale_if_error"
    if single_flight is None:
        raise ConfigError(
            f"{label}: {given} cannot be used with single_flight=None: there is one refresh "
            'for all callers. Leave single_flight at "process"'
        )
    if ttl == math.inf:
        raise ConfigError(
            f"{label}: {given} cannot be used with ttl={short(ttl)}: a result that is fresh for "
            "ever is never stale. Give a ttl that ends"
        )
    backoff = BACKOFF if error_backoff is None else _duration(label, "error_backoff", error_backoff)
    return Windows(revalidate=revalidate, on_error=on_error, backoff=backoff)


def shown_windows(windows: Windows | None) -> dict[str, Any]:
    """
    These options as ``cache_parameters`` shows them, in seconds.
    """
    known = windows or Windows(backoff=BACKOFF)
    return {
        "stale_while_revalidate": known.revalidate,
        "stale_if_error": known.on_error,
        "error_backoff": known.backoff,
    }


def _either() -> str:
    return " or ".join(f"{option}=" for option in WINDOWS)


def _window(label: str, option: str, value: Any) -> Seconds:
    if value is None or (type(value) in (int, float) and value == 0):
        return 0.0
    return _duration(label, option, value)


def _duration(label: str, option: str, value: Any) -> Seconds:
    try:
        return seconds(value, what=option)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
