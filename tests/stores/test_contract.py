"""
Every sentence of the ``Store`` protocol about records, on each store.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from memotier.errors import StoreUnavailable
from memotier.types import Store

from .support import NAME, address, item, put, read


def test_is_a_store(store):
    """
    It has all methods of the protocol.
    """
    assert isinstance(store, Store)
    assert store.kind in ("disk", "local", "redis")


def test_what_was_set_is_read(store):
    """
    Records come back as they are, in the order of the addresses.
    """
    put(store, "a", record=b"one")
    put(store, "b", record=b"\x00\xfftwo")

    assert [b"one"] == read(store, "a")
    assert [b"\x00\xfftwo", None, b"one"] == read(store, "b", "c", "a")


def test_missing_is_none(store):
    """
    A missing address is no error, alone or among others, or in no company at all.
    """
    assert [None] == read(store, "a")
    assert [None, None] == read(store, "a", "b")
    assert [] == read(store)


def test_replaces(store):
    """
    The newer record is the one that is there, once.
    """
    put(store, "a", record=b"old")
    put(store, "a", record=b"new")

    assert [b"new"] == read(store, "a")
    assert 1 == store.count()


def test_same_address_twice_in_one_reading(store):
    """
    An address may be asked for twice.
    """
    put(store, "a", record=b"one")

    assert [b"one", b"one", None] == read(store, "a", "a", "b")


@pytest.mark.parametrize("number", [3, 64, 65, 700])
def test_batches(store, number):
    """
    Any number of records is stored and read in one step.
    """
    texts = [f"text {n}" for n in range(number)]

    assert [True] * number == put(store, *texts, record=b"r")
    assert [b"r"] * number == read(store, *texts)
    assert number == store.count()


def test_empty_record_and_nothing_to_store(store):
    """
    An empty record is a record; an empty batch is nothing.
    """
    put(store, "a", record=b"")

    assert [b""] == read(store, "a")
    assert [] == store.set([])


def test_expires(store, time):
    """
    A record is there until its time is over, and not a moment longer.
    """
    put(store, "a", expire=10.0)
    put(store, "b")

    time.pass_(9.5)
    assert [b"record", b"record"] == read(store, "a", "b")
    assert 2 == store.count()
    time.pass_(0.5)
    assert [None, b"record"] == read(store, "a", "b")
    assert 1 == store.count()


def test_replacing_starts_the_time_anew(store, time):
    """
    The newer record has the newer time.
    """
    put(store, "a", expire=10.0)
    time.pass_(8)
    put(store, "a", expire=10.0)
    time.pass_(8)

    assert [b"record"] == read(store, "a")


def test_delete_of_another_address_stops_nobody(store):
    """
    Another slot is another matter.
    """
    late = item(store)
    store.delete([address("b")])

    assert [True] == store.set([late])


def test_delete_says_what_was_there(store, time):
    """
    True for an unexpired record, False for one that is missing or too old.
    """
    put(store, "a")
    put(store, "old", expire=1.0)
    time.pass_(2)

    found = store.delete([address("a"), address("b"), address("old")])

    assert [True, False, False] == found
    assert [None, None, None] == read(store, "a", "b", "old")
    assert [False] == store.delete([address("a")])
    assert [] == store.delete([])


def test_discard_changes_no_token(store):
    """
    Dropping a damaged record stops no writer.
    """
    put(store, "a")
    on_its_way = item(store)
    store.discard(address("a"))
    store.discard(address("missing"))

    assert [None] == read(store, "a")
    assert [True] == store.set([on_its_way])


def test_clear_group_takes_the_descendants_only(store):
    """
    Clearing "tool" clears "tool.web", not "toolbox", and not what only looks like it.
    """
    for group in ("tool", "tool.web", "tool.web.deep", "toolbox", "tool-x", "Tool", "a.tool"):
        put(store, group, group=group)

    assert 3 == store.count("tool")
    assert 2 == store.count("tool.web")
    assert 3 == store.clear_group("tool")
    assert [None, None, None] == read(store, "tool", "tool.web", "tool.web.deep")
    assert [b"record"] * 4 == read(store, "toolbox", "tool-x", "Tool", "a.tool")
    assert 0 == store.clear_group("tool")


def test_clear_group_counts_the_unexpired(store, time):
    """
    What was too old anyway is removed but not counted.
    """
    put(store, "a", group="g", expire=1.0)
    put(store, "b", group="g")
    time.pass_(2)

    assert 1 == store.clear_group("g")


def test_all_counts_agree_on_what_has_expired(store, time):
    """
    Numbers that are shown and numbers that are returned are of the same records; one that ends
    now has ended.
    """
    for text, group, expire in (
        ("a", "g", 1.0),
        ("b", "g", 2.0),
        ("c", "g", 3.0),
        ("d", "g.x", 3.0),
        ("e", "h", None),
        ("f", "h", 1.0),
    ):
        put(store, text, group=group, expire=expire)
    time.pass_(2.0)

    assert [None, None, b"record"] == read(store, "a", "b", "c")
    assert 3 == store.count() == store.usage()["size"]
    assert 2 == store.count("g") == store.clear_group("g")
    assert 1 == store.count() == store.usage()["size"] == store.clear()
    assert 0 == store.count() == store.usage()["size"] == store.usage()["bytes"]


def test_clear_keeps_the_versions(store):
    """
    All records go, all tokens stay.
    """
    store.bump([NAME])
    put(store, "a")
    before = store.versions([NAME])

    assert 1 == store.clear()
    assert [None] == read(store, "a")
    assert before == store.versions([NAME])
    assert 0 == store.count() == store.clear()


def test_clear_of_many(store):
    """
    More records than fit into one batch.
    """
    put(store, *(f"text {n}" for n in range(1000)), group="g")

    assert 1000 == store.clear_group("g")
    assert 0 == store.count()


def test_close_twice_then_unavailable(store):
    """
    Closing is for good, and may be repeated.
    """
    one = item(store)
    store.close()
    store.close()

    for call in (
        lambda: store.get([address("a")]),
        lambda: store.set([one]),
        lambda: store.delete([address("a")]),
        lambda: store.expire([address("a")]),
        lambda: store.discard(address("a")),
        lambda: store.versions([NAME]),
        lambda: store.bump([NAME]),
        lambda: store.clear_group("g"),
        store.clear,
        store.count,
        store.usage,
    ):
        with pytest.raises(StoreUnavailable):
            call()


def test_threads(store):
    """
    Eight threads read and write at once; every record that was stored is there.
    """

    def work(thread):
        for n in range(40):
            assert [True] == put(store, f"{thread}.{n}", record=b"%d.%d" % (thread, n))
            assert [b"%d.%d" % (thread, n)] == read(store, f"{thread}.{n}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert 320 == store.count()
