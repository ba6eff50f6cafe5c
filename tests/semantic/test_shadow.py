"""
Shadow mode and the guards, seen from the cache.
"""

from __future__ import annotations

import pytest

from memotier.semantic.ngrams import NgramEmbedder


def test_shadow_serves_nothing_and_counts(make, call, face):
    """
    Near answers are not served; each is compared with the one that is then put.
    """
    cache = make(shadow=True)
    it = face(cache)
    call(it.put("text", "yes"))
    assert call(it.get_similar("near")) is None
    assert "yes" == call(it.get_similar("text"))
    (would_be,) = cache.shadow_report()
    assert ("near", "text", None) == (would_be.query, would_be.matched, would_be.is_equal)
    assert cache.get_stats()["false_hit_rate"] is None

    call(it.put("near", "yes"))
    call(it.get_similar("nearer"))
    call(it.put("nearer", "no"))
    assert [True, False] == [one.is_equal for one in cache.shadow_report()]
    stats = cache.get_stats()
    assert (2, 2, 1, 0.5) == (
        stats["would_be_hits"],
        stats["compared"],
        stats["false_hits"],
        stats["false_hit_rate"],
    )
    assert (0, 2) == (stats["semantic_hits"], stats["misses"])
    call(it.clear())
    assert [] == cache.shadow_report()


def test_equal(make):
    """
    *equal* is given the would-be answer first; if it raises, the pair says nothing.
    """

    def equal(served, computed):
        seen.append((served, computed))
        return served.lower() == computed.lower()

    seen = []
    cache = make(shadow=True, equal=equal)
    cache.sync.put("text", "Yes")
    for query, answer in (("near", "yes"), ("nearer", None)):
        cache.sync.get_similar(query)
        cache.sync.put(query, answer)
    assert [("Yes", "yes"), ("yes", None)] == seen
    assert (1, 0) == (cache.get_stats()["compared"], cache.get_stats()["false_hits"])


@pytest.mark.parametrize(
    ("guards", "expected"), [(True, None), (False, 10), (["order"], 10), (["numbers"], None)]
)
def test_guards(make, guards, expected):
    """
    All rules, none, or some; refusals are counted by rule.
    """
    cache = make(embedder=NgramEmbedder(), guards=guards, similarity_threshold=0.5)
    cache.sync.put("convert 10 USD to EUR", 10)
    assert expected == cache.sync.get_similar("convert 100 USD to EUR")
    stats = cache.get_stats()
    assert ({} if expected else {"numbers": 1}) == stats["refused_by"]
    assert (0 if expected else 1) == stats["refused"]


def test_a_rule_that_fails_refuses(make, monkeypatch):
    """
    Whatever a rule stumbles over, the call gets its answer, and no near one.
    """
    from memotier.semantic import deciding

    cache = make()
    cache.sync.put("text", 1)
    monkeypatch.setattr(deciding, "refusal", lambda *texts: 1 / 0)
    assert cache.sync.get_similar("near") is None
    assert {"rule failed": 1} == cache.get_stats()["refused_by"]
