"""
How results become bytes: every form of ``codec``.
"""

from __future__ import annotations

import json
import logging


class JsonCodec:
    """A user's codec."""

    name = "json"

    def __init__(self):
        self.encoded, self.decoded = [], []

    def encode(self, value):
        self.encoded.append(value)
        return json.dumps(value).encode()

    def decode(self, payload):
        self.decoded.append(bytes(payload))
        return json.loads(bytes(payload))


def test_custom_codec(call, make_cache):
    """
    A codec of the user's writes and reads the second tier, and memory has nothing to do with it.
    """
    codec = JsonCodec()
    for _ in range(2):
        with make_cache("disk") as cache:
            f = call.cached(cache=cache, codec=codec, name="f")(lambda x: {"x": [x]})
            assert {"x": [1]} == call(f(1)) == call(f(1))

    assert [{"x": [1]}] == codec.encoded
    assert [b'{"x": [1]}'] == codec.decoded
    assert codec is f.cache_parameters()["codec"]


def test_another_codec_does_not_read_it(call, make_cache):
    """
    What one codec wrote is a miss for a function that has another.
    """
    for codec, misses in ((JsonCodec(), 1), ("safe", 1), ("safe", 0)):
        with make_cache("disk") as cache:
            f = call.cached(cache=cache, codec=codec, name="f")(lambda x: [x])
            assert [1] == call(f(1))
            assert misses == f.cache_info().misses


class Local:
    """Carried by no codec but pickle."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Local and other.x == self.x


def test_what_the_safe_codec_cannot_carry_stays_in_memory(call, make_cache, caplog):
    """
    Such a result is kept in memory, the call never fails, and it is said once.
    """
    with make_cache("disk") as cache, caplog.at_level(logging.WARNING, "memotier"):
        f = call.cached(cache=cache, name="f")(lambda x: Local(x))
        assert Local(1) == call(f(1)) == call(f(1))
        assert Local(2) == call(f(2))
        assert (1, 2, 2) == (f.cache_info().hits, f.cache_info().misses, f.cache_info().errors)

    assert 1 == len(caplog.messages)
    assert "memory only" in caplog.text
    with make_cache("disk") as cache:
        f = call.cached(cache=cache, name="f")(lambda x: Local(x))
        assert Local(1) == call(f(1))
        assert 1 == f.cache_info().misses


def test_pickle_codec(call, make_cache, monkeypatch):
    """
    ``codec="pickle"`` carries anything, signed: another key does not read it.
    """
    key, other = "k" * 43 + "=", "x" * 43 + "="
    for environment, misses in ((key, 1), (key, 0), (other, 1)):
        monkeypatch.setenv("MEMOTIER_KEY", environment)
        with make_cache("disk") as cache:
            f = call.cached(cache=cache, name="f", codec="pickle")(lambda x: Local(x))
            assert Local(1) == call(f(1)) == call(f(1))
            assert misses == f.cache_info().misses


def test_pickle_codec_with_the_key_of_the_user(call, make_cache, tmp_path):
    """
    Without MEMOTIER_KEY a key file of the user signs, outside of the cache's directory.
    """
    for misses in (1, 0):
        with make_cache("disk") as cache:
            f = call.cached(cache=cache, name="f", codec="pickle")(lambda x: Local(x))
            assert Local(1) == call(f(1))
            assert misses == f.cache_info().misses

    keys = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert ["0o600"] == [oct(path.stat().st_mode & 0o777) for path in keys]
