"""
``quota=``: what each scope may have of a function's results, and how often it may have it run.
"""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import threading

import pytest

from memotier import (
    MISS,
    CacheLevelConfig,
    ConfigError,
    Quota,
    QuotaExceeded,
    ScopeInfo,
    WritePolicy,
    tiered_cache,
)
from memotier.engine import ledger as ledgers

SECOND = Quota(computations_per_second=1)


class Tool:
    """
    A function of a user and a number that counts its runs.
    """

    def __init__(self, call, cache, quota, *, value=None, **options):
        self.runs = []

        def read(who, x):
            self.runs.append((who, x))
            return [who, x] if value is None else value(x)

        self._call = call
        self.f = call.cached(cache=cache, name="read", scope=("who",), quota=quota, **options)(read)

    def __call__(self, who, x):
        return self._call(self.f(who, x))

    def kept(self, who, count=20):
        """Of the first calls of *who* those that have a result somewhere."""
        return [x for x in range(count) if self._call(self.f.lookup(who, x)) is not None]

    def ledger(self):
        return self.f._self_memo.shelf.ledger


def refused(function, *args):
    with pytest.raises(QuotaExceeded) as caught:
        function(*args)
    return caught.value.retry_after


def records(place):
    """
    How many results lie in the files of a cache.
    """
    (path,) = place.rglob("cache.db")
    with sqlite3.connect(path) as database:
        (count,) = database.execute("SELECT count(*) FROM Cache").fetchone()
    database.close()
    return count


# -- entries ---------------------------------------------------------------------------


def test_a_scope_has_as_many_results_as_it_may_and_others_keep_theirs(call, tiers):
    """
    Beyond its quota a scope loses its own oldest results, from every tier, and nobody else's.
    """
    tool = Tool(call, tiers, Quota(entries=3))
    tool("bob", 0)
    for x in range(8):
        assert ["ann", x] == tool("ann", x)

    assert [5, 6, 7] == tool.kept("ann")
    assert [0] == tool.kept("bob")
    assert 9 == len(tool.runs)
    assert ["ann", 0] == tool("ann", 0)
    assert 10 == len(tool.runs)


def test_what_was_used_since_stays(call, tiers):
    """
    The result that goes is one that was not asked for since it was last passed over.
    """
    tool = Tool(call, tiers, Quota(entries=3))
    for x in range(3):
        tool("ann", x)
    tool("ann", 0)
    for x in (3, 4):
        tool("ann", x)

    assert [0, 3, 4] == tool.kept("ann")


def test_what_is_beyond_goes_from_the_files(call, make_cache, tmp_path):
    """
    Of a scope that stores more than it may, no more than that lies on the disk.
    """
    tool = Tool(call, make_cache("disk"), Quota(entries=5))
    for x in range(50):
        tool("ann", x)
    for x in range(3):
        tool("bob", x)

    assert 8 == records(tmp_path / "cache")


def test_what_left_memory_counts_while_it_lies_below(call, make_cache, tmp_path):
    """
    Entries that made room in memory for others still count, because the second tier has them.
    """
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=2))
    tool = Tool(call, cache, Quota(entries=5))
    for x in range(12):
        tool("ann", x)

    assert 5 == records(tmp_path / "cache")
    assert [7, 8, 9, 10, 11] == tool.kept("ann")
    told = tool.f.scope_info("ann")
    assert (2, 5) == (told.size, told.stored)


def test_what_is_read_from_the_second_tier_counts(call, make_cache, tmp_path):
    """
    A process that begins anew counts what it finds there, and holds the scope to its quota.
    """
    first = make_cache("disk")
    tool = Tool(call, first, Quota(entries=4))
    for x in range(4):
        tool("ann", x)
    first.sync.close()

    tool = Tool(call, make_cache("disk"), Quota(entries=4))
    for x in range(4):
        tool("ann", x)
    assert [] == tool.runs
    assert 4 == tool.f.scope_info("ann").stored
    for x in range(4, 8):
        tool("ann", x)
    assert 4 == records(tmp_path / "cache")


def test_without_memory_the_second_tier_holds_to_it(call, make_cache, tmp_path):
    """
    Where only the second tier keeps anything, the quota holds there.
    """
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=0))
    tool = Tool(call, cache, Quota(entries=3))
    for x in range(9):
        tool("ann", x)

    assert 3 == records(tmp_path / "cache")
    assert [6, 7, 8] == tool.kept("ann")


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_whatever_the_write_policy(call, make_cache, tmp_path, policy):
    """
    Also what is owed to the second tier, or lies there alone, is bounded; what had to go is not
    written later.
    """
    cache = make_cache("disk", write_policy=policy)
    tool = Tool(call, cache, Quota(entries=3))
    for x in range(9):
        tool("ann", x)
        tool("bob", 0)
    cache.sync.flush()

    assert 4 == records(tmp_path / "cache")
    assert [6, 7, 8] == tool.kept("ann")
    assert [0] == tool.kept("bob")


