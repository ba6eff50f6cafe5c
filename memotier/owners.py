"""
Whether instances of a class are values: known by their content, not by who they are.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any

from .keys.registry import hook_of


def is_declared_value(kind: type) -> bool:
    """
    Whether *kind* says that its instances are values: it has ``__cache_key__``, is a frozen
    dataclass or attrs class, a pydantic model, a named tuple, or an enum.

    If the content of such an instance has no key, that is an error. Any other instance is
    then known by itself.
    """
    if hook_of(kind) is not None or issubclass(kind, Enum):
        return True
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return True
    if getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        return True
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return True
    attrs = getattr(kind, "__attrs_props__", None)
    return bool(getattr(attrs, "is_frozen", False))
