"""
The classes that an annotation mentions, directly or in the fields of those it mentions.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Iterator
from typing import Any

# Deep enough for any model; a bound for annotations that make new ones when looked at.
_MOST = 10_000


def classes_in(annotation: Any) -> Iterator[type]:
    """
    Every class found, each once. Never raises, whatever the annotation is.
    """
    pending: list[Any] = [annotation]
    seen: dict[int, Any] = {}
    while pending and len(seen) < _MOST:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item  # keeps it alive, so that its id stays its own
        try:
            pending.extend(_inside(item))
            is_class = isinstance(item, type) and not hasattr(item, "__origin__")
        except Exception:  # noqa: S112  # a strange annotation is passed over, by promise
            continue
        if is_class:
            yield item


def _inside(item: Any) -> list[Any]:
    inside = list(typing.get_args(item))
    for attribute in ("__origin__", "__supertype__", "__value__", "__bound__"):
        inside.append(getattr(item, attribute, None))
    inside.extend(getattr(item, "__constraints__", ()))
    if isinstance(item, type) and not issubclass(item, enum.Enum):
        inside.extend(_field_types(item))
    return [found for found in inside if found is not None]


def _field_types(cls: type) -> list[Any]:
    if not _has_fields(cls):
        return []
    pydantic_fields = getattr(cls, "__pydantic_fields__", None) or {}
    types = [field.annotation for field in pydantic_fields.values()]
    try:
        types.extend(typing.get_type_hints(cls, include_extras=True).values())
    except Exception:
        # One name that cannot be resolved must not hide the fields that can.
        types.extend(getattr(cls, "__annotations__", {}).values())
    return types


def _has_fields(cls: type) -> bool:
    marks = (
        "__dataclass_fields__",
        "__attrs_attrs__",
        "__pydantic_fields__",
        "__struct_fields__",
        "_fields",
        "__required_keys__",
    )
    return any(hasattr(cls, mark) for mark in marks)
