"""
Options of agents' tools in pairs and triples: what each promises holds beside the others.
"""

from __future__ import annotations

import pytest

from memotier import CacheLevelConfig, Quota, QuotaExceeded, tiered_cache
from memotier.testing import FakeClock

from ..batches.conftest import until
from ..engine.test_interrupts import Stop, stopped_at
from ..engine.worlds import Background, Gate, in_threads
from .conftest import as_user, user

TTL, WINDOW = 10, 20
SELDOM = 0.001


def few(runs):
    """
    A quota of so many runs, and no more during a test.
    """
    return Quota(computations_per_second=SELDOM, burst=runs)


# -- a scope, and semantic= ------------------------------------------------------------


@pytest.mark.extras
@pytest.mark.parametrize("quota", [None, Quota(entries=10)])
def test_a_near_result_from_below_is_of_its_scope(call, make_cache, quota):
    """
    One that has left memory is found below, and counts for the scope that asks.
    """
    from memotier import Semantic
    from memotier.semantic.ngrams import NgramEmbedder

    near = Semantic("text", threshold=0.6, embedder=NgramEmbedder(), guards=False)
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=1))
    f = call.cached(cache=cache, name="f", scope=user, semantic=near, quota=quota)(
        lambda text: [text]
    )

    def ask():
        call(f("the capital of France"))
        call(f("0123456789"))
        return call(f("the capital of france"))

    assert ["the capital of France"] == as_user("ann", ask)
    told = f.scope_info("ann")
    assert (1, 1, 2) == (told.hits, told.l2_hits, told.computed)


# -- quota= and authorize= -------------------------------------------------------------


@pytest.mark.parametrize("where", ["memory", "below"])
def test_what_was_not_let_out_is_no_hit_of_the_scope(call, make_cache, where):
    """
    Neither in the counts nor in the seconds that were saved.
    """
    rights = []

    def made():
        return call.cached(
            cache=make_cache("disk"), name="f", scope=("who",), authorize=lambda *_: bool(rights)
        )(lambda who, x: [x])

    f = made()
    call(f("ann", 1))
    f = made() if where == "below" else f
    call(f("ann", 1))
    told = f.scope_info("ann")
    assert (0, 0, 0.0) == (told.hits, told.l2_hits, told.seconds_saved)
    rights.append(True)
    call(f("ann", 1))
    assert 1 == f.scope_info("ann").hits


def test_what_was_not_let_out_and_has_left_memory_is_no_hit_of_the_scope(call, cache):
    """
    The gate itself may make the entry go: its hits are added up by then.
    """

    def gate(*_):
        cache.sync.clear()
        return False

    f = call.cached(cache=cache, scope=("who",), authorize=gate)(lambda who, x: [x])
    call(f("ann", 1))
    call(f("ann", 1))
    told = f.scope_info("ann")
    assert (0, 0.0) == (told.hits, told.seconds_saved)


def _batch(call, cache, runs, **options):
    def load(who, ids: list[int]) -> dict[int, str]:
        runs.append(tuple(ids))
        return dict.fromkeys(ids, who)

    return tiered_cache.many(cache=cache, scope=("who",), items="ids", **options)(call.define(load))


def test_who_is_turned_away_from_a_batch_has_no_more_runs(call, tiers):
    """
    Ids that are computed past the cache count like those of a single call.
    """
    runs = []
    f = _batch(call, tiers, runs, name="f", quota=few(2), authorize=lambda *_: False)
    for _ in range(2):
        assert {1: "ann", 2: "ann"} == call(f("ann", [1, 2]))
    with pytest.raises(QuotaExceeded):
        call(f("ann", [1, 2]))
    assert 2 == len(runs)
    assert 1 == f.scope_info("ann").refused


def test_a_batch_without_tags_has_no_more_runs(call, tiers):
    """
    Ids that are not kept because ``tags=`` raised: as of a single call.
    """

    def tags(who, ids):
        raise ValueError

    runs = []
    f = _batch(call, tiers, runs, name="f", quota=few(1), tags=tags)
    assert {1: "ann"} == call(f("ann", [1]))
    with pytest.raises(QuotaExceeded):
        call(f("ann", [1]))
    assert 1 == len(runs)


