"""
What would not come back the same is refused when it is stored, with a way out.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections import Counter, UserDict, defaultdict
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import ormsgpack
import pytest

from memotier.codecs.values import SafeCodec
from memotier.errors import SerializationError, ValueTooLarge

from . import models as m

CODEC = SafeCodec()


class OddZone(dt.tzinfo):
    pass


def extra_attribute():
    value = m.Plain(1)
    value.beside = 2
    return value


async def coroutine():
    pass


REFUSED = [
    m.SubInt(1), m.SubStr("a"), m.SubList([1]), m.SubDict(a=1), Counter("a"), defaultdict(int),
    UserDict(), m.PlainObject(), ValueError("x"), m.FailingCheck(1), m.LoudStruct(1),
    (i for i in ()), iter([]), threading.Lock(), len, lambda: 1, int, m.Plain, object(), ...,
    NotImplemented, memoryview(b"a"), ormsgpack.Ext(1, b"a"), ormsgpack.Fragment(b"\x01"),
    np.array([object()]), np.ma.masked_array([1]), np.rec.array([(1,)]),
    dt.datetime(2020, 1, 1, tzinfo=OddZone()), extra_attribute(), Fraction(3**50_000, 2),
    asyncio.Queue, open,
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_value_that_would_change_is_refused(value):
    """
    As the whole, deep inside, as part of an object, and nothing else is harmed by it.
    """
    for whole in (value, [[value]], {"k": (1, value)}, m.Plain(1, value), {1: value}):
        with pytest.raises(SerializationError):
            CODEC.encode(whole)
    assert [1] == CODEC.decode(CODEC.encode([1]))


@pytest.mark.parametrize("key", [m.SubStr("a"), m.SubInt(1), np.str_("a"), np.float64(1)])
def test_key_never_changes_its_type(key):
    """
    A key that msgpack would turn into plain text comes back as itself or is refused.
    """
    try:
        back = CODEC.decode(CODEC.encode({key: 1}))
    except SerializationError:
        return
    assert [type(key)] == list(map(type, back))


def test_message_names_type_and_ways_out():
    """
    The type without a path in the value, and what to do.
    """
    with pytest.raises(SerializationError) as caught:
        CODEC.encode({"secret": [m.PlainObject()]})

    message = str(caught.value)
    assert "tests.codecs.models.PlainObject" in message
    assert "dataclass" in message and "codec='pickle'" in message
    assert "secret" not in message


def self_list():
    value: list = []
    value.append(value)
    return value


def twice_self_list():
    value: list = []
    value += [value, value]
    return value


def self_object():
    value = m.Plain(1)
    value.b = [(value, value)]
    return value


def self_dict():
    value: dict = {}
    value[(1,)] = [value]
    return value


def deep(wrap, levels):
    value = None
    for _ in range(levels):
        value = wrap(value)
    return value


def doubled(wrap, levels):
    value = None
    for _ in range(levels):
        value = wrap(value, value)
    return value


@pytest.mark.parametrize(
    "make",
    [
        self_list,
        twice_self_list,
        self_object,
        self_dict,
        lambda: deep(lambda x: [x], 100_000),
        lambda: deep(lambda x: {"a": x}, 1000),
        lambda: deep(lambda x: (x,), 1000),
        lambda: deep(m.Plain, 200),
        lambda: doubled(lambda x, y: [x, y], 64),
        lambda: doubled(lambda x, y: (x, y), 40),
        lambda: [[0] * 1000] * 1001,
        lambda: [0] * 1_000_001,
    ],
)
def test_fault_48_cycle_depth_and_blow_up_are_refused(make):
    """
    Neither a hang nor a RecursionError, whatever contains itself or unfolds without end.
    """
    with pytest.raises(SerializationError, match=r"nested deeper|item"):
        CODEC.encode(make())


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: (x,), m.Plain])
def test_sixty_levels_are_carried(wrap):
    """
    What people nest on purpose is far from the limit.
    """
    value = deep(wrap, 60)

    assert value == CODEC.decode(CODEC.encode(value))


def test_fault_49_value_above_the_limit_is_refused():
    """
    Exactly at the limit it is carried, one byte more is too large.
    """
    codec = SafeCodec(max_bytes=1000)

    assert b"a" * 998 == codec.decode(codec.encode(b"a" * 998))
    with pytest.raises(ValueTooLarge, match="1,001 bytes"):
        codec.encode(b"a" * 999)


def test_objects_of_a_class_that_keeps_more_state():
    """
    A dataclass that is also a dict would lose what the dict holds.
    """

    @dataclass
    class Both(dict):
        a: int = 1

    with pytest.raises(SerializationError, match="is also a dict"):
        CODEC.encode(Both())
