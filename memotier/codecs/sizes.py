"""
About how many bytes a value takes in memory, at a bounded price.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from typing import Any

from .immutable import IMMUTABLE
from .survey import CONTAINERS, PLAIN

_MOST = 10_000
_SEQUENCES = (list, tuple, set, frozenset, deque)


def estimate(value: Any) -> int:
    """
    Bytes of *value* and what it holds, at least 1.

    Exact up to 10,000 objects, apart from what the interpreter shares anyway; beyond that a
    sample of each level stands for the rest. Arrays and frames count by their buffers.
    """
    level = [value]
    seen: set[int] = set()
    left, weight, total = _MOST, 1.0, 0.0
    while level and left > 0:
        if len(level) > left:
            stride = -(-len(level) // left)
            sample = level[::stride]
            weight *= len(level) / len(sample)
            level = sample
        left -= len(level)
        if PLAIN.issuperset(map(type, level)):
            total += weight * sum(map(sys.getsizeof, level))
        else:
            total += weight * sum(map(_own, level))
        level = _below(level, seen)
    return max(1, int(total))


def _below(level: list[Any], seen: set[int]) -> list[Any]:
    """
    What the containers and objects of *level* hold, each of them looked into once.
    """
    below: list[Any] = []
    for item in level:
        kind = type(item)
        if kind in IMMUTABLE or id(item) in seen:
            continue
        seen.add(id(item))
        if kind in CONTAINERS:
            below += gc.get_referents(item)
        else:
            below += _inside(item)
    return below


def _own(item: Any) -> int:
    try:
        buffers = _buffers(item)
        return sys.getsizeof(item) if buffers is None else buffers
    except Exception:  # a foreign __sizeof__ may raise anything
        return 64


def _buffers(item: Any) -> int | None:
    package = type(item).__module__.partition(".")[0]
    if package == "numpy":
        return sys.getsizeof(item) if item.base is None else int(item.nbytes) + 112
    if package == "pandas" and hasattr(item, "memory_usage"):
        usage = item.memory_usage(deep=True)
        return int(usage if isinstance(usage, int) else usage.sum())
    if package == "polars" and hasattr(item, "estimated_size"):
        return int(item.estimated_size()) + 64
    return None


def _inside(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*dict.keys(item), *dict.values(item)]
    if isinstance(item, _SEQUENCES):
        return list(item)
    if isinstance(item, type) or type(item).__module__.partition(".")[0] in _BY_BUFFER:
        return []
    state = getattr(item, "__dict__", None)
    inside = list(state.values()) if isinstance(state, dict) else []
    for base in type(item).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            inside.append(getattr(item, name, None))
    return inside


_BY_BUFFER = frozenset({"numpy", "pandas", "polars", "pyarrow"})
