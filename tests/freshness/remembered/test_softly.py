"""
Remembered errors and soft invalidations.
"""

from __future__ import annotations

import pytest

from .conftest import NotFound


@pytest.mark.parametrize("how", ["call", "function", "tag", "namespace"])
def test_a_soft_invalidation_forgets_the_error(read, tiers, call, fails, source, how):
    """
    Whoever says that what is known is old wants the function to be asked.
    """
    source.error = NotFound()
    fails(read)
    fails(read)
    assert 1 == source.asked
    {
        "call": lambda: call(read.expire()),
        "function": lambda: call(read.cache_expire()),
        "tag": lambda: tiers.sync.invalidate_tags("t", soft=True),
        "namespace": lambda: tiers.sync.clear(soft=True),
    }[how]()
    source.error = None

    assert "value 2" == call(read())
