"""
Equality that also compares every type on the way down.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from decimal import Decimal
from typing import Any

import numpy as np


def same(one: Any, other: Any) -> bool:
    """
    Whether both are of the same exact types and equal, all the way down; NaN equals NaN.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return _same_array(one, other)
    if isinstance(one, float):
        return _same_float(one, other)
    if isinstance(one, complex):
        return _same_float(one.real, other.real) and _same_float(one.imag, other.imag)
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(x, y) for y in other) for x in one)
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if dataclasses.is_dataclass(one):
        return all(
            same(getattr(one, f.name, None), getattr(other, f.name, None))
            for f in dataclasses.fields(one)
        )
    return bool(one == other)


def _same_array(one: Any, other: Any) -> bool:
    return bool(
        one.dtype == other.dtype
        and one.shape == other.shape
        and one.flags.fnc == other.flags.fnc
        and one.tobytes() == other.tobytes()
    )


def _same_float(one: float, other: float) -> bool:
    if math.isnan(one):
        return math.isnan(other)
    return one == other and math.copysign(1, one) == math.copysign(1, other)
