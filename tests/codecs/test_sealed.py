"""
An encrypted record hides everything but its length, and is accepted only as and where it was
written.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memotier.codecs import sealed
from memotier.codecs.records import LEAD_OF_SEALED, seal
from memotier.codecs.sealed import Box, Signed, sealing_of
from memotier.codecs.values import SafeCodec
from memotier.errors import ConfigError, DecodeRefused, MissingExtra

from .sample import ADDRESS, GOLDEN, GROUP, HERE, KEY, OTHER, RECORD

#: What needs no package runs without it, too.
needs_cryptography = pytest.mark.extras


def encrypted(*keys):
    return sealing_of(keys, True)


@needs_cryptography
@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        RECORD._replace(payload=b""),
        RECORD._replace(payload=os.urandom(100_000)),
        RECORD._replace(names=(), tokens=(), tags=(), fresh=None),
        RECORD._replace(world=b"w" * 48),
    ],
    ids=range(5),
)
def test_record_comes_back_the_same(record):
    """
    Every field, from bytes and from a view of them.
    """
    sealing = encrypted(KEY)
    data = sealing.seal(record, **HERE)

    assert type(data) is bytes
    assert record == sealing.unseal(data, **HERE)
    assert record == sealing.unseal(memoryview(data), **HERE)


@needs_cryptography
def test_nothing_is_readable():
    """
    Payload, tags, writer, codec, fingerprint, names, tokens, times: no four bytes of the plain
    record in a row, and of two seals of one record nothing is the same but the lead.
    """
    plain, (one, two) = seal(RECORD, **HERE), (encrypted(KEY).seal(RECORD, **HERE) for _ in "12")

    assert one[:4] == two[:4] == LEAD_OF_SEALED
    seen = one[4:]
    assert not [at for at in range(len(plain) - 3) if plain[at : at + 4] in seen]
    alike = sum(a == b for a, b in zip(one[4:], two[4:], strict=True))
    assert alike < len(seen) / 8
    assert len(plain) + 44 == len(one)


@needs_cryptography
def test_payload_is_aligned():
    """
    An array can be used where it was decrypted to.
    """
    import numpy as np

    payload = SafeCodec().encode(np.arange(1000.0))
    data = encrypted(KEY).seal(RECORD._replace(payload=payload), **HERE)

    array = SafeCodec().decode(encrypted(KEY).unseal(data, **HERE).payload)

    assert array.flags.aligned and 999.0 == array[-1]


@needs_cryptography
def test_fault_34_truncation_and_bit_flips():
    """
    Exhaustively on a small record: cut anywhere, one bit changed anywhere, a byte appended.
    """
    sealing = encrypted(KEY)
    data = sealing.seal(RECORD, **HERE)
    assert 200 < len(data) < 350

    damaged = [data[:end] for end in range(len(data))]
    damaged += [data + b"\0", data + data, b"", os.urandom(300)]
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        with pytest.raises(DecodeRefused):
            sealing.unseal(each, **HERE)


@needs_cryptography
def test_fault_12_moved_record_is_refused():
    """
    Another address, another namespace, or one that reads the same when run together.
    """
    sealing = encrypted(KEY)
    data = sealing.seal(RECORD, **HERE)

    for address, group in [
        (b"b" * 16, GROUP),
        (ADDRESS, "tool.other"),
        (ADDRESS, ""),
        (GROUP[-1:].encode() + ADDRESS, GROUP[:-1]),
        (ADDRESS[1:], GROUP + "a"),
    ]:
        with pytest.raises(DecodeRefused, match="moved"):
            sealing.unseal(data, address=address, group=group)


@needs_cryptography
def test_fault_30_algorithm_follows_from_configuration():
    """
    Whatever a record says it is: who encrypts reads nothing plain, signed or not, and who does
    not reads nothing encrypted.
    """
    kinds = [encrypted(KEY), Signed((KEY,)), Signed(())]
    for writing in kinds:
        data = writing.seal(RECORD, **HERE)
        for reading in kinds:
            if reading is writing:
                assert RECORD == reading.unseal(data, **HERE)
            else:
                with pytest.raises(DecodeRefused):
                    reading.unseal(data, **HERE)
    with pytest.raises(DecodeRefused, match="does not say encrypt=True"):
        Signed((KEY,)).unseal(encrypted(KEY).seal(RECORD, **HERE), **HERE)
    with pytest.raises(DecodeRefused, match="is not encrypted"):
        encrypted(KEY).unseal(seal(RECORD, **HERE, keys=(KEY,)), **HERE)


@needs_cryptography
def test_fault_30_rotation():
    """
    The first key encrypts, all decrypt, a key that is gone does not; long keys count whole.
    """
    long, longer = b"k" * 100, b"k" * 99 + b"x"
    old, new = encrypted(OTHER).seal(RECORD, **HERE), encrypted(KEY, OTHER).seal(RECORD, **HERE)

    assert RECORD == encrypted(KEY, OTHER).unseal(old, **HERE)
    assert RECORD == encrypted(KEY).unseal(new, **HERE)
    with pytest.raises(DecodeRefused, match="key that is not ours"):
        encrypted(OTHER).unseal(new, **HERE)
    with pytest.raises(DecodeRefused):
        encrypted(longer).unseal(encrypted(long).seal(RECORD, **HERE), **HERE)


@needs_cryptography
def test_no_key_encrypts_two_records(monkeypatch):
    """
    The key depends on key, namespace, purpose and salt, and the salt is drawn anew each time.
    """
    used = []
    real = sealed._one_key
    monkeypatch.setattr(sealed, "_one_key", lambda *what: used.append(real(*what)) or used[-1])
    box, other = Box((KEY,), b"one"), Box((KEY,), b"two")
    for _ in range(3):
        box.lock(b"x", "a", b"")
    monkeypatch.setattr(sealed.os, "urandom", bytes)
    for lock, group in ((box, "a"), (box, "b"), (other, "a"), (Box((OTHER,), b"one"), "a")):
        lock.lock(b"x", group, b"")

    assert len(set(used)) == len(used) == 7
    assert {32} == set(map(len, used))


@needs_cryptography
def test_fault_52_golden_record():
    """
    An encrypted record that the first release wrote is still read.
    """
    data = (GOLDEN / "encrypted.record").read_bytes()

    assert RECORD == encrypted(KEY).unseal(data, **HERE)


def test_encryption_without_a_key_is_refused():
    """
    The message says what to set.
    """
    with pytest.raises(ConfigError, match="MEMOTIER_KEY"):
        sealing_of((), True)


def test_encryption_without_the_package_is_refused(monkeypatch):
    """
    The message names the extra; nothing is stored in clear instead.
    """
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

    with pytest.raises(MissingExtra, match=r"pip install 'memotier\[crypto\]'"):
        sealing_of((KEY,), True)


def test_who_does_not_encrypt_imports_nothing_for_it():
    """
    A cache with a key and a directory leaves cryptography alone.
    """
    code = (
        "import sys, tempfile\n"
        "from memotier import MultiLevelCache\n"
        "with MultiLevelCache(directory=tempfile.mkdtemp()) as cache:\n"
        "    cache.sync.set('k', 1)\n"
        "print('cryptography' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(sealed.__file__).resolve().parents[2],
        env={**os.environ, "MEMOTIER_KEY": "a" * 44},
        timeout=60,
    )
    assert "False" == done.stdout.strip(), done.stderr


def test_keys_are_shown_by_no_repr():
    """
    Neither by the box nor by the options that hold them.
    """
    from memotier.engine.options import Options

    shown = repr(Options(keys=(KEY,))) + repr(Signed((KEY,)))
    assert "kkk" not in shown