def test_an_older_result_does_not_come_back(call, make_cache):
    """
    Write-back: when a newer result had to go before it was written, the older one that it was to
    replace is not served.
    """
    cache = make_cache("disk", write_policy=WritePolicy.WRITE_BACK)
    tool = Tool(call, cache, Quota(entries=2), value=lambda x: (x, len(tool.runs)))
    tool("ann", 0)
    cache.sync.flush()
    newer = call(tool.f.refresh("ann", 0))
    assert (0, 2) == newer
    for x in (1, 2, 3):
        tool("ann", x)

    assert (0, 6) == tool("ann", 0)


def test_forgetting_and_clearing_give_the_room_back(call, tiers):
    """
    What a scope has had to forget, or the function, does not count any more.
    """
    tool = Tool(call, tiers, Quota(entries=3))
    for x in range(3):
        tool("ann", x)
        tool("bob", x)
    call(tool.f.forget("ann"))
    assert 0 == tool.f.scope_info("ann").stored
    assert 3 == tool.f.scope_info("bob").stored
    call(tool.f.cache_clear())

    assert 0 == tool.f.scope_info("bob").stored
    call(tool.f.invalidate("bob", 1))
    tool("bob", 5)
    assert 1 == tool.f.scope_info("bob").stored


def test_a_result_that_is_invalidated_gives_its_room_back(call, tiers):
    """
    It counts for nothing, so the next one pushes nothing out.
    """
    tool = Tool(call, tiers, Quota(entries=3))
    for x in range(3):
        tool("ann", x)
    call(tool.f.invalidate("ann", 1))
    tool("ann", 3)
    assert [0, 2, 3] == tool.kept("ann")


# -- bytes -----------------------------------------------------------------------------


def test_bytes_bound_what_a_scope_has(call, tiers):
    """
    The results of a scope take no more room than they may, in memory or below.
    """
    tool = Tool(call, tiers, Quota(bytes="100kB"), value=lambda x: b"x" * 10_000)
    tool("bob", 0)
    for x in range(30):
        tool("ann", x)

    told = tool.f.scope_info("ann")
    assert 80_000 < told.stored_bytes <= 100_000
    assert 7 <= told.stored <= 10
    assert [0] == tool.kept("bob")
    assert 29 in tool.kept("ann", 30)


def test_a_result_beyond_all_that_a_scope_may_have_is_not_stored(call, tiers):
    """
    It is returned, the others stay, and ``explain()`` says why it is not there.
    """
    tool = Tool(call, tiers, Quota(bytes=20_000), value=lambda x: b"x" * x)
    tool("ann", 5000)
    assert 50_000 == len(tool("ann", 50_000))

    assert None is not call(tool.f.lookup("ann", 5000))
    assert None is call(tool.f.lookup("ann", 50_000))
    told = call(tool.f.explain("ann", 50_000))
    assert told.reason == "quota"
    assert "more than the quota of its scope" in str(told)


# -- computations ----------------------------------------------------------------------


def test_a_scope_computes_as_often_as_it_may(call, tiers, clock):
    """
    Its bucket is full at first; then computations come at its rate. Hits cost nothing, and other
    scopes have buckets of their own.
    """
    tool = Tool(call, tiers, Quota(computations_per_second=0.5, burst=3))
    for x in range(3):
        tool("ann", x)
    assert 0 == tool.f.scope_info("ann").computations_left
    assert 2.0 == pytest.approx(refused(tool, "ann", 3))
    assert ["ann", 1] == tool("ann", 1)
    tool("bob", 3)

    clock.advance(1.5)
    assert 0.5 == pytest.approx(refused(tool, "ann", 3))
    clock.advance(0.5)
    assert ["ann", 3] == tool("ann", 3)
    refused(tool, "ann", 4)
    clock.advance(60)
    for x in range(4, 7):
        tool("ann", x)
    refused(tool, "ann", 7)

    told = tool.f.scope_info("ann")
    assert (1, 7, 7, 4) == (told.hits, told.misses, told.computed, told.refused)
    assert 8 == len(tool.runs)


