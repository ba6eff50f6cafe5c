"""
Recorded calls as JSON, for people and for other machines.

Arguments that JSON carries faithfully are written as they are; others as the payload of the safe
codec, in base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from ..codecs.values import SafeCodec
from ..durations import check_namespace
from ..errors import MemotierError
from .pattern import HOURS, Pattern
from .records import Recorded
from .signature import LARGEST, Signature

#: Beyond which a number is no count and no time.
MOST: Final = 1e15
#: Characters of a name.
LONGEST: Final = 1024

_codec: Final = SafeCodec(max_bytes=LARGEST)


def to_json(recorded: Recorded) -> dict[str, Any]:
    """
    What ``from_json`` takes.
    """
    signature, pattern = recorded
    found: dict[str, Any] = {
        "namespace": signature.namespace,
        "function": signature.function,
        "user": signature.user,
        "redacted": list(signature.redacted),
    }
    arguments = None if signature.redacted else _plain(signature)
    if arguments is None:
        found["payload"] = base64.b64encode(signature.payload).decode()
    else:
        found["arguments"] = arguments
    return found | {
        "hits": pattern.hits,
        "misses": pattern.misses,
        "first": pattern.first,
        "last": pattern.last,
        "weight": pattern.weight,
        "at": pattern.at,
        "hours": {str(hour): count for hour, count in enumerate(pattern.hours) if count},
        "compute_seconds": pattern.cost,
        "ttl": pattern.ttl,
    }


def from_json(found: Any) -> Recorded:
    """
    Raises:
        ValueError: If it is not what ``to_json`` makes.
    """
    if not isinstance(found, Mapping):
        raise ValueError("it is not an object")
    try:
        texts = [found["namespace"], found["function"], found.get("user", "")]
        if not all(type(text) is str for text in texts):
            raise ValueError("namespace, function and user are texts")
        check_namespace(texts[0])
        signature = Signature(texts[0], texts[1], _payload(found), texts[2])
        signature.arguments()
        signature.identity  # noqa: B018  # of texts that can be written down
        if len(signature.payload) > LARGEST or len(texts[1]) > LONGEST or len(texts[2]) > LONGEST:
            raise ValueError("it is too long")
        return Recorded(signature, _pattern(found))
    except KeyError as error:
        raise ValueError(f"it has no {error.args[0]!r}") from None
    except MemotierError as error:
        raise ValueError(str(error)) from None
    except (TypeError, AttributeError, OverflowError):
        raise ValueError("a value has the wrong type") from None


def _payload(found: Mapping[str, Any]) -> bytes:
    if found.get("redacted"):
        raise ValueError("its secret arguments were not recorded")
    if "payload" in found:
        return base64.b64decode(found["payload"], validate=True)
    arguments = found["arguments"]
    if type(arguments) is not dict:
        raise ValueError("arguments are an object")
    return _codec.encode(arguments)


def _pattern(found: Mapping[str, Any]) -> Pattern:
    hours = [0.0] * HOURS
    for hour, count in found.get("hours", {}).items():
        if not hour.isdecimal() or int(hour) >= HOURS:
            raise ValueError(f"{hour!r} is no hour of the day")
        hours[int(hour)] = float(count)
    ttl = found.get("ttl")
    pattern = Pattern(
        hits=int(found.get("hits", 0)),
        misses=int(found.get("misses", 0)),
        first=float(found.get("first", 0.0)),
        last=float(found.get("last", 0.0)),
        weight=float(found.get("weight", 1.0)),
        at=float(found.get("at", found.get("last", 0.0))),
        hours=hours,
        cost=float(found.get("compute_seconds", 0.0)),
        ttl=None if ttl is None else float(ttl),
    )
    counts = (pattern.hits, pattern.misses, pattern.first, pattern.last, pattern.weight)
    for number in (*counts, pattern.at, *hours, pattern.cost, pattern.ttl or 0.0):
        if not 0 <= number < MOST:
            raise ValueError("a number is out of all bounds")
    return pattern


def _plain(signature: Signature) -> dict[str, Any] | None:
    """
    The arguments, if JSON gives them back the same, types and all.
    """
    try:
        arguments = signature.arguments()
        again = json.loads(json.dumps(arguments, allow_nan=False))
        return arguments if _codec.encode(again) == signature.payload else None
    except (ValueError, TypeError, MemotierError):
        return None
