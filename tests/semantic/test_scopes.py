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


# -- both tiers, both colours, the cache object, and what shadow mode tells -------------------


@pytest.mark.parametrize("way", ["variable", "parameter"])
def test_near_calls_of_two_tenants_never_meet(call, tiers, way):
    """
    In memory and below, in both colours: a question that is the same in other words, or the very
    same, is computed for each tenant, and answered by his own result only.
    """
    near, runs = Semantic("question", embedder=alike, threshold=0.5, guards=False), []
    scope = user if way == "variable" else ("who",)

    @call.cached(cache=tiers, name="f", namespace="n", semantic=near, scope=scope)
    def answer(question, who="x"):
        runs.append(user.get())
        return user.get()

    for _ in range(2):
        for who in ("ann", "bob", "cyd"):
            user.set(who)
            for question in ("one", "another", "a third"):
                assert who == call(answer(question, *([who] if way == "parameter" else [])))
        # Below memory, too: what is there is found by its exact arguments only.
        engine = tiers._keyed.engine
        with engine.lock:
            engine.remove(answer._self_memo.shelf.residents(), b"")
        if engine.store is None:
            break
    assert ["ann", "bob", "cyd"] == runs


def test_a_near_result_of_a_scope_is_forgotten_with_it(call, tiers):
    """
    After ``forget(scope)`` a near call of that tenant computes; those of others do not.
    """
    near = Semantic("question", embedder=alike, threshold=0.5, guards=False)
    f = call.cached(cache=tiers, name="f", namespace="n", semantic=near, scope=("who",))(
        lambda question, who: [who, question]
    )
    for who in ("ann", "bob"):
        call(f("one", who))
    tiers.sync.forget("ann")

    assert ["ann", "two"] == call(f("two", "ann"))
    assert ["bob", "one"] == call(f("two", "bob"))


def test_shadow_mode_compares_within_one_scope(call, tiers):
    """
    A would-be hit is one of the same tenant, and is compared with what was computed for him: what
    is right for each is never counted as wrong because of another's.
    """
    near = Semantic("question", embedder=alike, threshold=0.5, guards=False, shadow=True)
    f = call.cached(cache=tiers, name="f", namespace="n", semantic=near, scope=("who",))(
        lambda question, who: who
    )
    for question in ("one", "two"):
        for who in ("ann", "bob"):
            assert who == call(f(question, who))

    stats = near.get_stats()
    assert (2, 2, 0) == (stats["would_be_hits"], stats["compared"], stats["false_hits"])
    assert [("two", "one", True)] * 2 == [
        (one.query, one.matched, one.is_equal) for one in near.shadow_report()
    ]


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize(
    "tier", ["memory", "disk", pytest.param("redis", marks=pytest.mark.extras)]
)
def test_answers_of_two_scopes_never_meet(make, make_cache, call, face, tier, shadow):
    """
    In ``SemanticCache``: exact and near, one and many, after a restart, and in shadow mode.
    """
    cache = make(cache=make_cache(tier), embedder=alike, guards=False, shadow=shadow)
    it = face(cache)
    for who in ("ann", "bob"):
        call(it.put("one", who, scope=("tenant", who)))
    call(it.put_many({"two": "nobody"}))

    others = [cache]
    if tier != "memory":
        call(it.save())
        others.append(make(cache=make_cache(tier), embedder=alike, guards=False, shadow=shadow))
    for one in others:
        it = face(one)
        for who in ("ann", "bob"):
            mine = ("tenant", who)
            assert who == call(it.get("one", scope=mine))
            assert call(it.get_similar("three", scope=mine)) == (None if shadow else who)
            assert call(it.get("two", scope=mine)) is None
            found = call(it.get_many(["one", "four"], scope=mine))
            assert {who} == {hit.value for hit in found if hit is not None}
        for nobody in (("tenant", "cyd"), "ann", ("tenant", "ann", ""), "tenant"):
            assert call(it.get("one", scope=nobody)) is None
            assert call(it.get_similar("three", scope=nobody)) is None
        assert "nobody" == call(it.get("two")) and call(it.get("one")) is None
        assert {"one"} >= {match.matched for match in one.shadow_report()}