def test_an_old_result_is_served_in_place_of_the_error(call, tiers, clock):
    """
    With ``stale_if_error`` a refused computation is answered as one that failed.
    """
    tool = Tool(call, tiers, Quota(computations_per_second=0.01), ttl=10, stale_if_error=100)
    tool("ann", 1)
    clock.advance(20)

    assert ["ann", 1] == tool("ann", 1)
    assert [("ann", 1)] == tool.runs
    refused(tool, "ann", 2)


def test_it_is_no_error_of_the_function(call, tiers, clock):
    """
    A refusal is neither remembered by ``cache_exceptions`` nor counted as a failed run.
    """
    tool = Tool(call, tiers, SECOND, cache_exceptions=Exception, error_ttl=100)
    tool("ann", 1)
    refused(tool, "ann", 2)
    clock.advance(1)

    assert ["ann", 2] == tool("ann", 2)
    info = tool.f.cache_info()
    assert (2, 0) == (info.misses, info.errors_served)
    assert 0 == tool.f._self_memo.shelf.failed


def test_refreshes_count(call, tiers, clock):
    """
    ``refresh()`` has the function run, so it is one computation.
    """
    tool = Tool(call, tiers, SECOND)
    tool("ann", 1)
    with pytest.raises(QuotaExceeded):
        call(tool.f.refresh("ann", 1))
    clock.advance(1)
    assert ["ann", 1] == call(tool.f.refresh("ann", 1))
    refused(tool, "ann", 2)


def test_a_call_past_the_cache_counts(call, tiers):
    """
    Where ``tags=`` raises the call goes past the cache, and not past the quota.
    """

    def tags(who, x):
        raise RuntimeError

    tool = Tool(call, tiers, SECOND, tags=tags)
    tool("ann", 1)
    refused(tool, "ann", 1)
    assert 1 == len(tool.runs)


def test_many_calls_at_once(call, tiers):
    """
    Each computation of ``map()`` is one.
    """
    tool = Tool(call, tiers, Quota(computations_per_second=1, burst=2))
    found = call(tool.f.map([("ann", x) for x in range(4)], limit=1, return_exceptions=True))

    assert [["ann", 0], ["ann", 1]] == found[:2]
    assert [QuotaExceeded] * 2 == [type(one) for one in found[2:]]


def test_a_batch_is_one_computation(call, tiers, clock):
    """
    One run of a function of many ids is one computation, however many they are; of a refused one
    all ids hear.
    """
    runs = []

    def read(who, ids):
        runs.append(list(ids))
        return {one: (who, one) for one in ids}

    f = tiered_cache.many(cache=tiers, name="m", items="ids", scope=("who",), quota=SECOND)(
        call.define(read)
    )
    assert {1: ("ann", 1), 2: ("ann", 2)} == call(f("ann", [1, 2]))
    with pytest.raises(QuotaExceeded):
        call(f("ann", [2, 3, 4]))
    assert {1: ("ann", 1)} == call(f("ann", [1]))
    clock.advance(1)
    call(f("ann", [2, 3, 4]))

    assert [[1, 2], [3, 4]] == runs
    assert 0 == len(tiers._keyed.engine.flights.table)
    assert (4, 1) == (f.scope_info("ann").computed, f.scope_info("ann").refused)


def test_batches_are_held_to_entries(call, tiers):
    """
    Each id is an entry of its scope.
    """

    def read(who, ids):
        return {one: one for one in ids}

    f = tiered_cache.many(
        cache=tiers, name="m", items="ids", scope=("who",), quota=Quota(entries=3)
    )(call.define(read))
    call(f("ann", list(range(10))))

    assert 3 == f.scope_info("ann").stored
    assert 3 == sum(call(f.lookup("ann", one)) is not None for one in range(10))


def test_streams(tiers, clock):
    """
    A stream is one computation and one entry; a refused one raises at its first item, whoever
    reads it.
    """

    @tiered_cache(cache=tiers, name="s", scope=("who",), quota=SECOND)
    def count(who, upto):
        yield from range(upto)

    assert [0, 1] == list(count("ann", 2)) == list(count("ann", 2))
    with pytest.raises(QuotaExceeded):
        next(count("ann", 3))
    clock.advance(1)
    assert [0, 1, 2] == list(count("ann", 3))
    assert 2 == count.scope_info("ann").stored


def test_async_streams(tiers, clock):
    """
    The same in a loop.
    """

    @tiered_cache(cache=tiers, name="s", scope=("who",), quota=SECOND)
    async def count(who, upto):
        for one in range(upto):
            yield one

    async def read(who, upto):
        return [one async for one in count(who, upto)]

    async def main():
        assert [0, 1] == await read("ann", 2) == await read("ann", 2)
        with pytest.raises(QuotaExceeded):
            await read("ann", 3)
        clock.advance(1)
        assert [0, 1, 2] == await read("ann", 3)

    asyncio.run(main())


