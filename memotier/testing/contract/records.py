"""
Records: set, get, delete, discard, and the time for which they are there.
"""

from __future__ import annotations

import pytest

from ...types import MISS, Guard, Item, Store
from ..clock import FakeClock
from ..items import address, item, put, read
from .base import Base


class RecordTests(Base):
    """
    What lies where, and for how long.
    """

    def test_is_a_store(self, store: Store) -> None:
        """
        It has all methods of the protocol, and a name for logs.
        """
        assert isinstance(store, Store)
        assert isinstance(store.kind, str) and store.kind

    def test_what_was_set_is_read(self, store: Store) -> None:
        """
        Records come back as they are, in the order of the addresses.
        """
        put(store, "a", record=b"one")
        put(store, "b", record=b"\x00\xfftwo")

        assert [b"one"] == read(store, "a")
        assert [b"\x00\xfftwo", None, b"one"] == read(store, "b", "c", "a")

    def test_missing_is_none(self, store: Store) -> None:
        """
        A missing address is no error, alone or among others, or in no company at all.
        """
        assert [None] == read(store, "a")
        assert [None, None] == read(store, "a", "b")
        assert [] == read(store)

    def test_replaces(self, store: Store) -> None:
        """
        The newer record is the one that is there, once.
        """
        put(store, "a", record=b"old")
        put(store, "a", record=b"new")

        assert [b"new"] == read(store, "a")
        assert 1 == store.count()

    def test_same_address_twice_in_one_reading(self, store: Store) -> None:
        """
        An address may be asked for twice.
        """
        put(store, "a", record=b"one")

        assert [b"one", b"one", None] == read(store, "a", "a", "b")

    def test_a_reading_speaks_of_every_address(self, store: Store) -> None:
        """
        Records and marks are as many as were asked for; moments are, or there are none.
        """
        put(store, "a")
        for texts in ((), ("a",), ("b",), ("a", "b", "a")):
            reading = store.get([address(text) for text in texts])
            assert len(texts) == len(reading.records) == len(reading.marks)
            assert len(reading.expired) in (0, len(texts))
            assert not any(reading.expired)

    @pytest.mark.parametrize("number", [3, 64, 65, 700])
    def test_batches(self, store: Store, number: int) -> None:
        """
        Any number of records is stored and read in one step, each under its own address.
        """
        texts = [f"text {n}" for n in range(number)]
        items = [item(store, text, record=text.encode()) for text in texts]

        assert [True] * number == list(store.set(items))
        assert [text.encode() for text in reversed(texts)] == read(store, *reversed(texts))
        assert number == store.count()
        assert [True] * number == list(store.delete([address(text) for text in texts]))
        assert 0 == store.count()

    def test_empty_record_and_nothing_to_store(self, store: Store) -> None:
        """
        An empty record is a record; an empty batch is nothing.
        """
        put(store, "a", record=b"")

        assert [b""] == read(store, "a")
        assert [] == list(store.set([]))

    @pytest.mark.parametrize(
        "record",
        [
            bytes(range(256)),
            b"\r\n",
            b"\0",
            b"\0" * 1000,
            b"'; DROP TABLE records; --",
            "ünïcödé ☃".encode(),
            b"\xff\xfe\xfd",
            bytes(range(256)) * 4096,
        ],
        ids=["all", "crlf", "nul", "nuls", "sql", "utf-8", "no utf-8", "1 MiB"],
    )
    def test_records_are_bytes_of_any_kind(self, store: Store, record: bytes) -> None:
        """
        Nothing in a record means anything to a store.
        """
        put(store, "a", record=record)

        [found] = read(store, "a")
        assert bytes is type(found)
        assert record == found

    def test_addresses_are_bytes_of_any_kind(self, store: Store) -> None:
        """
        Sixteen bytes each, two of which never mean the same.
        """
        addresses = [
            *(bytes(16), b"\xff" * 16, b"\r\n" * 8, b"*?[]{}:/" * 2, b"%_" * 8, b"' OR 1=1 --    "),
            *(bytes(15) + b"\1", b"\1" + bytes(15), b"A" * 16, b"a" * 16, b"a" * 15 + b"A"),
        ]
        addresses = [one.ljust(16) for one in addresses]
        for number, one in enumerate(addresses):
            reading = store.get([one])
            guard = Guard(reading.epoch, (), (), reading.marks[0])
            assert [None] == list(reading.records)
            assert [True] == list(store.set([Item(one, b"%d" % number, "ns", None, guard)]))

        expected = [b"%d" % number for number in range(len(addresses))]
        assert expected == list(store.get(addresses).records)
        assert len(addresses) == store.count()

    def test_expires(self, store: Store, clock: FakeClock) -> None:
        """
        A record is there until its time is over, and not a moment longer.
        """
        put(store, "a", expire=10.0)
        put(store, "b")

        clock.advance(9.5)
        assert [b"record", b"record"] == read(store, "a", "b")
        assert 2 == store.count()
        clock.advance(0.5)
        assert [None, b"record"] == read(store, "a", "b")
        assert [None] == read(store, "a")
        assert 1 == store.count()

    def test_replacing_starts_the_time_anew(self, store: Store, clock: FakeClock) -> None:
        """
        The newer record has the newer time, or none.
        """
        put(store, "a", "b", expire=10.0)
        clock.advance(8)
        put(store, "a", expire=10.0)
        put(store, "b")
        clock.advance(8)

        assert [b"record", b"record"] == read(store, "a", "b")
        clock.advance(2)
        assert [None, b"record"] == read(store, "a", "b")

    def test_what_has_expired_is_not_in_the_way(self, store: Store, clock: FakeClock) -> None:
        """
        A new record takes the place of one whose time is over, like any other.
        """
        put(store, "a", record=b"old", expire=1.0)
        clock.advance(2)

        assert [True] == put(store, "a", record=b"new")
        assert [b"new"] == read(store, "a")
        assert 1 == store.count()

    def test_delete_says_what_was_there(self, store: Store, clock: FakeClock) -> None:
        """
        True for an unexpired record, False for one that is missing or too old.
        """
        put(store, "a")
        put(store, "old", expire=1.0)
        clock.advance(2)

        found = list(store.delete([address("a"), address("b"), address("old")]))

        assert [True, False, False] == found
        assert [None, None, None] == read(store, "a", "b", "old")
        assert [False] == list(store.delete([address("a")]))
        assert [] == list(store.delete([]))

    def test_discard_changes_no_token(self, store: Store) -> None:
        """
        Dropping a damaged record stops no writer.
        """
        put(store, "a")
        on_its_way = item(store)
        store.discard(address("a"))
        store.discard(address("missing"))

        assert [None] == read(store, "a")
        assert [True] == list(store.set([on_its_way]))

    def test_a_record_that_was_discarded_can_be_set(self, store: Store) -> None:
        """
        Also by what the user sets himself, against nobody.
        """
        put(store, "a", record=b"damaged")
        store.discard(address("a"))
        guard = store.get([address("a")])
        new = item(store, record=b"new", guard=Guard(guard.epoch, (), (), MISS))

        assert [True] == list(store.set([new]))
        assert [b"new"] == read(store, "a")
