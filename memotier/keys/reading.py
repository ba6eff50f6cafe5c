"""
What an instance of a class with fields consists of, for who shows it or looks for secrets in it:
read as for a key (objects.py), past everything that its class overrides.
"""

from __future__ import annotations

from typing import Any, Final

from .containers import Opener
from .naming import forget_with
from .objects import of_fields

#: By id, as in openers.py; without what the user said with ``register_key``: that is for keys.
_found: Final[dict[int, Opener | None]] = {}


def fields(value: Any) -> list[tuple[str, Any]]:
    """
    The fields of *value* by name; none if its class declares none. What it carries besides stands
    behind them, as a dict without a name.

    Raises:
        Refusal: If it cannot be read so, because a field has no value or there is hidden state.
    """
    kind = type(value)
    at = id(kind)
    if at in _found:
        opener = _found[at]
    else:
        opener = _found[at] = of_fields(kind)
        forget_with(kind, _found)
    if opener is None:
        return []
    _, children, places = opener(value)
    if places is None:  # a member of an enum
        return []
    named = []
    for place, child in zip(places, children, strict=False):
        if type(place) is not str:
            continue
        if not place.startswith("__"):
            named.append((place, child))
        elif type(child) is dict:
            named.append(("", child))
    return named
