"""
The page for Streamlit, which is not installed here: a stand-in keeps what it is asked to show.
"""

from __future__ import annotations

import runpy
import sys
from types import ModuleType

import pytest

from memotier import tiered_cache

from .conftest import ROOT


@pytest.fixture
def shown(monkeypatch):
    """
    What was called with which arguments, in order.
    """
    calls = []

    class Fake(ModuleType):
        def __getattr__(self, name):
            def call(*given, **named):
                calls.append((name, *given))
                return [self] * given[0] if name == "columns" else None

            return call

    monkeypatch.setitem(sys.modules, "streamlit", Fake("streamlit"))
    return calls


def test_the_page_shows_the_figures(shown):
    """
    The figures of the default cache, each where the page has it.
    """

    @tiered_cache(namespace="tool.search")
    def search(q):
        return q

    def page():
        shown.clear()
        runpy.run_path(str(ROOT / "examples" / "dashboard_streamlit.py"))

    page()
    for q in "aaab":
        search(q)
    page()

    assert ("metric", "Hit rate", "50.0%") in shown
    assert ("metric", "Calls", "4") in shown
    assert ("bar_chart", {"tool.search": 0.5}) in shown
    (table,) = [given[1] for given in shown if given[0] == "dataframe"]
    assert (3, 2) == (table[0]["accesses"], table[0]["hits"])
    assert 2 == sum(given[0] == "progress" for given in shown)
