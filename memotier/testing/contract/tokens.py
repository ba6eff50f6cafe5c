"""
Tokens of names and slots, and the epoch.
"""

from __future__ import annotations

from ...types import Store
from ..items import NAME, OTHER, address, item, put, read, token
from .base import Base


class TokenTests(Base):
    """
    What changes when something is invalidated, and what does not.
    """

    def test_names_have_no_token_until_bumped(self, store: Store) -> None:
        """
        None for a name never bumped, then eight bytes that are fresh each time.
        """
        assert [None] == list(store.versions([NAME])[0])

        store.bump([NAME])
        first = token(store)
        store.bump([NAME])
        [second, untouched], _ = store.versions([NAME, OTHER])

        assert first is not None and second is not None
        assert 8 == len(first) == len(second)
        assert first != second
        assert untouched is None

    def test_many_names(self, store: Store) -> None:
        """
        Any number of names is bumped and asked for.
        """
        names = [number.to_bytes(16, "big") for number in range(1200)]
        store.bump(names[:1100])

        tokens, _ = store.versions(names)

        assert all(tokens[:1100])
        assert [None] * 100 == list(tokens[1100:])
        assert 1100 == len(set(tokens[:1100]))

    def test_names_are_bytes_of_any_kind(self, store: Store) -> None:
        """
        Sixteen bytes each, none of which means anything.
        """
        names = [bytes(16), b"\xff" * 16, b"\r\n" * 8, b"epoch" + bytes(11), b"*" * 16, b"%" * 16]
        for name in names:
            assert token(store, name) is None
            store.bump([name])
        tokens, _ = store.versions(names)

        assert len(names) == len({*tokens}) and None not in tokens

    def test_a_name_is_no_address(self, store: Store) -> None:
        """
        Bumping sixteen bytes removes no record that lies at them, and deleting bumps no name.
        """
        put(store, "a", names=())
        store.bump([address("a")])
        assert [b"record"] == read(store, "a")
        store.delete([address("b")])
        assert token(store, address("b")) is None

    def test_epoch_changes_with_each_bump_and_with_nothing_else(self, store: Store) -> None:
        """
        The epoch is the same in readings and versions, and moves only with bump.
        """
        epoch = store.versions([])[1]
        assert epoch is not None
        put(store, "a")
        store.delete([address("a")])
        store.expire([address("a")])
        store.discard(address("a"))
        store.clear_group("ns")
        store.clear()
        assert epoch == store.versions([])[1] == store.get([address("a")]).epoch

        store.bump([])
        moved = store.get([address("a")]).epoch
        assert epoch != moved == store.versions([NAME])[1] == store.get([]).epoch
        store.bump([NAME])
        assert store.get([]).epoch not in (epoch, moved)

    def test_marks_are_the_tokens_of_the_slots(self, store: Store) -> None:
        """
        None until something in the slot was deleted, then fresh each time.
        """
        store.delete([address("a")])
        first = store.get([address("a"), address("b")]).marks
        store.delete([address("a")])
        second = store.get([address("a")]).marks

        assert first[0] is not None and 8 == len(first[0])
        assert first[1] is None
        assert first[0] != second[0]

    def test_delete_of_another_address_stops_nobody(self, store: Store) -> None:
        """
        Another slot is another matter.
        """
        late = item(store)
        store.delete([address("b")])

        assert [True] == list(store.set([late]))

    def test_lost_tokens_count_as_changed(self, store: Store) -> None:
        """
        Whoever noted tokens that were lost since cannot store, nobody reads what was stored under
        them, and afterwards all goes on.
        """
        put(store, "a")
        late = item(store, "late")
        known = item(store, "known", names=())
        before = store.versions([])[1]
        self.lose_tokens()

        assert [None] == read(store, "a")
        assert before != store.versions([])[1]
        assert [False, False] == list(store.set([late, known]))
        assert [True] == put(store, "a", record=b"new")
        assert [b"new"] == read(store, "a")
        store.bump([NAME])
        assert token(store) is not None
