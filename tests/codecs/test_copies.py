"""
No caller sees what another one did to a result.
"""

from __future__ import annotations

import copy
import datetime as dt
import re
import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotier.codecs.copies import isolate
from memotier.errors import NotIsolated

from ..effort import examples
from . import models as m
from .same import same


def thawed(kept):
    return kept.value if kept.thaw is None else kept.thaw(kept.value)


@dataclass
class Node:
    items: list = field(default_factory=list)
    other: Node | None = None


def nested():
    return {"rows": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b"]}], "meta": {"n": {"k": [0]}}}


def shared():
    part = [1]
    return [part, part, {"again": part}]


def cyclic():
    value: list = [1]
    value.append(value)
    return value


#: What a function returns, and what a rude caller does to it.
MUTABLE = {
    "list": (lambda: [1, 2], lambda v: v.append(3)),
    "dict": (lambda: {"a": 1, 2: None}, lambda v: v.update(b=2)),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "bytearray": (lambda: bytearray(b"ab"), lambda v: v.extend(b"c")),
    "deque": (lambda: deque([1], 5), lambda v: v.append(3)),
    "ordered": (lambda: OrderedDict(a=[1]), lambda v: v["a"].append(2)),
    "rows": (nested, lambda v: v["rows"][1]["tags"].append("x")),
    "deep": (nested, lambda v: v["meta"]["n"]["k"].clear()),
    "mixed": (lambda: [1, [2], "x", {"k": {3}}], lambda v: v[3]["k"].add(4)),
    "tuple": (lambda: (1, [2], ([3],)), lambda v: v[2][0].append(4)),
    "tuples": (lambda: ([1], [2]), lambda v: v[0].append(4)),
    "twins": (lambda: [{1: []}, {True: []}], lambda v: v[1][True].append(1)),
    "shared": (shared, lambda v: v[0].append(2)),
    "counter": (lambda: Counter("aab"), lambda v: v.update("a")),
    "object": (lambda: Node([1]), lambda v: v.items.append(2)),
    "objects": (lambda: [Node([1]), {"k": Node()}], lambda v: v[1]["k"].items.append(2)),
    "frozen with list": (lambda: m.Frozen([1]), lambda v: v.a.append(2)),
    "named tuple": (lambda: m.Point([1], 2), lambda v: v.x.append(2)),
    "model": (lambda: m.Model(a=1, tags={"x"}), lambda v: v.tags.add("y")),
    "struct": (lambda: m.Struct([1]), lambda v: v.a.append(2)),
    "namespace": (lambda: SimpleNamespace(a=[1]), lambda v: v.a.append(2)),
    "object array": (lambda: np.array([[1], None], object), lambda v: v[0].append(2)),
    "void": (lambda: np.zeros(1, "i4,i4")[0], lambda v: v.__setitem__("f0", 3)),
    "exception": (lambda: [ValueError("a")], lambda v: v[0].args[0] or v.append(1) or v.clear()),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["auto", True])
@pytest.mark.parametrize("name", MUTABLE)
def test_fault_10_mutation_stays_with_the_caller(name, mode):
    """
    Neither the first caller, who made it, nor a later one reaches the others.
    """
    make, mutate = MUTABLE[name]
    original = make()
    kept = isolate(original, mode)
    reference = repr(thawed(kept))

    mutate(original)
    for _ in range(2):
        mutate(thawed(kept))

    assert reference == repr(thawed(kept))
    assert type(original) is type(thawed(kept))
    assert kept.size >= 1


@pytest.mark.parametrize("mode", ["auto", True])
def test_fault_10_array(mode):
    """
    Shared as read-only views in auto mode, as writable copies otherwise.
    """
    original = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    kept = isolate({"deep": [original]}, mode)
    original[0, 0] = 99

    first, second = (thawed(kept)["deep"][0] for _ in range(2))
    assert same(np.asfortranarray(np.arange(6.0).reshape(2, 3)), first)
    assert (mode == "auto") == np.shares_memory(first, second)
    if mode == "auto":
        with pytest.raises(ValueError, match="read-only"):
            first[0, 0] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            first.flags.writeable = True
    else:
        first[0, 0] = 1
    assert 0 == second[0, 0]


def test_fault_10_every_caller_has_its_own_view():
    """
    What can be set on a read-only array, such as its dtype, is set on one view only.
    """
    kept = isolate(np.arange(6))
    views = [thawed(kept) for _ in range(2)]

    assert views[0] is not views[1]
    assert all(view.base is kept.value for view in views)


def frame():
    made = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=pd.Index([7, 8], name="i"))
    made.attrs["k"] = [1]
    return made


