"""
How numpy's arrays and scalars are opened: dtype, shape and the elements in C order.

Nothing here imports numpy: an array can only be an argument if the program has.
"""

from __future__ import annotations

import sys
from typing import Any

from .containers import Opened, Opener, counted
from .naming import mro, static
from .wire import Raw, Refusal, name

#: Kinds of dtype whose memory is the value: no object, no pointer into another heap.
_EXACT = "biufcSUMmV"


def of_numpy(kind: type) -> Opener | None:
    """
    The opener of *kind* if it is numpy's own.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if kind is numpy.ndarray or kind is numpy.memmap:
        return _array
    classes, made_by = mro(kind), str(static(kind, "__module__"))
    # A dtype's class is one of numpy.dtypes, whose modules have changed between versions.
    if numpy.dtype in classes and made_by.partition(".")[0] == "numpy":
        return lambda value: (b"y", (_described(value),), ("descr",))
    if numpy.generic in classes and made_by == "numpy":
        return _scalar
    return None


def _scalar(value: Any) -> Opened:
    dtype = value.dtype
    if dtype.hasobject:
        raise Refusal(f"has the dtype {dtype.name}, which holds objects")
    if dtype.fields is not None:
        return b"v0", (sys.modules["numpy"].asarray(value),), ("asarray()",)
    return b"v1" + name(dtype.str), (Raw(value.tobytes()),), ("data",)


def _array(value: Any) -> Opened:
    numpy = sys.modules["numpy"]
    is_mapped = type(value) is numpy.memmap
    tag, array = (b"Vm", value.view(numpy.ndarray)) if is_mapped else (b"Va", value)
    dtype = array.dtype
    if dtype.fields is not None:
        # Field by field: the bytes between fields are nobody's.
        columns = [array[field] for field in dtype.names]
        head = tag + b"f" + name(repr(_described(dtype)))
        return head + counted(b"", len(columns) + 1), (array.shape, *columns), None
    if dtype.kind == "T":
        head = tag + b"t" + name(repr(dtype))
        return head, (array.shape, array.reshape(-1).tolist()), None
    if dtype.hasobject or dtype.kind not in _EXACT:
        raise Refusal(f"has the dtype {dtype.name}, which holds objects")
    return tag + b"b" + name(dtype.str), (array.shape, Raw(_bytes(array, numpy))), None


def _bytes(array: Any, numpy: Any) -> Any:
    """
    The elements in C order, without a copy where they lie so already.
    """
    if array.nbytes <= 4096:
        return array.tobytes()
    return numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)


def _described(dtype: Any) -> Any:
    """
    A dtype in plain values.
    """
    if dtype.fields is not None:
        parts = tuple(
            (field, _described(dtype.fields[field][0]), dtype.fields[field][1])
            for field in dtype.names
        )
        return ("fields", parts, dtype.itemsize, dtype.isalignedstruct)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ("sub", _described(base), shape)
    if dtype.kind == "T":
        return ("T", repr(dtype))
    return dtype.str
