"""
Arguments as short texts for people, without what may be a secret.

Never a hook of the value's class where another way is: plain values and containers as Python
writes them, cut; records by their fields; of everything else the type. A text is at most
``LONGEST`` letters. What is a secret by its name or type is ``***``, also inside of containers; so
is what looks like one within a text (``scrubbed``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from .keys.hidden import SECRET_TYPES
from .recording.signature import fields_of, names_secret

#: Letters of one text.
LONGEST: Final = 60
#: Items of a container, and levels of containers, that are shown.
MOST_ITEMS: Final = 4
DEEPEST: Final = 2
HIDDEN: Final = "***"
#: Letters of a text that are looked through before it is cut.
_LOOKED_AT: Final = 256

_TEXTS: Final = frozenset((date, datetime, time, timedelta, Decimal, UUID))
_PLAIN: Final = frozenset((str, bytes, int, float, bool, type(None), list, tuple, dict, set))
_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}
#: Without one of these, or shorter, a text has nothing that looks like a secret.
_HINTS: Final = (
    *("://", "bearer", "basic", "passw", "secret", "token", "api"),
    *("sk", "pk", "rk", "gh", "xox", "akia", "eyj"),
)
_SHORTEST: Final = 8
_LOOKS_SECRET: Final = (
    (re.compile(r"://[^/\s@]*:[^/\s@]*@"), "://***@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\"]+"), r"\1 ***"),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_\-]?key)[a-z_\-]{0,20})"
            r"(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|xox[abprs]|AKIA|eyJ)[\-_.A-Za-z0-9]{12,}"), HIDDEN),
)


def shown(name: str, value: Any) -> str:
    """
    The text for an argument called *name*.
    """
    return cut(_text(name, value, DEEPEST))


def called(label: str) -> str:
    """
    What people call a function that its *label* names.
    """
    return label.rpartition("<locals>.")[2]


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def scrubbed(text: str) -> str:
    """
    *text* without what looks like a secret, whatever it is called.
    """
    lower = text.lower()
    if len(text) < _SHORTEST or not any(hint in lower for hint in _HINTS):
        return text  # as nearly always: a fifth of the time that the patterns take
    for pattern, instead in _LOOKS_SECRET:
        text = pattern.sub(instead, text)
    return text


def is_hidden(name: str, value: Any) -> bool:
    """
    Whether *value* is a secret by its type, or by being called *name*.
    """
    kind = type(value)
    if kind not in _PLAIN and any(one.__name__ in SECRET_TYPES for one in kind.__mro__):
        return True
    if kind is bool or value is None or not name:
        return False
    return _says_secret(name, kind is int or kind is float)


@lru_cache(maxsize=4096)
def _says_secret(name: str, of_number: bool) -> bool:
    return names_secret(name, of_number=of_number)


def _text(name: str, value: Any, levels: int) -> str:
    kind = type(value)
    if is_hidden(name, value):
        return HIDDEN
    if kind is str or kind is bytes:
        # What is shown whole is looked through when it is shown.
        is_whole = levels == DEEPEST and len(value) < LONGEST
        return repr(value) if is_whole else scrubbed(repr(value[:_LOOKED_AT]))
    if value is None or kind is bool or kind is float:
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() <= 128 else f"int of {value.bit_length()} bits"
    try:
        if kind in _BRACKETS:
            return _container(name, value, levels)
        if isinstance(value, Enum):
            return f"{kind.__name__}.{value._name_}"
        if kind in _TEXTS or (isinstance(value, PurePath) and kind.__module__ == "pathlib"):
            return f"{kind.__name__}({scrubbed(str(value)[:_LOOKED_AT])!r})"
        if isinstance(value, type):
            return value.__name__
        return _of_class(value, levels)
    except Exception:  # whatever its class does
        return f"<{kind.__name__}>"


def _container(name: str, value: Any, levels: int) -> str:
    kind = type(value)
    if not levels:
        return f"{kind.__name__} of {len(value)}"
    texts = []
    items: Iterable[Any] = value.items() if kind is dict else value
    # A pair may be a header: its second half is called by the first.
    is_pair = kind in (list, tuple) and len(value) == 2 and type(value[0]) is str
    for at, item in enumerate(items):
        if at == MOST_ITEMS:
            texts.append("…")
            break
        if kind is dict:
            called, what = item
            inner = called if type(called) is str else ""
            texts.append(f"{_text('', called, 0)}: {_text(inner, what, levels - 1)}")
        else:
            texts.append(_text(value[0] if is_pair and at else "", item, levels - 1))
        if sum(map(len, texts)) > LONGEST:
            break
    opening, closing = _BRACKETS[kind]
    if kind is tuple and len(value) == 1:
        closing = ",)"
    return f"{opening}{', '.join(texts)}{closing}"


def _of_class(value: Any, levels: int) -> str:
    kind = type(value)
    fields = fields_of(kind)
    if fields and levels:
        few = fields[:MOST_ITEMS]
        texts = [f"{field}={_text(field, getattr(value, field), levels - 1)}" for field in few]
        texts += ["…"] * (len(few) < len(fields))
        return f"{kind.__name__}({', '.join(texts)})"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars", "pyarrow"):
        shape = getattr(value, "shape", None)
        if type(shape) is tuple and all(type(one) is int for one in shape):
            return f"{kind.__name__} of shape {shape}"
    return f"<{kind.__name__}>"
