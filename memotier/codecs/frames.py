"""
pandas and polars frames and series, through the Arrow stream format.

Arrow knows fewer types than pandas. A frame is therefore read back once when it is
stored, and refused if anything about it would have changed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from importlib import import_module
from typing import Any

from ..errors import DecodeRefused, SerializationError
from .arrow import check_stream

_FRAME_ATOMS = frozenset({str, bytes, bool, int, float, type(None), date, time, Decimal})
_NAME_ATOMS = frozenset({str, bytes, bool, int, float, type(None)})
_PANDAS_FRAME, _PANDAS_SERIES, _POLARS_FRAME, _POLARS_SERIES = range(4)


def split_frame(value: Any) -> tuple[Any, list[Any]] | None:
    """
    The Arrow stream of a frame, and what it does not say; None if it is no frame.

    Raises:
        SerializationError: If the frame would not come back the same.
    """
    kind = _kind(value)
    if kind is None:
        return None
    try:
        raw, parts = _polars_out(value, kind) if kind >= _POLARS_FRAME else _pandas_out(value, kind)
        same = _SAME[kind](value, join_frame(memoryview(raw), parts))
    except ImportError as error:
        raise SerializationError(
            "storing a pandas frame takes pyarrow: pip install memotier[frames]"
        ) from error
    except Exception as error:
        raise SerializationError(
            f"a {type(value).__module__}.{type(value).__qualname__} cannot be stored "
            f"({type(error).__qualname__}); give its columns plain types, or use codec='pickle'"
        ) from error
    if not same:
        raise SerializationError(
            f"a {type(value).__module__}.{type(value).__qualname__} would not come back the same "
            "from Arrow (mixed or nested objects in a column, labels that are not text, attrs); "
            "give its columns plain types, or use codec='pickle'"
        )
    return raw, parts


def join_frame(raw: memoryview, parts: list[Any]) -> Any:
    """
    The frame or series of an Arrow stream.

    Raises:
        DecodeRefused: If the stream is not one that ``split_frame`` wrote.
    """
    check_stream(raw)
    try:
        kind = parts[0]
        return _polars_in(raw, kind) if kind >= _POLARS_FRAME else _pandas_in(raw, parts)
    except ImportError as error:
        raise DecodeRefused(f"a stored frame needs {error.name}: memotier[frames]") from error


def _kind(value: Any) -> int | None:
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    if package == "pandas":
        pd = import_module("pandas")
        return {pd.DataFrame: _PANDAS_FRAME, pd.Series: _PANDAS_SERIES}.get(cls)
    if package == "polars":
        pl = import_module("polars")
        return {pl.DataFrame: _POLARS_FRAME, pl.Series: _POLARS_SERIES}.get(cls)
    return None


def _pandas_out(value: Any, kind: int) -> tuple[Any, list[Any]]:
    pa = import_module("pyarrow")
    name = None
    frame = value
    if kind == _PANDAS_SERIES:
        name = value.name
        if type(name) not in _NAME_ATOMS:
            raise SerializationError("the name of a stored series is text, a number or None")
        frame = value.to_frame(name="0")
    labels = None
    if kind == _PANDAS_FRAME and type(value.columns).__name__ == "RangeIndex":
        columns = value.columns
        labels = [columns.start, columns.stop, columns.step, columns.name]
        frame = value.set_axis([str(label) for label in columns], axis=1)
    objects = [at for at, dtype in enumerate(frame.dtypes) if getattr(dtype, "hasobject", False)]

    table = pa.Table.from_pandas(frame, nthreads=1)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    freq = getattr(value.index, "freq", None)
    return sink.getvalue(), [kind, name, None if freq is None else freq.freqstr, labels, objects]


def _pandas_in(raw: memoryview, parts: list[Any]) -> Any:
    """
    What Arrow does not say stands beside it: frequency, numbered columns, columns of objects.
    """
    kind, name, freq, labels, objects = parts
    pa, pandas = import_module("pyarrow"), import_module("pandas")
    with pa.ipc.open_stream(pa.py_buffer(raw)) as reader:
        for field in reader.schema:
            _check_type(field.type)
        table = reader.read_all()
    # Offsets are not checked on reading; wrong ones would read foreign memory.
    table.validate(full=True)
    frame = table.to_pandas(use_threads=False)
    for at in objects:
        column = pandas.Series(table.column(at).to_pylist(), frame.index, dtype=object)
        frame.isetitem(at, column)
    if labels is not None:
        *bounds, label = labels
        frame.columns = pandas.RangeIndex(*bounds, name=label)
    if freq is not None and frame.index.freq is None:
        frame.index.freq = freq
    if kind == _PANDAS_FRAME:
        return frame
    series = frame["0"]
    series.name = name
    return series


def _check_type(kind: Any) -> None:
    """
    Only flat types: the others can unfold to more than their bytes.
    """
    types = import_module("pyarrow.types")
    if types.is_dictionary(kind):
        kind = kind.value_type
    flat: tuple[Callable[[Any], bool], ...] = (
        types.is_primitive,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_binary,
        types.is_large_binary,
        types.is_decimal,
        types.is_null,
    )
    if not any(test(kind) for test in flat):
        raise DecodeRefused(f"a column of Arrow type {kind} is not stored")


def _polars_out(value: Any, kind: int) -> tuple[Any, list[Any]]:
    frame = value.to_frame() if kind == _POLARS_SERIES else value
    sink = io.BytesIO()
    _without_panic(lambda: frame.write_ipc_stream(sink, compression="uncompressed"))
    return sink.getvalue(), [kind]


def _polars_in(raw: memoryview, kind: int) -> Any:
    pl = import_module("polars")
    frame = _without_panic(lambda: pl.read_ipc_stream(io.BytesIO(raw)))
    return frame.to_series() if kind == _POLARS_SERIES else frame


def _without_panic(call: Callable[[], Any]) -> Any:
    """
    A panic in Rust arrives as a BaseException, which must not end the program.
    """
    try:
        return call()
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise ValueError("polars cannot carry this frame") from error
        raise


def _same_polars(value: Any, back: Any) -> bool:
    pl = import_module("polars")
    if type(value) is pl.DataFrame:
        return bool(value.schema == back.schema and value.equals(back))
    same_kind = value.dtype == back.dtype and value.name == back.name
    return bool(same_kind and value.equals(back, check_dtypes=True))


def _same_series(value: Any, back: Any) -> bool:
    return (
        type(value.name) is type(back.name)
        and value.name == back.name
        and _same_frame(value.to_frame(name="0"), back.to_frame(name="0"))
        and value.attrs == back.attrs
    )


def _same_frame(value: Any, back: Any) -> bool:
    return (
        _same_index(value.index, back.index)
        and _same_index(value.columns, back.columns)
        and list(value.dtypes) == list(back.dtypes)
        and value.attrs == back.attrs
        and value.flags.allows_duplicate_labels == back.flags.allows_duplicate_labels
        and all(_same_objects(value[label], back[label]) for label in value.columns)
        and bool(value.equals(back))
    )


def _same_index(value: Any, back: Any) -> bool:
    if type(value) is not type(back) or not value.identical(back):
        return False
    if getattr(value, "freq", None) != getattr(back, "freq", None):
        return False
    if value.nlevels > 1:
        levels = zip(value.levels, back.levels, strict=True)
        return all(_same_index(one, other) for one, other in levels)
    return _same_objects(value, back)


def _same_objects(value: Any, back: Any) -> bool:
    """
    Cells that are Python objects must be of the same exact, flat types.
    """
    if value.dtype != object:
        return True
    kinds = list(map(type, value))
    return _FRAME_ATOMS.issuperset(kinds) and kinds == list(map(type, back))


_SAME: dict[int, Callable[[Any, Any], bool]] = {
    _PANDAS_FRAME: _same_frame,
    _PANDAS_SERIES: _same_series,
    _POLARS_FRAME: _same_polars,
    _POLARS_SERIES: _same_polars,
}
