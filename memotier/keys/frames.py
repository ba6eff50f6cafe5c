"""
How frames and columns of pandas, polars and pyarrow are opened: names, types, all elements.

What the libraries keep under missing values does not count, nor how a column is cut into
chunks. Nothing here imports these libraries: a frame can only be an argument if the program has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from .containers import Opened, Opener, counted
from .naming import bare_name
from .plain import ATOMS
from .wire import Raw, Refusal, framed, name


class Column:
    """
    The elements of one pandas column or index, without name and index.
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


class Elements:
    """
    Plain Python values of one column: one leaf of the key, however many they are.
    """

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values


def of_frames(kind: type) -> Opener | None:
    """
    The opener of *kind* if it is a frame, a column or a time of pandas, polars or pyarrow.
    """
    if kind is Column:
        return _column
    if kind is Elements:
        return _elements
    short = bare_name(kind)
    for library, table in _TABLES.items():
        loaded = sys.modules.get(library)
        opener = table.get(short) if loaded is not None else None
        if opener is not None and getattr(loaded, short, None) is kind:
            return opener
    if short in ("NaTType", "NAType") and _is_missing(kind, short):
        return lambda value: (b"Wn" + name(short), (), None)
    return None


def _is_missing(kind: type, short: str) -> bool:
    """
    Whether *kind* is the type of pandas' NaT or NA.
    """
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(getattr(pandas, short.removesuffix("Type"))) is kind


def kind_name(value: Any) -> str:
    return type(value).__name__


# -- elements ---------------------------------------------------------------------------------


def _elements(value: Elements) -> Opened:
    packed = _packed(value.values)
    if packed is None:
        return counted(b"Wl", len(value.values)), value.values, None
    return b"Wp", (len(value.values), Raw(packed)), None


def _packed(values: Iterable[Any]) -> bytes | None:
    """
    The codes of plain *values*, joined; None if there are others among them.
    """
    codes = []
    for value in values:
        atom = ATOMS.get(type(value))
        if atom is None:
            return None
        code = atom(value)
        if code is None:
            if type(value) is str:
                code = b"S" + framed(value.encode("utf-8", "surrogatepass"))
            elif type(value) is bytes:
                code = b"b" + framed(value)
            else:
                return None
        codes.append(code)
    return b"".join(codes)


# -- pandas -----------------------------------------------------------------------------------


def _frame(frame: Any) -> Opened:
    columns = [Column(frame.iloc[:, at].array) for at in range(frame.shape[1])]
    children = (frame.attrs or None, frame.index, frame.columns, *columns)
    return counted(b"Wf", len(children)), children, None


def _series(series: Any) -> Opened:
    children = (series.attrs or None, series.name, series.index, Column(series.array))
    return b"Ws", children, ("attrs", "name", "index", "array")


def _index(index: Any) -> Opened:
    head = b"Wi" + name(kind_name(index))
    return head, (index.name, Column(index.array)), ("name", "array")


def _range_index(index: Any) -> Opened:
    children = (index.name, index.start, index.stop, index.step)
    return b"Wr", children, ("name", "start", "stop", "step")


def _multi_index(index: Any) -> Opened:
    levels = [index.get_level_values(at) for at in range(index.nlevels)]
    return counted(b"Wm", len(levels)), levels, None


def _column(column: Column) -> Opened:
    array = column.array
    dtype = array.dtype
    head = b"Wc" + name(str(dtype))
    kind = kind_name(dtype)

    if kind == "CategoricalDtype":
        return head + b"c", (dtype.ordered, dtype.categories, array.codes), None
    if kind == "DatetimeTZDtype":
        return head + b"z", (array.asi8,), None
    if kind == "StringDtype":
        missing = array.isna()
        texts = [None if m else t for m, t in zip(missing.tolist(), array, strict=True)]
        # What a missing value is differs between the string types of one name.
        return head + b"s", (kind_name(dtype.na_value), Elements(texts)), None
    if kind == "ArrowDtype":
        return head + b"a", (array.__arrow_array__(),), None
    if hasattr(dtype, "numpy_dtype") and hasattr(array, "_mask"):
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return head + b"m", (array.isna(), values), None
    if getattr(dtype, "hasobject", True):
        return head + b"o", (Elements(list(array)),), None
    return head + b"n", (array.to_numpy(),), None


def _timestamp(value: Any) -> Opened:
    head = b"Wt" + bytes((value.fold,)) + name(value.unit)
    return head, (value.asm8, value.tzinfo), ("asm8", "tzinfo")


def _timedelta(value: Any) -> Opened:
    return b"Wd" + name(value.unit), (value.asm8,), ("asm8",)


# -- polars -----------------------------------------------------------------------------------


def _polars_frame(frame: Any) -> Opened:
    columns = frame.get_columns()
    return counted(b"&f", len(columns) + 1), (frame.height, *columns), None


def _polars_series(series: Any) -> Opened:
    dtype = series.dtype
    kind = dtype.base_type().__name__
    head = b"&s" + name(series.name) + name(repr(dtype))
    if kind == "Object":
        raise Refusal("holds Python objects")
    if kind in ("Categorical", "Enum"):
        polars = sys.modules["polars"]
        categories = dtype.categories.to_list() if kind == "Enum" else None
        texts = series.cast(polars.String).to_list()
        return head + b"c", (categories and Elements(categories), Elements(texts)), None
    if kind in ("String", "Binary", "Null"):
        return head + b"s", (Elements(series.to_list()),), None
    if kind in ("Decimal", "Int128", "UInt128"):
        texts = series.cast(sys.modules["polars"].String).to_list()
        return head + b"i", (Elements(texts),), None

    missing = series.is_null().to_numpy()
    if kind in ("List", "Array"):
        # The lengths, and then all inner elements as one column.
        lengths = (series.list if kind == "List" else series.arr).len().fill_null(0)
        inner = series.filter(lengths > 0).explode()
        return head + b"l", (missing, lengths.to_numpy(), inner), None
    if kind == "Struct":
        fields = series.drop_nulls().struct.unnest()
        return head + b"t", (missing, fields), None

    values = series.to_physical()
    values = values.fill_null(False if kind == "Boolean" else 0)
    return head + b"n", (missing, values.to_numpy()), None


# -- pyarrow ----------------------------------------------------------------------------------


def _arrow_table(table: Any) -> Opened:
    pyarrow = sys.modules["pyarrow"]
    sink = pyarrow.BufferOutputStream()
    whole = table.combine_chunks()
    with pyarrow.RecordBatchStreamWriter(sink, whole.schema) as writer:
        writer.write_table(whole)
    data = memoryview(sink.getvalue())
    return b"=t", (table.num_rows, Raw(data)), None


def _arrow_column(column: Any) -> Opened:
    table = sys.modules["pyarrow"].table([column], names=[""])
    return b"=c", (table,), None


_INDEXES = ("Index", "DatetimeIndex", "TimedeltaIndex", "CategoricalIndex", "PeriodIndex")
_TABLES: dict[str, dict[str, Opener]] = {
    "pandas": {
        "DataFrame": _frame,
        "Series": _series,
        "RangeIndex": _range_index,
        "MultiIndex": _multi_index,
        "Timestamp": _timestamp,
        "Timedelta": _timedelta,
        **dict.fromkeys(_INDEXES, _index),
    },
    "polars": {"DataFrame": _polars_frame, "Series": _polars_series},
    "pyarrow": {"Table": _arrow_table, "ChunkedArray": _arrow_column},
}