def test_methods(call, tiers):
    """
    The instances of a class share the quota of a scope.
    """

    class Shop:
        def __cache_key__(self):
            return "shop"

    def price(self, who, x):
        return x

    Shop.price = call.cached(cache=tiers, name="p", scope=("who",), quota=Quota(entries=2))(price)
    for shop in (Shop(), Shop()):
        for x in range(3):
            call(shop.price("ann", x))

    assert 2 == Shop.price.scope_info("ann").stored == Shop().price.scope_info("ann").stored


def test_whoever_waits_for_a_refused_computation_hears_of_it(make_cache):
    """
    No caller waits for ever, and no flight stays behind.
    """
    cache = make_cache()

    @tiered_cache(cache=cache, name="w", scope=("who",), quota=Quota(computations_per_second=0.1))
    def f(who, x):
        return x

    f("ann", 0)
    raised = []

    def ask():
        try:
            f("ann", 1)
        except QuotaExceeded as error:
            raised.append(error.retry_after)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 8 == len(raised)
    assert {} == cache._keyed.engine.flights.table


# -- accounts that are forgotten -----------------------------------------------------------


def test_accounts_are_bounded_and_nobody_is_refused_because_of_others(call, cache, monkeypatch):
    """
    However many scopes there are, so many accounts are remembered; a new scope has its first
    computation whatever the others did.
    """
    monkeypatch.setattr(ledgers, "MOST_IDLE", 10)
    tool = Tool(call, cache, SECOND, cache_if=lambda result: False)
    for n in range(100):
        tool(f"user{n}", 0)

    ledger = tool.ledger()
    assert (0, 10) == (len(ledger.busy), len(ledger.idle))
    assert 90 == ledger.others.computed


def test_to_be_forgotten_gains_one_computation(call, cache, clock, monkeypatch):
    """
    A scope that used its burst up, and is pushed out by made-up scopes, has one computation more
    and not a full bucket.
    """
    monkeypatch.setattr(ledgers, "MOST_IDLE", 10)
    tool = Tool(
        call, cache, Quota(computations_per_second=0.01, burst=5), cache_if=lambda result: False
    )
    for x in range(5):
        tool("ann", x)
    refused(tool, "ann", 5)
    for n in range(50):
        tool(f"user{n}", 0)

    tool("ann", 6)
    refused(tool, "ann", 7)


def test_a_scope_that_goes_on_is_not_forgotten(call, cache, monkeypatch):
    """
    Attempts count as use: who hammers stays in the table, and is refused.
    """
    monkeypatch.setattr(ledgers, "MOST_IDLE", 10)
    tool = Tool(call, cache, Quota(computations_per_second=0.01), cache_if=lambda result: False)
    tool("ann", 0)
    for n in range(50):
        tool(f"user{n}", 0)
        refused(tool, "ann", n)


def test_what_lies_below_is_known_of_so_many_entries(call, make_cache, monkeypatch):
    """
    The oldest are not counted any more, and are not removed because of others.
    """
    monkeypatch.setattr(ledgers, "MOST_BELOW", 5)
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=1))
    tool = Tool(call, cache, Quota(entries=3))
    for n in range(20):
        tool(f"user{n}", 0)

    ledger = tool.ledger()
    assert 5 == len(ledger.loose)
    assert 6 == len(ledger.at) == len(ledger.busy)
    assert 20 == sum(tool.kept(f"user{n}", 1) == [0] for n in range(20))


# -- what it says --------------------------------------------------------------------------


def test_scope_info(call, tiers, clock):
    """
    What one scope has and was given, of a function and of the whole cache; of nobody nothing.
    """
    quota = Quota(entries=2, computations_per_second=10)
    tool = Tool(call, tiers, quota)
    other = Tool(call, tiers, None, namespace="other")
    for x in (0, 1, 2, 2, 2):
        tool("ann", x)
    other("ann", 1)
    other("bob", 1)

    told = tool.f.scope_info("ann")
    assert (2, 3, 3, 1, 0) == (told.hits, told.misses, told.computed, told.evicted, told.refused)
    assert (2, 2, 7, quota) == (told.size, told.stored, told.computations_left, told.quota)
    assert told.stored_bytes >= told.bytes > 0
    everywhere = tiers.scope_info("ann")
    assert (2, 4, 3) == (everywhere.hits, everywhere.misses, everywhere.size)
    assert everywhere == tiers.sync.scope_info("ann")
    assert ScopeInfo() == tiers.scope_info("eve")
    assert ScopeInfo(quota=quota, computations_left=10) == tool.f.scope_info("eve")
    assert None is other.f.scope_info("ann").quota


