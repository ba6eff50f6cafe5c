"""
How instances of the user's classes are opened: by their fields, if their class declares them.

Named tuples, dataclasses, attrs, pydantic models, msgspec structs and enums. The fields are read
from where instances keep them, the instance's dict and its slots, past properties,
``__getattr__`` and ``__getattribute__``: no code of the class is run. What an instance carries
beside its fields counts too, because a function may read it, except values that
``functools.cached_property`` has put there.

The head holds the names of class and fields; it is made once for each class.
"""

from __future__ import annotations

import enum
import functools
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from struct import calcsize
from types import GetSetDescriptorType, MemberDescriptorType, NoneType
from typing import Any

from .containers import Opened, Opener, counted
from .naming import class_name, mro, namespace, static
from .plain import ATOMS
from .wire import Refusal, framed, name

_raw = object.__getattribute__
_WORD = calcsize("P")
_HIDDEN = "holds state outside of its fields"


def of_fields(kind: type) -> Opener | None:
    """
    The opener of *kind* if its instances say by their class what they consist of.
    """
    if enum.EnumMeta in mro(type(kind)):
        return _enum(kind)
    if tuple in mro(kind):
        return _named_tuple(kind)

    everything = _everything(kind)
    if type(everything.get("__dict__")) not in (NoneType, GetSetDescriptorType):
        return None
    if _inherits(kind, "pydantic.main", "BaseModel"):
        return _pydantic(kind, everything)
    if _inherits(kind, "msgspec", "Struct"):
        return _by_fields(kind, static(kind, "__struct_fields__"), everything, layout=False)
    if "__attrs_attrs__" in everything:
        names = [field.name for field in everything["__attrs_attrs__"]]
        return _by_fields(kind, names, everything)
    if "__dataclass_fields__" in everything:
        fields = everything["__dataclass_fields__"].values()
        names = [field.name for field in fields if field._field_type.name == "_FIELD"]
        return _by_fields(kind, names, everything)
    return None


