"""
The promise of keys: the same bytes for the same value, other bytes for any other.
"""

from __future__ import annotations

import collections
import datetime
import math
import struct
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memotier.keys import wire
from memotier.keys.canonical import encode, encode_call

from ..effort import examples
from .keysamples import SAMPLES, Colour, Order, Point

_atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 2)
    | st.floats()
    | st.sampled_from([0.0, -0.0, 1.0, 2.0])
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.decimals(allow_nan=False)
    | st.dates()
)
_hashable = st.recursive(
    _atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
_values = st.recursive(
    _hashable,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_hashable, inner, max_size=3)
        | st.sets(_hashable, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2).map(collections.OrderedDict)
        | st.builds(Order, inner, inner)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=6,
)


def strict(value):
    """
    *value* as something comparable that is equal exactly if type and content are, all levels.
    """
    kind = type(value)
    if kind is float:
        return kind, "nan" if math.isnan(value) else struct.pack("d", value)
    if kind is Decimal:
        return kind, value.as_tuple()
    if kind is dict:
        return kind, frozenset((strict(k), strict(v)) for k, v in value.items())
    if kind is collections.OrderedDict:
        return kind, tuple((strict(k), strict(v)) for k, v in value.items())
    if kind in (set, frozenset):
        members = collections.Counter(strict(member) for member in value)
        return kind, frozenset(members.items())
    if kind in (list, tuple, Point):
        return kind, tuple(strict(member) for member in value)
    if kind is Order:
        return kind, strict(value.sku), strict(value.count)
    return kind, value


@given(_values, _values)
@example({0.0: 1}, {-0.0: 1})
@example({1: [True]}, {1: [1]})
@example(("a", "b"), ("ab", ""))
@settings(max_examples=examples(300), deadline=None)
def test_fault_07_bytes_are_equal_exactly_if_values_are(one, other):
    """
    Two values have one key if and only if they are equal and of the same types at every level.
    """
    assert (strict(one) == strict(other)) == (encode(one) == encode(other))


@given(_values)
@settings(max_examples=examples(150), deadline=None)
def test_fault_07_an_equal_copy_has_the_same_bytes(value):
    """
    Nothing of a key depends on where a value lies in memory or how its dicts were filled.
    """

    def again(part):
        kind = type(part)
        if kind is dict:
            return {again(k): again(v) for k, v in reversed(part.items())}
        if kind in (list, tuple, set, frozenset):
            return kind([again(member) for member in part])
        return part

    assert encode(value) == encode(again(value))


@given(st.lists(_values, max_size=3), st.lists(_values, max_size=3))
@settings(max_examples=examples(100), deadline=None)
def test_fault_08_arguments_do_not_run_into_each_other(one, other):
    """
    A call is its arguments one by one: what stands in one is never taken for part of another.
    """
    names = ("a", "b", "c")
    same = [strict(value) for value in one] == [strict(value) for value in other]

    assert same == (encode_call("f", names, one) == encode_call("f", names, other))


TWINS = {
    "int, bool": (1, True),
    "int, float": (1, 1.0),
    "int, text": (1, "1"),
    "none, text": (None, "None"),
    "bytes, text": (b"a", "a"),
    "bytes, bytearray": (b"a", bytearray(b"a")),
    "bytes, memoryview": (b"a", memoryview(b"a")),
    "zeros": (0.0, -0.0),
    "tuple of int, bool": ((1,), (True,)),
    "tuple, list": ((1, 2), [1, 2]),
    "decimals": (Decimal("1.0"), Decimal("1.00")),
    "decimal, float": (Decimal(1), 1.0),
    "zones": (
        datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC),
        datetime.datetime(2024, 1, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    ),
    "folds": (datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, fold=1)),
    "date, datetime": (datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)),
    "named tuples": (
        collections.namedtuple("P", "x y")(1, 2),
        collections.namedtuple("Q", "x y")(1, 2),
    ),
    "named tuple, tuple": (Point(1, 2), (1, 2)),
    "named tuple, list": (Point(1, 2), [1, 2]),
    "enum, value": (Colour.GREEN, 2),
    "path, text": (PurePosixPath("a"), "a"),
    "composed, decomposed": ("é", "e\u0301"),
    "set, frozenset": ({1}, frozenset({1})),
    "dict, ordered": ({"a": 1}, collections.OrderedDict(a=1)),
    "dict, counter": ({"a": 1}, collections.Counter(a=1)),
    "ordered dicts": (
        collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1),
    ),
    "dataclass, its dict": (Order("a", 1), {"sku": "a", "count": 1}),
    "ranges": (range(0, 3, 2), range(0, 4, 2)),
    "many numbers": ([float(n) for n in range(20)], list(range(20))),
    "many numbers, tuple": (list(range(20)), tuple(range(20))),
    "deques": (collections.deque([1]), collections.deque([1], maxlen=1)),
    "nothing": ((), None),
    "empties": ([], {}),
    "surrogate, its bytes": ("\ud800", "\ud800".encode("utf-8", "surrogatepass")),
    "class, its name": (int, "builtins.int"),
}


