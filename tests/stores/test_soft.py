"""
Soft invalidations beyond the contract: what lies on disk, and what a comparison of tokens tells.
"""

from __future__ import annotations

import math
import secrets
import struct

import diskcache
import pytest

from memotier.stores._diskcache import BytesDisk
from memotier.testing.items import token
from memotier.tokens import NOT_EXPIRED, expired_at, soft_token

from .support import NAME, address, disk, put, tampering


def test_both_survive_a_restart(tmp_path, time):
    """
    Halves and moments are in the file.
    """
    first = disk(tmp_path / "d", clock=time.clock)
    put(first, "a")
    first.bump([NAME], True)
    first.expire([address("a")])
    known = token(first)
    first.close()

    second = disk(tmp_path / "d", clock=time.clock)
    assert known == token(second)
    assert [time.now] == list(second.get([address("a")]).expired)
    second.close()


@pytest.mark.parametrize("size", [1, -1.5, "text", b"bytes", None, 9e999])
def test_a_row_whose_size_is_nothing_of_ours_counts_as_expired(tmp_path, size):
    """
    Whatever stands there, it is a time or long ago.
    """
    store = disk(tmp_path / "d")
    put(store, "a", "b")
    with tampering(tmp_path / "d") as connection:
        connection.execute("UPDATE Cache SET size = ? WHERE key = ?", (size, address("a")))
    for reading in (store.get([address("a")]), store.get([address("a"), address("b")])):
        at = reading.expired[0]
        assert type(at) is float and math.isfinite(at)
        assert [None] * (len(reading.records) - 1) == list(reading.expired[1:])
    store.close()


def test_a_token_that_is_not_ours_does_not_stay(tmp_path):
    """
    A soft bump of it is a hard one.
    """
    store = disk(tmp_path / "d")
    put(store, "a")
    for odd in (b"short", b"x" * 9, "text", b"", 7):
        with tampering(tmp_path / "d") as connection:
            connection.execute("REPLACE INTO memotier_version VALUES (?, ?)", (NAME, odd))
        store.bump([NAME], True)
        assert 24 == len(token(store))
        assert expired_at((None,), (token(store),), 0.0) is None
    store.close()


def test_diskcache_opens_a_file_with_expired_records(tmp_path):
    """
    The moment stands in a column of diskcache's, whose sum stays right.
    """
    store = disk(tmp_path / "d")
    put(store, "a", "b")
    store.expire([address("a")])
    with diskcache.Cache(str(tmp_path / "d" / "v1"), disk=BytesDisk) as cache:
        assert b"record" == cache.get(address("a"))
        assert cache.check() == []
    store.close()


# -- comparing -------------------------------------------------------------------------------


def test_what_a_comparison_tells():
    """
    Unchanged, softly, or gone: for every way a token can come to be another one.
    """
    hard, other = secrets.token_bytes(8), secrets.token_bytes(8)
    soft, later = soft_token(None, 5.0), soft_token(hard, 7.0)
    again = soft_token(later, 9.0)

    assert NOT_EXPIRED == expired_at((None, hard), (None, hard), 0.0)
    assert 5.0 == expired_at((None,), (soft,), 0.0)
    assert 7.0 == expired_at((hard,), (later,), 0.0) == expired_at((hard,), (again,), 0.0)
    assert 9.0 == expired_at((later,), (again,), 8.0)
    assert 5.0 == expired_at((None, hard), (soft, again), 0.0)
    gone = [(None, hard), (hard, other), (hard, soft), (None, later), (soft, hard), (later, hard)]
    lost = [(hard, None), (soft, None), (later, b"x"), (hard, later[:-1]), (None, b"")]
    lost += [(None, "x" * 24), (None, 7), (7, later), ("text", later)]
    for before, after in [*gone, *lost]:
        assert expired_at((before,), (after,), 0.0) is None
        assert expired_at((before, None), (after, soft), 0.0) is None
    assert expired_at(None, (None,), 0.0) is None
    assert expired_at((), (None,), 0.0) is None


def test_a_time_that_is_no_number_is_nothing_of_ours():
    """
    It cannot be said when that was, so the entry is gone.
    """
    for odd in (math.nan, math.inf, -math.inf):
        token = bytes(8) + struct.pack(">d", odd) + secrets.token_bytes(8)
        assert expired_at((None,), (token,), 0.0) is None


def test_the_times_of_a_token_are_bounded():
    """
    The last is always there, each entry finds the first after it was made, and of many the two
    that lie closest are one.
    """
    token = None
    for when in [10.0, 20.0, 21.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]:
        token = soft_token(token, when)
    assert 80 == len(token)

    at = {made: expired_at((None,), (token,), made) for made in (0.0, 15.0, 20.5, 25.0, 75.0, 99.0)}
    assert {0.0: 10.0, 15.0: 21.0, 20.5: 21.0, 25.0: 30.0, 75.0: 80.0, 99.0: 80.0} == at