def test_hits_of_both_tiers_are_counted(call, make_cache):
    """
    A hit in the second tier and what it saved are the scope's, too.
    """
    first = make_cache("disk")
    Tool(call, first, None)("ann", 1)
    first.sync.close()

    tool = Tool(call, make_cache("disk"), None)
    for _ in range(3):
        tool("ann", 1)

    told = tool.f.scope_info("ann")
    assert (2, 1, 3, 0) == (told.l1_hits, told.l2_hits, told.hits, told.misses)


def test_hits_of_what_has_gone_stay(call, cache):
    """
    They are counted when the entry leaves, whatever makes it leave.
    """
    tool = Tool(call, cache, Quota(entries=1))
    for x in (0, 0, 1, 1, 2):
        tool("ann", x)
    call(tool.f.cache_clear())

    assert 2 == tool.f.scope_info("ann").l1_hits


def test_explain_says_what_a_quota_did(call, tiers, clock):
    """
    What made room, what was not computed, and that it would be refused now.
    """
    tool = Tool(call, tiers, Quota(entries=1, computations_per_second=1, burst=2))
    tool("ann", 0)
    tool("ann", 1)
    refused(tool, "ann", 2)

    told = call(tool.f.explain("ann", 0))
    assert told.reason == "quota"
    assert "made room" in str(told) and "would raise QuotaExceeded: try again in 1s" in str(told)
    told = call(tool.f.explain("ann", 2))
    assert told.reason == "quota"
    assert "was not called" in str(told)
    clock.advance(5)
    assert "QuotaExceeded" not in str(call(tool.f.explain("ann", 2)))
    assert "larger quota=" in str(told)


def test_the_error_shows_no_scope_and_can_be_pickled(call, cache):
    """
    It names the function and when to try again, and nobody.
    """
    tool = Tool(call, cache, SECOND)
    tool("canary", 0)
    with pytest.raises(QuotaExceeded) as caught:
        tool("canary", 1)

    assert "canary" not in str(caught.value)
    assert "1 per second" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(caught.value), caught.value.retry_after) == (str(again), again.retry_after)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "bounds nothing"),
        ({"entries": 0}, "entries=0"),
        ({"entries": True}, "entries=True"),
        ({"entries": 1.5}, "entries=1.5.*whole number"),
        ({"burst": 2}, "burst=2.*needs computations_per_second="),
        ({"bytes": "many"}, "many"),
        ({"bytes": 0}, "not above zero"),
        ({"computations_per_second": 0}, "computations_per_second=0"),
        ({"computations_per_second": float("inf")}, "inf"),
        ({"computations_per_second": float("nan")}, "nan"),
        ({"computations_per_second": "2"}, "'2'"),
        ({"entries": 1, "burst": 2}, "computations_per_second="),
        ({"computations_per_second": 1, "burst": 0}, "burst=0"),
    ],
)
def test_a_quota_that_cannot_be_used(given, text):
    """
    It says what was given.
    """
    with pytest.raises(ConfigError, match=text):
        Quota(**given)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"quota": 5, "scope": ("who",)}, "quota=5"),
        ({"quota": SECOND}, "without a scope"),
        ({"quota": SECOND, "scope": "public"}, "without a scope"),
        ({"quota": SECOND, "scope": ("who",), "on_unkeyable": "bypass"}, "uncounted"),
    ],
)
def test_where_a_quota_cannot_be_used(options, text):
    """
    It needs scopes, and calls that are counted.
    """
    with pytest.raises(ConfigError, match=text):

        @tiered_cache(**options)
        def f(who, x):
            return x


def test_info_of_nobody(call, cache):
    """
    A function without a scope has none to ask about, and None is nobody.
    """
    plain = call.cached(cache=cache, name="plain")(lambda x: x)
    with pytest.raises(ConfigError, match="no scope="):
        plain.scope_info("ann")
    tool = Tool(call, cache, None)
    for nobody in (None, ""):
        with pytest.raises(ConfigError, match="nobody's scope"):
            tool.f.scope_info(nobody)
        with pytest.raises(ConfigError, match="nobody's scope"):
            cache.scope_info(nobody)


def test_a_function_without_a_quota_is_not_held_to_any(call, tiers):
    """
    Its scopes are counted, and keep what they have.
    """
    tool = Tool(call, tiers, None)
    for x in range(50):
        tool("ann", x)

    assert list(range(50)) == tool.kept("ann", 50)
    assert MISS is not tool.f.peek("ann", 0)
