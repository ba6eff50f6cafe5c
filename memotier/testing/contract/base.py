"""
What a store tells of itself before it is tested: how it is opened, and what it offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ...types import Store
from ..clock import FakeClock


class Base:
    """
    What the parts of the contract share. Each test has an instance of its own, so attributes that
    an ``autouse`` fixture sets (a directory, a name at a server) are those of one test.
    """

    #: Whether handles opened by other processes see the same records: every ``open_store`` and
    #: ``reopen`` of one test opens the same place. False: a store of this process alone.
    is_shared = True

    #: Whether a handle that was opened before ``os.fork()`` works on both sides of it.
    is_fork_safe = False

    #: Seconds after which a message of another handle that did not arrive is taken for lost.
    patience = 20.0

    def open_store(self, clock: FakeClock) -> Store:
        """
        Open a store that is empty, in the time of *clock*, with room for 1300 records and 8 MiB.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has to say how its store is opened: define "
            "open_store(self, clock)"
        )

    def reopen(self, clock: FakeClock) -> Store:
        """
        Open the place of ``open_store`` once more, as another process would.
        """
        return self.open_store(clock)

    def lose_tokens(self) -> None:
        """
        Let the place lose its tokens but, if that can be, not its records: a server that evicts
        them or was restarted. Leave it as it is if they cannot be lost one without the other.
        """
        pytest.skip("the contract was not told how this store loses its tokens: lose_tokens()")

    def spoil(self) -> None:
        """
        Damage the place, so that some operations cannot succeed: fill a file with something else,
        give a key another type.
        """
        pytest.skip("the contract was not told how this store can be damaged: spoil()")

    @pytest.fixture
    def clock(self) -> FakeClock:
        """
        Time that stands still, also between two readings.
        """
        return FakeClock(tick=0)

    @pytest.fixture
    def opened(self, clock: FakeClock) -> Iterator[Callable[[], Store]]:
        """
        A function that opens one handle after the other; all are closed at the end.
        """
        handles: list[Store] = []

        def another() -> Store:
            handles.append(self.reopen(clock) if handles else self.open_store(clock))
            return handles[-1]

        yield another
        for handle in handles:
            handle.close()

    @pytest.fixture
    def store(self, opened: Callable[[], Store]) -> Store:
        """
        The store of the test.
        """
        return opened()

    @pytest.fixture
    def other(self, store: Store, opened: Callable[[], Store]) -> Store:
        """
        Another process's handle.
        """
        if not self.is_shared:
            pytest.skip("this store is not shared: is_shared = False")
        return opened()

    @pytest.fixture
    def pair(self, store: Store, opened: Callable[[], Store]) -> tuple[Store, Store]:
        """
        Two handles if the store is shared, else the same twice.
        """
        return store, opened() if self.is_shared else store
