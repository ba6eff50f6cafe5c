"""
``authorize=``: a hit cannot skip an access check, in whatever way it comes about.

Alice may read, bob may not, and the function itself says so. Everything bob is given without that
function having run for him would be what the cache has granted.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import linecache
import threading
from types import SimpleNamespace

import pytest

import memotier
from memotier import MISS, ConfigError, tiered_cache
from memotier.warming import replay

from ..batches.conftest import until
from ..engine.worlds import Background, Gate
from .conftest import as_user, user

TTL, WINDOW = 10, 20


@pytest.fixture
def decorate(call, archive):
    """
    Decorates the archive's function, in the test's colour.
    """

    def decorate(cache, **options):
        options = {"name": "read", "namespace": "n", "authorize": archive.authorize, **options}
        return call.cached(cache=cache, **options)(lambda page: archive.read(page))

    return decorate


@pytest.fixture
def refused(call, archive):
    """
    ``refused(f)``: bob gets the function's own error for page 1, alice the result for which
    nothing is computed.
    """

    def check(ask):
        before = archive.read_by.count("alice")
        with pytest.raises(PermissionError, match="bob"):
            as_user("bob", lambda: call(ask(1)))
        assert "bob" == archive.read_by[-1]
        assert [1] == as_user("alice", lambda: call(ask(1)))
        assert before == archive.read_by.count("alice")

    return check


# -- the ways of a hit -----------------------------------------------------------------


def test_a_hit_in_memory_is_asked_about(call, tiers, decorate, refused, archive):
    """
    Who is turned away calls the function, and is told what it tells him; it is no hit.
    """
    read = decorate(tiers)
    as_user("alice", lambda: call(read(1)))
    assert [] == archive.asked  # what was computed for the caller is his
    refused(read)
    info = read.cache_info()
    assert (1, 1, 1, 1) == (info.hits, info.misses, info.denied, info.bypassed)
    assert 1 == tiers.get_stats()["denied"]
    saved = as_user("alice", lambda: call(read.lookup(1))).compute_seconds
    assert pytest.approx(saved) == info.seconds_saved


def test_who_is_let_in_again_gets_the_hit(call, tiers, decorate, archive):
    """
    The answer is of this moment: rights that change count at the next call, in both directions.
    """
    read = decorate(tiers)
    as_user("alice", lambda: call(read(1)))
    archive.readers = {"bob"}
    assert [1] == as_user("bob", lambda: call(read(1)))
    with pytest.raises(PermissionError, match="alice"):
        as_user("alice", lambda: call(read(1)))
    assert ["alice", "alice"] == archive.read_by


def test_a_hit_below_is_asked_about(call, make_cache, decorate, refused, archive):
    """
    Another process, whose memory is empty, has it from the disk.
    """
    as_user("alice", lambda: call(decorate(make_cache("disk"))(1)))
    read = decorate(make_cache("disk"))
    refused(read)
    info = read.cache_info()
    # He was turned away from what the disk had; after that memory has it.
    assert (0, 1, 1) == (info.l2_hits, info.l1_hits, info.denied)
    assert {"l1", "l2"} == {entry.tier for entry, _ in archive.asked}


def test_what_another_call_is_computing_is_asked_about(call, tiers, decorate, archive):
    """
    Bob comes while alice's call is computed, and waits for it: he does not get what she gets.
    """
    gate = Gate()
    inner = archive.read

    def slow(page):
        if user.get() == "alice":
            gate.wait()
        return inner(page)

    archive.read = slow
    if call.is_async:
        read = _async_read(archive, tiers)
        outcomes = call(_both(read, gate, tiers))
    else:
        read = decorate(tiers)
        alice = Background(lambda: as_user("alice", lambda: read(1)))
        gate.entered.wait(10)
        bob = Background(lambda: as_user("bob", lambda: _outcome(lambda: read(1))))
        until(lambda: _waits(tiers))
        gate.open()
        outcomes = [alice.result(), bob.result()]
    assert [1] == outcomes[0]
    assert isinstance(outcomes[1], PermissionError)
    assert ["alice", "bob"] == archive.read_by
    assert (0, 1) == (read.cache_info().joined, read.cache_info().denied)


def test_an_error_of_another_call_is_not_handed_on(call, tiers, decorate, archive):
    """
    Bob's call fails because he may not; alice, who waits for it, is not told that.
    """
    gate, inner = Gate(), archive.read

    def slow(page):
        if user.get() == "bob":
            gate.wait()
        return inner(page)

    archive.read = slow
    if call.is_async:
        outcomes = call(_both(_async_read(archive, tiers), gate, tiers, first="bob"))
    else:
        read = decorate(tiers)
        bob = Background(lambda: as_user("bob", lambda: _outcome(lambda: read(1))))
        gate.entered.wait(10)
        alice = Background(lambda: as_user("alice", lambda: read(1)))
        until(lambda: _waits(tiers))
        gate.open()
        outcomes = [bob.result(), alice.result()]
    assert isinstance(outcomes[0], PermissionError)
    assert [1] == outcomes[1]
    assert sorted(archive.read_by) == ["alice", "bob"]


def _async_read(archive, cache):
    async def read(page):
        return await asyncio.to_thread(archive.read, page)

    return tiered_cache(
        name="read", namespace="n", cache=cache, authorize=archive.authorize
    )(read)  # fmt: skip


async def _both(read, gate, cache, first="alice"):
    def task(name):
        return as_user(name, lambda: asyncio.create_task(read(1)))

    leader = task(first)
    while not gate.entered.is_set():
        await asyncio.sleep(0)
    follower = task("bob" if first == "alice" else "alice")
    while not _waits(cache):
        await asyncio.sleep(0)
    gate.open()
    return await asyncio.gather(leader, follower, return_exceptions=True)


def _waits(cache):
    table = cache._keyed.engine.flights.table
    return any(flight.future is not None for flight in list(table.values()))


def _outcome(ask):
    try:
        return ask()
    except Exception as error:
        return error


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stale_result_is_asked_about_before_it_is_refreshed(
    call, tiers, decorate, archive, clock, settle, ahead
):
    """
    Nothing is refreshed for who is turned away: he calls the function once, for himself.
    """
    options = {"refresh_ahead": 0.5} if ahead else {"stale_while_revalidate": WINDOW}
    read = decorate(tiers, ttl=TTL, **options)
    as_user("alice", lambda: call(read(1)))
    clock.advance(0.6 * TTL if ahead else TTL + 1)
    with pytest.raises(PermissionError):
        as_user("bob", lambda: call(read(1)))
    settle(tiers)
    assert ["alice", "bob"] == archive.read_by
    assert [1] == as_user("alice", lambda: call(read(1)))
    settle(tiers)
    assert ["alice", "bob", "alice"] == archive.read_by
    entry, _ = archive.asked[-1]
    assert (not ahead) is entry.stale


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stale_result_from_below_is_asked_about(
    call, make_cache, decorate, archive, clock, settle, ahead
):
    """
    The same after a restart; the refresh begins with the first hit in memory.
    """
    options = {"ttl": TTL, **({"refresh_ahead": 0.5} if ahead else {"stale_while_revalidate": 20})}
    as_user("alice", lambda: call(decorate(make_cache("disk"), **options)(1)))
    clock.advance(0.6 * TTL if ahead else TTL + 1)
    cache = make_cache("disk")
    read = decorate(cache, **options)
    with pytest.raises(PermissionError):
        as_user("bob", lambda: call(read(1)))
    settle(cache)
    assert ["alice", "bob"] == archive.read_by
    for _ in range(2):
        assert [1] == as_user("alice", lambda: call(read(1)))
        settle(cache)
    assert ["alice", "bob", "alice"] == archive.read_by


def test_a_result_that_stands_in_for_an_error_is_asked_about(call, tiers, decorate, archive, clock):
    """
    ``stale_if_error`` would give bob alice's result because the function refuses him: he gets
    the error that it raised, and it was asked once.
    """
    read = decorate(tiers, ttl=TTL, stale_if_error=WINDOW, error_backoff=0.001)
    as_user("alice", lambda: call(read(1)))
    clock.advance(TTL + 1)
    with pytest.raises(PermissionError, match="bob"):
        as_user("bob", lambda: call(read(1)))
    assert ["alice", "bob"] == archive.read_by
    clock.advance(1)
    archive.error = OSError("down")
    assert [1] == as_user("alice", lambda: call(read(1)))


def test_a_result_that_stands_in_for_a_slow_function_is_asked_about(
    call, tiers, decorate, archive, clock
):
    """
    ``soft_timeout`` would give bob alice's result because the function is slow.
    """
    gate, inner, slow, runs = Gate(), archive.read, threading.Event(), itertools.count()

    def read(page):
        # Of the run in the background and that for bob himself, whichever comes first waits.
        if slow.is_set():
            gate.open() if next(runs) else gate.wait()
        return inner(page)

    archive.read = read
    options = {"ttl": TTL, "stale_if_error": WINDOW, "soft_timeout": 0.02}
    if call.is_async:

        async def body(page):
            return await asyncio.to_thread(archive.read, page)

        ask = tiered_cache(
            name="read", cache=tiers, authorize=archive.authorize, **options
        )(body)  # fmt: skip
    else:
        ask = decorate(tiers, **options)
    as_user("alice", lambda: call(ask(1)))
    clock.advance(TTL + 1)
    slow.set()
    with pytest.raises(PermissionError, match="bob"):
        as_user("bob", lambda: call(ask(1)))
    assert 1 == ask.cache_info().denied


def test_who_waits_for_a_slow_call_is_not_given_an_old_result(cache, archive, clock):
    """
    Bob joins alice's call, which takes too long: her old result is not for him.
    """
    gate, slow = Gate(), []

    @tiered_cache(
        cache=cache, ttl=TTL, stale_if_error=WINDOW, soft_timeout=0.02, authorize=archive.authorize
    )
    def read(page):
        if slow and user.get() == "alice":
            gate.wait()
        return archive.read(page)

    as_user("alice", lambda: read(1))
    clock.advance(TTL + 1)
    slow.append(True)
    assert [1] == as_user("alice", lambda: read(1))  # the old one, while hers goes on
    assert gate.entered.is_set()
    with pytest.raises(PermissionError, match="bob"):
        as_user("bob", lambda: read(1))
    gate.open()


def test_not_modified_is_asked_about(call, tiers, archive, clock):
    """
    The function tells bob's call that the old result holds: that is still alice's.
    """

    def body(page):
        archive.read_by.append(user.get())
        if memotier.current().stale_value is MISS:
            return [user.get()]
        return memotier.current().not_modified()

    read = call.cached(
        cache=tiers, name="r", ttl=TTL, stale_if_error=WINDOW, authorize=archive.authorize
    )(body)
    as_user("alice", lambda: call(read(1)))
    clock.advance(TTL + 1)
    assert ["bob"] == as_user("bob", lambda: call(read(1)))  # computed for him alone
    assert ["alice"] == as_user("alice", lambda: call(read(1)))


@pytest.mark.parametrize("where", ["memory", "below"])
def test_map_asks_about_each(call, make_cache, decorate, archive, where):
    """
    What is found for several calls at once, in memory or below, is asked about one by one.
    """
    cache = make_cache("disk")
    read = decorate(cache)
    as_user("alice", lambda: call(read.map([1, 2])))
    if where == "below":
        read = decorate(make_cache("disk"))
    errors = as_user("bob", lambda: call(read.map([1, 2, 1], return_exceptions=True)))
    assert [PermissionError] * 3 == [type(one) for one in errors]
    assert [[1], [2]] == as_user("alice", lambda: call(read.map([1, 2])))
    assert 2 == archive.read_by.count("alice")


def _batch(call, cache, archive):
    """
    A function of many ids, which leaves out what its caller may not read.
    """

    def load(ids: list[int]) -> dict[int, list]:
        archive.read_by.append((user.get(), tuple(ids)))
        return {one: [one, user.get()] for one in ids if user.get() in archive.readers or one > 8}

    return tiered_cache.many(
        name="load", namespace="n", cache=cache, authorize=archive.authorize
    )(call.define(load))  # fmt: skip


@pytest.mark.parametrize("where", ["memory", "below"])
def test_a_batch_asks_about_each_id(call, make_cache, archive, where):
    """
    Bob is given what the function gives him, in one call for the ids that he may not have and for
    those that are missing; of these only the last are kept.
    """
    cache = make_cache("disk")
    load = _batch(call, cache, archive)
    as_user("alice", lambda: call(load([1, 2])))
    if where == "below":
        load = _batch(call, make_cache("disk"), archive)
    assert {9: [9, "bob"]} == as_user("bob", lambda: call(load([1, 2, 9, 1])))
    assert ("bob", (1, 2, 9)) == (archive.read_by[-1][0], tuple(sorted(archive.read_by[-1][1])))
    expected = {1: [1, "alice"], 2: [2, "alice"], 9: [9, "bob"]}
    assert expected == as_user("alice", lambda: call(load([1, 2, 9])))
    assert 1 == sum(who == "alice" for who, _ in archive.read_by)
    assert 2 == load.cache_info().denied


@pytest.mark.parametrize("denies", [True, False])
def test_a_batch_asks_about_what_another_one_computes(make_cache, archive, denies):
    """
    An id that alice's batch is bringing is waited for, and not handed to bob unless he may have it;
    and that it brought none for an id says nothing of what he would get.
    """
    if not denies:
        archive.readers.add("bob")
    gate, cache = Gate(), make_cache()

    @tiered_cache.many(cache=cache, authorize=archive.authorize)
    def load(ids: list[int]) -> dict[int, str]:
        if user.get() == "alice":
            gate.wait()
            return dict.fromkeys([one for one in ids if one != 2], "alice's")
        return dict.fromkeys(ids, "bob's")

    alice = Background(lambda: as_user("alice", lambda: load([1, 2])))
    gate.entered.wait(10)
    bob = Background(lambda: as_user("bob", lambda: load([1, 2])))
    until(lambda: _waits(cache))
    gate.open()
    assert {1: "alice's"} == alice.result()
    assert {1: "bob's" if denies else "alice's", 2: "bob's"} == bob.result()


@pytest.mark.parametrize("tiers_of", ["memory", "disk"])
def test_a_batch_asks_about_what_came_meanwhile(make_cache, archive, tiers_of):
    """
    While bob's batch computes one chunk, alice has the next id computed, in this process or in
    another one: it is found when its turn comes, and is not his.
    """
    cache = make_cache("disk")
    other = cache if tiers_of == "memory" else make_cache("disk")

    def made(one):
        def load(ids: list[int]) -> dict[int, str]:
            if ids == [1]:
                time_passes(one)
                as_user("alice", lambda: theirs([2]))
            return {i: user.get() for i in ids}

        return tiered_cache.many(
            name="load", namespace="n", cache=one, max_batch=1, authorize=archive.authorize
        )(load)

    theirs = made(other)
    mine = theirs if other is cache else made(cache)
    assert {1: "bob", 2: "bob"} == as_user("bob", lambda: mine([1, 2]))
    assert 1 == len(archive.asked)


def time_passes(cache):
    cache._keyed.engine.clock.advance(1)  # so that the first look is not good any more


def test_peek_and_lookup_tell_nothing(call, tiers, decorate, archive):
    """
    Who may not have it is told what he would be told if it were not there.
    """
    read = decorate(tiers)
    as_user("alice", lambda: call(read(1)))
    assert MISS is as_user("bob", lambda: read.peek(1))
    assert None is as_user("bob", lambda: call(read.lookup(1)))
    assert [1] == as_user("alice", lambda: read.peek(1))
    assert [1] == as_user("alice", lambda: call(read.lookup(1))).value
    assert ["alice"] == archive.read_by


def test_an_awaited_check_lets_nothing_be_peeked_at(cache, archive):
    """
    ``peek`` awaits nothing, so it cannot ask; calls can.
    """

    async def authorize(entry, scope):
        await asyncio.sleep(0)
        return archive.authorize(entry, scope)

    @tiered_cache(cache=cache, authorize=authorize)
    async def read(page):
        return archive.read(page)

    async def main(name):
        user.set(name)
        return await read(1)

    assert [1] == asyncio.run(main("alice"))
    assert [1] == asyncio.run(main("alice"))
    with pytest.raises(PermissionError):
        asyncio.run(main("bob"))
    assert MISS is as_user("alice", lambda: read.peek(1))


@pytest.mark.extras
def test_a_near_hit_is_asked_about(call, tiers, archive):
    """
    The result of a near question is not for bob; it stays near for alice.
    """
    from memotier import Semantic

    vectors = {"one": [1.0, 0.0], "uno": [1.0, 0.1]}
    near = Semantic("page", embedder=lambda texts: [vectors[text] for text in texts], guards=False)
    read = call.cached(cache=tiers, name="r", semantic=near, authorize=archive.authorize)(
        lambda page: archive.read(page)
    )
    as_user("alice", lambda: call(read("one")))
    with pytest.raises(PermissionError):
        as_user("bob", lambda: call(read("uno")))
    assert ["one"] == as_user("alice", lambda: call(read("uno")))
    assert ["alice", "bob"] == archive.read_by
    entry, _ = archive.asked[-1]
    assert ["one"] == entry.value
    assert 1 == len(near.recent())


def test_a_method_asks_as_well(call, tiers, archive):
    """
    Of each instance.
    """

    def read(self, page):
        return archive.read(page)

    class Shelf:
        page = call.cached(cache=tiers, name="r", authorize=archive.authorize)(read)

        def __cache_key__(self):
            return "shelf"

    as_user("alice", lambda: call(Shelf().page(1)))
    with pytest.raises(PermissionError):
        as_user("bob", lambda: call(Shelf().page(1)))
    assert [1] == as_user("alice", lambda: call(Shelf().page(1)))
    assert ["alice", "bob"] == archive.read_by


def test_what_a_timed_function_brings_its_caller_is_his(call, tiers, archive):
    """
    It runs apart from its caller, and is computed for him all the same.
    """
    read = call.cached(cache=tiers, hard_timeout=10, authorize=archive.authorize)(
        lambda page: archive.read(page)
    )
    assert [1] == as_user("alice", lambda: call(read(1)))
    assert [] == archive.asked


# -- what is asked, and what the answer means ------------------------------------------


def test_the_entry_is_what_the_caller_would_get(call, tiers, archive, clock):
    """
    Its value, age and tags; and the scope of the call as it was given.
    """

    @call.cached(
        cache=tiers, name="r", tags=["t:{page}"], scope=("org", "who"), authorize=archive.authorize
    )
    def read(page, org, who):
        return [page]

    as_user("alice", lambda: call(read(1, "acme", 7)))
    clock.advance(3)
    given = as_user("alice", lambda: call(read(1, "acme", 7)))
    ((entry, scope),) = archive.asked
    assert given is entry.value
    assert (("acme", 7), ("t:1",)) == (scope, entry.tags)
    assert pytest.approx(3, abs=0.01) == entry.age
    assert as_user("alice", lambda: read.cache_key(1, "acme", 7)) == entry.key


@pytest.mark.parametrize("scope", [None, "public"])
def test_without_a_scope_it_is_none(call, cache, archive, scope):
    """
    Where nobody says whose the results are, or all share them.
    """
    read = call.cached(cache=cache, scope=scope, authorize=archive.authorize)(lambda page: [page])
    for _ in range(2):
        as_user("alice", lambda: call(read(1)))
    assert [None] == [scope for _, scope in archive.asked]


def test_a_scope_that_is_read_is_passed_on(call, cache, archive):
    """
    The value of the variable.
    """
    read = call.cached(cache=cache, scope=user, authorize=archive.authorize)(lambda page: [page])
    for _ in range(2):
        as_user("alice", lambda: call(read(1)))
    assert ["alice"] == [scope for _, scope in archive.asked]


def test_what_it_does_to_the_value_stays_with_this_caller(call, tiers, archive):
    """
    It is given the object that its caller gets, never the one that is kept.
    """

    def spoil(entry, scope):
        entry.value.append("spoilt")
        return True

    read = call.cached(cache=tiers, name="r", authorize=spoil)(lambda page: [page])
    for _ in range(3):
        call(read(1))
    assert [1, "spoilt"] == call(read(1))


def test_what_it_raises_is_raised(call, tiers, archive):
    """
    In every way in which it is asked; and nothing is left behind that a later call would wait for.
    """
    trouble = LookupError("no such user")

    def authorize(entry, scope):
        raise trouble

    read = call.cached(cache=tiers, name="r", ttl=TTL, refresh_ahead=0.5, authorize=authorize)(
        lambda page: archive.read(page)
    )
    as_user("alice", lambda: call(read(1)))
    for ask in (
        lambda: call(read(1)),
        lambda: call(read.lookup(1)),
        lambda: call(read.map([1])),
        lambda: read.peek(1),
    ):
        with pytest.raises(LookupError, match="no such user") as caught:
            as_user("alice", ask)
        assert trouble is caught.value
    assert ["alice"] == archive.read_by
    assert {} == tiers._keyed.engine.flights.table


def test_what_it_raises_for_a_batch_is_raised(call, cache, archive):
    """
    For one id of several.
    """

    def authorize(entry, scope):
        raise LookupError("no such user")

    load = tiered_cache.many(cache=cache, authorize=authorize)(
        call.define(_load)
    )  # fmt: skip
    call(load([1, 2]))
    with pytest.raises(LookupError, match="no such user"):
        call(load([2, 3]))
    assert {} == cache._keyed.engine.flights.table


def _load(ids: list[int]) -> dict[int, int]:
    return dict.fromkeys(ids, 0)


@pytest.mark.parametrize("answer", [None, 1, "yes", [1]])
def test_only_true_grants(call, cache, archive, caplog, answer):
    """
    Anything else calls the function, and is said once.
    """
    read = call.cached(cache=cache, authorize=lambda entry, scope: answer)(
        lambda page: archive.read(page)
    )
    for _ in range(3):
        assert [1] == as_user("alice", lambda: call(read(1)))
    assert 3 == len(archive.read_by)
    assert 1 == sum("only True grants" in one.message for one in caplog.records)


def test_an_answer_that_nobody_awaits_grants_nothing(cache, archive, caplog):
    """
    A plain function that returns a coroutine, for a function that is called without await.
    """

    async def check():
        return True

    read = tiered_cache(cache=cache, authorize=lambda entry, scope: check())(archive.read)
    for _ in range(2):
        as_user("alice", lambda: read(1))
    assert MISS is as_user("alice", lambda: read.peek(1))
    assert 2 == len(archive.read_by)
    assert "returned a coroutine" in caplog.text


def test_it_may_use_the_cache_itself(call, make_cache, archive):
    """
    Rights are often cached, too, even by the same function: nothing is locked or led meanwhile.
    """
    cache = make_cache("disk")

    if call.is_async:

        @tiered_cache(cache=cache, name="rights")
        async def rights(name):
            return name in archive.readers

        async def authorize(entry, scope):
            return await rights(user.get())
    else:

        @tiered_cache(cache=cache, name="rights")
        def rights(name):
            return name in archive.readers

        def authorize(entry, scope):
            return rights(user.get())

    read = call.cached(cache=cache, name="read", authorize=authorize)(lambda page: [page])
    for _ in range(3):
        assert [1] == as_user("alice", lambda: call(read(1)))
    assert 2 == read.cache_info().hits


def test_nothing_is_locked_or_led_while_it_is_asked(call, make_cache, archive):
    """
    The lock is free, and the flight of the call that found it below has landed.
    """
    states = []

    def authorize(entry, scope):
        engine = cache._keyed.engine
        states.append((engine._has_lock(), dict(engine.flights.table), engine.flights.beside))
        return True

    options = {"name": "r", "namespace": "n", "authorize": authorize}
    for _ in range(2):
        cache = make_cache("disk")
        read = call.cached(cache=cache, **options)(lambda page: [page])
        for _ in range(2):
            call(read(1))
    assert [(False, {}, {})] * 3 == states


def test_a_trace_tells_who_was_turned_away(call, tiers, decorate, archive):
    """
    The call went past the cache.
    """
    read = decorate(tiers)
    as_user("alice", lambda: call(read(1)))
    with memotier.trace() as seen:
        _outcome(lambda: as_user("bob", lambda: call(read(1))))
        as_user("alice", lambda: call(read(1)))
    assert ["error", "memory"] == [one.source for one in seen.calls]
    assert 1 == seen.hits


def test_hits_are_not_noted_as_misses(call, tiers, decorate, archive):
    """
    They go the way of misses, and are counted as what they are.
    """
    read = decorate(tiers)
    for _ in range(5):
        as_user("alice", lambda: call(read(1)))
    assert 4 == tiers.get_stats()["l1"]["hits"]
    assert 1 == tiers.get_stats()["l1"]["misses"]
    assert "hit" in str(as_user("alice", lambda: call(read.explain(1)))).lower()


def test_hits_are_not_recorded(call, cache, archive):
    """
    What is written down for warming are the calls that memory cannot answer.
    """
    noted = []
    read = call.cached(cache=cache, authorize=lambda entry, scope: True)(lambda page: [page])
    call(read(1))
    read._self_memo.recording = SimpleNamespace(note=lambda *call: noted.append(call))
    call(read(1)), call(read(2)), call(read(2))
    assert 1 == len(noted)


def test_warming_asks_nobody(call, make_cache, archive):
    """
    What is warmed is handed to nobody: what is there is not computed again because of it.
    """
    cache = make_cache("disk")
    seen = []

    def authorize(entry, scope):
        seen.append(entry)
        return False

    read = call.cached(cache=cache, name="warm me", record=True, authorize=authorize)(
        lambda page: archive.read_by.append(page)
    )
    call(read(1))
    memo = read._self_memo
    answer = memo.run(replay._plan(replay.Job(memo, (1,), None), 0.1))
    assert "fresh" == call(answer).kind
    assert [] == seen
    assert [1] == archive.read_by


# -- the option ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorize", [1, "yes", dict, lambda: True, lambda entry: True, lambda a, b, c: True]
)
def test_what_is_no_check_is_refused(authorize):
    """
    With what it is given.
    """
    with pytest.raises(ConfigError, match=r"authorize=.* cannot be used.*entry and the scope"):
        tiered_cache(authorize=authorize)(lambda x: x)


def test_who_cannot_await_is_given_a_plain_one():
    """
    A coroutine function, or an object that is called like one, is for coroutine functions.
    """

    async def check(entry, scope):
        return True

    class Check:
        async def __call__(self, entry, scope):
            return True

    for one in (check, Check(), functools.partial(check)):
        with pytest.raises(ConfigError, match="coroutine function"):
            tiered_cache(authorize=one, name="f")(len)


def test_errors_are_not_remembered_beside_it():
    """
    They would be raised for others without asking.
    """
    with pytest.raises(ConfigError, match=r"cache_exceptions=.*authorize="):
        tiered_cache(authorize=lambda e, s: True, cache_exceptions=OSError)(lambda x: x)


def test_streams_are_refused():
    """
    Their readers share what is in the making.
    """

    def stream(n):
        yield n

    with pytest.raises(ConfigError, match=r"authorize=.*generator function"):
        tiered_cache(authorize=lambda e, s: True)(stream)


def test_who_depends_on_it_asks_as_well():
    """
    Hits of the outer function would hand out what it made of the inner one's results.
    """

    def check(entry, scope):
        return True

    inner = tiered_cache(authorize=check, name="inner")(lambda x: x)
    with pytest.raises(ConfigError, match=r"depends_on=.* needs an authorize="):
        tiered_cache(depends_on=[inner])(lambda x: x)
    tiered_cache(depends_on=[inner], authorize=check)(lambda x: x)


def test_it_is_shown(cache):
    """
    By ``cache_parameters()``.
    """

    def check(entry, scope):
        return True

    made = tiered_cache(cache=cache, authorize=check)(lambda x: x)
    assert check is made.cache_parameters()["authorize"]
    assert None is tiered_cache(cache=cache)(lambda x: x).cache_parameters()["authorize"]


def test_without_it_the_hit_path_knows_nothing_of_it(cache):
    """
    A function that does not have it is answered by the same generated code as before.
    """
    asked = []
    plain = tiered_cache(cache=cache)(lambda x: x)
    gated = tiered_cache(cache=cache, authorize=lambda e, s: asked.append(e) or True)(lambda x: x)
    plain(1), gated(1)
    assert "fresh_until" in _source(plain)
    assert "fresh_until" not in _source(gated)
    assert "check_at" not in _source(plain)


def _source(made):
    return "".join(linecache.getlines(type(made).__call__.__code__.co_filename))
