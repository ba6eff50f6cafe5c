"""
Labels (``Guard.instead_of``): a record that takes the place of the very one that was read.
"""

from __future__ import annotations

from ...types import Store
from ..clock import FakeClock
from ..items import NAME, OTHER, address, item, noted, put, read
from .base import Base


class RelabelTests(Base):
    """
    The same entry with other labels, or nothing.
    """

    def test_a_relabelled_record_takes_the_place_of_the_one_that_was_read(
        self, store: Store
    ) -> None:
        """
        Only of that very record: not of another, nor of none.
        """
        put(store, "a", record=b"old")
        guard = noted(store)._replace(instead_of=b"old")
        assert [True] == list(store.set([item(store, record=b"new", guard=guard)]))
        assert [False] == list(store.set([item(store, record=b"late", guard=guard)]))
        assert [b"new"] == read(store, "a")
        store.discard(address("a"))
        assert [False] == list(store.set([item(store, record=b"late", guard=guard)]))
        assert [None] == read(store, "a")

    def test_a_relabelled_record_is_refused_like_any_other(self, store: Store) -> None:
        """
        By a bump of its names, and by a delete; not by a bump of another name.
        """
        for spoil in (lambda: store.bump([NAME]), lambda: store.delete([address("a")])):
            put(store, "a", record=b"old")
            guard = noted(store)._replace(instead_of=b"old")
            spoil()
            assert [False] == list(store.set([item(store, record=b"new", guard=guard)]))
        put(store, "a", record=b"old")
        guard = noted(store)._replace(instead_of=b"old")
        store.bump([OTHER])
        assert [True] == list(store.set([item(store, record=b"new", guard=guard)]))

    def test_a_relabelled_record_of_no_use_any_more(self, store: Store, clock: FakeClock) -> None:
        """
        What has expired is not there.
        """
        put(store, "a", record=b"old", expire=10)
        guard = noted(store)._replace(instead_of=b"old")
        clock.advance(11)

        assert [False] == list(store.set([item(store, record=b"new", guard=guard)]))
        assert [None] == read(store, "a")

    def test_an_empty_record_is_a_record_to_be_relabelled(self, store: Store) -> None:
        """
        No bytes are other bytes than none.
        """
        put(store, "a", record=b"")
        guard = noted(store)._replace(instead_of=b"")
        assert [True] == list(store.set([item(store, record=b"new", guard=guard)]))
        assert [False] == list(store.set([item(store, "b", record=b"new", guard=guard)]))
        assert [b"new", None] == read(store, "a", "b")

    def test_relabelling_many_in_one_call(self, store: Store) -> None:
        """
        Each by its own guard, beside others that have none.
        """
        put(store, "a", "b", record=b"old")
        guards = [noted(store, text)._replace(instead_of=b"old") for text in "ab"]
        put(store, "b", record=b"newer")
        items = [item(store, t, record=b"new", guard=g) for t, g in zip("ab", guards, strict=True)]

        found = store.set([*items, item(store, "c", record=b"other")])
        assert [True, False, True] == list(found)
        assert [b"new", b"newer", b"other"] == read(store, "a", "b", "c")
