"""
Operations of the second tier that take as long as a test says, in the test's time.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def slow(clock, monkeypatch):
    """
    ``slow(cache, get=0.02)``: from now on that operation of its store takes so many seconds.
    """

    def slow(cache, **seconds):
        store = cache._keyed.engine.store

        def lasting(operation, lasts):
            def operate(*arguments):
                clock.advance(lasts)
                return operation(*arguments)

            return operate

        for name, lasts in seconds.items():
            monkeypatch.setattr(store, name, lasting(getattr(store, name), lasts))

    return slow
