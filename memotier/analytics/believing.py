"""
Snapshots that other processes left: whether what was found has the form of one.

Anybody who can write to the second tier may have written it. It is only ever figures and names
that are shown, so nothing is proven here; but whatever was found, who goes on with it must not
fail. So every field has the type that it should have, numbers are finite and of a size, texts are
short and printable, and what is unknown is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from ..engine.histogram import Histogram
from ..engine.meter import OPERATIONS
from .byscope import NUMBERS
from .counters import COUNTERS, WINDOWED
from .taking import FORMAT
from .windows import SPANS

#: Characters of a name, elements of a list.
_LONGEST: Final = 1000
_MOST: Final = 5000
_LARGEST: Final = 1e18

_L1: Final = (
    *("size", "bytes", "hits", "misses", "evictions", "expirations", "invalidations"),
    "replacements",
)
_L2: Final = (
    *("size", "bytes", "hits", "misses", "evictions", "expirations", "errors", "refused"),
)
_KEY_NUMBERS: Final = ("accesses", "hits", "misses", "l1_hits", "seconds", "error")


class _NotOne(ValueError):
    pass


def believed(data: bytes) -> dict[str, Any] | None:
    """
    The snapshot in *data*, None if there is none of this version.
    """
    try:
        found = json.loads(data, parse_constant=_refuse)
        return _snapshot(found)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None


def _refuse(text: str) -> NoReturn:
    raise _NotOne(text)


def _snapshot(found: Any) -> dict[str, Any]:
    if found["format"] != FORMAT:
        raise _NotOne("format")
    tiers = found["tiers"]
    return {
        "format": FORMAT,
        "cache": _text(found["cache"]),
        "processes": _list(found["processes"], _text),
        "taken": _number(found["taken"]),
        "since": _number(found["since"]),
        "write_policy": _text(found["write_policy"]),
        "tiers": {"l1": _tier(tiers["l1"], _L1), "l2": _below(tiers["l2"])},
        "pending_writes": _number(found["pending_writes"]),
        "functions": _list(found["functions"], _function),
        "latency": _latencies(found["latency"]),
        "failures": _numbers(found["failures"], list(found["failures"])[:100]),
        "tags": _list(found["tags"], _tag),
        "scopes": _list(found.get("scopes", []), _scope),
        "hot_keys": _list(found["hot_keys"], _key),
        "arguments": _list(found.get("arguments", []), _report),
        "history": _list(found["history"], _point),
        "ended": found.get("ended") is True,
    }


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > _LONGEST:
        raise _NotOne("text")
    # Nothing that would steer a terminal, or turn the direction of what follows.
    return "".join(one if one.isprintable() else "?" for one in value)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:  # (NaN is neither)
        raise _NotOne("number")
    return value  # type: ignore[no-any-return]


def _list(value: Any, each: Callable[[Any], Any]) -> list[Any]:
    if type(value) is not list or len(value) > _MOST:
        raise _NotOne("list")
    return [each(one) for one in value]


def _numbers(value: Mapping[str, Any], names: Any) -> dict[str, float]:
    return {_text(name): _number(value[name]) for name in names}


def _bounds(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if value[name] is None else _number(value[name])
        for name in ("max_size", "max_bytes")
    }


def _tier(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {**_numbers(value, names), **_bounds(value)}


def _below(value: Any) -> dict[str, Any] | None:
    return None if value is None else {"kind": _text(value["kind"]), **_tier(value, _L2)}


def _function(value: Any) -> dict[str, Any]:
    return {
        **{name: _text(value[name]) for name in ("namespace", "function", "kind", "label")},
        **_numbers(value, ("entries", "bytes")),
        "counters": _counters(value["counters"]),
        "latency": _latencies(value["latency"]),
        "windows": {name: _window(value["windows"].get(name, {})) for name in SPANS},
    }


def _counters(value: Mapping[str, Any]) -> dict[str, float]:
    """A process of another version may not count all of them."""
    return {name: _number(value.get(name, 0)) for name in COUNTERS}


def _window(value: Mapping[str, Any]) -> dict[str, float]:
    """What did nothing has no counters."""
    return {name: _number(value.get(name, 0)) for name in ("seconds", *WINDOWED)}


def _latencies(value: Any) -> dict[str, Any]:
    found = {}
    for operation in OPERATIONS:
        if operation in value:
            written = value[operation]
            _number(written["total_seconds"])
            _list(written["buckets"], lambda pair: (pair[0], _number(pair[1])))
            found[operation] = Histogram.of_json(written).to_json()
    return found


def _tag(value: Any) -> dict[str, Any]:
    return {
        "tag": _text(value["tag"]),
        **_numbers(value, ("entries", "bytes", "hits", "seconds_saved")),
    }


def _scope(value: Any) -> dict[str, Any]:
    return {"scope": _text(value["scope"]), **_numbers(value, NUMBERS)}


def _key(value: Any) -> dict[str, Any]:
    return {
        **{name: _text(value[name]) for name in ("key", "namespace", "function")},
        **_numbers(value, _KEY_NUMBERS),
    }


def _report(value: Any) -> dict[str, Any]:
    together = value["together"]
    return {
        **{name: _text(value[name]) for name in ("namespace", "function", "label")},
        **_numbers(value, ("calls", "hit_rate", "keys", "left_out")),
        "arguments": _list(value["arguments"], _argument),
        "together": None if together is None else _argument(together),
    }


def _argument(value: Any) -> dict[str, Any]:
    return {"name": _text(value["name"]), **_numbers(value, ("values", "hit_rate_without"))}


def _point(value: Any) -> dict[str, float]:
    return _numbers(value, ("at", "seconds", *WINDOWED))
