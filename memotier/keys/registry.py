"""
Types that the user has taught memotier about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfigError
from .containers import OPENERS
from .naming import label, mro, namespace
from .plain import ATOMS, LONG

T = TypeVar("T")

#: Methods of a class that give the part of its instances that counts, in order of preference.
METHODS = ("__cache_key__", "__memotier_key__")

_registered: dict[type, Callable[[Any], Any]] = {}
_listeners: list[Callable[[], None]] = []
_FIXED = {*ATOMS, *LONG, *OPENERS, dict, set, frozenset, object, type}
#: By id, because the hash of a class may be code of its metaclass.
_FIXED_IDS = frozenset(map(id, _FIXED))


def register_key(kind: type[T], function: Callable[[T], Any]) -> None:
    """
    Let *function* say what counts in a key of a value of type *kind*, and of its subclasses.

    Args:
        function: Given the value, returns anything that has a key itself: text, a number, a
            tuple or dict of such. The nearest registered class wins; a class that has a
            ``__cache_key__()`` of its own needs no function, but *kind* itself may have both,
            and then this function is asked.

    Raises:
        ConfigError: If *kind* is a plain builtin, whose key is fixed, or not a class.
    """
    if not isinstance(kind, type):
        raise ConfigError(f"register_key() needs a class, not {kind!r}")
    if is_fixed(kind):
        raise ConfigError(
            f"the key of {label(kind)} is fixed. To leave something out of it, use key= of the "
            "decorated function, or wrap the value in a class with a __cache_key__() method."
        )
    if not callable(function):
        raise ConfigError(f"register_key({label(kind)}, ...) needs a function, not {function!r}")
    _registered[kind] = function
    for changed in _listeners:
        changed()


def is_fixed(kind: type) -> bool:
    """
    Whether the key of *kind* cannot be changed: there is no use in advising to register it.
    """
    return id(kind) in _FIXED_IDS


def on_change(listener: Callable[[], None]) -> None:
    """
    Call *listener* after every registration: what was decided about types before may be wrong.
    """
    _listeners.append(listener)


def hook_of(kind: type) -> Callable[[Any], Any] | None:
    """
    What gives the part that counts of a value of type *kind*, if the user has said it.
    """
    function = _registered.get(kind)
    if function is not None:
        return function

    classes = mro(kind)
    for method in METHODS:
        for cls in classes:
            if method in namespace(cls):
                return None if namespace(cls)[method] is None else _calling(method)
    for cls in classes:
        if cls in _registered:
            return _registered[cls]
    return None


def _calling(method: str) -> Callable[[Any], Any]:
    # By name and through the class, so that the hook does not keep the class alive.
    return lambda value: getattr(type(value), method)(value)
