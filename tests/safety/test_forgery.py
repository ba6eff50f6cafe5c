"""
Fault 12: whoever can write to the second tier cannot make a record say what was not said.

All of it with ``sqlite3`` on the file and with SET at the server, signed and encrypted.
"""

from __future__ import annotations

import pytest

from memotier import tiered_cache
from memotier.codecs.records import Record, seal
from memotier.codecs.values import SafeCodec

from .conftest import OTHER, refused, text


class Unknown(Exception):
    """The function does not know, so nothing is stored in place of what was there."""


def asked(cache, **options):
    """
    A cached function that writes down what it was asked, and may fail.
    """
    calls, fails = [], []

    @tiered_cache(cache=cache, name="f", version=1, namespace="ns", tags=["t"], **options)
    def f(x):
        calls.append(x)
        if fails:
            raise Unknown
        return f"{x} {len(calls)}"

    f.calls, f.fails = calls, fails
    return f


@pytest.fixture
def two(open_cache, planted, protection):
    """
    Records of ``f("a")`` and ``f("b")``, where they lie, and another process that has neither.
    """
    first = asked(open_cache(**protection), ttl=60)
    first("a")
    rows = planted()
    [at_a] = rows.all()
    first("b")
    [at_b] = rows.all().keys() - {at_a}
    rows.keep(at_a)
    cache = open_cache(**protection)
    return first, asked(cache, ttl=60), cache, rows, at_a, at_b


def test_the_other_process_reads_what_was_stored(two):
    """
    Without anybody's doing these are hits, so the misses below have their stated reason.
    """
    _, f, cache, *_ = two

    assert ("a 1", "b 2") == (f("a"), f("b"))
    assert [] == f.calls and 0 == refused(cache)


def test_fault_12_a_record_under_another_key(two, heard):
    """
    The record of "a" at the place of "b": a miss, counted, told, and gone.
    """
    _, f, cache, rows, at_a, at_b = two
    rows.put(at_b, rows.all()[at_a])
    events = heard(cache)
    f.fails.append(True)

    with pytest.raises(Unknown):
        f("b")
    assert [at_a] == list(rows.all())
    assert 1 == refused(cache)
    assert ["refused"] == [event for event, _ in events if event == "refused"]
    assert "a 1" == f("a")


def test_fault_12_two_records_swapped(two):
    """
    Each is a miss, and each call gets its own result.
    """
    _, f, cache, rows, at_a, at_b = two
    records = rows.all()
    rows.put(at_a, records[at_b])
    rows.put(at_b, records[at_a])

    assert ("a 1", "b 2") == (f("a"), f("b"))
    assert ["a", "b"] == f.calls and 2 == refused(cache)


def test_fault_12_a_longer_life_does_not_outlive_the_ttl(two, clock):
    """
    What the row, or the head before a record, says of its end is for cleaning up alone: one
    second after the end that stands in the record it is a miss, though it is still there.
    """
    _, f, _, rows, at_a, _ = two
    rows.let_live(at_a)
    clock.advance(61)

    assert at_a in rows.all()
    assert "a 1" == f("a") and ["a"] == f.calls


@pytest.mark.parametrize("how", ["tag", "namespace", "function", "everything"])
def test_fault_12_replayed_after_an_invalidation(two, how):
    """
    A copy of the record from before: it says which versions it was computed under.
    """
    first, f, cache, rows, at_a, _ = two
    before = rows.all()[at_a]
    {
        "tag": lambda: cache.sync.invalidate_tags("t"),
        "namespace": lambda: cache.sync.clear_namespace("ns"),
        "function": first.cache_clear,
        "everything": cache.sync.clear,
    }[how]()
    rows.put(at_a, before)

    assert "a 1" == f("a") and ["a"] == f.calls
    assert "a 1" == f("a") and ["a"] == f.calls


def test_fault_12_a_record_of_somebody_without_the_key(two):
    """
    Right in every field, sealed without a key: refused.
    """
    _, f, cache, rows, at_a, _ = two
    genuine = rows.all()[at_a]
    record = Record(
        codec="safe",
        flags=0,
        created=1_700_000_000.0,
        fresh=1e9,
        cost=0.0,
        fingerprint=b"f" * 20,
        names=(),
        tokens=(),
        tags=(),
        writer="me:1",
        payload=SafeCodec().encode("forged"),
    )
    forged = seal(record, address=at_a, group="ns")
    start = max(genuine.find(b"\x89mt"), genuine.find(b"\x89me"))
    rows.put(at_a, genuine[:start] + forged)

    assert "a 1" == f("a") and ["a"] == f.calls
    assert 1 == refused(cache)


def test_what_a_writer_can_do_and_how_it_ends(open_cache, planted, protection, monkeypatch):
    """
    As SECURITY.md says: a copy of a record that was invalidated by its key alone can be put back
    within its ttl. With another key nothing of before is believed.
    """
    cache = open_cache(**protection)
    first = asked(cache, ttl=60)
    first("a")
    rows = planted()
    [at_a] = rows.all()
    before = rows.all()[at_a]
    rows.keep(at_a)
    first.invalidate("a")
    rows.put(at_a, before)

    f = asked(open_cache(**protection), ttl=60)
    assert "a 1" == f("a") and [] == f.calls

    rows.put(at_a, before)
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    f = asked(open_cache(**protection), ttl=60)
    assert "a 1" == f("a") and ["a"] == f.calls
