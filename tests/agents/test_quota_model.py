"""
``quota=`` against a model: whatever is done, in whatever order, accounts say what is there.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memotier import CacheLevelConfig, MultiLevelCache, Quota, WritePolicy, tiered_cache
from memotier.testing import FakeClock

from ..effort import examples

SCOPES = ("ann", "bob", "eve")
ENTRIES = 3
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("call", "call", "call", "refresh", "invalidate", "expire", "forget"),
                *("clear", "tag", "wait", "flush", "seed"),
            )
        ),
        st.sampled_from(SCOPES),
        st.integers(0, 5),
    ),
    max_size=60,
)


def check(cache, shelf):
    """
    The accounts are what can be counted.
    """
    engine, ledger = cache._keyed.engine, shelf.ledger
    assert set(ledger.busy) & set(ledger.idle) == set()
    holdings = [one for account in ledger.busy.values() for one in account.holdings]
    assert all(account.holdings for account in ledger.busy.values())
    assert not any(account.holdings for account in ledger.idle.values())
    here = {id(one.resident): one for one in holdings if one.resident is not None}
    residents = {id(one): one for one in shelf.residents()}
    assert here.keys() <= residents.keys()
    for at, resident in residents.items():
        # What is not counted was invalidated, and lies there until somebody asks for it.
        assert at in here or resident.epoch != engine.versions.epoch
    for account in ledger.accounts():
        own = [one for one in account.holdings if one.resident is not None]
        assert account.entries == len(own)
        assert account.bytes == sum(one.resident.size for one in own)
        assert account.below == sum(one.weight for one in account.holdings)
        assert len(account.holdings) <= ENTRIES
    assert {one.address: one for one in holdings if one.address is not None} == ledger.at
    assert {one for one in holdings if one.resident is None} == set(ledger.loose)
    assert [] == ledger.gone


@pytest.mark.parametrize("room", [2, 100])
@pytest.mark.parametrize("policy", [None, *WritePolicy])
@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_accounts_say_what_is_there(policy, room, steps):
    """
    Room in memory, evictions, invalidations of every kind, refreshes, values set, write-back: the
    sums are right after each step, no scope is above its quota in either tier, and every value is.
    """
    clock = FakeClock()
    below = {} if policy is None else {"l2_config": CacheLevelConfig(max_size=1000)}
    if policy is not None:
        below["write_policy"] = policy
    cache = MultiLevelCache(l1_config=CacheLevelConfig(max_size=room), clock=clock, **below)

    @tiered_cache(
        cache=cache,
        name="f",
        scope=("who",),
        quota=Quota(entries=ENTRIES),
        ttl=10,
        stale_while_revalidate=0,
        stale_if_error=20,
        tags=["x:{x}"],
    )
    def f(who, x):
        return (who, x)

    try:
        for step, who, x in steps:
            if step == "call":
                assert (who, x) == f(who, x)
            elif step in ("refresh", "invalidate", "expire"):
                getattr(f, step)(who, x)
            elif step == "forget":
                f.forget(who)
            elif step == "clear":
                f.cache_clear()
            elif step == "tag":
                cache.sync.invalidate_tags(f"x:{x}", soft=bool(x % 2))
            elif step == "wait":
                clock.advance(4)
            elif step == "flush":
                cache.sync.flush()
            else:
                f.seed((who, x), who, x)
            if f._self_memo.shelf is not None:
                check(cache, f._self_memo.shelf)
        cache.sync.flush()
        for who in SCOPES:
            assert ENTRIES >= sum(f.lookup(who, x) is not None for x in range(6))
    finally:
        cache.sync.close()
