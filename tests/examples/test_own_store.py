"""
The store of the example keeps the whole contract; test_own_store_broken.py breaks it.
"""

from __future__ import annotations

import pytest

from examples.own_store.store import SqliteStore
from memotier.testing import StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.path = tmp_path / "cache.db"

    def open_store(self, clock):
        return SqliteStore(self.path, timeout=30, clock=clock)

    def spoil(self):
        self.path.write_bytes(b"no database" * 1000)