FRAME_MUTATIONS = [
    lambda v: v.__setitem__("new", 1),
    lambda v: v.loc.__setitem__((7, "a"), 99),
    lambda v: v.iloc.__setitem__((0, 1), "z"),
    lambda v: v.pop("a"),
    lambda v: setattr(v.index, "name", "other"),
    lambda v: setattr(v.columns, "name", "other"),
    lambda v: v.attrs["k"].append(2),
]


@pytest.mark.parametrize("mode", ["auto", True])
@pytest.mark.parametrize("mutate", FRAME_MUTATIONS, ids=range(len(FRAME_MUTATIONS)))
def test_fault_10_pandas_frame(mutate, mode):
    """
    Data, columns, labels and attrs of one caller are its own.
    """
    original = frame()
    kept = isolate([original], mode)

    mutate(original)
    mutate(thawed(kept)[0])

    back = thawed(kept)[0]
    pd.testing.assert_frame_equal(frame(), back)
    assert {"k": [1]} == back.attrs


@pytest.mark.parametrize("mode", ["auto", True])
def test_fault_10_pandas_objects_in_cells(mode):
    """
    pandas copies cells by reference; lists in them are copied all the same.
    """
    for make in (lambda: pd.Series([[1], [2]]), lambda: pd.DataFrame({"a": [[1], [2]]})["a"]):
        original = make()
        kept = isolate(original, mode)
        original[0].append(3)
        thawed(kept)[0].append(3)

        assert [[1], [2]] == thawed(kept).to_list()


@pytest.mark.parametrize("mode", ["auto", True])
def test_fault_10_polars(mode):
    """
    Clones do not see each other's changes.
    """
    original = pl.DataFrame({"a": [1, 2]})
    kept = isolate({"f": original, "s": pl.Series("s", [1])}, mode)

    original.insert_column(0, pl.Series("z", [0, 0]))
    thawed(kept)["f"][0, "a"] = 99
    thawed(kept)["s"][0] = 99

    assert [1, 2] == thawed(kept)["f"]["a"].to_list()
    assert ["a"] == thawed(kept)["f"].columns
    assert [1] == thawed(kept)["s"].to_list()


IMMUTABLE = [
    None, 1, 2**100, 1.5, "text", b"bytes", True, 1j, (1, ("a", None)), frozenset({1, (2,)}),
    range(3), m.Color.RED, m.Frozen(1), m.FrozenSlotted((1, 2)), m.Point(1, 2),
    m.KeywordStruct(b=1), dt.datetime(2020, 1, 1), dt.UTC, Decimal(1), Path("a"), len,
    re.compile("a"), int, m.Plain, copy, ..., np.float64(1), pd.Timestamp(0), slice(1, 2), nested,
]  # fmt: skip


@pytest.mark.parametrize("mode", ["auto", True, False])
@pytest.mark.parametrize("value", IMMUTABLE, ids=lambda value: type(value).__name__)
def test_immutable_value_is_shared(value, mode):
    """
    What nobody can change is handed out as it is.
    """
    kept = isolate(value, mode)

    assert kept.value is value
    assert kept.thaw is None
    assert kept.size >= 1


def test_fault_10_sharing_on_purpose():
    """
    copy=False shares the one object, as functools.lru_cache does.
    """
    value = nested()

    assert value is isolate(value, False).value
    assert isolate(value, False).thaw is None


def test_immutable_parts_are_shared_between_copies():
    """
    A copy costs what is mutable, not what is large.
    """
    text = "x" * 1000
    kept = isolate({"text": text, "tuple": (text, 1), "list": [text]})

    back = thawed(kept)
    assert text is back["text"] is back["list"][0]
    assert kept.value["tuple"] is back["tuple"]


def test_flat_containers_are_copied_in_c():
    """
    The cheapest copier for the shape: one call in C.
    """
    assert dict.copy is isolate({"a": 1}).thaw
    assert list.copy is isolate([1, (2, 3)]).thaw
    assert set.copy is isolate({1}).thaw
    assert np.ndarray.view is isolate(np.arange(3)).thaw


