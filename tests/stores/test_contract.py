"""
The contract of the ``Store`` protocol on the stores of this process and of this machine; on Redis
it is in tests/redis/test_contract.py.
"""

from __future__ import annotations

import pytest

from memotier.engine.names import EVERYTHING
from memotier.stores.local import LocalStore
from memotier.stores.spill import Spilling
from memotier.testing import StoreContract

from .support import disk, tampering


class TestLocal(StoreContract):
    is_shared = False
    is_fork_safe = True

    def open_store(self, clock):
        return LocalStore(2000, max_bytes=64 * 2**20, clock=clock)


class TestSpill(TestLocal):
    """
    While the shared store is there, a spill changes nothing.
    """

    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.directory = tmp_path / "spill"

    def open_store(self, clock):
        return Spilling(
            super().open_store(clock),
            disk(self.directory, clock=clock),
            everything=EVERYTHING,
            max_age=60,
            patience=30,
            clock=clock,
        )


class TestDisk(StoreContract):
    is_fork_safe = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.directory = tmp_path / "cache"

    def open_store(self, clock):
        return disk(self.directory, max_size=2000, clock=clock)

    def spoil(self):
        with tampering(self.directory) as connection:
            connection.execute("DROP TABLE memotier_version")
