"""
What lies between a client and its server goes wrong: right results, few questions, one log line.

The breaker's time is the test's: nothing is tried again before the test lets time pass, so what
reaches the proxy can be counted.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import uuid

import pytest

from memotier import MultiLevelCache, tiered_cache
from memotier.errors import StoreError
from memotier.settings.urls import RedisUrl
from memotier.stores.redis.store import RedisStore
from memotier.wiring import REDIS_REST

from ..stores.support import NAME, address, put, read
from .proxy import Proxy, end_of
from .server import Server
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

BROKEN = ["slow", "half-closed", "reset", "garbage", "stall"]


@pytest.fixture(scope="module")
def behind():
    """
    A server that is only reached through proxies.
    """
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def proxy(behind):
    with Proxy(behind.port) as proxy:
        yield proxy


@pytest.fixture
def cached(proxy, clock, name):
    """
    A cache behind the proxy, which never serves from memory what the server should be asked for.
    """
    with MultiLevelCache(redis_url=proxy.url, name=name, l1_maxsize=0, clock=clock) as cache:
        yield cache


def function(cache):
    """
    Its result is that of its argument, and it counts its runs.
    """

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    def f(x):
        f.runs.append(x)
        return f"value of {x}"

    f.runs = []
    return f


def warned(caplog, words):
    return sum(words in one.message for one in caplog.records if one.levelno >= logging.WARNING)


@pytest.mark.parametrize("mode", BROKEN)
def test_fault_43_results_are_right_and_the_breaker_keeps_calls_from_the_server(
    proxy, cached, clock, caplog, mode
):
    """
    One question finds out, one warning says so; then none is asked until one probe, and what was
    stored before is found again.
    """
    caplog.set_level(logging.INFO)
    f, guarded = function(cached), cached._keyed.engine.store
    f("before")
    proxy.be(mode)
    assert "value of 1" == f(1)
    assert "open" == guarded.reading.state
    asked = proxy.asked
    for n in range(50):
        assert f"value of {n}" == f(n)
    assert asked == proxy.asked
    assert 1 == warned(caplog, "failed to read")
    assert 1 >= warned(caplog, "failed to write")

    clock.advance(REDIS_REST + 1)  # it is tried, fails, and rests again without another word
    assert "value of 1" == f(1)
    assert "open" == guarded.reading.state
    assert 1 == warned(caplog, "failed to read")

    proxy.be("pass")
    proxy.cut()
    runs = len(f.runs)
    for _ in range(20):  # what was on its way when the proxy was mended may fail, too
        clock.advance(REDIS_REST + 1)
        f("before")
        if "closed" == guarded.reading.state:
            break
    assert 1 == sum("can read again" in one.message for one in caplog.records)
    assert "before" in f.runs[:1]
    clock.advance(REDIS_REST + 1)
    runs = len(f.runs)
    assert "value of before" == f("before")
    assert runs == len(f.runs)


def test_fault_44_one_probe_however_many_call(proxy, cached, clock):
    """
    Of many callers that find a server rested, one asks it; all get results, each key once.
    """
    f = function(cached)
    f("warm")
    proxy.be("mute")
    f("first")
    clock.advance(REDIS_REST + 1)
    asked = proxy.asked
    gate = threading.Barrier(40)

    def call(n):
        gate.wait(30)
        return f(n % 10)

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        results = list(pool.map(call, range(40)))
    assert [f"value of {n % 10}" for n in range(40)] == results
    assert 1 == proxy.asked - asked


def test_fault_44_200_callers_of_50_keys_when_the_server_comes_back(proxy, clock, name):
    """
    Each key is computed once, and all have its result.
    """
    cache = MultiLevelCache(redis_url=proxy.url, name=name, clock=clock)
    runs, gates = [], {n: threading.Event() for n in range(50)}

    @tiered_cache(namespace="n", cache=cache, name="g", version=1, ttl=3600)
    def slow(x):
        runs.append(x)
        assert gates[x].wait(30)
        return f"value of {x}"

    proxy.be("reset")
    function(cache)("finds out")
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(slow, n % 50) for n in range(200)]
        soon(lambda: 50 == len(runs))
        proxy.be("pass")
        clock.advance(REDIS_REST + 1)
        for gate in gates.values():
            gate.set()
        assert [f"value of {n % 50}" for n in range(200)] == [one.result() for one in waiting]
    assert list(range(50)) == sorted(runs)
    cache.sync.close()


def test_fault_13_answers_that_come_one_question_late(proxy, cached, clock, name):
    """
    Each answer on the connection is that to the question before: no result of another call, no
    stale one, and no connection that is used again.
    """
    f = function(cached)
    for n in range(10):
        f(n)
    connections = proxy.connections
    proxy.be("shifted")
    for round_ in range(5):
        for n in range(10):
            assert f"value of {n}" == f(n), round_
        clock.advance(REDIS_REST + 1)
    proxy.be("pass")
    soon(lambda: proxy.connections > connections)
    clock.advance(REDIS_REST + 1)
    assert [f"value of {n}" for n in range(10)] == [f(n) for n in range(10)]


@pytest.mark.parametrize("mode", ["shifted", "swapped"])
def test_fault_13_the_store_says_that_an_answer_is_another_ones(proxy, name, mode):
    """
    Tokens of other names are an error, although they have the form of an answer. (Of a record its
    seal says whose it is; the store does not look at that.)
    """
    store = RedisStore(RedisUrl(proxy.url), name=name)
    known = {}
    for text in "ab":
        store.bump([text.encode() * 16])
        known[text] = store.versions([text.encode() * 16])[0]
    problems, gate = [], threading.Barrier(2)

    def ask(text):
        gate.wait(30)
        try:
            assert known[text] == store.versions([text.encode() * 16])[0]
        except StoreError as error:
            problems.append(str(error))

    def both():
        threads = [threading.Thread(target=ask, args=text) for text in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    both()  # two connections, both of which have run a script
    assert [] == problems
    proxy.be(mode)
    both()
    proxy.be("pass")
    store.close()
    assert problems and any("something else" in problem for problem in problems)


def test_fault_13_tokens_of_other_names_make_nothing_valid(proxy, name):
    """
    That a name was never invalidated is not believed of another name.
    """
    store = RedisStore(RedisUrl(proxy.url), name=name)
    store.bump([NAME])
    [[token], _] = store.versions([NAME])
    assert [None] == store.versions([b"x" * 16])[0]
    proxy.be("shifted")
    with pytest.raises(StoreError, match="something else"):
        store.versions([NAME])
    proxy.be("pass")
    assert [token] == store.versions([NAME])[0]
    store.close()


def test_fault_45_a_subscriber_whose_messages_pile_up_is_cut_and_sees_what_it_missed(
    behind, proxy, name
):
    """
    The server drops it at the limit of its output buffer; then everything is looked up again.
    """
    behind.run("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    here, there = uuid.uuid4().hex, "there"
    with (
        MultiLevelCache(redis_url=proxy.url, name=name) as one,
        MultiLevelCache(redis_url=behind.url, name=name) as two,
    ):
        f, g = function(one), function(two)
        assert f(here) == g(here)
        store = one._keyed.engine.store.store
        channel = store._keys.channel
        soon(lambda: store.watch.is_subscribed)
        proxy.be("deaf")
        for _ in range(40):
            behind.run("PUBLISH", channel, b"x" * 500_000)
        soon(lambda: 1 == behind.run("PUBSUB", "NUMSUB", channel)[1])
        two.sync.invalidate_tags("t")
        resets = store.watch.resets
        proxy.be("pass")
        soon(lambda: store.watch.resets > resets and store.watch.is_subscribed)
        runs = len(f.runs) + len(g.runs)
        f(here)
        g(there)
        assert runs + 2 == len(f.runs) + len(g.runs)


def test_the_proxy_knows_where_an_answer_ends():
    """
    All of RESP2, whole and cut anywhere.
    """
    for answer in (
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":12\r\n",
        b"$3\r\na\r\n\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n",
    ):
        assert len(answer) == end_of(answer + b"+more\r\n")
        assert [None] * len(answer) == [end_of(answer[:end]) for end in range(len(answer))]


def test_a_delete_whose_answer_is_lost_is_not_taken_for_done(proxy, name):
    """
    The caller is told that it may not have happened, although it has.
    """
    store = RedisStore(RedisUrl(proxy.url), name=name)
    put(store, "a")
    store.delete([address("b")])  # the server knows the script now
    proxy.be("mute")
    with pytest.raises(StoreError):
        store.delete([address("a")])
    proxy.be("pass")
    assert [None] == read(store, "a")
    store.close()
