"""
Arguments as short texts for people, without what may be a secret.

Nothing of the value's class is ever run: plain values and containers are shown as Python writes
them, cut; records by their fields; of everything else the type. A text is at most
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
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from uuid import UUID

from .keys.hidden import says_secret
from .keys.naming import bare_name, can_be_imported, mro
from .keys.reading import fields
from .recording.signature import names_secret

#: Letters of one text.
LONGEST: Final = 60
#: Items of a container, and levels of containers, that are shown.
MOST_ITEMS: Final = 4
DEEPEST: Final = 2
HIDDEN: Final = "***"
#: Letters of a text that are looked through before it is cut.
_LOOKED_AT: Final = 256

_PATHS: Final = (PosixPath, PurePosixPath, PureWindowsPath, WindowsPath)
#: Types by id, because the hash of a class may be code of its metaclass.
_TEXTS: Final = frozenset(map(id, (date, datetime, time, timedelta, Decimal, UUID, *_PATHS)))
_PLAIN: Final = frozenset(
    map(id, (str, bytes, int, float, bool, type(None), list, tuple, dict, set))
)
_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}
_CONTAINERS: Final = frozenset(map(id, _BRACKETS))
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
    if id(kind) not in _PLAIN and says_secret(kind):
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
        if id(kind) in _CONTAINERS:
            return _container(name, value, levels)
        bases = mro(kind)
        if Enum in bases:
            return f"{bare_name(kind)}.{object.__getattribute__(value, '_name_')}"
        if id(kind) in _TEXTS:
            return f"{bare_name(kind)}({scrubbed(str(value)[:_LOOKED_AT])!r})"
        if type in bases:
            return bare_name(value)
        return _of_class(value, levels)
    except Exception:  # such as fields without values
        return f"<{bare_name(kind)}>"


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
    found = [one for one in fields(value) if one[0]]
    if found and levels:
        few = found[:MOST_ITEMS]
        texts = [f"{field}={_text(field, inside, levels - 1)}" for field, inside in few]
        texts += ["…"] * (len(few) < len(found))
        return f"{bare_name(kind)}({', '.join(texts)})"
    if can_be_imported(kind, ("numpy", "pandas", "polars", "pyarrow")):
        shape = getattr(value, "shape", None)
        if type(shape) is tuple and all(type(one) is int for one in shape):
            return f"{bare_name(kind)} of shape {shape}"
    return f"<{bare_name(kind)}>"