def test_shared_parts_stay_shared_inside_one_copy():
    """
    A cycle comes back as a cycle, a part that occurs twice as one object.
    """
    back = thawed(isolate(cyclic()))
    assert back[1] is back

    back = thawed(isolate(shared()))
    assert back[0] is back[1] is back[2]["again"]


def generator():
    yield 1


UNCOPYABLE = [
    generator,
    threading.Lock,
    lambda: [threading.Lock()],
    lambda: {1: generator()},
    lambda: deep_list(100_000),
    m.PlainObject,
    lambda: memoryview(b"a"),
]


@pytest.mark.parametrize("mode", ["auto", True])
@pytest.mark.parametrize("make", UNCOPYABLE, ids=range(len(UNCOPYABLE)))
def test_what_cannot_be_copied_says_so(make, mode):
    """
    NotIsolated names the type and the way out, whatever copying raised.
    """
    with pytest.raises(NotIsolated, match="copy=False"):
        isolate(make(), mode)


def deep_list(levels):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def test_wide_sharing_of_tuples_takes_no_time():
    """
    Pairs of pairs of pairs: 2**60 leaves, 60 objects.
    """
    value = (1, 2)
    for _ in range(60):
        value = (value, value)

    assert isolate(value).value is value


def test_size_is_estimated():
    """
    In proportion to what is held, by buffers for arrays, by a sample for large values.
    """
    assert 8_000_000 <= isolate(np.zeros(1_000_000)).size < 8_001_000
    assert 8_000_000 <= isolate(pl.DataFrame({"a": np.zeros(1_000_000)})).size < 8_100_000
    assert 8_000_000 <= isolate(pd.DataFrame({"a": np.zeros(1_000_000)})).size < 8_100_000
    assert 1_000_000 <= isolate("x" * 1_000_000).size < 1_000_100
    rows = [{"text": "x" * 1000, "n": (float(i), [])} for i in range(50_000)]
    assert 0.8 < isolate(rows).size / (50_000 * (1049 + 184 + 56 + 56 + 24 + 8)) < 1.3


def test_large_plain_data_is_kept_packed():
    """
    As many bytes as its msgpack has, and every caller gets his own.
    """
    rows = [{"text": "x" * 1000, "n": [float(i)]} for i in range(100)]
    kept = isolate(rows)

    assert bytes is type(kept.value)
    assert 100_000 < kept.size < 110_000
    first, second = kept.thaw(kept.value), kept.thaw(kept.value)
    assert rows == first == second
    first[0]["n"].append(1)
    assert rows == second


@pytest.mark.parametrize("odd", [2**70, "\ud800", (1,), {1}, b"x", float("nan"), {1: 2}])
def test_large_data_comes_back_with_its_types(odd):
    """
    What msgpack has no exact type for is copied in another way.
    """
    value = [*range(100), odd, {"k": odd}]
    kept = isolate(value)
    thawed = kept.thaw(kept.value)

    assert repr(value) == repr(thawed)
    assert type(odd) is type(thawed[100])


atoms = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3))
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=2), st.booleans(), st.integers(0, 2)), inner),
        st.lists(inner, max_size=3).map(deque),
        st.builds(m.Plain, inner),
    ),
    max_leaves=20,
)


def containers(value):
    """
    The ids of everything mutable in *value*.
    """
    found = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            found.add(id(item))
            pending += item.values()
        elif isinstance(item, (list, deque, tuple)):
            if not isinstance(item, tuple):
                found.add(id(item))
            pending += item
        elif isinstance(item, m.Plain):
            found.add(id(item))
            pending += [item.a, item.b]
    return found


@settings(max_examples=examples(200), deadline=None)
@given(values, st.sampled_from(["auto", True]))
def test_copies_are_equal_and_share_nothing_mutable(value, mode):
    """
    Original, snapshot and two thawed copies: equal, and apart in every mutable part.
    """
    kept = isolate(value, mode)
    first, second = thawed(kept), thawed(kept)

    assert same(value, first) and same(value, second)
    groups = [containers(each) for each in (value, kept.value, first, second)]
    assert sum(map(len, groups)) == len(set().union(*groups)) or kept.thaw is None
