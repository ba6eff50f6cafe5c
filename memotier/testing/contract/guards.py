"""
Guards: which writes an invalidation stops.
"""

from __future__ import annotations

from ...types import MISS, Guard, Store
from ..items import NAME, OTHER, address, item, noted, put, read
from .base import Base


class GuardTests(Base):
    """
    A record that was computed before something was invalidated is not stored after it.
    """

    def test_guard_holds_while_nothing_happened(self, store: Store) -> None:
        """
        The write is made if epoch and slot are as noted.
        """
        assert [True] == list(store.set([item(store)]))

    def test_guard_refuses_after_a_bump_of_its_name(self, store: Store) -> None:
        """
        What was computed before its name was invalidated is not stored.
        """
        late = item(store)
        store.bump([NAME])

        assert [False] == list(store.set([late]))
        assert [None] == read(store, "a")

    def test_guard_refuses_after_a_second_bump(self, store: Store) -> None:
        """
        A name that had a token already is watched just the same.
        """
        store.bump([NAME])
        late = item(store)
        store.bump([NAME])

        assert [False] == list(store.set([late]))

    def test_guard_holds_after_a_bump_of_another_name(self, store: Store) -> None:
        """
        The epoch moved, but no name of this record did.
        """
        store.bump([NAME])
        late, listed = item(store), noted(store, "b")
        store.bump([OTHER])

        assert [True] == list(store.set([late]))
        listed = listed._replace(names=[*listed.names], tokens=[*listed.tokens])
        assert [True] == list(store.set([item(store, "b", guard=listed)]))

    def test_every_name_of_a_guard_counts(self, store: Store) -> None:
        """
        The last as well as the first, of any number.
        """
        names = [number.to_bytes(16, "big") for number in range(40)]
        store.bump(names[::2])
        for at in (0, 19, 38, 39):
            late = item(store, names=names)
            store.bump([names[at]])
            assert [False] == list(store.set([late]))
        late = item(store, names=names)
        store.bump([NAME])
        assert [True] == list(store.set([late]))

    def test_guard_without_names_holds_after_a_bump(self, store: Store) -> None:
        """
        A record that nothing but its address invalidates.
        """
        late = item(store, names=())
        store.bump([OTHER])

        assert [True] == list(store.set([late]))

    def test_guard_refuses_after_a_delete_of_its_address(self, store: Store) -> None:
        """
        Whoever deletes stops those who are on their way, although the epoch is the same.
        """
        late = item(store)
        store.delete([address("a")])

        assert [False] == list(store.set([late]))
        assert [True] == list(store.set([item(store)]))

    def test_guard_refuses_after_a_delete_of_what_was_there(self, store: Store) -> None:
        """
        The same if there was a record to delete.
        """
        put(store, "a")
        late = item(store)
        assert [True] == list(store.delete([address("a")]))

        assert [False] == list(store.set([late]))
        assert [None] == read(store, "a")

    def test_guard_refuses_after_a_delete_even_if_the_epoch_moved_for_another(
        self, store: Store
    ) -> None:
        """
        The slot counts in both cases.
        """
        late = item(store)
        store.bump([OTHER])
        store.delete([address("a")])

        assert [False] == list(store.set([late]))

    def test_mark_miss_is_not_refused_by_a_delete(self, store: Store) -> None:
        """
        What the user sets himself holds against a concurrent delete, not against a bump.
        """
        guard = noted(store)._replace(mark=MISS)
        store.delete([address("a")])
        assert [True] == list(store.set([item(store, guard=guard)]))

        store.bump([NAME])
        assert [False] == list(store.set([item(store, guard=guard)]))

    def test_guard_without_an_epoch_never_holds(self, store: Store) -> None:
        """
        Who could not note an epoch cannot know that nothing happened.
        """
        guard = Guard(None, (NAME,), (None,), None)
        assert [False] == list(store.set([item(store, guard=guard)]))
        assert [None] == read(store, "a")

    def test_refused_record_leaves_the_old_one(self, store: Store) -> None:
        """
        A refused write changes nothing.
        """
        put(store, "a", record=b"old")
        late = item(store, record=b"late")
        store.bump([NAME])

        assert [False] == list(store.set([late]))
        assert [b"old"] == read(store, "a")

    def test_batch_is_judged_item_by_item(self, store: Store) -> None:
        """
        One refused record does not keep the others out.
        """
        mine = item(store, "a", names=(NAME,))
        yours = item(store, "b", names=(OTHER,))
        store.bump([NAME])

        assert [False, True] == list(store.set([mine, yours]))
        assert [None, b"record"] == read(store, "a", "b")
