"""
What ``run_sync`` needs.
"""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture
def loop():
    """
    The loop that ``run_sync`` uses; one that it has to make itself it would leave open.
    """
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()
