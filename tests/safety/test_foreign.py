"""
Fault 20: what lies at the place of a record and is none is a miss, is removed, is counted, and
never runs; at a Redis whole and behind a right head, on disk in the row (see also
tests/stores/test_tamper.py).
"""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zlib

import ormsgpack
import pytest
from xxhash import xxh3_128

from memotier import tiered_cache
from memotier.codecs import records

from .conftest import KEY, Values, refused, text

MARKER = "marker-of-what-ran"
#: Bytes that reading something planted may take at most.
ROOM = 64 * 2**20


class Bomb:
    """
    Unpickling it makes a file.
    """

    def __reduce__(self):
        return (os.system, (f"touch {MARKER}",))


def zeros(size: int) -> bytes:
    stream = zlib.compressobj(9)
    chunk = bytes(2**20)
    return b"".join(stream.compress(chunk) for _ in range(size // 2**20)) + stream.flush()


_DILL = b"cdill._dill\n_import_module\n(S'os'\ntR."
FOREIGN = {
    "pickle": pickle.dumps(Bomb()),
    "old pickle": pickle.dumps(Bomb(), protocol=0),
    "dill": _DILL,
    "json pickle": b'{"py/reduce": [{"py/function": "os.system"}, ["touch %s"]]}' % MARKER.encode(),
    "yaml": b"!!python/object/apply:os.system ['touch %s']\n" % MARKER.encode(),
    "zlib bomb": zeros(256 * 2**20),
    "msgpack": ormsgpack.packb(ormsgpack.Ext(42, pickle.dumps(Bomb()))),
    "empty": b"",
    "one byte": b"\x01",
    "text": b"not a record at all, but as long as one would be" * 3,
}


def framed(payload: bytes, address: bytes, *, size: int | None = None, codec: str = "safe"):
    """
    A frame with a right checksum, as anybody can make one where there is no key.
    """
    record = records.Record(codec, 0, 1.7e9, None, 0.0, b"f" * 20, (), (), (), "me:1", payload)
    if size is None:
        return records.seal(record, address=address, group="ns")
    header = records._header(record._replace(payload=b""))
    header[5] = size
    packed = ormsgpack.packb(header)
    body = struct.pack("<I", len(packed) << 8 | 1) + packed
    body += bytes(-(20 + len(body)) % 16) + payload
    check = xxh3_128(records.where(address, "ns", records._LEAD) + body).digest()
    return records._LEAD + check + body


class Unknown(Exception):
    """So that nothing is stored in place of what was planted."""


@pytest.fixture(params=["signed", "plain", pytest.param("encrypted", marks=pytest.mark.extras)])
def options(request, monkeypatch):
    if request.param != "plain":
        monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    return {"encrypt": True} if request.param == "encrypted" else {}


@pytest.fixture
def victim(open_cache, planted, options, heard):
    """
    ``victim(plant)``: a record is stored, *plant* of its bytes and its address is put in its place,
    and another process calls the function. It checks that this is a miss like any other.
    """

    def check(plant):
        cache = open_cache(**options)

        def make(cache, fails):
            @tiered_cache(cache=cache, name="f", version=1, namespace="ns")
            def f(x):
                if fails:
                    raise Unknown
                return x

            return f

        make(cache, False)("x")
        rows = planted()
        [(address, genuine)] = rows.all().items()
        foreign = plant(genuine, address)
        rows.put(address, foreign)
        other = open_cache(**options)
        events = heard(other)
        f = make(other, True)

        tracemalloc.start()
        try:
            with pytest.raises(Unknown):
                f("x")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < ROOM
        assert not os.path.exists(MARKER)
        if foreign or not isinstance(rows, Values):  # nothing at a Redis is as good as no key
            assert {} == rows.all()
            assert 1 == refused(other)
            told = [event for event, _ in events if event in ("refused", "foreign_rows")]
            assert 1 == len(told)
        assert "x" == make(open_cache(**options), False)("x")

    return check


@pytest.mark.parametrize("kind", FOREIGN)
def test_fault_20_something_foreign_at_the_place_of_a_record(victim, kind):
    """
    The whole value at a Redis, the whole record on disk.
    """
    victim(lambda genuine, address: FOREIGN[kind])


@pytest.mark.parametrize("kind", FOREIGN)
def test_fault_20_something_foreign_behind_what_is_right(victim, kind):
    """
    Behind the head that a Redis has before a record, and behind the first bytes of one.
    """

    def plant(genuine, address):
        start = max(genuine.find(b"\x89mt"), genuine.find(b"\x89me"))
        return genuine[: start + 4] + FOREIGN[kind]

    victim(plant)


@pytest.mark.parametrize(
    ("payload", "size", "codec"),
    [
        (FOREIGN["pickle"], None, "safe"),
        (FOREIGN["pickle"], None, "pickle"),
        (FOREIGN["msgpack"], None, "safe"),
        (ormsgpack.packb({"a": [ormsgpack.Ext(7, b"os.system")]}), None, "safe"),
        (FOREIGN["zlib bomb"], 64 * 2**20, "safe"),
        (FOREIGN["zlib bomb"], 2**31, "safe"),
    ],
    ids=["pickle", "codec pickle", "ext", "ext inside", "bomb", "bomb that lies"],
)
def test_fault_20_something_foreign_in_a_sound_frame(victim, options, payload, size, codec):
    """
    A frame whose checksum is right: with a key that helps nobody, and without one a bomb is refused
    before it is unpacked. (The others without a key: the next test.)
    """

    def plant(genuine, address):
        start = max(genuine.find(b"\x89mt"), genuine.find(b"\x89me"))
        return genuine[:start] + framed(payload, address, size=size, codec=codec)

    if "MEMOTIER_KEY" in os.environ or size is not None:
        victim(plant)


@pytest.mark.parametrize(
    "kind", ["pickle", "old pickle", "json pickle", "msgpack", "yaml", "dill", "zlib bomb"]
)
def test_fault_20_a_payload_in_a_record_that_is_right(open_cache, planted, kind):
    """
    Where there is no key, anybody can make a record that is right in all but its payload: the
    codec builds nothing that it does not know.
    """
    cache = open_cache()

    def make(cache):
        @tiered_cache(cache=cache, name="f", version=1, namespace="ns")
        def f(x):
            return f"computed {x}"

        return f

    make(cache)("x")
    rows = planted()
    [(address, genuine)] = rows.all().items()
    start = genuine.find(b"\x89mt")
    record = records.unseal(genuine[start:], address=address, group="ns")
    forged = records.seal(record._replace(payload=FOREIGN[kind]), address=address, group="ns")
    rows.put(address, genuine[:start] + forged)
    other = open_cache()

    assert "computed x" == make(other)("x")
    assert 1 == refused(other)
    assert not os.path.exists(MARKER)
    assert forged not in rows.all().values()
