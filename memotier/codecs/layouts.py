"""
How an object is taken apart into its fields, and put together without running its code.

Neither way calls ``__init__``, ``__post_init__``, validators, properties or
``__setattr__``: attributes are read from and written to ``__dict__`` and slots directly.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
from collections.abc import Callable
from hashlib import blake2b
from types import MemberDescriptorType
from typing import Any

from ..errors import DecodeRefused, SerializationError

_HEAP_TYPE = 1 << 9
# Written by typing and attrs beside the fields; says nothing that the fields do not.
_DROPPED = frozenset({"__orig_class__", "_attrs_cached_hash"})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """
    One class of the table. ``split`` and ``join`` are each other's inverse; the parts are
    a list of the fields' values. The fingerprint covers kind and field names.
    """

    cls: type
    name: str
    fingerprint: bytes
    split: Callable[[Any], list[Any]]
    join: Callable[[list[Any]], Any]


def describe(cls: type, name: str) -> Layout | None:
    """
    The layout of *cls*, None if it is of no known kind.

    Raises:
        SerializationError: If it is of a known kind but keeps state elsewhere too.
    """
    if issubclass(cls, enum.Enum):
        return _enum(cls, name)
    if issubclass(cls, tuple):
        return _named_tuple(cls, name)
    if _inherits("pydantic", "BaseModel", cls):
        return _model(cls, name)
    if _inherits("msgspec", "Struct", cls):
        return _struct(cls, name)
    if hasattr(cls, "__attrs_attrs__"):
        return _attributes(cls, name, "attrs", [a.name for a in cls.__attrs_attrs__])
    if dataclasses.is_dataclass(cls):
        return _attributes(cls, name, "dataclass", [f.name for f in dataclasses.fields(cls)])
    return None


def _inherits(module: str, base: str, cls: type) -> bool:
    # A class that inherits from the package proves that the package is imported.
    found = getattr(sys.modules.get(module), base, None)
    return isinstance(found, type) and issubclass(cls, found)


def _fingerprint(kind: str, *names: str) -> bytes:
    return blake2b(
        "\0".join((kind, *names)).encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()


def _enum(cls: type[enum.Enum], name: str) -> Layout:
    members = cls.__members__
    values = [
        f"{label}={member._value_!r}" for label, member in members.items() if _is_atom(member)
    ]
    is_flag = issubclass(cls, enum.Flag)

    def split(member: Any) -> list[Any]:
        if is_flag:
            return [member._value_]
        return [member._name_]

    def join(parts: list[Any]) -> Any:
        (part,) = parts
        if not is_flag:
            return members[part]
        # Only the built-in rules of flags: a combination is made of known bits.
        if type(part) is not int:
            raise DecodeRefused(f"{name} is a flag, and its record holds no integer")
        return cls(part)

    return Layout(cls, name, _fingerprint("enum", *members, *values), split, join)


def _is_atom(member: enum.Enum) -> bool:
    return type(member._value_) in (int, str, bytes, float, bool, type(None))


def _named_tuple(cls: type, name: str) -> Layout | None:
    fields = getattr(cls, "_fields", None)
    if type(fields) is not tuple or not all(type(field) is str for field in fields):
        return None
    size = len(fields)

    def split(value: Any) -> list[Any]:
        if tuple.__len__(value) != size or getattr(value, "__dict__", None):
            raise SerializationError(
                f"a {name} carries more than its {size} fields and would lose that when stored"
            )
        return list(tuple.__iter__(value))

    def join(parts: list[Any]) -> Any:
        if len(parts) != size:
            raise DecodeRefused(f"{name} has {size} fields, its record {len(parts)}")
        return tuple.__new__(cls, parts)

    return Layout(cls, name, _fingerprint("named tuple", *fields), split, join)


def _struct(cls: Any, name: str) -> Layout:
    fields = cls.__struct_fields__
    if hasattr(cls, "__post_init__"):
        raise SerializationError(
            f"{name} is a msgspec.Struct with __post_init__, which msgspec cannot restore "
            "without running it; use a dataclass"
        )

    def split(value: Any) -> list[Any]:
        if getattr(value, "__dict__", None):
            raise SerializationError(f"a {name} carries attributes beside its fields")
        return [getattr(value, field) for field in fields]

    def join(parts: list[Any]) -> Any:
        return cls(**dict(zip(fields, parts, strict=True)))

    return Layout(cls, name, _fingerprint("struct", *fields), split, join)


def _model(cls: Any, name: str) -> Layout:
    fields = tuple(cls.__pydantic_fields__)
    private = tuple(cls.__private_attributes__)
    known = frozenset(fields)
    put = object.__setattr__

    def split(model: Any) -> list[Any]:
        state = model.__dict__
        _refuse_extras(cls, name, state.keys() - known)
        absent = [field for field in fields if field not in state]
        chosen = model.__pydantic_fields_set__
        return [
            absent or None,
            None if chosen == known else sorted(chosen),
            getattr(model, "__pydantic_extra__", None),
            getattr(model, "__pydantic_private__", None),
            *(state[field] for field in fields if field in state),
        ]

    def join(parts: list[Any]) -> Any:
        absent, chosen, extra, hidden, *values = parts
        present = [field for field in fields if field not in (absent or ())]
        if not (extra is None or type(extra) is dict) or not (
            hidden is None or (type(hidden) is dict and hidden.keys() <= set(private))
        ):
            raise DecodeRefused(f"the record of a {name} is malformed")
        model = object.__new__(cls)
        put(model, "__dict__", dict(zip(present, values, strict=True)))
        put(model, "__pydantic_fields_set__", set(fields if chosen is None else chosen))
        put(model, "__pydantic_extra__", extra)
        put(model, "__pydantic_private__", hidden)
        return model

    fingerprint = _fingerprint("pydantic", *fields, "private", *private)
    return Layout(cls, name, fingerprint, split, join)


def _attributes(cls: type, name: str, kind: str, fields: list[str]) -> Layout:
    _refuse_builtin_bases(cls, name)
    slots = _slots(cls)
    others = slots.keys() - set(fields) - _DROPPED
    known = frozenset(fields)
    has_dict = any("__dict__" in base.__dict__ for base in cls.__mro__)
    missing = object()
    hashes = getattr(cls.__hash__, "__code__", None)
    forgets_hash = hashes is not None and "_attrs_cached_hash" in hashes.co_names

    def read(value: Any, state: dict[str, Any], field: str) -> Any:
        slot = slots.get(field)
        if slot is None:
            return state.get(field, missing)
        try:
            return slot.__get__(value, cls)
        except AttributeError:
            return missing

    def split(value: Any) -> list[Any]:
        state = value.__dict__ if has_dict else {}
        extras = (state.keys() - known) | {
            other for other in others if read(value, state, other) is not missing
        }
        _refuse_extras(cls, name, extras)
        values = [read(value, state, field) for field in fields]
        if not any(part is missing for part in values):
            return [None, *values]
        absent = [field for field, part in zip(fields, values, strict=True) if part is missing]
        return [absent, *(part for part in values if part is not missing)]

    def join(parts: list[Any]) -> Any:
        absent, *values = parts
        present = [field for field in fields if field not in absent] if absent else fields
        value: Any = object.__new__(cls)
        for field, part in zip(present, values, strict=True):
            slot = slots.get(field)
            if slot is None:
                value.__dict__[field] = part
            else:
                slot.__set__(value, part)
        if forgets_hash:
            object.__setattr__(value, "_attrs_cached_hash", None)
        return value

    return Layout(cls, name, _fingerprint(kind, *fields), split, join)


def _slots(cls: type) -> dict[str, MemberDescriptorType]:
    return {
        label: member
        for base in reversed(cls.__mro__)
        for label, member in base.__dict__.items()
        if type(member) is MemberDescriptorType
    }


def _refuse_builtin_bases(cls: type, name: str) -> None:
    for base in cls.__mro__:
        if base is not object and not base.__flags__ & _HEAP_TYPE:
            raise SerializationError(
                f"{name} is also a {base.__qualname__}, whose own state its fields do not show"
            )


def _refuse_extras(cls: type, name: str, extras: set[str]) -> None:
    """
    Attributes beside the fields would be lost; only caches that refill themselves may be.
    """
    for extra in extras - _DROPPED:
        if not isinstance(getattr(cls, extra, None), functools.cached_property):
            raise SerializationError(
                f"a {name} has the attribute {extra!r} beside its fields and would lose it when "
                "stored; make it a field, or a functools.cached_property"
            )
