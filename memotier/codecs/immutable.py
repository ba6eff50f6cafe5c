"""
Which values may be shared by all callers, because nobody can change them.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
import types
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

#: Exact types whose instances never change.
IMMUTABLE: frozenset[type] = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis),
        type(NotImplemented), date, datetime, time, timedelta, timezone, ZoneInfo, Decimal,
        Fraction, UUID, PurePosixPath, PureWindowsPath, PosixPath, WindowsPath, re.Pattern,
        # What copy.deepcopy shares as well.
        type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType,
    }
)  # fmt: skip


def is_immutable(value: Any) -> bool:
    """
    Whether *value* and everything in it can be shared. False where that is not certain.
    """
    pending = [value]
    # Parts that occur often are looked at once, or nested pairs would take for ever.
    seen: dict[int, Any] = {}
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind in IMMUTABLE or id(item) in seen:
            continue
        seen[id(item)] = item
        parts = _parts(item, kind)
        if parts is None:
            return False
        pending.extend(parts)
    return True


def _parts(item: Any, kind: type) -> Iterable[Any] | None:
    """
    What decides about *item*: nothing, its parts, or None if it is mutable itself.
    """
    if kind is tuple or kind is frozenset:
        return () if IMMUTABLE.issuperset(map(type, item)) else item
    if kind is slice:
        return (item.start, item.stop, item.step)
    if isinstance(item, (enum.Enum, type)):
        return ()
    package = kind.__module__.partition(".")[0]
    if package == "numpy":
        return () if _is_scalar(item) else None
    if package == "pandas":
        scalars = ("Timestamp", "Timedelta", "NaTType", "NAType", "Interval")
        return () if kind.__name__ in scalars else None
    return _frozen_fields(item, kind)


def _is_scalar(item: Any) -> bool:
    numpy = sys.modules["numpy"]
    # A void scalar is a view of a structured array, and its fields can be set.
    return isinstance(item, numpy.generic) and not isinstance(item, (numpy.void, numpy.object_))


def _frozen_fields(value: Any, kind: type) -> list[Any] | None:
    """
    The content of a named tuple, a frozen dataclass or a frozen Struct; None for others.
    """
    extras = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return [*tuple.__iter__(value), *extras]
    parameters = kind.__dict__.get("__dataclass_params__")
    if parameters is not None and parameters.frozen:
        fields = [getattr(value, field.name, None) for field in dataclasses.fields(kind)]
        return fields + extras
    config = getattr(kind, "__struct_config__", None)
    if config is not None and config.frozen:
        return [getattr(value, field) for field in kind.__struct_fields__] + extras  # type: ignore[attr-defined]
    return None
