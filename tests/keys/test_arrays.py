"""
Arrays: dtype, shape and elements, however they lie in memory.
"""

from __future__ import annotations

import numpy as np
import pytest

from memotier.errors import UnkeyableArgument
from memotier.keys.canonical import encode, encode_call

RECORD = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "S3")])])


def test_equal_arrays_are_one_key_however_they_lie():
    """
    Copies, slices and transposed views count by their elements in C order.
    """
    grid = np.arange(20_000.0).reshape(100, 200)

    assert encode(grid) == encode(grid.copy())
    assert encode(grid.T) == encode(np.ascontiguousarray(grid.T)) != encode(grid)
    assert encode(grid[::2, ::3]) == encode(grid[::2, ::3].copy())
    assert encode(np.arange(10)[::-1]) == encode(np.arange(9, -1, -1))


def test_fault_06_arrays_that_differ_are_distinct():
    """
    Type, shape, byte order, one element: each makes another key.
    """
    values = [
        np.arange(6),
        np.arange(6, dtype="i4"),
        np.arange(6, dtype=">i8"),
        np.arange(6.0),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2),
        np.arange(6).reshape(1, 6),
        np.array([0, 1, 2, 3, 4, 6]),
        np.array(5),
        np.int64(5),
        np.int32(5),
        np.float64(5),
        np.array([5]),
        5,
        5.0,
        np.array([]),
        np.array([], dtype=int),
        np.zeros((0, 2)),
        np.zeros((2, 0)),
        np.array(["a", "b"]),
        np.array([b"a", b"b"]),
        np.array([True, False]),
        np.array([0.0]),
        np.array([-0.0]),
        np.datetime64("2024-01-01"),
        np.datetime64("2024-01-01", "ns"),
        np.timedelta64(1, "s"),
        np.timedelta64(1000, "ms"),
        np.array(["2024-01-01"], dtype="M8[D]"),
        np.bool_(True),
        np.str_("a"),
        np.bytes_(b"a"),
        np.dtype("i4"),
        np.dtype("f4"),
        RECORD,
        np.float32,
        list(range(6)),
    ]

    assert len(values) == len({encode(value) for value in values})


def test_large_arrays_make_small_keys():
    """
    A megabyte of numbers stands in the key by its hash.
    """
    large = np.arange(200_000)
    changed = large.copy()
    changed[123_456] += 1

    assert 128 > len(encode(large))
    assert encode(large) != encode(changed)
    assert encode(large) != encode(large.reshape(2, -1))


def test_structured_arrays_count_by_their_fields():
    """
    The bytes between fields are nobody's; names and nested fields count.
    """
    aligned = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    one, other = np.empty(3, aligned), np.empty(3, aligned)
    one.view("u1")[:], other.view("u1")[:] = 0, 255
    for array in (one, other):
        array["a"], array["b"] = 1, 2
    renamed = one.astype(np.dtype([("a", "i1"), ("x", "i8")], align=True))

    assert encode(one) == encode(other)
    assert encode(one) != encode(renamed)
    assert encode(one) != encode(one.astype([("a", "i1"), ("b", "i8")]))
    assert encode(np.zeros(2, RECORD)) == encode(np.zeros(2, RECORD))
    assert encode(np.zeros(2, RECORD)) != encode(np.ones(2, RECORD))
    assert encode(np.zeros(2, RECORD)[0]) == encode(np.zeros(1, RECORD)[0])


def test_arrays_of_objects_are_refused():
    """
    Their memory is addresses; subclasses may mean something else by theirs.
    """
    nested = np.zeros(2, np.dtype([("a", object)]))
    for value in (np.array([1, "a"], dtype=object), nested, np.ma.array([1], mask=[True])):
        with pytest.raises(UnkeyableArgument):
            encode(value)


def test_the_reason_names_the_dtype():
    """
    Who reads the message knows which array it was and why.
    """
    with pytest.raises(UnkeyableArgument, match=r"at \[<str>\], is a numpy.ndarray, .* object"):
        encode_call("f", ("a",), ({"x": np.array([None])},))


def test_arrays_of_variable_text_and_mapped_arrays(tmp_path):
    """
    Numpy's newer string arrays count by their text, memory maps by what is in the file.
    """
    kind = np.dtypes.StringDType()
    mapped = np.memmap(tmp_path / "m", dtype="i4", mode="w+", shape=(4,))
    before = encode(mapped)
    mapped[0] = 1

    assert encode(np.array(["a", "b"], kind)) == encode(np.array(["a", "b"], kind))
    assert encode(np.array(["a", "b"], kind)) != encode(np.array(["a", "c"], kind))
    assert before != encode(mapped)
