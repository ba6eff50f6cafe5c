from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memotier import CacheLevelConfig, MultiLevelCache

from .worlds import HandClock


@pytest.fixture
def time() -> HandClock:
    return HandClock()


@pytest.fixture(params=["memory", "local", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path, time: HandClock) -> Iterator[Any]:
    """
    A cache with every kind of second tier, and without one.
    """
    below = {
        "memory": {},
        "local": {"l2_config": CacheLevelConfig(max_size=1000)},
        "disk": {"directory": tmp_path / "cache"},
    }[request.param]
    made = MultiLevelCache(**below, clock=time.clock)
    yield made
    made.sync.close()
