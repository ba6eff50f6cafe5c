"""
The table of classes whose instances may be restored, and nothing else may.

A record names the class of an object; the name is looked up here and nowhere else, so a
record can neither import a module nor choose a class that this process did not offer.
Classes enter by ``register``, from the return annotations of cached functions, and when
one of their instances is stored.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, TypeVar

from ..errors import ConfigError, DecodeRefused, SerializationError
from .annotations import classes_in
from .layouts import Layout, describe

C = TypeVar("C", bound=type)


class UnknownClass(DecodeRefused):
    """
    A record holds an object of a class that this process has not registered.

    The record may well be sound: the engine treats it as a miss without calling it damaged.
    """


_lock = threading.RLock()
_by_name: dict[str, Layout] = {}
_by_class: dict[type, Layout] = {}
#: Names that two living classes claim, so that neither can be restored by name.
_contested: set[str] = set()


def name_of(cls: type) -> str:
    """
    ``module.qualname``, the name under which a record knows the class.
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def register(cls: C) -> C:
    """
    Allow instances of *cls*, and of the classes of its fields, to be restored.

    Usable as a decorator. For dataclasses, attrs and pydantic classes, named tuples,
    ``msgspec.Struct`` and enums.

    Raises:
        ConfigError: If instances of *cls* cannot be carried.
    """
    try:
        layout = layout_of(cls)
    except SerializationError as error:
        raise ConfigError(f"cannot register {name_of(cls)}: {error}") from error
    if layout is None:
        raise ConfigError(
            f"cannot register {cls!r}: it is not a dataclass, attrs class, pydantic model, "
            "named tuple, msgspec.Struct or enum; return one of these, or use codec='pickle'"
        )
    register_from_annotation(cls)
    return cls


def register_from_annotation(annotation: Any) -> None:
    """
    Register every class that *annotation* mentions, and those their fields mention.

    Understands generics, unions, ``Annotated``, new types and aliases; what it does not
    understand it passes over. Never raises.
    """
    for cls in classes_in(annotation):
        try:
            layout_of(cls)
        except Exception:  # noqa: S112  # odd classes may raise anything when looked at
            continue


def layout_of(cls: type) -> Layout | None:
    """
    How instances of *cls* are taken apart; None if they are not of a kind that can be.

    Enters the class into the table.

    Raises:
        SerializationError: If another class holds its name.
    """
    layout = _by_class.get(cls)
    if layout is not None and layout.name not in _contested and _by_name[layout.name] is layout:
        return layout

    layout = layout or describe(cls, name_of(cls))
    if layout is None:
        return None
    with _lock:
        _enter(layout)
    return layout


def _enter(layout: Layout) -> None:
    known = _by_name.get(layout.name)
    if layout.name not in _contested and (known is None or known is layout):
        _by_name[layout.name] = _by_class[layout.cls] = layout
        return

    current = _importable(layout.cls)
    if current is layout.cls:
        # Reloaded, or defined again in a notebook: the module says which one counts.
        _contested.discard(layout.name)
        _by_name[layout.name] = _by_class[layout.cls] = layout
        return
    if current is None:
        _contested.add(layout.name)
    raise SerializationError(
        f"two classes are called {layout.name}, so a stored object would not say which one it "
        "is of; define the class once, at the top of its module"
    )


def _importable(cls: type) -> Any:
    """
    What stands under the name of *cls* in its module now, without importing anything.
    """
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def resolve(name: str, fingerprint: bytes) -> Layout:
    """
    The registered class called *name*.

    Raises:
        UnknownClass: If there is none.
        DecodeRefused: If its fields are not those it had when the record was written.
    """
    layout = _by_name.get(name)
    if layout is None or name in _contested:
        raise UnknownClass(
            f"the record holds a {name}, which this process has not registered; annotate the "
            "return type of the cached function with it, or call memotier.register() on it"
        )
    if layout.fingerprint != fingerprint:
        raise DecodeRefused(f"the fields of {name} have changed since the record was written")
    return layout


def _after_fork_in_child() -> None:
    # The thread that held it is not here to release it.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
