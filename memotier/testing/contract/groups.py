"""
Groups (namespaces), counts and usage.
"""

from __future__ import annotations

from ...types import Store
from ..clock import FakeClock
from ..items import NAME, put, read
from .base import Base


class GroupTests(Base):
    """
    Which records are counted and cleared together.
    """

    def test_clear_group_takes_the_descendants_only(self, store: Store) -> None:
        """
        Clearing "tool" clears "tool.web", not "toolbox", and not what only looks like it.
        """
        groups = ("tool", "tool.web", "tool.web.deep", "toolbox", "tool-x", "Tool", "a.tool")
        for group in groups:
            put(store, group, group=group)

        assert 3 == store.count("tool")
        assert 2 == store.count("tool.web")
        assert 3 == store.clear_group("tool")
        assert [None, None, None] == read(store, "tool", "tool.web", "tool.web.deep")
        assert [b"record"] * 4 == read(store, "toolbox", "tool-x", "Tool", "a.tool")
        assert 0 == store.count("tool") == store.clear_group("tool")
        assert 4 == store.count()

    def test_no_letter_of_a_group_stands_for_another(self, store: Store) -> None:
        """
        Letters, digits, ``_``, ``-`` and dots are what they are: no pattern, no escape.
        """
        for group in ("a_b", "axb", "a-b", "a.b", "a_b.c", "axb.c", "a"):
            put(store, group, group=group)

        assert 2 == store.count("a_b") == store.clear_group("a_b")
        assert [None, b"record", b"record", b"record"] == read(store, "a_b", "axb", "a-b", "a.b")
        assert 2 == store.count("a")

    def test_a_record_has_the_group_it_was_stored_with_last(self, store: Store) -> None:
        """
        A replaced record is in its new group only.
        """
        put(store, "a", group="old")
        put(store, "a", group="new")

        assert 0 == store.count("old") == store.clear_group("old")
        assert 1 == store.count("new")
        assert [b"record"] == read(store, "a")

    def test_clear_group_counts_the_unexpired(self, store: Store, clock: FakeClock) -> None:
        """
        What was too old anyway is removed but not counted.
        """
        put(store, "a", group="g", expire=1.0)
        put(store, "b", group="g")
        clock.advance(2)

        assert 1 == store.clear_group("g")

    def test_all_counts_agree_on_what_has_expired(self, store: Store, clock: FakeClock) -> None:
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
        clock.advance(2.0)

        assert [None, None, b"record"] == read(store, "a", "b", "c")
        assert 3 == store.count() == store.usage()["size"]
        assert 2 == store.count("g") == store.clear_group("g")
        assert 1 == store.count() == store.usage()["size"] == store.clear()
        assert 0 == store.count() == store.usage()["size"] == store.usage()["bytes"]

    def test_usage_is_four_numbers(self, store: Store) -> None:
        """
        ``size``, ``bytes``, ``evictions`` and ``expirations``: none of it in the beginning.
        """
        empty = {"size": 0, "bytes": 0, "evictions": 0, "expirations": 0}
        # A store may have figures of its own beside these.
        assert empty.items() <= store.usage().items()
        for _ in range(2):
            usage = store.usage()
            for key in ("size", "bytes", "evictions", "expirations"):
                assert isinstance(usage[key], int) and usage[key] >= 0
            put(store, "a", record=b"x" * 100_000)
        assert 1 == store.usage()["size"]
        assert store.usage()["bytes"] > 0

    def test_clear_keeps_the_versions(self, store: Store) -> None:
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

    def test_clear_of_many(self, store: Store) -> None:
        """
        More records than fit into one batch.
        """
        put(store, *(f"text {n}" for n in range(1000)), group="g")
        put(store, "other", group="h")

        assert 1000 == store.clear_group("g")
        assert 1 == store.count()
