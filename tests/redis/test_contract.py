"""
The contract of the ``Store`` protocol on a server.
"""

from __future__ import annotations

import uuid

import pytest

from memotier.testing import StoreContract

from ..stores.support import InTasks, redis_store

pytestmark = pytest.mark.extras


class TestRedis(StoreContract):
    is_fork_safe = True

    @pytest.fixture(autouse=True)
    def place(self, redis_server):
        self.server, self.name = redis_server, uuid.uuid4().hex

    def open_store(self, clock):
        return redis_store(self.server, self.name, clock=clock)

    def lose_tokens(self):
        self.server.run("DEL", self.tokens)

    def spoil(self):
        self.server.run("SET", self.tokens, "no tokens")

    @property
    def tokens(self):
        return f"mt1:{{{self.name}}}:tokens"


class TestRedisInTasks(TestRedis):
    """
    Each method is awaited in an event loop, of which a forked child has none.
    """

    is_fork_safe = False

    def open_store(self, clock):
        return InTasks(super().open_store(clock))
