"""
Caches of every kind with an invalidator, and one body for both colours.
"""

from __future__ import annotations

import pytest

from memotier import CacheInvalidator, CacheLevelConfig, WritePolicy

from ..freshness.conftest import settle, source  # noqa: F401

KINDS = {
    "memory": {},
    "local": {"l2_config": CacheLevelConfig(max_size=1000)},
    "disk": {"tiers": "disk"},
    "back": {"tiers": "disk", "write_policy": WritePolicy.WRITE_BACK, "flush_interval": 3600},
    "around": {"tiers": "disk", "write_policy": WritePolicy.WRITE_AROUND},
}


@pytest.fixture(params=list(KINDS))
def cache(request, make_cache):
    """
    One tier, two tiers, and every way of writing; every test using this proves them all.
    """
    return make_cache(**KINDS[request.param])


@pytest.fixture
def invalidator(cache):
    with CacheInvalidator(cache) as made:
        yield made


@pytest.fixture
def face(call):
    """
    ``face(cache)`` and ``face(invalidator)`` have the methods of the test's colour.
    """
    return lambda thing: thing if call.is_async else thing.sync
