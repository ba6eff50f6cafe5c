"""
What is asked: the text that may be near to another, and all that must be the same.

A query is a text, or a list of messages, the last of which has the text. The messages before it,
what else the last one says (its role, its name), and the scope are the *group*: an entry of another
group is never found, however near its text is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ..durations import short
from ..errors import ConfigError
from ..keys.canonical import encode_call


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One query: its *text*, the digest of what must be the same, and the key of its entry.
    """

    text: str
    group: bytes
    key: str


def asked(query: Any, scope: Any = None) -> Asked:
    """
    What *query*, a text or a list of messages, asks in *scope*.

    Raises:
        ConfigError: If it is neither, or its last message has no text.

        UnkeyableArgument: If the scope, or a message, has something that has no stable key.
    """
    text, around = (query, None) if type(query) is str else _last_text(query)
    group = encode_call("SemanticCache", ("scope", "messages"), (scope, around))
    exact = encode_call("SemanticCache", ("text", "group"), (text, group))
    return Asked(text, _digest(group), _digest(exact).hex())


def _last_text(query: Any) -> tuple[str, Any]:
    if not isinstance(query, (list, tuple)) or not query:
        raise ConfigError(
            f"a query is a {type(query).__qualname__}{' without messages' * (query in ([], ()))}; "
            "give a text, or a list of messages"
        )
    messages = [_fields(message) for message in query]
    kind, last = messages[-1]
    text = last.pop("content", None)
    if type(text) is not str:
        raise ConfigError(
            f"the content of the last message is a {type(text).__qualname__}, which has no text "
            "to be near to another; give a text as the query, and the rest as scope="
        )
    return text, [*messages[:-1], (kind, last)]


def _fields(message: Any) -> tuple[str, dict[str, Any]]:
    """
    The type of a message and all that it says.
    """
    kind = type(message)
    if isinstance(message, Mapping):
        return "", dict(message)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if dataclasses.is_dataclass(message):
        return name, {f.name: getattr(message, f.name) for f in dataclasses.fields(message)}
    fields = getattr(kind, "__struct_fields__", None) or getattr(kind, "_fields", None)
    if fields is not None:
        return name, {field: getattr(message, field) for field in fields}
    try:
        return name, dict(vars(message))
    except TypeError:
        raise ConfigError(
            f"a message is a {kind.__qualname__}, {short(name)}, whose fields cannot be seen; "
            "give dicts with 'role' and 'content', or a text"
        ) from None


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=32, person=b"memotier-sem").digest()
