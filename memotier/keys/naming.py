"""
What a class is called in keys.

A class that can be found again under ``module.qualname`` is called so; in a script, the
script's own name stands for ``__main__``. Every other class (local to a function, shadowed by a
later definition, of a notebook) has no name that another process would understand, and two of
them may share one: it gets a random token instead. Keys with a token hold in this process
only, and never meet those of another class.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

from .identity import module_name
from .wire import framed, name

_mro = type.__dict__["__mro__"].__get__
_name = type.__dict__["__name__"].__get__
_namespace = type.__dict__["__dict__"].__get__
_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__

#: The attribute of a class, past its metaclass's ``__getattribute__`` and ``__getattr__``; not past
#: a property that is called so.
static = type.__getattribute__

_HEAP_TYPE = 1 << 9  # of tp_flags: made by a class statement or the like

_names: dict[int, bytes] = {}
_claims: dict[bytes, weakref.ref[type]] = {}
_watches: dict[tuple[int, int], weakref.ref[type]] = {}


def mro(cls: type) -> tuple[type, ...]:
    """
    The classes of *cls* in order of resolution, read past whatever its metaclass overrides.
    """
    result: tuple[type, ...] = _mro(cls)
    return result


def namespace(cls: type) -> Any:
    """
    What the body of *cls* defined, read past whatever its metaclass overrides.
    """
    return _namespace(cls)


def bare_name(cls: type) -> str:
    """
    What the statement that made *cls* calls it, read past whatever its metaclass overrides.
    """
    return str(_name(cls))


def label(cls: type) -> str:
    """
    What *cls* is called in messages.
    """
    module, qualname = _module(cls), _qualname(cls)
    return qualname if module == "builtins" else f"{module}.{qualname}"


def class_name(cls: type) -> bytes:
    """
    The bytes that stand for *cls* in keys.
    """
    found = _names.get(id(cls))
    if found is None:
        found = _names[id(cls)] = _find_name(cls)
        forget_with(cls, _names)
    return found


def forget_with(cls: type, table: dict[int, Any]) -> None:
    """
    Remove *cls* from *table*, which is keyed by ``id(cls)``, when the class is collected.
    """
    # The callback runs before the memory, and with it the id, can be used again.
    key, at = id(cls), (id(table), id(cls))

    def forget(_: weakref.ref[type]) -> None:
        table.pop(key, None)
        _watches.pop(at, None)

    _watches[at] = weakref.ref(cls, forget)


def _find_name(cls: type) -> bytes:
    module, qualname = _module(cls), _qualname(cls)
    known_as = module_name(module) if type(module) is str else None
    # A type made in C is one of a kind, wherever it says that it lies (NoneType).
    is_static = not static(cls, "__flags__") & _HEAP_TYPE
    if known_as is not None and (is_static or _lookup(module, qualname) is cls):
        found = b"n" + name(known_as) + name(qualname)
        claim = _claims.get(found)
        holder = claim() if claim is not None else None
        if holder is None or holder is cls:
            _claims[found] = weakref.ref(cls)
            return found

    return _generic_name(cls) or b"t" + framed(os.urandom(16))


def _lookup(module: str, qualname: str) -> object:
    """
    What *module* has under *qualname*, or None.
    """
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        inside = namespace(found) if isinstance(found, type) else getattr(found, "__dict__", {})
        found = inside.get(part)
    return found


def can_be_found(function: Any) -> bool:
    """
    Whether *function* stands where it says: under ``module.qualname``.
    """
    module, qualname = function.__module__, function.__qualname__
    if type(module) is not str or type(qualname) is not str:
        return False
    return _lookup(module, qualname) is function


def can_be_imported(cls: type, packages: tuple[str, ...]) -> bool:
    """
    Whether *cls* is what stands under its name in one of *packages*.
    """
    module = _module(cls)
    if type(module) is not str or module.partition(".")[0] not in packages:
        return False
    return _lookup(module, _qualname(cls)) is cls


def _generic_name(cls: type) -> bytes | None:
    """
    The name of a parametrised pydantic model, such as ``Box[int]``: its origin and arguments.
    """
    about = namespace(cls).get("__pydantic_generic_metadata__")
    if not about or not about["origin"]:
        return None
    arguments = about["args"]
    if not all(isinstance(argument, type) for argument in arguments):
        return None
    parts = [class_name(about["origin"]), *map(class_name, arguments)]
    return b"g" + framed(b"".join(framed(part) for part in parts))