# -- authorize= and is_error= ----------------------------------------------------------


def _waits(cache):
    table = cache._keyed.engine.flights.table
    return any(flight.future is not None for flight in list(table.values()))


@pytest.mark.parametrize("many", [False, True])
def test_an_error_that_another_call_returned_is_not_handed_on(cache, many):
    """
    Bob is told that he may not; alice, who waits for his call, is not told that.
    """
    gate = Gate()
    options = {"cache": cache, "is_error": True, "authorize": lambda *_: user.get() == "alice"}

    def read(page):
        if user.get() == "bob":
            gate.wait()
            return {"error": "not for bob"}
        return [page]

    def load(ids: list[int]) -> dict[int, object]:
        return {one: read(one) for one in ids}

    if many:
        batch = tiered_cache.many(**options)(load)
        f = lambda page: batch([page])[page]  # noqa: E731
    else:
        f = tiered_cache(**options)(read)
    bob = Background(lambda: as_user("bob", lambda: f(1)))
    gate.entered.wait(10)
    alice = Background(lambda: as_user("alice", lambda: f(1)))
    until(lambda: _waits(cache))
    gate.open()
    assert {"error": "not for bob"} == bob.result()
    assert [1] == alice.result()


@pytest.mark.parametrize("timed", [{}, {"hard_timeout": 30}])
def test_who_is_not_given_the_old_result_gets_his_own_error(call, tiers, clock, timed):
    """
    With ``stale_if_error``, from the one run that there was for him; so also by his quota.
    """
    runs, fails = [], []

    def read(who, page):
        runs.append(user.get())
        return {"error": f"not for {user.get()}"} if fails else [page]

    f = call.cached(
        cache=tiers,
        name="f",
        ttl=TTL,
        stale_if_error=WINDOW,
        error_backoff=0.001,
        is_error=True,
        scope=("who",),
        quota=few(3),
        authorize=lambda *_: user.get() == "alice",
        **timed,
    )(read)
    as_user("alice", lambda: call(f("team", 1)))
    clock.advance(TTL + 1)
    fails.append(True)
    assert {"error": "not for bob"} == as_user("bob", lambda: call(f("team", 1)))
    assert ["alice", "bob"] == runs
    clock.advance(1)
    assert [1] == as_user("alice", lambda: call(f("team", 1)))
    assert ["alice", "bob", "alice"] == runs


# -- verify= ---------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["memory", "below"])
def test_what_is_invalidated_while_the_gate_is_asked_was_not_served_old(
    call, make_cache, settle, where
):
    """
    It was right when it was found: that the fresh result differs says nothing of the cache.
    """
    values, cache = ["old"], make_cache("disk")

    def gate(*_):
        values[0] = "new"
        cache.sync.invalidate_tags("t")
        return True

    def made():
        return call.cached(
            cache=cache, name="f", namespace="n", tags=["t"], verify=1.0, authorize=gate
        )(lambda x: values[0])

    f = made()
    call(f(1))
    if where == "below":
        cache = make_cache("disk")
        f = made()
    assert "old" == call(f(1))
    settle(cache)
    assert 0 == f.cache_info().verified_differs
    assert "new" == call(f(1))


@pytest.mark.parametrize("judge", [lambda value: value == "bad", lambda value: value.missing])
def test_an_error_is_not_taken_for_a_difference(call, tiers, settle, judge):
    """
    Neither what ``is_error`` finds to be one, nor what it cannot judge; a good result stays where
    an error is what a check has brought.
    """
    answers = ["good", "bad"]
    is_bad = []

    def is_error(value):
        return bool(is_bad) and judge(value)

    f = call.cached(cache=tiers, name="f", verify=1.0, is_error=is_error)(lambda x: answers.pop(0))
    assert "good" == call(f(1))
    is_bad.append(True)
    assert "good" == call(f(1))
    settle(tiers)
    info = f.cache_info()
    assert (0, 0) == (info.verified, info.verified_differs)
    if info.errors_returned:
        assert "good" == f.peek(1)


