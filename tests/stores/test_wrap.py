"""
The breaker: a fault costs one call, then the store rests.
"""

from __future__ import annotations

import threading

import pytest

from memotier.errors import StoreError, StoreUnavailable
from memotier.stores.faults import StoreBusy
from memotier.stores.local import LocalStore
from memotier.stores.wrap import Guarded
from memotier.testing import FaultyStore
from memotier.types import Store

from .support import NAME, address, item, put, read

WRITES = {"set", "discard", "delete", "expire", "bump", "clear", "clear_group"}


@pytest.fixture
def inner():
    return FaultyStore(LocalStore(100), error=StoreError("broken"))


@pytest.fixture
def changes():
    return []


@pytest.fixture
def store(inner, time, changes):
    return Guarded(inner, clock=time.clock, on_change=lambda *change: changes.append(change))


def test_is_the_store_while_all_is_well(store, inner, changes):
    """
    Every call goes through, and the answers come back.
    """
    assert isinstance(store, Store)
    assert "local" == store.kind
    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")
    store.bump([NAME])
    store.discard(address("b"))
    assert [True] == store.delete([address("a")])
    assert 0 == store.count() == store.clear() == store.clear_group("g")
    assert 0 == store.usage()["size"]
    assert [] == changes
    store.close()
    with pytest.raises(StoreUnavailable):
        store.get([])


def test_failed_read_is_not_tried_again_for_a_while(store, inner, changes, time, caplog):
    """
    One failure opens; within the rest nothing reaches the store; then one probe closes.
    """
    caplog.set_level("INFO", "memotier")
    inner.failing = {"get"}
    with pytest.raises(StoreError, match="broken"):
        read(store, "a")
    for _ in range(100):
        with pytest.raises(StoreUnavailable, match=r"rests.*broken"):
            read(store, "a")
    assert ["get"] == inner.calls

    time.pass_(29.9)
    with pytest.raises(StoreUnavailable):
        read(store, "a")
    inner.failing = set()
    time.pass_(0.1)
    assert [None] == read(store, "a")

    assert [("read", "open", inner.error), ("read", "closed", None)] == changes
    assert ["WARNING", "INFO"] == [record.levelname for record in caplog.records]


def test_failed_probe_rests_again_without_another_word(store, inner, changes, time):
    """
    The state did not change, so nothing is reported.
    """
    inner.failing = {"get"}
    for _ in range(3):
        with pytest.raises(StoreError, match="broken"):
            read(store, "a")
        with pytest.raises(StoreUnavailable):
            read(store, "a")
        time.pass_(30)

    assert 3 == len(inner.calls)
    assert 1 == len(changes)


def test_reading_goes_on_while_writing_rests(store, inner):
    """
    A full disk can be read.
    """
    one = item(store)
    inner.failing = WRITES
    with pytest.raises(StoreError):
        store.set([one])

    assert [None] == read(store, "a")
    with pytest.raises(StoreUnavailable):
        store.set([one])
    assert "write=open" in repr(store)
    assert "read=closed" in repr(store)


def test_locked_three_times_in_a_row_opens(store, inner, changes):
    """
    A busy moment is no fault; three in a row are.
    """
    one = item(store)
    inner.error = StoreBusy("locked")
    for _ in range(2):
        inner.failing = {"set"}
        for _ in range(2):
            with pytest.raises(StoreBusy):
                store.set([one])
        inner.failing = set()
        store.set([one])
    assert [] == changes

    inner.failing = {"set"}
    for _ in range(3):
        with pytest.raises(StoreBusy):
            store.set([one])
    with pytest.raises(StoreUnavailable):
        store.set([one])
    assert [("write", "open", inner.error)] == changes


@pytest.mark.parametrize("name", ["delete", "expire", "bump", "clear", "clear_group"])
def test_invalidation_is_tried_again_after_a_second(store, inner, time, changes, name):
    """
    It fails quickly while the fault is fresh, and does not wait for the whole rest.
    """
    call = {
        "delete": lambda: store.delete([address("a")]),
        "expire": lambda: store.expire([address("a")]),
        "bump": lambda: store.bump([NAME]),
        "clear": store.clear,
        "clear_group": lambda: store.clear_group("g"),
    }[name]
    one = item(store)
    inner.failing = WRITES
    with pytest.raises(StoreError):
        store.set([one])
    with pytest.raises(StoreUnavailable):
        call()
    time.pass_(1)
    with pytest.raises(StoreError, match="broken"):
        call()
    with pytest.raises(StoreUnavailable):
        call()
    inner.failing = set()
    time.pass_(1)
    call()

    assert [True] == store.set([item(store)])
    assert ["open", "closed"] == [state for _, state, _ in changes]


def test_only_one_probes(store, inner, time):
    """
    While one call finds out whether the store works, the others do not queue up behind it.
    """
    inner.failing = {"get"}
    with pytest.raises(StoreError):
        read(store, "a")
    inner.failing = set()
    time.pass_(30)
    entered, go_on = threading.Event(), threading.Event()

    def slow():
        entered.set()
        go_on.wait(10)

    inner.before["get"] = slow
    probe = threading.Thread(target=read, args=(store, "a"))
    probe.start()
    assert entered.wait(10)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            read(store, "a")
    go_on.set()
    probe.join(10)

    assert 2 == inner.calls.count("get")
    assert [None] == read(store, "a")


def test_probe_that_is_interrupted_does_not_block_the_next(store, inner, time):
    """
    Ctrl-C in a probe says nothing about the store.
    """
    inner.failing = {"get"}
    with pytest.raises(StoreError):
        read(store, "a")
    time.pass_(30)
    inner.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        read(store, "a")
    inner.failing = set()

    assert [None] == read(store, "a")
