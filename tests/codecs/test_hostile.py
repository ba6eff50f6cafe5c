"""
Whatever bytes are decoded: a value or DecodeRefused, in bounded memory, and nothing runs.
"""

from __future__ import annotations

import datetime as dt
import pickle
import random
import struct
import subprocess
import sys
import zlib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import ormsgpack
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotier.codecs import kinds, survey
from memotier.codecs.values import TABLE, SafeCodec
from memotier.errors import DecodeRefused

from ..effort import examples
from . import models as m

CODEC = SafeCodec()


def table(*nodes, raws=(), classes=()):
    """
    A payload as a stranger would forge it: tag and msgpack of each node.
    """
    named = ormsgpack.packb(list(classes))
    heads = [bytes([tag]) + body for tag, body in nodes]
    sizes = [len(part) for part in (*heads, *raws)]
    data = TABLE + bytes(14) + struct.pack("<IIII", len(heads), len(raws), len(named), 0)
    data += struct.pack(f"<{len(sizes)}I", *sizes) + named + b"".join(heads)
    for raw in raws:
        data += bytes(-len(data) % 16) + raw
    return data


def pack(*parts):
    return ormsgpack.packb(list(parts))


def ext(tag, data):
    return ormsgpack.Ext(tag, data)


def root(value, *nodes, **more):
    return table((0, pack(value)), *nodes, **more)


def ref(index):
    return ext(kinds.REFERENCE, struct.pack("<I", index))


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path(self.marker).write_text, ("ran",))


