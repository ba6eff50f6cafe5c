"""
Frames of pandas and polars keep index, dtypes and names, or are refused.
"""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from memotier.codecs.frames import join_frame
from memotier.codecs.values import SafeCodec
from memotier.errors import DecodeRefused, SerializationError

CODEC = SafeCodec()
DATES = pd.date_range("2020", periods=3, freq="D", tz="Europe/Berlin")

PANDAS = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan]}),
    pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.Categorical(["y", "x"], ["y", "x"])}),
    pd.DataFrame({"a": [1, 2, 3]}, index=DATES),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index(["p", "q"], name="key")),
    pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
    pd.DataFrame({"d": [dt.date(2020, 1, 1), None], "m": [Decimal("1.0"), Decimal("2.5")]}),
    pd.DataFrame({"o": pd.Series(["a", "b"], dtype=object), "b": [True, False]}),
    pd.DataFrame({"a": [1, 2, 3]}, index=range(0, 6, 2)), pd.DataFrame(),
    pd.DataFrame(np.zeros((2, 2))), pd.DataFrame({"n": pd.Series(["a", None], dtype=object)}),
    pd.DataFrame({"t": pd.to_timedelta([1, 2], "s"), "f": np.float32([1, 2])}),
]  # fmt: skip

SERIES = [
    pd.Series([1, 2]), pd.Series([1.5], name="x"), pd.Series(["a"], name=3),
    pd.Series([1, 2, 3], index=DATES),
]  # fmt: skip


@pytest.mark.parametrize("frame", PANDAS, ids=lambda f: "-".join(map(str, f.columns)))
def test_pandas_frame_comes_back_the_same(frame):
    """
    Values, dtypes, index and its frequency, labels.
    """
    back = CODEC.decode(CODEC.encode({"frame": (frame, 1)}))["frame"][0]

    pd.testing.assert_frame_equal(frame, back, check_freq=True)
    assert type(frame.index) is type(back.index)


@pytest.mark.parametrize("series", SERIES, ids=lambda s: str(s.name))
def test_pandas_series_comes_back_the_same(series):
    """
    A series is a frame with one column and a name of its own.
    """
    pd.testing.assert_series_equal(series, CODEC.decode(CODEC.encode(series)), check_freq=True)


class SubFrame(pd.DataFrame):
    pass


def with_attrs():
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = {1: (2,)}
    return frame


UNFAITHFUL = [
    pd.DataFrame({1: [1]}), pd.DataFrame([[1, 2]], columns=["a", "a"]),
    pd.DataFrame({"o": pd.Series([1, "a"], dtype=object)}),
    pd.DataFrame({"o": pd.Series([(1, 2), (3, 4)], dtype=object)}),
    pd.DataFrame({"o": pd.Series([{"a": 1}, {"a": 1.0}], dtype=object)}),
    pd.DataFrame({"o": pd.Series([True, None, np.nan], dtype=object)}),
    pd.DataFrame({"c": [1j]}), SubFrame({"a": [1]}), with_attrs(), pd.Index([1]),
    pd.Series([1], name=("a", 1)), pl.DataFrame({"a": [object()]}), pl.LazyFrame({"a": [1]}),
]  # fmt: skip


def faithful_or_refused(frame):
    try:
        return CODEC.decode(CODEC.encode(frame))
    except SerializationError:
        return None


@pytest.mark.parametrize("frame", UNFAITHFUL, ids=range(len(UNFAITHFUL)))
def test_frame_that_arrow_would_change_is_refused(frame):
    """
    It is read back once when it is stored; what differs is not stored.
    """
    back = faithful_or_refused(frame)

    if back is not None:
        assert type(frame) is type(back)
        pd.testing.assert_index_equal(frame.columns, back.columns, exact=True)
        for label in frame.columns:
            assert list(map(type, frame[label])) == list(map(type, back[label]))


POLARS = [
    pl.DataFrame({"a": [1, None], "b": ["x", "y"], "l": [[1], [2, 3]]}),
    pl.DataFrame({"c": pl.Series(["a", "b"], dtype=pl.Categorical), "s": [{"k": 1}, {"k": 2}]}),
    pl.DataFrame({"e": pl.Series(["a"], dtype=pl.Enum(["a", "b"]))}), pl.DataFrame(),
    pl.DataFrame({"t": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], "d": [Decimal("1.50")]}),
]  # fmt: skip


@pytest.mark.parametrize("frame", POLARS, ids=lambda f: "-".join(f.columns))
def test_polars_frame_comes_back_the_same(frame):
    """
    Values and schema, nested types too.
    """
    back = CODEC.decode(CODEC.encode([frame]))[0]

    assert frame.schema == back.schema
    assert frame.equals(back)


def test_polars_series_comes_back_the_same():
    """
    Name and dtype included.
    """
    series = pl.Series("n", [1, None], dtype=pl.Int8)

    back = CODEC.decode(CODEC.encode(series))

    assert ("n", pl.Int8, [1, None]) == (back.name, back.dtype, back.to_list())


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return memoryview(sink.getvalue())


@pytest.mark.parametrize("kind", [0, 2])
def test_fault_20_frame_that_unfolds_is_refused(kind):
    """
    Compression inside, columns of nulls without bytes, and foreign column types.
    """
    zeros = pa.table({"a": np.zeros(1_000_000)})
    assert len(stream(zeros, compression="zstd")) < 10_000
    nulls = bytearray(stream(pa.table({"a": pa.nulls(77_777)})))
    huge = nulls.replace(struct.pack("<q", 77_777), struct.pack("<q", 2**40))
    assert huge != nulls

    for hostile in (stream(zeros, compression="zstd"), stream(zeros, compression="lz4"), huge):
        with pytest.raises(DecodeRefused):
            join_frame(memoryview(hostile), [kind, None, None, None, []])


def test_fault_20_foreign_column_types_are_refused():
    """
    Runs and unions unfold; nothing of ours writes them.
    """
    runs = pa.RunEndEncodedArray.from_arrays(
        [2**30], ["x"], pa.run_end_encoded(pa.int32(), pa.utf8())
    )

    with pytest.raises(DecodeRefused):
        join_frame(stream(pa.table({"a": runs})), [0, None, None, None, []])
