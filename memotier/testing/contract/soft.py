"""
Soft invalidations: halves of tokens, and records that were expired.
"""

from __future__ import annotations

import pytest

from ...tokens import NOT_EXPIRED, expired_at
from ...types import Store
from ..clock import FakeClock
from ..items import NAME, OTHER, address, item, noted, put, read, token
from .base import Base


class SoftTests(Base):
    """
    What is stale from now on, and still there.
    """

    def test_a_soft_bump_leaves_the_hard_half(self, store: Store) -> None:
        """
        A name that was never invalidated has zeros there, any other what it had; what comes after
        is new each time.
        """
        store.bump([NAME], True)
        first = token(store)
        store.bump([NAME], True)
        second = token(store)
        assert first is not None and second is not None
        assert first[:8] == second[:8] == bytes(8)
        assert first != second
        assert token(store, OTHER) is None

        store.bump([NAME])
        hard = token(store)
        store.bump([NAME, NAME], True)
        after = token(store)
        assert hard is not None and after is not None
        assert 8 == len(hard)
        assert hard == after[:8]
        assert 24 == len(after)

    def test_a_soft_token_tells_when(self, store: Store, clock: FakeClock) -> None:
        """
        For each who noted the token before, the first moment after that.
        """
        first = token(store)
        clock.advance(5)
        store.bump([NAME], True)
        second, at = token(store), clock.wall()
        clock.advance(5)
        store.bump([NAME], True)
        now = token(store)

        assert at == expired_at((first,), (now,), at - 1)
        assert at + 5 == expired_at((second,), (now,), at + 1)
        assert NOT_EXPIRED == expired_at((now,), (token(store),), 0.0)

    def test_a_hard_bump_takes_the_soft_half_away(self, store: Store) -> None:
        """
        It wins against every soft one before it.
        """
        store.bump([NAME], True)
        soft = token(store)
        store.bump([NAME])
        hard = token(store)

        assert hard is not None and 8 == len(hard)
        assert expired_at((soft,), (hard,), 0.0) is None

    def test_a_soft_bump_moves_the_epoch(self, store: Store) -> None:
        """
        Whoever copied the versions has to look again.
        """
        before = store.versions([NAME])[1]
        store.bump([NAME], True)
        assert before != store.versions([NAME])[1]

    @pytest.mark.parametrize("hard_before", [False, True])
    def test_a_soft_bump_stops_writers(self, store: Store, hard_before: bool) -> None:
        """
        What began to be computed before it is not stored; what began after it is.
        """
        if hard_before:
            store.bump([NAME])
        late = item(store, "a")
        store.bump([NAME], True)
        assert [False] == list(store.set([late]))
        assert [True] == list(store.set([item(store, "a")]))
        assert [True] == list(store.set([item(store, "b", names=(OTHER,))]))

    def test_guards_know_no_halves(self, store: Store) -> None:
        """
        A guard that was noted after a soft bump holds until the next one of either kind.
        """
        store.bump([NAME], True)
        guard = noted(store, "a")
        store.bump([OTHER])
        assert [True] == list(store.set([item(store, "a", guard=guard)]))
        store.bump([NAME])
        assert [False] == list(store.set([item(store, "a", guard=guard)]))

    def test_an_expired_record_is_still_there(self, store: Store, clock: FakeClock) -> None:
        """
        With the moment at which it was expired first; others have none.
        """
        put(store, "a", "b")
        moment = clock.wall()
        assert [True, False] == list(store.expire([address("a"), address("c")]))
        clock.advance(5)
        assert [True] == list(store.expire([address("a")]))
        assert [] == list(store.expire([]))

        assert [b"record", b"record"] == read(store, "a", "b")
        assert [moment] == list(store.get([address("a")]).expired)
        both = store.get([address("a"), address("b"), address("c")])
        assert [moment, None, None] == list(both.expired)
        assert not any(store.get([address("b")]).expired)
        assert 2 == store.count()

    def test_what_is_stored_in_its_place_is_not_expired(self, store: Store) -> None:
        """
        A new record begins anew, and so does one after a removal.
        """
        for renew in (lambda: None, lambda: store.delete([address("a")])):
            put(store, "a")
            store.expire([address("a")])
            renew()
            put(store, "a", record=b"new")
            assert [b"new"] == read(store, "a")
            assert not any(store.get([address("a")]).expired)

    def test_expiring_stops_the_writers_of_that_key(self, store: Store) -> None:
        """
        Its slot has another token; the epoch stays as it is.
        """
        late, epoch = item(store, "a"), store.versions([])[1]
        store.expire([address("a")])
        assert [False] == list(store.set([late]))
        assert epoch == store.versions([])[1]

    def test_a_dead_record_cannot_be_expired(self, store: Store, clock: FakeClock) -> None:
        """
        There is nothing there to be found.
        """
        put(store, "a", expire=10)
        clock.advance(10)
        assert [False] == list(store.expire([address("a")]))

    def test_expiring_does_not_change_when_a_record_dies(
        self, store: Store, clock: FakeClock
    ) -> None:
        """
        It is neither longer there nor shorter.
        """
        put(store, "a", expire=10)
        store.expire([address("a")])
        clock.advance(9)
        assert [b"record"] == read(store, "a")
        clock.advance(1)
        assert [None] == read(store, "a")
