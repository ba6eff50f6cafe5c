"""
What a user reads when an argument has no key: which one, where in it, of what type, what to do.

Never the value, and of the keys of dicts on the way only the types: both may be data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UnkeyableArgument
from .naming import label
from .registry import is_fixed
from .wire import Refusal


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

    return f"[<{label(type(found[0]))}>]"


def unkeyable(
    function: str | None, argument: str, where: str, value: Any, refusal: Refusal
) -> UnkeyableArgument:
    """
    The error for *value*, which lies at *where* inside *argument* of *function*.
    """
    kind = refusal.kind or type(value)
    named = label(kind)
    what = f"{'an' if named[0] in 'aeiouAEIOU' else 'a'} {named}, which {refusal.why}"
    remedies = []
    if function is not None:
        remedies = [f"leave it out with ignore=({argument!r},)", "say with key= what counts"]
    if not is_fixed(kind):
        call = f"memotier.register_key({named.rpartition('.')[2]}, function)"
        remedies.append(f"teach memotier about the type: {call}")

    said = f"{function}() cannot be cached: argument {argument!r}"
    if function is None:
        said = "cannot make a key: the value"
    inside = f", at {where}, is" if where else " is"
    return UnkeyableArgument(f"{said}{inside} {what}.{_sentence(remedies)}")


def _sentence(remedies: list[str]) -> str:
    if not remedies:
        return ""
    *others, last = remedies
    text = f"{', '.join(others)}, or {last}" if others else last
    return f" {text[0].upper()}{text[1:]}."
