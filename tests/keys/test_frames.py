"""
Frames and columns: names, types, index and every element.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from memotier.errors import UnkeyableArgument
from memotier.keys.canonical import encode


def columns():
    return {
        "ints": [1, 2, 3],
        "floats": [1.0, float("nan"), 3.0],
        "texts": ["a", None, "c"],
        "bools": [True, False, True],
        "times": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
        "zoned": pd.to_datetime(["2024-01-01"] * 3).tz_localize("Europe/Oslo"),
        "deltas": pd.to_timedelta([1, 2, 3], unit="s"),
        "kinds": pd.Categorical(["a", "b", "a"]),
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "flags": pd.array([True, None, False], dtype="boolean"),
        "arrow": pd.array([1, None, 3], dtype="int64[pyarrow]"),
        "mixed": pd.Series([1, "a", None], dtype=object),
    }


CHANGES = {
    "element": lambda f: f.assign(ints=[1, 2, 4]),
    "text": lambda f: f.assign(texts=["a", None, "d"]),
    "missing": lambda f: f.assign(nullable=pd.array([1, 0, 3], dtype="Int64")),
    "flag": lambda f: f.assign(flags=pd.array([True, False, False], dtype="boolean")),
    "arrow": lambda f: f.assign(arrow=pd.array([1, 2, 3], dtype="int64[pyarrow]")),
    "type": lambda f: f.astype({"ints": "int32"}),
    "mixed": lambda f: f.assign(mixed=pd.Series([True, "a", None], dtype=object)),
    "zone": lambda f: f.assign(zoned=f.zoned.dt.tz_convert("Europe/Paris")),
    "categories": lambda f: f.assign(kinds=pd.Categorical(["a", "b", "a"], ["a", "b", "c"])),
    "order of categories": lambda f: f.assign(kinds=pd.Categorical(["a", "b", "a"], ordered=True)),
    "column name": lambda f: f.rename(columns={"ints": "whole"}),
    "column order": lambda f: f[sorted(f.columns)],
    "index": lambda f: f.set_index(pd.Index([7, 8, 9])),
    "index name": lambda f: f.rename_axis("row"),
    "index type": lambda f: f.set_index(pd.Index(["a", "b", "c"])),
    "two levels": lambda f: f.set_index(["ints", "texts"]),
    "rows": lambda f: f.iloc[:2],
    "order of rows": lambda f: f.iloc[::-1],
    "attributes": lambda f: f.copy().pipe(lambda g: (g.attrs.update(source="x"), g)[1]),
}


def test_equal_frames_are_one_key():
    """
    Copies count by content, not by their blocks.
    """
    frame = pd.DataFrame(columns())
    apart = pd.concat([frame[[name]] for name in frame], axis=1)

    assert encode(frame) == encode(frame.copy()) == encode(apart)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_fault_06_frames_that_differ_are_distinct(change):
    """
    Elements, missing ones, types, names, order and index: each makes another key.
    """
    frame = pd.DataFrame(columns())

    assert encode(frame) != encode(change(frame))
    assert encode(change(frame)) == encode(change(frame))


def test_what_lies_under_missing_values_does_not_count():
    """
    A masked element is masked, whatever is left of it.
    """
    one = pd.array([1, 2], dtype="Int64")
    other = one.copy()
    one[0] = other[0] = None
    other._data[0] = 99

    assert encode(pd.Series(one)) == encode(pd.Series(other))


def test_columns_indexes_and_times_of_pandas():
    """
    Each is a value of its own type.
    """
    values = [
        pd.Series([1, 2]),
        pd.Series([1, 2], name="a"),
        pd.Index([1, 2]),
        pd.RangeIndex(1, 3),
        pd.DataFrame({0: [1, 2]}),
        pd.MultiIndex.from_tuples([(1, 2)]),
        pd.DatetimeIndex(["2024-01-01"]),
        pd.Timestamp("2024-01-01"),
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-01-01").as_unit("ns"),
        pd.Timedelta(1, "s"),
        pd.NaT,
        pd.NA,
        np.array([1, 2]),
        pd.Series([1, 2], dtype=object),
        pd.DataFrame(),
    ]

    assert len(values) == len({encode(value) for value in values})


def test_a_frame_of_objects_without_keys_is_refused():
    """
    One such element is enough.
    """
    with pytest.raises(UnkeyableArgument):
        encode(pd.DataFrame({"a": [1, object()]}))


def test_long_columns_of_text_are_allowed():
    """
    The limit of 100,000 values is for Python's containers, not for rows.
    """
    texts = pd.DataFrame({"t": [str(n) for n in range(150_000)]})

    assert 1000 > len(encode(texts))
    assert encode(texts) != encode(texts.iloc[::-1])


def polars_frame():
    return pl.DataFrame(
        {
            "i": [1, None, 3],
            "f": [1.0, float("nan"), None],
            "s": ["a", None, "c" * 30],
            "b": [True, None, False],
            "d": pl.Series(["2024-01-01", None, "2024-01-02"]).str.to_date(),
            "c": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
            "e": pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
            "l": [[1], None, [2, 3]],
            "ll": [[[1.0], []], None, []],
            "st": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
            "ar": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "de": pl.Series(["1.50", None, "2.25"]).cast(pl.Decimal(10, 2)),
            "x": [b"a", b"", None],
            "n": pl.Series([None, None, None]),
        }
    )


def test_polars_frames_count_by_content():
    """
    Neither chunks nor slices show in the key.
    """
    frame = polars_frame()
    pieces = pl.concat([frame[:1], frame[1:]], rechunk=False)

    assert encode(frame) == encode(pieces) == encode(pl.concat([frame, frame])[3:])


POLARS_CHANGES = {
    "element": pl.lit(pl.Series("i", [1, None, 4])),
    "missing": pl.col("i").fill_null(0),
    "type": pl.col("i").cast(pl.Int32),
    "text": pl.col("s").fill_null(""),
    "bool": pl.col("b").fill_null(False),
    "date": pl.col("d").cast(pl.Datetime),
    "category": pl.col("c").cast(pl.String),
    "enum": pl.col("e").cast(pl.Enum(["a", "b", "c"])),
    "inner list": pl.lit(pl.Series("ll", [[[1.0]], None, [[]]])),
    "struct": pl.lit(pl.Series("st", [{"a": 1, "b": "x"}, None, {"a": 0, "b": "y"}])),
    "array": pl.lit(pl.Series("ar", [[1, 2], None, [3, 5]], dtype=pl.Array(pl.Int8, 2))),
    "decimal": pl.col("de") + 1,
    "list": pl.col("l").list.head(1),
    "name": pl.col("i").alias("j"),
}


@pytest.mark.parametrize("change", POLARS_CHANGES.values(), ids=POLARS_CHANGES)
def test_fault_06_polars_frames_that_differ_are_distinct(change):
    """
    As for pandas.
    """
    frame = polars_frame()

    assert encode(frame) != encode(frame.with_columns(change))


def test_polars_columns_and_arrow_tables():
    """
    A column is not a frame, and no library's frame is another's.
    """
    data = {"a": [1, 2]}
    values = [
        pl.DataFrame(data),
        pl.DataFrame(data)["a"],
        pd.DataFrame(data),
        pa.table(data),
        pa.table(data)["a"],
    ]

    assert len(values) == len({encode(value) for value in values})
    assert encode(pa.table(data)) == encode(
        pa.concat_tables([pa.table(data)[:1], pa.table(data)[1:]])
    )


def test_polars_columns_of_objects_are_refused():
    """
    They hold addresses.
    """
    with pytest.raises(UnkeyableArgument, match="holds Python objects"):
        encode(pl.Series([object()], dtype=pl.Object))
