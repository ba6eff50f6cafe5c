"""
The pytest plugin ``memotier``: two fixtures. Without memotier's fixtures it costs their names.

Installed with memotier it is there by itself; ``-p no:memotier`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..cache import MultiLevelCache
    from .clock import FakeClock


@pytest.fixture
def memotier_clock() -> FakeClock:
    """
    The time of ``memotier_cache``: it stands still until ``memotier_clock.advance(seconds)``.
    """
    from .clock import FakeClock

    return FakeClock()


@pytest.fixture
def memotier_cache(memotier_clock: FakeClock) -> Iterator[MultiLevelCache]:
    """
    Every decorated function and every cache has an empty memory of its own for this test, in the
    time of ``memotier_clock``. The value is the default cache.
    """
    from .isolation import isolated_cache

    with isolated_cache(clock=memotier_clock) as cache:
        yield cache