@pytest.mark.parametrize("pair", TWINS.values(), ids=TWINS)
@pytest.mark.parametrize("inside", [lambda v: v, lambda v: [v], lambda v: {"k": (v,)}])
def test_fault_06_type_twins_are_distinct_entries(pair, inside):
    """
    Values that other caches take for one another have keys of their own, nested ones too.
    """
    one, other = map(inside, pair)

    assert encode(one) != encode(other)


def test_all_samples_differ():
    """
    No two values of the collection of samples share a key.
    """
    repeated = SAMPLES["many floats with nan"], SAMPLES["many floats"]
    values = [*repeated, *(value for value in SAMPLES.values() if type(value) is not list)]
    for value in SAMPLES.values():
        values += value if type(value) is list and value not in repeated else []

    assert len(values) == len({encode(value) for value in values})


BOUNDARIES = [
    (("x:y", "z"), ("x", "y:z")),
    (("x y", "z"), ("x", "y z")),
    (("a", ""), ("", "a")),
    (("a\x00", "b"), ("a", "\x00b")),
    ((("a", "b"), "c"), ("a", ("b", "c"))),
    (({"a": 1}, {"b": 2}), ({"a": 1, "b": 2}, {})),
    (("s\x01a", ""), ("s", "\x01a")),
    (((), {"args": 1}), (("args", 1), {})),
    (((), {"a=1&b": 2}), ((), {"a": 1, "b": 2})),
    (((1,), (2, 3)), ((1, 2), (3,))),
]


@pytest.mark.parametrize(("one", "other"), BOUNDARIES)
def test_fault_08_field_boundaries_are_kept(one, other):
    """
    No separator can be forged: texts and names that look like structure are only text.
    """
    assert encode_call("f", "ab", one) != encode_call("f", "ab", other)


def test_one_nan_is_one_key():
    """
    NaN finds its entry although it does not equal itself, whatever its bits.
    """
    other = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]

    assert encode(float("nan")) == encode(other) == encode(-float("nan"))
    assert encode([float("nan")] * 30) == encode([other] * 30)
    assert encode({float("nan"): 1}) == encode({other: 1})


def test_order_does_not_count_where_it_means_nothing():
    """
    Dicts and sets are keyed by content, mixed types of keys included.
    """
    assert encode({"a": 1, 2: [3], (4,): None}) == encode({(4,): None, 2: [3], "a": 1})
    assert encode({1, "a", None, 2.5}) == encode({2.5, None, "a", 1})


def test_large_leaves_make_small_keys():
    """
    Above 64 KiB a text stands in the key by its hash; one other character is another key.
    """
    text = "x" * 1_000_000

    assert 64 > len(encode(text))
    assert encode(text) == encode("x" * 1_000_000)
    assert encode(text) != encode("x" * 999_999 + "y")
    assert encode(text) != encode(text.encode())


@pytest.mark.parametrize("size", [127, 128, 255, 256, wire.MAX_LEAF, wire.MAX_LEAF + 1])
def test_sizes_around_the_limits_of_each_form(size):
    """
    Where the form of a leaf changes with its size, neighbours still differ.
    """
    texts = ["x" * size, "x" * (size + 1), "x" * (size - 1) + "y", "é" * size]

    assert 4 == len({encode(text) for text in texts})
    assert 2 == len({encode(b"x" * size), encode(b"x" * (size + 1))})
    assert 2 == len({encode(1 << 8 * size), encode(1 << 8 * size + 1)})


def test_numbers_of_varint():
    """
    Lengths are written in as many bytes as they need, and differently each.
    """
    found = {wire.varint(n) for n in [0, 1, 127, 128, 129, 16_383, 16_384, 1 << 40]}

    assert 8 == len(found)
    assert bytes.fromhex("ac02") == wire.varint(300)


def test_version_byte_comes_first():
    """
    The format of keys can change without meeting keys of the former one.
    """
    assert wire.VERSION == encode(1)[:1] == encode_call("f", ("a",), (1,))[:1]
