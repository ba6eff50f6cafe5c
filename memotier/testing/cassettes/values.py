"""
Results as they stand on a tape, and back.

What JSON can hold exactly is plain JSON, for people to read. All else is the safe codec's payload
in base64, with a short text beside it. JSON has neither tuples nor NaN, and no keys but texts: a
value with one of those anywhere in it is of the second kind, so that it comes back as what it was.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final

from ...codecs.survey import ATOMS, MAX_DEPTH, MAX_ITEMS
from ...codecs.values import SafeCodec, is_text
from ...errors import DecodeRefused, SerializationError
from ...keys.hidden import says_secret
from ...recording.signature import Unrecordable, inside
from ...shown import scrubbed, shown

#: Bits of an integer that is written as a number.
_MOST_BITS: Final = 256
_CODEC: Final = SafeCodec()
#: Letters that end a line for some programs, or change how the others are shown.
_UNSEEN: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

#: A value on a tape: ``{"result": ...}`` or ``{"encoded": {...}}``.
Written = dict[str, Any]


def dump(value: Any) -> str:
    """
    JSON on one line, on which nobody sees less than what is there.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write(label: str, value: Any, secrets: Iterable[str] = ()) -> Written:
    """
    *value* as it stands on a tape.

    Args:
        label: The function, for the message of an error.

        secrets: Texts that must not stand there.

    Raises:
        SerializationError: If it would not come back the same, or has a secret in it.
    """
    if is_json(value):
        # Read again at once: the caller may change the value that he was given.
        text = dump(value)
        if any(dump(one)[1:-1] in text for one in secrets):
            raise _telltale(label)
        return {"result": json.loads(text)}
    if holds_secret_type(value):
        raise SerializationError(
            f"{label}() cannot be recorded: its result holds a value of a type that says it is a "
            "secret; give the cassette a redact_result= that takes it out"
        )
    try:
        payload = _CODEC.encode(value)
    except SerializationError as error:
        raise SerializationError(f"{label}() cannot be recorded: {error}") from error
    if any(one.encode("utf-8", "surrogatepass") in payload for one in secrets):
        raise _telltale(label)
    text = base64.b64encode(payload).decode()
    return {"encoded": {"shown": scrubbed(shown("", value)), "codec": _CODEC.name, "base64": text}}


def _telltale(label: str) -> SerializationError:
    return SerializationError(
        f"{label}() cannot be recorded: the value of an argument that is a secret stands in its "
        "result; give the cassette a redact_result= that takes it out"
    )


def read(written: Any) -> Any:
    """
    The value, made anew each time.

    Raises:
        DecodeRefused: If it is none that ``write`` makes, or of a class that is not known here.
    """
    if "encoded" not in written:
        return json.loads(dump(written["result"]))
    try:
        payload = base64.b64decode(written["encoded"]["base64"], validate=True)
    except (binascii.Error, ValueError):
        raise DecodeRefused("its base64 is damaged") from None
    return _CODEC.decode(payload)


def check(written: dict[str, Any]) -> None:
    """
    Whether there is a value in the line, of the form that ``write`` gives it.

    Raises:
        DecodeRefused: If not.
    """
    if ("result" in written) == ("encoded" in written):
        raise DecodeRefused('it needs one of "result" and "encoded"')
    if "result" in written:
        return
    encoded = written["encoded"]
    if type(encoded) is not dict or type(encoded.get("base64")) is not str:
        raise DecodeRefused('its "encoded" is not {"codec": ..., "base64": ...}')
    if encoded.get("codec") != _CODEC.name:
        raise DecodeRefused(f'its "codec" is not "{_CODEC.name}", the only one on a tape')


def is_json(value: Any, *, around: int = 0) -> bool:
    """
    Whether *value* comes back from JSON as exactly what it is.

    Args:
        around: Levels that there may be around the largest value, and some items on each.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH + around):
        below: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is dict:
                if not all(type(key) is str and is_text(key) for key in one):
                    return False
                below.extend(one.values())
            elif kind is list:
                below.extend(one)
            elif not _is_atom(kind, one):
                return False
            if count + len(below) > MAX_ITEMS + 1000 * around:
                return False
        if not below:
            return True
        count += len(below)
        level = below
    return False


def _is_atom(kind: type, value: Any) -> bool:
    if kind is str:
        return is_text(value)
    if kind is int:
        return bool(value.bit_length() <= _MOST_BITS)
    if kind is float:
        return math.isfinite(value)
    return kind is bool or value is None


def holds_secret_type(value: Any) -> bool:
    """
    Whether a type in *value* says that it is a secret, as pydantic's ``SecretStr`` does.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for one in level:
            kind = type(one)
            if says_secret(kind):
                return True
            if kind not in ATOMS and count + len(below) < MAX_ITEMS:
                try:
                    below.extend(part for _, part in inside(one))
                except Unrecordable:
                    return True  # it cannot be looked into
        count += len(below)
        level = below
    return False


def as_it_is(value: Any) -> Any:
    """
    A copy of *value*, which may change; itself where there can be none, or need not.
    """
    if type(value) in ATOMS:
        return value
    try:
        return json.loads(dump(value)) if is_json(value) else _CODEC.decode(_CODEC.encode(value))
    except (SerializationError, DecodeRefused):
        return value  # refused when the stream is written
