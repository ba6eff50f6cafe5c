"""
The same session as a test: ``pytest examples/cassette``, or with ``--cassette-mode=record`` and
the server of ``server.py`` to record it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import session
import tools
from server import running


@pytest.fixture(autouse=True)
def shop(memotier_tape):
    """
    The server, if it is needed.
    """
    if memotier_tape.mode == "replay-strict":
        yield
        return
    with running() as tools.url:
        yield


@pytest.mark.cassette("session.jsonl")
def test_the_agent_sees_its_own_order(memotier_tape):
    """
    After the order there is one less, although the agent had asked before.
    """
    said = session.run("gold-3")

    assert ["there are 2 owls", "1 owl is left"] == [said[0], said[-1]]
    assert not memotier_tape.unused
