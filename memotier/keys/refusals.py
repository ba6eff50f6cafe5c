"""
What a user reads when an argument has no key: which one, where in it, of what type, what to do.

Never the value. Of the keys of dicts on the way only those are shown that look like words of a
program; the others may be data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import UnkeyableArgument
from .naming import label
from .wire import Refusal

_WORD = re.compile(r"[A-Za-z_][A-Za-z_-]{0,23}").fullmatch


def place(places: Sequence[Any] | None, at: int) -> str:
    """
    Child *at* of a container as one would write it in Python.

    *places* are the names of attributes, the items of a dict, ``()`` for a set, or None.
    """
    if places is None:
        return f"[{at}]"
    if at >= len(places):
        return "{...}"
    found = places[at]
    if type(found) is str:
        return f".{found}"

    key = found[0]
    if type(key) is str:
        return f"[{key!r}]" if _WORD(key) else "['...']"
    return f"[<{label(type(key))}>]"


def unkeyable(
    function: str | None, argument: str, where: str, value: Any, refusal: Refusal
) -> UnkeyableArgument:
    """
    The error for *value*, which lies at *where* inside *argument* of *function*.
    """
    kind = label(refusal.kind or type(value))
    short = kind.rpartition(".")[2]
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    what = f"{article} {kind}, which {refusal.why}"
    if function is None:
        inside = f"the value at {where}" if where else "the value"
        return UnkeyableArgument(
            f"cannot make a key: {inside} is {what}. "
            f"Teach memotier about it: memotier.register_key({short}, function)."
        )

    inside = f", at {where}, is" if where else " is"
    return UnkeyableArgument(
        f"{function}() cannot be cached: argument {argument!r}{inside} {what}. "
        f"Leave it out with ignore=({argument!r},), say with key= what counts, or teach "
        f"memotier about the type: memotier.register_key({short}, function)."
    )
