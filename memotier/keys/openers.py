"""
How to open a value of any type: decided once for each type, remembered while the type lives.
"""

from __future__ import annotations

from typing import Any

from .arrays import of_numpy
from .callables import of_callable
from .containers import Opened, Opener
from .frames import of_frames
from .hidden import marked, says_secret
from .naming import class_name, forget_with, label
from .objects import of_fields
from .pydantics import of_pydantic
from .registry import hook_of, on_change
from .stdlib import known
from .wire import Refusal, framed

# By id, not by class: a class must be free to go. See ``forget_with``.
_found: dict[int, Opener] = {}
on_change(_found.clear)


def opener_for(kind: type) -> Opener:
    """
    The opener for values of exactly the type *kind*.

    Raises:
        Refusal: If there is none.
    """
    opener = _found.get(id(kind))
    if opener is None:
        opener = _decide(kind)
        if says_secret(kind) and opener is not _refuse:
            opener = marked(opener)
        _found[id(kind)] = opener
        forget_with(kind, _found)
    return opener


def _decide(kind: type) -> Opener:
    # What the user said comes first, then types that are what they are, then declarations.
    hook = hook_of(kind)
    if hook is not None:
        return _by_hook(kind, hook)
    for source in (of_callable, known, of_numpy, of_frames, of_pydantic, of_fields):
        opener = source(kind)
        if opener is not None:
            return opener
    return _refuse


def _refuse(value: Any) -> Opened:
    raise Refusal("has no stable key", type(value))


def _by_hook(kind: type, hook: Any) -> Opener:
    head = b"!" + framed(class_name(kind))

    def open_hooked(value: Any) -> Opened:
        try:
            part = hook(value)
        except Exception as error:
            why = f"has no key, because asking for it raised {label(type(error))}"
            raise Refusal(why) from error
        return head, (part,), ("__cache_key__()",)

    return open_hooked
