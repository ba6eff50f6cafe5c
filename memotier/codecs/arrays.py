"""
numpy arrays and scalars: a description, and their bytes as they lie in memory.

A restored array is a read-only view of the payload; nothing is copied. Arrays of Python
objects are refused: their content would have to be pickled.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

from ..errors import DecodeRefused, SerializationError

_DTYPE = re.compile(r"[<>|=][biufcmMSUV]\d{1,10}(\[\d{0,9}[A-Za-zμ]{1,8}\])?")
_MAX_NESTING = 8


def split_array(value: Any) -> tuple[Any, list[Any]] | None:
    """
    The raw bytes of an array, and what is needed to read them; None if it is no array.
    """
    import numpy as np

    if type(value) is not np.ndarray:
        return None
    described = _describe(value.dtype)
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return _raw(value.T if order == "F" else value), [described, list(value.shape), order]


def _raw(value: Any) -> Any:
    import numpy as np

    if value.flags.c_contiguous and value.nbytes:
        return value.reshape(-1).view(np.uint8).data
    return value.tobytes()


def join_array(raw: memoryview, parts: list[Any]) -> Any:
    """
    A read-only array over *raw*.
    """
    import numpy as np

    described, shape, order = parts
    dtype = _dtype(described)
    if any(type(side) is not int or side < 0 for side in shape):
        raise DecodeRefused("a stored array has an impossible shape")
    if prod(shape) * dtype.itemsize != len(raw) or order not in ("C", "F"):
        raise DecodeRefused("a stored array does not have the size that its shape says")

    array: Any = np.ndarray(tuple(shape), dtype, raw, order=order)
    array.flags.writeable = False
    return array


def split_scalar(value: Any) -> list[Any] | None:
    """
    The parts of a numpy scalar; None if it is none that can be restored.
    """
    import numpy as np

    if not isinstance(value, np.generic) or type(value) is not value.dtype.type:
        return None
    return [_describe(value.dtype), value.tobytes()[: value.dtype.itemsize]]


def join_scalar(parts: list[Any]) -> Any:
    """
    A numpy scalar.
    """
    import numpy as np

    described, data = parts
    dtype = _dtype(described)
    if len(data) != dtype.itemsize:
        raise DecodeRefused("a stored numpy scalar does not have the size of its type")
    return np.ndarray((), dtype, data or bytes(4))[()]


def _describe(dtype: Any) -> Any:
    """
    The dtype as text, or as a list of fields; refused unless it would come back equal.
    """
    import numpy as np

    if dtype.hasobject or dtype.kind not in "biufcmMSUV":
        raise SerializationError(
            f"a numpy array of dtype {dtype.name} cannot be stored; use a dtype without Python "
            "objects"
        )
    described: Any = dtype.str
    if dtype.fields is not None or dtype.subdtype is not None:
        described = np.lib.format.dtype_to_descr(dtype)
        described = [_listed(field) for field in described]
    if _dtype(described) != dtype:
        raise SerializationError(
            f"a numpy array of dtype {dtype.name} would not come back the same"
        )
    return described


def _listed(field: Any) -> Any:
    """
    Tuples as lists, which plain msgpack carries.
    """
    if isinstance(field, (tuple, list)):
        return [_listed(part) for part in field]
    return field


def _dtype(described: Any) -> Any:
    import numpy as np

    if type(described) is str:
        return _simple(described)
    return np.lib.format.descr_to_dtype([_field(field, 0) for field in described])


def _simple(described: str) -> Any:
    import numpy as np

    # Only names of plain types: nothing that numpy would look up, and no objects.
    if not _DTYPE.fullmatch(described):
        raise DecodeRefused("a stored array has a dtype that is not restored")
    return np.dtype(described)


def _field(field: Any, depth: int) -> tuple[Any, ...]:
    """
    One field as numpy wants it: name, type or fields, and shape if it has one.
    """
    if depth > _MAX_NESTING or type(field) is not list or len(field) not in (2, 3):
        raise DecodeRefused("a stored array has a dtype that is not restored")
    label, inner, *shape = field
    name = tuple(label) if type(label) is list else label
    if type(inner) is list:
        kind: Any = [_field(part, depth + 1) for part in inner]
    else:
        kind = _simple(inner).str
    return (name, kind, *(tuple(side) for side in shape))
