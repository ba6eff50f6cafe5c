"""
The set of pairs is what its page says, and the page has the figures of the built-in embedder.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ..stores.support import ROOT

PAGE = ROOT / "docs" / "guide" / "semantic.md"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import semantic

    return semantic


def test_the_pairs(bench):
    """
    Six kinds, each pair once, no text beside itself.
    """
    pairs = bench.read_pairs()
    counts = {"paraphrase": 70, "number": 25, "negation": 25}
    counts |= dict.fromkeys(("order", "entity", "unrelated"), 20)
    assert counts == Counter(pair.kind for pair in pairs)
    assert len(pairs) == len({frozenset(pair[1:]) for pair in pairs})
    assert all(pair.one != pair.other for pair in pairs)


def test_the_tables_of_the_page(bench):
    """
    Both tables of the page are what the script prints.
    """
    judged = bench.judge(bench.read_pairs(), bench.NgramEmbedder())
    page = PAGE.read_text(encoding="utf-8")
    assert bench.table(judged) in page
    assert bench.refused(judged) in page


def test_precision_and_recall(bench):
    """
    The figures are shares of what is served, and of what should be.
    """
    same, other = bench.Pair("paraphrase", "a", "b"), bench.Pair("number", "c", "d")
    judged = [
        bench.Judged(same, 0.9, None),
        bench.Judged(same, 0.9, "order"),
        bench.Judged(same, 0.1, None),
        bench.Judged(same, 0.1, None),
        bench.Judged(other, 0.9, "numbers"),
        bench.Judged(other, 0.9, None),
    ]
    assert (0.5, 0.5) == bench.figures(judged, 0.5, guarded=False)
    assert (0.5, 0.25) == bench.figures(judged, 0.5, guarded=True)
    assert np.isnan(bench.figures(judged, 0.95, guarded=True)[0])


def test_a_search_is_timed(bench):
    """
    The timing runs, on few rows here.
    """
    assert 300 == len(bench.search_times(rows=400)) and min(bench.search_times(rows=400)) > 0
