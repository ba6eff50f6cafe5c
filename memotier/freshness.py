"""
The options of ``@tiered_cache`` about what a result is good for beyond its freshness, checked.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from .durations import seconds, short
from .engine.clocks import Windows
from .errors import ConfigError
from .types import Seconds

#: What has results refreshed, or keeps them of use when they are no longer fresh.
WINDOWS: Final = ("stale_while_revalidate", "stale_if_error", "refresh_ahead")
XFETCH: Final = "xfetch"
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
BACKOFF: Final[Seconds] = 5.0


def check_windows(
    label: str,
    *,
    ttl: Any,
    single_flight: Any,
    stale_while_revalidate: Any,
    stale_if_error: Any,
    error_backoff: Any,
    jitter: Any,
    refresh_ahead: Any,
    soft_timeout: Any,
    hard_timeout: Any,
) -> Windows | None:
    """
    What the function asks for; None if nothing. ``ConfigError`` for what cannot be used.
    """
    revalidate = _window(label, "stale_while_revalidate", stale_while_revalidate)
    on_error = _window(label, "stale_if_error", stale_if_error)
    ahead = _ahead(label, refresh_ahead)
    absolute, share = _jitter(label, jitter)
    asked = (revalidate, on_error, ahead is not None)
    if not any(asked) and error_backoff is not None:
        raise ConfigError(
            f"{label}: error_backoff={short(error_backoff)} cannot be used: it says when a "
            f"failed refresh is tried again, and nothing is refreshed without {_either()}"
        )
    soft, hard = _timeouts(label, soft_timeout, hard_timeout, on_error)
    has_end = any(asked) or bool(absolute or share)
    if not has_end and hard is None:
        return None

    given = next((name for name, on in zip(WINDOWS, asked, strict=True) if on), "jitter")
    if single_flight is None and any(asked):
        raise ConfigError(
            f"{label}: {given} cannot be used with single_flight=None: there is one refresh "
            'for all callers. Leave single_flight at "process"'
        )
    if ttl == math.inf and has_end:
        raise ConfigError(
            f"{label}: {given} cannot be used with ttl={short(ttl)}: a result that is fresh for "
            "ever has no end to work with. Give a ttl that ends"
        )
    backoff = BACKOFF if error_backoff is None else _duration(label, "error_backoff", error_backoff)
    return Windows(
        revalidate=revalidate,
        on_error=on_error,
        backoff=backoff,
        jitter=absolute,
        jitter_share=share,
        ahead=ahead,
        soft=soft,
        hard=hard,
    )


def shown_windows(windows: Windows | None) -> dict[str, Any]:
    """
    These options as ``cache_parameters`` shows them, in seconds.
    """
    known = windows or Windows(backoff=BACKOFF)
    return {
        "stale_while_revalidate": known.revalidate,
        "stale_if_error": known.on_error,
        "error_backoff": known.backoff,
        "jitter": f"{known.jitter_share * 100:g}%" if known.jitter_share else known.jitter,
        "refresh_ahead": known.ahead if known.ahead is None or known.ahead else XFETCH,
        "soft_timeout": known.soft,
        "hard_timeout": known.hard,
    }


def _either() -> str:
    return " or ".join(f"{option}=" for option in WINDOWS)


def _window(label: str, option: str, value: Any) -> Seconds:
    if value is None or (type(value) in (int, float) and value == 0):
        return 0.0
    return _duration(label, option, value)


def _ahead(label: str, value: Any) -> float | None:
    """
    The fraction; 0 stands for "drawn", None for off.
    """
    if value is None or value == XFETCH:
        return None if value is None else 0.0
    if type(value) is not float or not 0 < value < 1:
        raise ConfigError(
            f"{label}: refresh_ahead={short(value)} cannot be used: give a fraction of the ttl "
            f'between 0 and 1, such as 0.8, or "{XFETCH}"'
        )
    return value


def _jitter(label: str, value: Any) -> tuple[Seconds, float]:
    """
    Seconds, and a fraction of the ttl; one of them is 0.
    """
    if type(value) is float and 0 < value < 1:
        return 0.0, value
    if type(value) is str and (match := _PERCENT.fullmatch(value)) is not None:
        share = float(match[1]) / 100
        if not 0 < share <= 1:
            raise ConfigError(
                f"{label}: jitter={value!r} cannot be used: give more than 0% and at most 100%"
            )
        return 0.0, share
    absolute = _window(label, "jitter", value)
    if absolute == math.inf:
        raise ConfigError(
            f"{label}: jitter={short(value)} cannot be used: give a duration that ends, or a "
            'fraction of the ttl such as 0.1 or "10%"'
        )
    return absolute, 0.0


def _timeouts(
    label: str, soft: Any, hard: Any, on_error: Seconds
) -> tuple[Seconds | None, Seconds | None]:
    least = None if soft is None else _duration(label, "soft_timeout", soft)
    most = None if hard is None else _duration(label, "hard_timeout", hard)
    if least is not None and not on_error:
        raise ConfigError(
            f"{label}: soft_timeout={short(soft)} cannot be used: after it the old result is "
            "served, and without stale_if_error= there is none"
        )
    if least is not None and most is not None and least >= most:
        raise ConfigError(
            f"{label}: soft_timeout={short(soft)} cannot be used with "
            f"hard_timeout={short(hard)}: give less than that"
        )
    return least, most


def _duration(label: str, option: str, value: Any) -> Seconds:
    try:
        return seconds(value, what=option)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
