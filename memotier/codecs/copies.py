"""
Keeping callers apart: what one does to a result must not reach the next.

A mutable value is kept as a private snapshot, and every hit gets its own copy, made the
cheapest way that the value allows. That way is found once, when the value is stored.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Literal, NamedTuple

from ..errors import NotIsolated, SerializationError
from .immutable import IMMUTABLE, is_immutable
from .plain import is_plain_container, pack_plain, unpack
from .shapes import Irregular, Shapes
from .sizes import estimate
from .survey import CONTAINERS, MAX_ITEMS, PLAIN, survey

#: Items from which plain data is kept packed.
MANY = 64
#: Bytes from which the payload of plain data is kept as it is.
PACKED_FROM = 512

Thaw = Callable[[Any], Any]


class Kept(NamedTuple):
    """
    What stays in memory, and how a caller gets its own from it.

    *thaw* makes what one caller gets from *value*; None if *value* itself can be shared.
    *size* is in bytes, estimated.
    """

    value: Any
    thaw: Thaw | None
    size: int


def isolate(value: Any, mode: Literal["auto"] | bool = "auto") -> Kept:
    """
    A snapshot of *value* that no caller can change.

    Args:
        value: What a function returned. The caller keeps it and may change it.

        mode: ``"auto"`` copies the cheapest safe way, ``True`` always deeply, ``False``
            never: all callers share one object, as with ``functools.lru_cache``.

    Raises:
        NotIsolated: If *value* is mutable and cannot be copied.
    """
    try:
        if type(value) in IMMUTABLE:
            return Kept(value, None, sys.getsizeof(value))
        if mode is False and isinstance(value, (Iterator, AsyncIterator, Awaitable)):
            raise NotIsolated(
                f"a {type(value).__qualname__} can be read only once, so callers cannot share it."
            )
        if mode is False:
            return Kept(value, None, estimate(value))
        if type(value) not in CONTAINERS and is_immutable(value):
            return Kept(value, None, estimate(value))
        snapshot, thaw = _deep(value) if mode is True else _cheapest(value)
    except NotIsolated:
        raise
    except Exception as error:
        kind = type(value)
        raise NotIsolated(
            f"a {kind.__module__}.{kind.__qualname__} is mutable and cannot be copied "
            f"({type(error).__name__}), so callers would share it; return a value that can be "
            "copied, or share it on purpose with copy=False."
        ) from error
    return Kept(snapshot, thaw, estimate(snapshot))


def keep_packed(payload: bytes | memoryview) -> Kept | None:
    """
    The snapshot of a value of which there is a payload already: the payload itself, and every
    caller gets what it decodes to. None unless it is plain msgpack of a list or a dict.
    """
    if len(payload) >= PACKED_FROM and is_plain_container(payload[0]):
        packed = bytes(payload)
        return Kept(packed, unpack, len(packed) + sys.getsizeof(b""))
    return None


def _packed(value: Any) -> tuple[Any, Thaw] | None:
    """
    A large value of plain data is kept as msgpack: made and read in C, it costs a tenth of
    walking the value to find out how to copy it, and hits cost the same (benchmarks/copies.py).
    """
    try:
        kinds, count = survey(value, MAX_ITEMS)
        if count < MANY or not kinds <= PLAIN:
            return None
        return pack_plain(value), unpack
    except (SerializationError, TypeError):
        return None  # cyclic, too deep or too long; or a long integer


def _cheapest(value: Any) -> tuple[Any, Thaw | None]:
    if type(value) in CONTAINERS:
        packed = _packed(value)
        if packed is not None:
            return packed
    foreign = foreign_copy(value)
    if foreign is not None:
        return foreign
    try:
        return Shapes(foreign_copy).copy(value)
    except Irregular:
        return _deep(value)


def _deep(value: Any) -> tuple[Any, Thaw | None]:
    """
    Deep copies, which keep shared parts shared and follow cycles.
    """
    if _is_pandas(value):
        return _pickled(value)
    snapshot = copy.deepcopy(value)
    # Only a class that says so itself comes back as the same object.
    return snapshot, None if snapshot is value else copy.deepcopy


def foreign_copy(value: Any) -> tuple[Any, Thaw] | None:
    """
    Snapshot and thaw of an array or a frame; None if *value* is neither.
    """
    package = type(value).__module__.partition(".")[0]
    if package == "numpy":
        return _array(value)
    if package == "pandas":
        return _pandas(value)
    if package == "polars":
        return _polars(value)
    return None


def _array(value: Any) -> tuple[Any, Thaw] | None:
    numpy = sys.modules["numpy"]
    if type(value) is not numpy.ndarray or value.dtype.hasobject:
        return None
    snapshot = value.copy(order="K")
    snapshot.flags.writeable = False
    # A view for each: shape and strides can be set on a read-only array too.
    return snapshot, numpy.ndarray.view


def _is_pandas(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    package = type(value).__module__.partition(".")[0]
    if package == "pandas":
        return hasattr(value, "copy")
    return isinstance(value, (pandas.DataFrame, pandas.Series))


def _pandas(value: Any) -> tuple[Any, Thaw] | None:
    pandas = sys.modules["pandas"]
    if type(value) not in (pandas.DataFrame, pandas.Series):
        return _pickled(value) if _is_pandas(value) else None
    columns = [value] if value.ndim == 1 else [value.iloc[:, i] for i in range(value.shape[1])]
    for column in columns:
        if column.dtype == object and not all(map(is_immutable, column)):
            return _pickled(value)
    if int(pandas.__version__.partition(".")[0]) >= 3:
        return value.copy(deep=True), _shallow
    return value.copy(deep=True), _deep_pandas


def _shallow(frame: Any) -> Any:
    """
    Shares the data until someone writes; labels are new objects, as their names can be set.
    """
    made = frame.copy(deep=False)
    made.index = frame.index.view()
    if made.ndim == 2:
        made.columns = frame.columns.view()
    return made


def _deep_pandas(frame: Any) -> Any:
    return frame.copy(deep=True)


def _pickled(value: Any) -> tuple[Any, Thaw]:
    """
    For pandas objects with mutable cells, which pandas itself copies only by reference.

    The bytes never leave this process, so they need no signature.
    """
    return pickle.dumps(value, protocol=5), pickle.loads


def _polars(value: Any) -> tuple[Any, Thaw] | None:
    polars = sys.modules["polars"]
    for kind in (polars.DataFrame, polars.Series, polars.LazyFrame):
        if type(value) is kind:
            return value.clone(), kind.clone
    return None
