"""
The page about LangGraph runs.
"""

from __future__ import annotations

from tests.docs.pages import run


def test_the_page_runs(monkeypatch):
    """
    From top to bottom, as one program.
    """
    run("docs/frameworks/langgraph.md", monkeypatch)