def test_a_check_is_a_run_and_costs_nobody_his_hit(call, tiers, settle):
    """
    Checks count against the quota like refreshes; a hit is served whether there is one or not.
    """
    runs = []
    f = call.cached(cache=tiers, name="f", scope=("who",), verify=1.0, quota=few(2))(
        lambda who: runs.append(who) or len(runs)
    )
    assert 1 == call(f("ann"))
    assert 1 == call(f("ann"))
    settle(tiers)
    assert 2 == len(runs)
    for _ in range(2):
        assert 2 == call(f("ann"))
        settle(tiers)
    assert 2 == len(runs)
    told = f.scope_info("ann")
    assert (3, 1, 2, 1) == (told.hits, told.misses, told.computed, f.cache_info().verified)
    assert ({}, {}) == _flights(tiers)


# -- interrupts out of what the user gives -------------------------------------------------


def _flights(cache):
    flights = cache._keyed.engine.flights
    return flights.table, flights.beside


@pytest.mark.parametrize("option", ["authorize", "is_error", "scope"])
@pytest.mark.parametrize("state", ["fresh", "due", "gone"])
def test_an_interrupt_out_of_a_callable_leaves_no_flight(call, tiers, clock, settle, option, state):
    """
    It goes to the caller as it is, and the next call is answered.
    """
    armed = []

    def given(*_):
        if armed:
            raise Stop
        return {"authorize": True, "is_error": False, "scope": "ann"}[option]

    options = {option: given, "ttl": TTL, "stale_while_revalidate": WINDOW, "name": "f"}
    f = call.cached(cache=tiers, **options)(lambda x: [x])
    call(f(1))
    clock.advance({"fresh": 0, "due": TTL + 1, "gone": TTL + WINDOW + 1}[state])
    armed.append(True)
    raises = {"authorize": state != "gone", "is_error": state == "gone", "scope": True}[option]
    if raises:
        with pytest.raises(Stop):
            call(f(1))
        armed.clear()
    elif option != "is_error" or state != "due":
        assert [1] == call(f(1))
    armed.clear()
    assert [1] == call(f(1))
    settle(tiers)
    assert ({}, {}) == _flights(tiers)


WAYS = {
    "verify": {"verify": 1.0},
    "denied": {"authorize": lambda *_: False, "scope": ("x",), "quota": Quota(entries=5)},
    "is_error": {"ttl": TTL, "stale_if_error": WINDOW, "is_error": lambda value: value == ["bad"]},
    "due": {"ttl": TTL, "stale_while_revalidate": WINDOW, "authorize": lambda *_: True},
}


@pytest.mark.parametrize("way", WAYS)
def test_fault_38_interrupted_at_any_line_of_these(make_cache, way):
    """
    As of a plain call: no flight is left, also none of what was to run in the background, which
    goes on having threads; and the next call is right.
    """
    number, interrupted = 0, 0
    while True:
        number += 1
        clock, fails = FakeClock(), []
        cache = make_cache(clock=clock)
        f = tiered_cache(cache=cache, **WAYS[way])(lambda x: ["bad"] if fails else [x])
        f(1)
        clock.advance(TTL + 1 if "ttl" in WAYS[way] else 0)
        if way == "is_error":
            fails.append(True)
        try:
            with stopped_at(number) as lines:
                f(1)
        except Stop:
            interrupted += 1
        fails.clear()
        threads = list(cache._keyed.engine.background._threads)
        assert all(thread.ident for thread in threads), lines[-1]
        for thread in threads:
            thread.join(10)
        assert ({}, {}) == _flights(cache), lines[-1]
        clock.advance(TTL + WINDOW)
        assert [[1]] == in_threads(lambda: f(1)), lines[-1]
        cache.sync.close()
        if len(lines) < number:
            break
    assert interrupted == number - 1 > 20
