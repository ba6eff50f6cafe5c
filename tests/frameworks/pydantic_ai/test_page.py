"""
The page about pydantic_ai runs.
"""

from __future__ import annotations

from tests.docs.pages import run


def test_the_page_runs(monkeypatch, loop):
    """
    From top to bottom, as one program.
    """
    run("docs/frameworks/pydantic_ai.md", monkeypatch)
