"""
A project with functions whose calls are recorded, and a second life of it.
"""

from __future__ import annotations

import pytest

from memotier import MultiLevelCache


@pytest.fixture
def lives(tmp_path, clock):
    """
    ``lives()`` is the cache of the next process: same directory, nothing in memory.

    With ``emptied=True`` its second tier has lost everything, too, as after a deployment.
    """
    made = []

    def next_life(emptied=False, **arguments):
        for cache in made:
            cache.sync.close()
        if emptied and made:
            with MultiLevelCache(directory=tmp_path / "cache", clock=clock) as cache:
                cache.sync.clear()
        cache = MultiLevelCache(directory=tmp_path / "cache", clock=clock, **arguments)
        made.append(cache)
        return cache

    yield next_life
    for cache in made:
        cache.sync.close()
