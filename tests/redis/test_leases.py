"""
Leases: who has them, who renews them, who gives them back, and what waiting for them costs.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading

import pytest

from memotier import StoreError, tiered_cache
from memotier.settings.urls import RedisUrl
from memotier.stores.claims import NONE
from memotier.stores.redis import lease as one_lease
from memotier.stores.redis.leases import Leases
from memotier.stores.redis.store import RedisStore
from memotier.stores.wrap import Guarded

from ..engine.worlds import Background, Gate, in_threads
from ..stores.support import ROOT, Time, address, item, redis_store
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

A, B = address("a"), address("b")


@pytest.fixture
def only_messages(monkeypatch):
    """
    Nobody who waits looks before ten minutes are over.
    """
    monkeypatch.setattr(Leases, "pauses", (600.0, 600.0))


def key_of(store, place=A):
    return store._keys.lease(place)


def take(store, lease, seen=None):
    (answer,) = store.claims.take([(lease, seen)])
    return answer


def begun(store):
    """*store*, which hears of what others give back."""
    store.versions(())
    return store


def function(cache, runs, gate=None, **options):
    """
    A cached function that notes its runs, and waits at *gate*.
    """

    @tiered_cache(cache=cache, name="f", namespace="n", version=1, ttl=3600, **options)
    def f(x):
        runs.append(x)
        if gate is not None:
            gate.wait()
        return f"{x} by {len(runs)}"

    return f


# -- one lease ---------------------------------------------------------------------------


def test_one_has_it_until_it_is_given_back(server, stores):
    """
    With a life, renewed by its token; who has another token can neither take nor end it.
    """
    one, two = stores(server), stores(server)
    mine, yours = one.claims.claim(A, "cluster"), two.claims.claim(A, "cluster")
    assert take(one, mine).is_ours
    assert 0 < server.run("PTTL", key_of(one)) <= 10_000
    answer = take(two, yours)
    assert not answer.is_ours and 0 < answer.left <= 10
    two.claims.give_back([yours])
    assert mine.token == server.run("GET", key_of(one))
    one.claims.give_back([mine])
    assert take(two, yours).is_ours


def test_it_is_not_taken_where_something_was_stored_since_the_look(server, stores):
    """
    What the owner saw is compared in the step in which he takes it.
    """
    store = stores(server)
    seen = store.get([A]).heads[0]
    lease = store.claims.claim(A, "cluster")
    store.set([item(store, "a")])
    assert (False, True) == take(store, lease, seen)[:2]
    assert server.run("GET", key_of(store)) is None
    assert (True, False) == take(store, lease, store.get([A]).heads[0])[:2]


def test_a_lease_without_an_end_is_none_of_ours(server, stores):
    """
    Whoever can write there could keep everybody waiting for ever: it is taken over.
    """
    store = stores(server)
    server.run("SET", key_of(store), "mine")
    assert take(store, store.claims.claim(A, "cluster")).is_ours
    assert 0 < server.run("PTTL", key_of(store))


def test_the_one_who_stores_gives_it_back_with_the_result(server, stores):
    """
    In one step; a lease of another store stays, and so does one whose result was refused.
    """
    one, two = stores(server), stores(server)
    mine, yours = one.claims.claim(A, "cluster"), two.claims.claim(B, "cluster")
    assert take(one, mine).is_ours and take(two, yours).is_ours
    late = item(one, "a")
    one.delete([A])
    assert [False] == one.set([late])
    assert mine.token == server.run("GET", key_of(one))
    assert [True, True] == one.set([item(one, "b"), item(one, "a")])
    assert server.run("GET", key_of(one)) is None
    assert yours.token == server.run("GET", key_of(one, B))
    assert [] == one.claims.ours_of([mine])


def test_it_is_renewed_and_lost_if_somebody_else_has_it(server, stores):
    """
    By one script for all; the token decides.
    """
    store = stores(server)
    leases = [store.claims.claim(one, "cluster") for one in (A, B)]
    assert all(take(store, one).is_ours for one in leases)
    server.run("PEXPIRE", key_of(store), 60_000)
    server.run("SET", key_of(store, B), "somebody else", "PX", 60_000)
    store.claims._renew()
    assert 0 < server.run("PTTL", key_of(store)) <= 10_000
    assert [leases[0]] == store.claims.ours_of(leases)
    assert 1 == store.claims.lost
    store.claims.release(leases[1])
    store.claims.close()
    assert b"somebody else" == server.run("GET", key_of(store, B))


def test_the_thread_ends_when_there_is_nothing_to_keep(server, stores, monkeypatch):
    """
    And another one begins with the next lease.
    """
    monkeypatch.setattr(Leases, "life", 0.2)
    store = stores(server)
    for _ in range(2):
        lease = store.claims.claim(A, "cluster")
        assert take(store, lease).is_ours
        thread = store.claims._thread
        assert thread.is_alive()
        store.claims.release(lease)
        soon(lambda thread=thread: not thread.is_alive())
        assert server.run("GET", key_of(store)) is None


def test_what_the_server_could_not_be_told_is_told_later(server, stores, monkeypatch):
    """
    An answer that was lost: nobody knows whose it is; it does not stay.
    """
    monkeypatch.setattr(Leases, "life", 600.0)
    store = stores(server)
    lease = store.claims.claim(A, "cluster")
    exchange = store._server.lines.exchange

    def lose(request):
        exchange(request)
        raise StoreError("no answer")

    monkeypatch.setattr(store._server.lines, "exchange", lose)
    with pytest.raises(StoreError):
        take(store, lease)
    monkeypatch.setattr(store._server.lines, "exchange", exchange)
    store.claims._wake.set()
    soon(lambda: server.run("GET", key_of(store)) is None)


def test_an_answer_that_comes_too_late(server, stores):
    """
    The plan was interrupted while its lease was taken: it is given back.
    """
    store = stores(server)
    lease = store.claims.claim(A, "cluster")
    exchange = store._server.lines.exchange

    def slow(request):
        answers = exchange(request)
        if request.doing == "take":
            store.claims.release(lease)
        return answers

    store._server.lines.exchange = slow
    assert take(store, lease).is_ours
    assert [] == store.claims.ours_of([lease])
    soon(lambda: server.run("GET", key_of(store)) is None)


def test_who_computes_beside_does_not_wait_for_it(server, stores):
    """
    Two computations of one store: both go on, and the first one's lease stays until it gives it
    back.
    """
    store = stores(server)
    one, two = (store.claims.claim(A, "cluster") for _ in range(2))
    assert take(store, one).is_ours and take(store, two).is_ours
    store.claims.release(two)
    store.claims.give_back([two])
    assert one.token == server.run("GET", key_of(store))
    three = store.claims.claim(B, "cluster")
    answers = store.claims.take([(two, None), (three, None)])
    assert [True, True] == [one.is_ours for one in answers]
    assert three.token == server.run("GET", key_of(store, B))


def test_many_at_once(server, stores):
    """
    More than one step takes: every one has its own answer.
    """
    one, two = stores(server), stores(server)
    places = [n.to_bytes(16, "big") for n in range(1200)]
    theirs = [two.claims.claim(place, "cluster") for place in places[::3]]
    assert all(answer.is_ours for answer in two.claims.take([(one, None) for one in theirs]))
    mine = [one.claims.claim(place, "cluster") for place in places]
    answers = [answer.is_ours for answer in one.claims.take([(lease, None) for lease in mine])]
    assert [n % 3 != 0 for n in range(1200)] == answers
    one.claims.close(), two.claims.close()
    assert [] == server.run("KEYS", f"{one._keys._prefix}lease:*")


def test_machines_have_their_own_if_that_is_asked_for(server, stores, monkeypatch):
    """
    ``"machine"``: processes of two machines do not wait for each other; ``"cluster"``: they do.
    """
    store, other = stores(server), stores(server)
    here = store.claims.claim(A, "machine")
    assert here.place == other.claims.claim(A, "machine").place != A
    one_lease._machine.cache_clear()
    monkeypatch.setattr(one_lease.socket, "gethostname", lambda: "another")
    there = other.claims.claim(A, "machine")
    one_lease._machine.cache_clear()
    assert here.place != there.place
    assert take(store, here).is_ours and take(other, there).is_ours
    assert take(store, store.claims.claim(A, "cluster")).is_ours
    assert not take(other, other.claims.claim(A, "cluster")).is_ours


def test_a_closed_store_has_none(server, stores, only_messages):
    """
    What it had is given back, nobody is kept waiting, and there is nothing more to be had.
    """
    one, two = begun(stores(server)), begun(stores(server))
    lease = one.claims.claim(A, "cluster")
    assert take(one, lease).is_ours
    bell, own = two.claims.bell(), one.claims.bell()
    assert bell.listen([A]) and own.listen([B])
    one.close()
    assert bell.future.result(20) is own.future.result(20) is None
    assert NONE == take(one, one.claims.claim(A, "cluster"))
    assert take(two, two.claims.claim(A, "cluster")).is_ours
    bell.close(), own.close()
    assert {} == two.claims.bells._at == one.claims.bells._at


def test_fault_40_a_forked_child_leaves_its_parents_leases_alone(server, stores, name):
    """
    It goes on with the computation, and has nothing to give back; its own are its own.
    """
    store = stores(server)
    lease = store.claims.claim(A, "cluster")
    assert take(store, lease).is_ours
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.claims.release(lease)
            own = store.claims.claim(B, "cluster")
            code = 0 if take(store, own).is_ours and not store.claims._owed else 2
            store.close()
        finally:
            os._exit(code)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert lease.token == server.run("GET", key_of(store))
    assert server.run("GET", key_of(store, B)) is None


def test_the_rights_that_the_guide_names_are_enough(own_server, name, stores):
    """
    A user with no more than these has leases, and hears of those that others give back.
    """
    guide = (ROOT / "docs" / "guide" / "redis.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^ACL SETUSER memotier .*$", guide, flags=re.MULTILINE)
    own_server.run(*line.replace("PASSWORD", "secret").split())
    url = RedisUrl(own_server.url.replace("//", "//memotier:secret@"))
    store, other = begun(RedisStore(url, name=name)), begun(stores(own_server))
    mine, yours = store.claims.claim(A, "cluster"), other.claims.claim(B, "cluster")
    assert take(store, mine).is_ours and take(other, yours).is_ours
    store.claims._renew()
    bell = store.claims.bell()
    bell.listen([A, B])
    assert [True] == store.set([item(store, "a")])
    assert bell.future.result(20) is None
    bell.again()
    other.claims.give_back([yours])
    assert bell.future.result(20) is None
    lease = store.claims.claim(B, "cluster")
    assert take(store, lease).is_ours
    store.claims.give_back([lease])
    assert 0 == store.claims.lost
    store.close()


# -- the breaker -------------------------------------------------------------------------


def test_fault_44_a_server_that_is_away_is_asked_once_and_probed_by_one(own_server, name):
    """
    Then the breaker answers. When the rest is over one probes, and nobody waits for what it finds.
    """
    time = Time()
    store = Guarded(redis_store(own_server, name), clock=time.clock, rest=5.0)
    claims, lines = store.claims, store.store._server.lines
    exchange = lines.exchange
    asked, refused, taken = [], [], []

    def ask(n):
        try:
            taken.extend(claims.take([(claims.claim(address(str(n)), "cluster"), None)]))
        except StoreError:
            refused.append(n)

    def probe(request):
        asked.append(request.doing)
        if len(asked) == 2:
            soon(lambda: len(refused) == 2 + 49)
        return exchange(request)

    lines.exchange = probe
    own_server.stop()
    ask(0), ask(1)
    assert 1 == len(asked)
    own_server.start()
    time.pass_(6)
    in_threads(*(lambda n=n: ask(n) for n in range(50)))
    # Once in vain, then by the script's digest and by its text: that server is a new one.
    assert (3, 1) == (asked.count("take"), len(taken))
    ask(0)
    assert 2 == len(taken)
    store.close()


def test_a_server_that_is_heard_of_is_not_away(own_server, stores):
    """
    Nobody has to probe; but one that refuses goes on resting, however well it answers.
    """
    store = Guarded(stores(own_server), rest=600.0)
    own_server.stop()
    for ask in (lambda: store.get([A]), lambda: store.bump([A])):
        with pytest.raises(StoreError):
            ask()
    own_server.start()
    store.reachable()
    assert ("closed", "closed") == (store.reading.state, store.writing.state)
    store.get([A])
    own_server.run("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreError, match="full"):
        store.claims.take([(store.claims.claim(A, "cluster"), None)])
    store.reachable()
    assert ("closed", "open") == (store.reading.state, store.writing.state)


def test_a_server_that_was_not_asked_has_not_answered(own_server, name, monkeypatch):
    """
    Having nothing to give back, or to ask for, is no success of a store that rests.
    """
    monkeypatch.setattr(Leases, "life", 0.2)
    time, changes = Time(), []
    store = Guarded(
        redis_store(own_server, name),
        clock=time.clock,
        on_change=lambda side, state, error: changes.append(state),
    )
    lease = store.claims.claim(A, "cluster")
    assert take(store, lease).is_ours
    beats = []
    monkeypatch.setattr(store.claims, "_renew", lambda: beats.append(time.pass_(1000)))
    own_server.stop()
    with pytest.raises(StoreError):
        store.discard(B)

    time.pass_(1000)
    del beats[:]
    soon(lambda: len(beats) > 2)
    assert take(store, store.claims.claim(A, "cluster")).is_ours
    assert ["open"] == changes
    monkeypatch.undo()
    store.close()


# -- calls -------------------------------------------------------------------------------


def test_a_hit_asks_for_no_lease(server, caches, monkeypatch):
    """
    In memory nothing is asked; in the second tier only the record, in one command as before.
    """
    runs = []
    f, g = function(caches(server), runs), function(caches(server), runs)
    f(1), g(2)
    asked = []
    for one in (f, g):
        lines = one._self_memo.engine.store.store._server.lines
        exchange = lines.exchange
        monkeypatch.setattr(
            lines,
            "exchange",
            lambda request, exchange=exchange: (asked.append(request.doing), exchange(request))[1],
        )
    assert "1 by 1" == g(1) == f(1)
    assert ["read"] == asked
    f(3)
    assert ["read", "read", "take", "store"] == asked


@pytest.mark.parametrize("how", ["single", "map"])
def test_what_was_computed_between_the_look_and_the_lease_is_found(
    server, caches, monkeypatch, how
):
    """
    Another process stores its result just after we looked, and gives its lease back just before we
    ask for ours: it is not computed again.
    """
    runs = []
    mine, theirs = function(caches(server), runs), function(caches(server), runs)
    mine(0), theirs(0)
    take = Leases.take

    def late(self, asked):
        monkeypatch.setattr(Leases, "take", take)
        Background(lambda: (theirs(1), theirs(2))).result()  # as another process would
        return take(self, asked)

    monkeypatch.setattr(Leases, "take", late)
    if how == "single":
        assert "1 by 2" == mine(1)
    else:
        assert ["1 by 2", "2 by 3"] == mine.map([1, 2])
    assert [0, 1, 2] == runs


@pytest.mark.parametrize("how", ["single", "batch"])
def test_unstored_results_do_not_wait_for_oneself(server, caches, only_messages, monkeypatch, how):
    """
    The next call of the same process, or of another one, finds the lease free, without the keeper.
    """
    monkeypatch.setattr(Leases, "life", 600.0)
    monkeypatch.setattr(Leases, "_pay", lambda self: None)
    runs = []
    f = function(caches(server), runs, cache_if=lambda _: False)
    g = function(caches(server), runs, cache_if=lambda _: False)
    for _ in range(5):
        for one in (f, g):
            Background(lambda one=one: one(1) if how == "single" else one.map([1, 2])).result()
    assert (10 if how == "single" else 20) == len(runs)


def test_computations_that_need_each_other_do_not_wait(server, caches, only_messages):
    """
    Inside a computation nobody waits for another process, so two never wait for each other.
    """
    gate = Gate()

    def functions_of(cache, *, waits):
        @tiered_cache(namespace="n", cache=cache, name="a")
        def a(x):
            return b(x) + 1

        @tiered_cache(namespace="n", cache=cache, name="b")
        def b(x):
            if waits:
                gate.wait()
            return 7

        return a, b

    a, _ = functions_of(caches(server), waits=False)
    _, b = functions_of(caches(server), waits=True)
    holds_b = Background(lambda: b(1))
    gate.entered.wait(10)
    assert [8] == in_threads(lambda: a(1))
    gate.open()
    assert 7 == holds_b.result()


def test_tasks_wait_without_threads_and_without_the_loop(
    server, caches, only_messages, monkeypatch
):
    """
    A hundred tasks wait for the leases of another process: the loop asks for them by itself,
    no thread is added, the loop runs on, and one message each ends it.
    """
    gate, runs, asked = Gate(), [], set()
    f = function(caches(server), runs, gate)
    cache = caches(server)

    @tiered_cache(cache=cache, name="f", namespace="n", version=1, ttl=3600)
    async def g(x):
        raise AssertionError("it is computed elsewhere")

    computing = Background(lambda: f.map(range(100)))
    gate.entered.wait(10)
    take = Leases.atake

    async def spy(self, leases):
        if self is cache._keyed.engine.claims:
            asked.add(threading.current_thread())
        return await take(self, leases)

    monkeypatch.setattr(Leases, "atake", spy)

    async def main():
        await g.map([])
        tasks = [asyncio.create_task(g(0)) for _ in range(100)]
        bells = cache._keyed.engine.claims.bells
        while not bells._at:
            await asyncio.sleep(0)
        before = threading.active_count()
        others = [asyncio.create_task(g(0)) for _ in range(100)]
        await asyncio.sleep(0)
        gate.open()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, *others), 20)
        return before, threading.active_count(), answers

    before, after, answers = asyncio.run(main())
    assert after <= before
    assert {"0 by 1"} == set(answers)
    assert {threading.main_thread()} == asked
    computing.result()


@pytest.mark.parametrize("when", ["it asks", "it waits", "it computes"])
def test_a_cancelled_task_leaves_nothing_behind(server, caches, monkeypatch, when):
    """
    Its lease is given back, also if the answer came after it had gone; nobody listens any more.
    """
    cache, asking = caches(server), threading.Event()
    gate, runs = Gate(), []
    f = function(caches(server), runs, gate)
    take = Leases.atake
    claims = cache._keyed.engine.claims

    @tiered_cache(cache=cache, name="f", namespace="n", version=1, ttl=3600)
    async def g(x):
        asking.set()
        await asyncio.sleep(600)

    async def slow(self, leases):
        answer = await take(self, leases)
        if self is claims and when != "it computes":
            asking.set()
            if when == "it asks":
                await asyncio.sleep(600)
        return answer

    monkeypatch.setattr(Leases, "atake", slow)
    if when == "it waits":
        computing = Background(lambda: f(1))
        gate.entered.wait(10)

    async def main():
        task = asyncio.create_task(g(1))
        await asyncio.to_thread(asking.wait, 20)
        if when == "it waits":
            while not claims.bells._at:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    if when == "it waits":
        gate.open()
        computing.result()
    soon(lambda: not server.run("KEYS", f"{claims._keys._prefix}lease:*"))
    assert {} == claims._ours == claims.bells._at


def test_whoever_waits_for_longer_than_the_patience_computes(server, caches, monkeypatch):
    """
    Its owner lives and renews it; somebody may be waiting in a circle all the same.
    """
    monkeypatch.setattr(Leases, "patience", 0.01)
    monkeypatch.setattr(Leases, "pauses", (0.01, 0.01))
    gate, runs = Gate(), []
    f, g = function(caches(server), runs, gate), function(caches(server), runs)
    computing = Background(lambda: f(1))
    gate.entered.wait(10)
    assert "1 by 2" == Background(lambda: g(1)).result()
    gate.open()
    computing.result()


@pytest.mark.parametrize("tiers", ["redis", "disk"])
def test_one_refresh_in_the_background_of_all_processes(make_cache, clock, only_messages, tiers):
    """
    Two caches find one result stale, and are answered at once; one of them refreshes it.
    """
    gate, runs = Gate(), []
    options = {"stale_while_revalidate": 600}

    def cached(cache):
        @tiered_cache(cache=cache, name="f", namespace="n", version=1, ttl=60, **options)
        def f(x):
            runs.append(x)
            if len(runs) > 1:
                gate.wait()
            return len(runs)

        return f

    caches = [make_cache(tiers) for _ in range(2)]
    f, g = map(cached, caches)
    assert 1 == f(1) == g(1)
    clock.advance(90)
    assert 1 == f(1)
    gate.entered.wait(10)
    assert 1 == g(1)
    if tiers == "redis":
        bells = caches[1]._keyed.engine.claims.bells
        soon(lambda: bells._at)
    gate.open()
    soon(lambda: (f(1), g(1)) == (2, 2))
    assert 2 == len(runs)


def test_an_explicit_refresh_waits_for_nobody(server, caches, only_messages):
    """
    Who asks for a new result gets one, whoever computes; what is stored then ends the waiting.
    """
    gate, runs = Gate(), []
    f, g = function(caches(server), runs, gate), function(caches(server), runs)
    computing = Background(lambda: f(1))
    gate.entered.wait(10)
    assert "1 by 2" == g.refresh(1)
    gate.open()
    computing.result()


def test_one_warmer_of_all_processes(server, caches):
    """
    While one warms, the round of another is left to it; then it makes its own.
    """
    from memotier.warming.background import BackgroundWarming

    one, two = (cache._keyed for cache in (caches(server), caches(server)))
    for keyed in (one, two):
        keyed.engine.store.versions(())

    async def main():
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow():
            entered.set()
            await leave.wait()

        async def quick():
            return None

        first = BackgroundWarming(one, slow, None)
        first.start_task()
        await asyncio.wait_for(entered.wait(), 20)
        second = BackgroundWarming(two, quick, None)
        await second._round()
        assert (0, 1, 0) == (second.rounds, second.left_to_others, second.failures)
        leave.set()
        await first._task
        while server.run("KEYS", f"{two.engine.claims._keys._prefix}lease:*"):
            await asyncio.sleep(0.01)
        await second._round()
        assert (1, 1, 0) == (second.rounds, second.left_to_others, second.failures)

    asyncio.run(main())
