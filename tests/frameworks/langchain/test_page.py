"""
The page about LangChain runs.
"""

from __future__ import annotations

from tests.docs.pages import run


def test_the_page_runs(monkeypatch):
    """
    From top to bottom, as one program.
    """
    run("docs/frameworks/langchain.md", monkeypatch)