FORGED = {
    "empty": b"",
    "mark only": b"\xc1",
    "future kind": b"\xc1\x09abc",
    "no table": TABLE,
    "foreign ext": ormsgpack.packb(ext(5, b"a")),
    "unknown tag": root(ext(99, pack(1))),
    "unknown node": root(ref(1), (99, pack(1))),
    "self reference": root(ref(0)),
    "reference back": root(ref(1), (kinds.TUPLE, pack(ref(1)))),
    "reference twice": root([ref(1), ref(1)], (kinds.TUPLE, pack(1))),
    "unused node": root(1, (kinds.TUPLE, pack(1))),
    "unused raw": root(1, (kinds.TUPLE, pack(1)), raws=[b"a"]),
    "parts no list": root(ref(1), (kinds.TUPLE, ormsgpack.packb(1))),
    "nested inline": root(ext(kinds.TUPLE, pack([1]))),
    "class index": root(ext(kinds.OBJECT, pack(0, None, 1))),
    "odd classes": root(1, classes=["a"]),
    "set of lists": root(ref(1), (kinds.SET, pack([1]))),
    "set twice": root(ext(kinds.SET, pack(1, 1))),
    "dict twice": root(ext(kinds.PAIRS, pack(1, 2, 1, 3))),
    "odd pairs": root(ext(kinds.PAIRS, pack(1, 2, 3))),
    "uuid": root(ext(kinds.UUID_TAG, b"short")),
    "date": root(ext(kinds.DATE, struct.pack("<I", 2**31))),
    "datetime": root(ext(kinds.DATETIME, pack(2020, 13, 1, 0, 0, 0, 0, 0))),
    "zone path": root(ext(kinds.ZONE, pack("../../etc/passwd"))),
    "zone module": root(ext(kinds.ZONE, pack("tzdata.zoneinfo"))),
    "decimal": root(ext(kinds.DECIMAL, b"1E+99999999999999999999999")),
    "fraction": root(ref(1), (kinds.FRACTION, pack(ext(kinds.BIG_INT, b"\1" * 9999), 1))),
    "fraction zero": root(ext(kinds.FRACTION, pack(1, 0))),
    "deque": root(ext(kinds.DEQUE, pack(-1, 2))),
    "slice": root(ext(kinds.SLICE, pack(1, 2, 3, 4))),
    "array size": root(ref(1), (kinds.ARRAY, pack(0, "<f8", [2**40], "C")), raws=[bytes(8)]),
    "array of nothing": root(ref(1), (kinds.ARRAY, pack(0, "<f8", [0, 2**62], "C")), raws=[b""]),
    "array negative": root(ref(1), (kinds.ARRAY, pack(0, "<f8", [-1, -1], "C")), raws=[bytes(8)]),
    "array dims": root(ref(1), (kinds.ARRAY, pack(0, "<f8", [1] * 99, "C")), raws=[bytes(8)]),
    "array object": root(ref(1), (kinds.ARRAY, pack(0, "|O", [1], "C")), raws=[bytes(8)]),
    "array object 8": root(ref(1), (kinds.ARRAY, pack(0, "|O8", [1], "C")), raws=[bytes(8)]),
    "array field object": root(
        ref(1), (kinds.ARRAY, pack(0, [["a", "|O"]], [1], "C")), raws=[bytes(8)]
    ),
    "array wide": root(ref(1), (kinds.ARRAY, pack(0, "<U999999999", [1], "C")), raws=[bytes(8)]),
    "array subdtype": root(
        ref(1), (kinds.ARRAY, pack(0, [["a", "<f8", [2**30, 2**30]]], [1], "C")), raws=[bytes(8)]
    ),
    "scalar": root(ext(kinds.SCALAR, pack("<f8", b"abc"))),
    "frame": root(ref(1), (kinds.FRAME, pack(0, 0, None, None, None, [])), raws=[b"ARROW1\0\0"]),
    "polars": root(ref(1), (kinds.FRAME, pack(0, 2)), raws=[b"ARROW1\0\0"]),
    "frame raw": root(ref(1), (kinds.FRAME, pack(7, 0, None, None, None, []))),
    "many nodes": TABLE + bytes(14) + struct.pack("<IIII", 2**32 - 1, 0, 0, 0),
    "many raws": TABLE + bytes(14) + struct.pack("<IIII", 1, 2**31, 0, 0),
    "deep": b"\x91" * 900 + b"\xc0",
    "deeper": b"\x91" * 1_000_000,
    "huge list": b"\xdd\xff\xff\xff\xff",
    "huge dict": b"\xdf\xff\xff\xff\xff",
    "huge bytes": b"\xc6\xff\xff\xff\xff",
    "unhashable key": b"\x81\x80\x01",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_fault_20_forged_payload_is_refused(name):
    """
    Nothing but DecodeRefused, whatever the forgery asks for.
    """
    with pytest.raises(DecodeRefused):
        CODEC.decode(FORGED[name])


def test_fault_20_foreign_formats_run_nothing(tmp_path):
    """
    Pickles and their relatives are refused or harmless data; the marker file never appears.
    """
    marker = tmp_path / "ran"
    bomb = pickle.dumps(Bomb(str(marker)), protocol=5)
    yaml = f"!!python/object/apply:os.system ['touch {marker}']".encode()
    jsonpickle = b'{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["touch ran"]}]}'

    for payload in (bomb, bomb[1:], zlib.compress(bomb), yaml, jsonpickle, TABLE + bomb):
        for data in (
            payload,
            root(ref(1), (kinds.OBJECT, payload)),
            root(ext(kinds.SCALAR, payload)),
        ):
            try:
                CODEC.decode(data)
            except DecodeRefused:
                pass
    assert not marker.exists()


BOMBS = """
import sys, resource
sys.path.insert(0, sys.argv[1])
from memotier.codecs.values import SafeCodec
from memotier.errors import DecodeRefused
import numpy, ormsgpack
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
head = lambda n: bytes([0xdd]) + n.to_bytes(4, "big")
size = 8_000_000
bombs = [head(size) + b"\\x80" * size, head(size) + b"\\x90" * size, head(size) + b"\\xc0" * size]
before = peak()
for bomb in bombs:
    try:
        SafeCodec().decode(bomb)
    except DecodeRefused:
        continue
    sys.exit("decoded")
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is POSIX only")
def test_fault_20_item_bomb_takes_no_memory():
    """
    Eight million empty dicts in eight megabytes would take 600 MB; they are counted first.
    """
    root_dir = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, root_dir], capture_output=True, text=True, timeout=60
    )

    assert "" == done.stderr
    assert 64 > float(done.stdout)


def test_large_honest_payloads_are_counted_right():
    """
    The count that guards against bombs does not hit long texts, nor arrays, nor rows.
    """
    rows = [(i, "a text of some length", {"k": [i, None, 1.5, -i, 2**40, b"b" * 300]}, dt.date.max)
            for i in range(15_000)]  # fmt: skip
    plain = [{"id": i, "text": "x" * (i % 400), "n": -i} for i in range(20_000)]

    for value in (rows, plain, ["x" * 2_000_000, 1]):
        assert 1_000_000 < len(CODEC.encode(value))
        assert value == CODEC.decode(CODEC.encode(value))


def test_count_of_items_is_exact():
    """
    As many as were written, up to the budget, not one more.
    """
    value = [1, -1, 200, 2**40, -(2**40), 1.5, None, True, "a", "b" * 40, "c" * 300, "d" * 70_000,
             b"e", b"f" * 300, b"g" * 70_000, [], {}, [0] * 20, [0] * 70_000, {"k": 1}]  # fmt: skip
    data = memoryview(ormsgpack.packb(value))
    items = 1 + len(value) + 20 + 70_000 + 2

    assert items == survey.count_items(data, kinds.FIRST_COMPOSITE, items)
    with pytest.raises(DecodeRefused):
        survey.count_items(data, kinds.FIRST_COMPOSITE, items - 1)


SEEDS = [
    {"a": [1, 2.5, None, "text", b"bytes"], "b": {"c": True}},
    (1, {2: {3, 4}}, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), Decimal("1.5"), Fraction(1, 3)),
    [m.Plain(1, [m.Frozen(2)]), m.Color.RED, m.Model(a=1), m.Struct(1), m.Attrs(1), m.Access.READ],
    np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    [np.float64(1), 2**100, 1j, "\ud800", bytearray(b"a"), Path("x"), range(3), np.arange(3)],
]  # fmt: skip


def decodes_or_refuses(data):
    try:
        CODEC.decode(data)
    except DecodeRefused:
        pass


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_fault_34_every_truncation_and_bit_of_a_payload(seed):
    """
    Exhaustively: a value or DecodeRefused, never another exception.
    """
    payload = CODEC.encode(seed)

    for end in range(len(payload)):
        decodes_or_refuses(payload[:end])
    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        decodes_or_refuses(bytes(flipped))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_fault_34_damaged_frames(make, capfd):
    """
    A sample of single-byte damage to an Arrow stream; a panic in Rust is no exception either.
    """
    payload = CODEC.encode(make({"a": [1, 2], "b": ["x", "y"]}))
    rng = random.Random(1)

    for _ in range(300):
        damaged = bytearray(payload)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        decodes_or_refuses(bytes(damaged))


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xc1", b"\xc1\x02", TABLE]))
def test_random_bytes(data, prefix):
    """
    A value or DecodeRefused.
    """
    decodes_or_refuses(prefix + data)


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 70), st.binary(max_size=40), st.binary(max_size=40))
def test_random_nodes(tag, body, raw):
    """
    Well laid out tables with random content.
    """
    decodes_or_refuses(table((0, pack(ref(1))), (tag, body), raws=[raw]))
    decodes_or_refuses(root(ext(tag, body)))
