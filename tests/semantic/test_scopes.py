"""
Whose results they are counts for near ones, too.
"""

from __future__ import annotations

from contextvars import ContextVar

import numpy as np
import pytest

from memotier import MultiLevelCache, Semantic, tiered_cache

user: ContextVar[str] = ContextVar("user")


def alike(texts):
    """An embedder for which all texts are the same."""
    return np.ones((len(texts), 4), dtype=np.float32)


@pytest.mark.parametrize(
    "scope", [user, lambda: user.get(None), ("who",)], ids=["variable", "callable", "parameter"]
)
def test_a_near_result_of_somebody_else_is_not_served(scope):
    """
    However near the question is: each is computed once for each user.
    """
    runs = []

    @tiered_cache(
        cache=MultiLevelCache(),
        namespace="n",
        name="f",
        semantic=Semantic("question", embedder=alike, threshold=0.5),
        scope=scope,
    )
    def answer(question, who):
        runs.append(who)
        return user.get(), who

    for who in ("ann", "bob"):
        user.set(who)
        for question in ("what is the weather in Oslo", "what is the weather in Oslo now"):
            assert (who, who) == answer(question, who=who)
    assert ["ann", "bob"] == runs
