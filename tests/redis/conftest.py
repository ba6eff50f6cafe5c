from __future__ import annotations

import uuid

import pytest

from memotier import MultiLevelCache

from ..stores.support import redis_store
from .server import Server


@pytest.fixture
def server(redis_server):
    """
    The server that all share.
    """
    return redis_server


@pytest.fixture
def own_server():
    """
    A server that this test may stop, freeze and empty.
    """
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def name():
    """
    The name of a cache that nobody else uses.
    """
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def stores(name):
    """
    A function that makes stores of one cache, each as another process would have it.
    """
    made = []

    def make(server, **options):
        store = redis_store(server, name, **options)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def caches(name):
    """
    A function that makes caches of one name, each as another process would have it.
    """
    made = []

    def make(server, **options):
        cache = MultiLevelCache(redis_url=server.url, **{"name": name, **options})
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.sync.close()
