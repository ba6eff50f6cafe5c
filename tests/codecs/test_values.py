"""
Every kind of value comes back with its exact types.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotier.codecs.values import SafeCodec

from ..effort import examples
from . import models as m
from .same import same

CODEC = SafeCodec()
BERLIN = ZoneInfo("Europe/Berlin")
NAMED = dt.timezone(dt.timedelta(hours=-3, microseconds=5), "X")

PLAIN = [
    None, True, False, 0, -1, 2**63, 2**64 - 1, -(2**63), 2**64, -(2**64), 10**400, -(10**400),
    0.0, -0.0, 1.5, math.inf, math.nan, 1j, complex(-0.0, math.nan),
    "", "text", "ü€🎉", "\ud800 lone", b"", b"\xc1\x03", bytearray(b"ab"),
    [], [1, "a", None], (), (1,), (1, (2, [3, (4,)])), set(), {1, "a"}, frozenset({(1, 2)}),
    {}, {"a": 1}, {1: "int", "1": "str"}, {None: 1, True: 2, 2.5: 3, b"k": 4},
    {(1, 2): "t", frozenset({1}): "f", dt.date(2020, 1, 1): "d"}, {2**70: "big"},
    {"\ud800": 1}, {"b": 1, "a": 2}, OrderedDict([("b", 1), ("a", [2])]), {m.Color.RED: 1},
    deque([1, [2]], maxlen=3), deque(), range(1, 10, 3), range(2**70), slice(1, None, 2),
    slice([1], "x"),
]  # fmt: skip

STANDARD = [
    dt.datetime(2020, 1, 2, 3, 4, 5, 6), dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=NAMED),
    dt.date.min, dt.date.max, dt.time(1, 2, 3, 4, fold=1), dt.time(5, tzinfo=NAMED),
    dt.timedelta.min, dt.timedelta.max, dt.timedelta(microseconds=1), dt.UTC, NAMED, BERLIN,
    Decimal("1.00"), Decimal("-0"), Decimal("1E+999999"), Decimal("Infinity"),
    Fraction(-3, 7), Fraction(10**50, 3), uuid.UUID(int=7), uuid.UUID(int=2**127 + 12345),
    PurePosixPath("a/b"), PureWindowsPath("C:/x"), Path("/tmp"), Path("\udcff name"),
]  # fmt: skip

OBJECTS = [
    m.Color.CRIMSON, m.Level.LOW, m.Mode.FAST, m.Access.READ, m.Access.READ | m.Access.WRITE,
    m.Access(0), m.Point(1, 2), m.Point([1], {}), m.Pair(1, m.Pair(2, 3)), m.Plain(1, [m.Plain(2)]),
    m.Frozen(1), m.Slotted(1), m.FrozenSlotted(1), m.Box((1,)), m.Attrs(1, "x"), m.AttrsHashed(1),
    m.AttrsDict(1), m.Model(a=1, inner=m.Model(a=2, tags={"x"})), m.Open(a=1, more=[1]),
    m.IntModel(content=3), m.Struct(1, "c"), m.KeywordStruct(a=3, b=2),
]  # fmt: skip

ARRAYS = [
    np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(3.5),
    np.zeros((0, 3), ">i2"), np.arange(10)[::3], np.array(["a", "bc"]), np.array([b"x"]),
    np.array(["2020-01-01", "NaT"], "M8[D]"), np.array([1], "m8[25us]"), np.array([True]),
    np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]), np.zeros(2, np.dtype("i1,f8", align=True)),
    np.zeros(2, [("v", [("x", "i1")], (2, 2))]), np.float16([1.5]), np.complex64([1j]),
]  # fmt: skip

SCALARS = [
    np.float64(1.5), np.float32(-0.0), np.int8(1), np.bool_(True), np.str_("ü"), np.bytes_(b""),
    np.datetime64("2020-01-01T00:00:00.5"), np.timedelta64(3, "h"), np.complex128(1j),
]  # fmt: skip

ALL = PLAIN + STANDARD + OBJECTS + ARRAYS + SCALARS


# Not their text: that of a set differs from process to process.
NAMES = [f"{number}-{type(value).__name__}" for number, value in enumerate(ALL)]


@pytest.mark.parametrize("value", ALL, ids=NAMES)
def test_value_comes_back_the_same(value):
    """
    Same type, equal, also as part of every container and object.
    """
    for whole in (value, [value], (value, 1), {"k": value}, {3: [value]}, m.Plain(1, [value])):
        payload = CODEC.encode(whole)

        assert type(payload) is bytes
        assert same(whole, CODEC.decode(payload))
        assert same(whole, CODEC.decode(memoryview(b"-" + payload)[1:]))


def test_everything_at_once_comes_back_the_same():
    """
    Kinds do not disturb each other.
    """
    assert same(ALL, CODEC.decode(CODEC.encode(ALL)))


def test_what_equality_does_not_see_is_kept():
    """
    fold, zone names, signalling NaN, safety of a UUID, private and unset fields.
    """
    back = CODEC.decode(CODEC.encode(dt.datetime(2020, 10, 25, 2, fold=1, tzinfo=BERLIN)))
    assert (1, BERLIN) == (back.fold, back.tzinfo)
    assert "X" == CODEC.decode(CODEC.encode(NAMED)).tzname(None)
    assert "sNaN123" == str(CODEC.decode(CODEC.encode(Decimal("sNaN123"))))
    safe = uuid.UUID(int=1, is_safe=uuid.SafeUUID.safe)
    assert uuid.SafeUUID.safe is CODEC.decode(CODEC.encode(safe)).is_safe

    model = m.Model(a=1)
    model._hidden = 8
    back = CODEC.decode(CODEC.encode(model))
    assert (8, {"a"}) == (back._hidden, back.model_fields_set)
    assert {"more": [1]} == CODEC.decode(CODEC.encode(m.Open(more=[1]))).model_extra
    assert not hasattr(CODEC.decode(CODEC.encode(m.Slotted(1))), "late")
    assert hash(m.AttrsHashed(1)) == hash(CODEC.decode(CODEC.encode(m.AttrsHashed(1))))


def test_no_initialiser_runs_on_decoding():
    """
    Neither __post_init__ nor a validator sees the restored object.
    """
    values = [m.Loud(3), m.AttrsDict(1), m.Checked(a=1)]
    payload = CODEC.encode(values)
    m.RAN.clear()

    assert values == CODEC.decode(payload)
    assert [] == m.RAN


def test_cached_property_is_left_behind():
    """
    What refills itself need not be stored.
    """
    value = m.Cached(3)
    assert 9 == value.square

    back = CODEC.decode(CODEC.encode(value))

    assert {"a": 3} == vars(back)
    assert 9 == back.square


def test_generic_alias_leaves_no_trace():
    """
    Box[int](1) notes its alias on the instance; that is not state.
    """
    assert m.Box(1) == CODEC.decode(CODEC.encode(m.Box[int](1)))


def test_array_is_a_read_only_view_of_the_payload():
    """
    Nothing is copied, also when the array is deep inside, and it is aligned in the payload.
    """
    payload = CODEC.encode({"deep": [1, (np.arange(100_000.0), "x")]})

    array = CODEC.decode(payload)["deep"][1][0]

    assert not array.flags.owndata
    assert not array.flags.writeable
    whole = np.frombuffer(payload, "u1")
    assert np.shares_memory(array, whole)
    assert 0 == (array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) % 16
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_shared_parts_come_back_equal():
    """
    Sharing is not kept, only what is shared.
    """
    part = [1, (2,)]

    back = CODEC.decode(CODEC.encode([part, part]))

    assert [[1, (2,)], [1, (2,)]] == back


def test_payload_is_plain_msgpack_for_plain_data():
    """
    Other tools can read what most functions return.
    """
    assert b"\x81\xa1a\x93\x01\x02\xc0" == CODEC.encode({"a": [1, 2, None]})


atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.binary(),
    st.text(st.characters()), st.datetimes(), st.timedeltas(), st.decimals(), st.uuids(),
    st.fractions(), st.dates(), st.sampled_from(m.Color), st.builds(m.Frozen, st.integers()),
)  # fmt: skip
keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(st.characters()), st.dates(), st.uuids(),
    st.tuples(st.integers(), st.text()), st.frozensets(st.integers()),
)  # fmt: skip
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.builds(m.Plain, inner, st.lists(inner, max_size=2)),
        st.builds(m.Point, inner, inner),
        st.sets(keys, max_size=3),
    ),
    max_leaves=20,
)


@settings(max_examples=examples(200), deadline=None)
@given(values)
def test_any_value_comes_back_the_same(value):
    """
    Round trips of random nested values.
    """
    assert same(value, CODEC.decode(CODEC.encode(value)))
