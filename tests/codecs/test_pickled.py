"""
A pickle is opened only with a signature of ours.
"""

from __future__ import annotations

import datetime as dt
import pickle
import threading
from hashlib import blake2b
from pathlib import Path

import pytest

from memotier.codecs.pickled import PickleCodec
from memotier.errors import ConfigError, DecodeRefused, SerializationError

from . import models as m

KEY, OTHER = b"k" * 32, b"o" * 100
CODEC = PickleCodec([KEY])


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path(self.marker).write_text, ("ran",))


class Vanishing:
    def __reduce__(self):
        return (int, ("not a number",))


@pytest.mark.parametrize("value", [1, m.SubDict(a=1), {1: (2,)}, dt.datetime(2020, 1, 1)], ids=str)
def test_pickled_value_comes_back_the_same(value):
    """
    Subclasses too, which the default codec refuses.
    """
    payload = CODEC.encode(value)

    for back in (CODEC.decode(payload), CODEC.decode(memoryview(b"-" + payload)[1:])):
        assert (type(value), value) == (type(back), back)


def test_fault_20_unsigned_pickle_is_never_loaded(tmp_path):
    """
    Neither bare, nor behind zeros, an unkeyed digest, or a signature of another key.
    """
    marker = tmp_path / "ran"
    bomb = pickle.dumps(Bomb(str(marker)))
    foreign = PickleCodec([OTHER]).encode(Bomb(str(marker)))

    for payload in (bomb, bytes(32) + bomb, blake2b(bomb, digest_size=32).digest() + bomb, foreign):
        with pytest.raises(DecodeRefused, match="not signed"):
            CODEC.decode(payload)
    assert not marker.exists()

    CODEC.decode(CODEC.encode(Bomb(str(marker))))
    assert marker.exists()


def test_fault_34_damaged_pickle_is_refused():
    """
    Every truncation, every flipped bit.
    """
    payload = CODEC.encode({"a": 1})

    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        for damaged in (bytes(flipped), payload[: bit // 8]):
            with pytest.raises(DecodeRefused):
                CODEC.decode(damaged)


def test_fault_30_rotation():
    """
    The first key signs, all verify.
    """
    both = PickleCodec([KEY, OTHER])

    assert 1 == both.decode(PickleCodec([OTHER]).encode(1))
    assert 1 == CODEC.decode(both.encode(1))
    with pytest.raises(DecodeRefused):
        PickleCodec([OTHER]).decode(both.encode(1))


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, b""]])
def test_no_key_is_a_mistake_in_the_configuration(keys):
    """
    There is no unsigned mode, and no weak one.
    """
    with pytest.raises(ConfigError):
        PickleCodec(keys)


def test_what_cannot_be_pickled_or_unpickled():
    """
    Each in the error of its side.
    """
    with pytest.raises(SerializationError, match="lock"):
        CODEC.encode(threading.Lock())
    with pytest.raises(DecodeRefused, match="ValueError"):
        CODEC.decode(CODEC.encode(Vanishing()))