def _inherits(kind: type, module: str, base: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and vars(loaded).get(base) in mro(kind)


def _everything(kind: type) -> dict[str, Any]:
    """
    The namespaces of *kind* and its bases in one.
    """
    merged: dict[str, Any] = {}
    for cls in reversed(mro(kind)):
        merged.update(namespace(cls))
    return merged


def _head(tag: bytes, kind: type, names: Sequence[str]) -> bytes:
    return (
        tag
        + framed(class_name(kind))
        + framed(b"".join(name(field) for field in names))
        + counted(b"", len(names))
    )


def _enum(kind: type) -> Opener:
    head = b"e" + framed(class_name(kind))

    def open_member(value: Any) -> Opened:
        # A plain value too: it may change while the name stays. Flags may have no name.
        content = _raw(value, "_value_")
        return head, (_raw(value, "_name_"), content if type(content) in ATOMS else None), None

    return open_member


def _named_tuple_base(kind: type) -> type | None:
    for cls in mro(kind):
        if static(cls, "__bases__") == (tuple,) and "_fields" in namespace(cls):
            return cls
    return None


def _named_tuple(kind: type) -> Opener | None:
    base = _named_tuple_base(kind)
    if base is None:
        return None
    names = tuple(namespace(base)["_fields"])
    head = _head(b"n", kind, names)
    has_dict = bool(static(kind, "__dictoffset__"))

    def open_tuple(value: Any) -> Opened:
        if has_dict and _raw(value, "__dict__"):
            raise Refusal(_HIDDEN)
        if tuple.__len__(value) != len(names):
            raise Refusal("has another number of fields than its class")
        return head, tuple.__getitem__(value, slice(None)), names

    return open_tuple


def _pydantic(kind: type, everything: dict[str, Any]) -> Opener:
    """
    Fields, extra and private attributes, as in pydantic's own comparison.
    """
    names = tuple(everything["__pydantic_fields__"])
    places = (*names, "__pydantic_extra__", "__pydantic_private__")
    head = _head(b"j", kind, places)
    read = _reader(names)

    def open_model(value: Any) -> Opened:
        fields = read(_raw(value, "__dict__"))
        extra = _raw(value, "__pydantic_extra__")
        return head, (*fields, extra, _raw(value, "__pydantic_private__")), places

    return open_model


def _reader(names: Sequence[str]) -> Any:
    """
    A function that takes the values of *names* out of a dict, as a tuple.
    """
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: tuple(fields[field] for field in names)


def _by_fields(
    kind: type, fields: Sequence[str], everything: dict[str, Any], *, layout: bool = True
) -> Opener | None:
    """
    Args:
        layout: Whether to check that instances hide nothing in memory of their own, as a
            dataclass does that is also a dict.
    """
    names = tuple(fields)
    slots = [
        (slot, cls)
        for cls in mro(kind)
        for slot, found in namespace(cls).items()
        if type(found) is MemberDescriptorType
    ]
    if layout and not _is_plain_layout(kind, len(slots)):
        return None
    if not all(_is_stored(everything.get(field)) for field in names):
        return None

    # attrs gives a slotted class slots for its cached properties too, and allows no others.
    extras = [
        slot for slot, cls in slots if slot not in names and "__attrs_attrs__" not in namespace(cls)
    ]
    if extras or any(slot in names for slot, _ in slots):
        return _from_slots(kind, names, tuple(extras), everything)
    return _from_dict(kind, names, everything)


def _is_stored(found: Any) -> bool:
    """
    Whether a field of which the class says *found* is kept by the instance itself.
    """
    if type(found) is MemberDescriptorType:
        return True
    return not any("__set__" in namespace(cls) for cls in mro(type(found)))


def _is_plain_layout(kind: type, slots: int) -> bool:
    """
    Whether instances have nothing but a dict and *slots*: no list, dict or int is inside.
    """
    words = slots + (static(kind, "__weakrefoffset__") > 0) + (static(kind, "__dictoffset__") > 0)
    expected = object.__basicsize__ + _WORD * words
    fits: bool = static(kind, "__basicsize__") <= expected
    return fits and static(kind, "__itemsize__") == 0


def _from_dict(kind: type, names: tuple[str, ...], everything: dict[str, Any]) -> Opener:
    head = _head(b"j", kind, (*names, ""))
    count = len(names)
    read = _reader(names)
    ignored = frozenset(
        key for key, found in everything.items() if isinstance(found, functools.cached_property)
    ) | {"__orig_class__"}

    def open_object(value: Any) -> Opened:
        state = _raw(value, "__dict__")
        try:
            children = read(state)
        except KeyError:
            raise Refusal("has no value for one of its fields") from None
        if len(state) == count:
            return head, (*children, None), names
        more = {k: v for k, v in state.items() if k not in names and k not in ignored}
        return head, (*children, more or None), (*names, "__dict__")

    return open_object


def _from_slots(
    kind: type, names: tuple[str, ...], extras: tuple[str, ...], everything: dict[str, Any]
) -> Opener:
    head = _head(b"j", kind, (*names, *extras, ""))
    has_dict = bool(static(kind, "__dictoffset__"))
    ignored = frozenset(names) | {"__orig_class__"}
    places = (*names, *extras, "__dict__")
    read = _slot_reader(names, everything)

    def open_object(value: Any) -> Opened:
        try:
            children = read(value)
        except AttributeError:
            raise Refusal("has no value for one of its fields") from None
        if not extras and not has_dict:
            return head, (*children, None), places

        state = _raw(value, "__dict__") if has_dict else {}
        more = {key: found for key, found in state.items() if key not in ignored}
        others = [_or_nothing(value, slot) for slot in extras]
        return head, (*children, *others, more or None), places

    return open_object


def _slot_reader(names: tuple[str, ...], everything: dict[str, Any]) -> Callable[[Any], Any]:
    """
    A function that takes the values of *names* out of an instance, as a tuple.
    """
    is_quiet = "__getattr__" not in everything and everything["__getattribute__"] is _raw
    if is_quiet and len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(_raw(value, field) for field in names)


def _or_nothing(value: Any, slot: str) -> Any:
    """
    What is in *slot*. NotImplemented stands for a slot that was never filled: no field holds it.
    """
    try:
        return _raw(value, slot)
    except AttributeError:
        return NotImplemented
