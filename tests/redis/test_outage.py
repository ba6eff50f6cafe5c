"""
A server that is away, frozen, refuses, or comes back: what callers get, and how long it takes.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid

import pytest

from memotier import InvalidationNotDurable, MultiLevelCache, tiered_cache
from memotier.errors import StoreError, StoreUnavailable
from memotier.stores.redis.server import TIMEOUT

from ..stores.support import NAME, address, item, put, read, redis_store
from .server import free_port
from .support import Worker, soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

CANARY = "hunter2-canary"


def function(cache):
    runs = []

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    def f(x):
        runs.append(x)
        return (x, len(runs))

    f.runs = runs
    return f


def share(one, two):
    """
    Whether two processes have one result of something that neither was asked before.
    """
    new = uuid.uuid4().hex
    return one(f"get {new}") == two(f"get {new}")


def took(call, *arguments):
    began = time.monotonic()
    call(*arguments)
    return time.monotonic() - began


class Away:
    """
    Where a server should be and nothing, or nothing of use, is.
    """

    def __init__(self, how):
        self.how = how
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        if how == "not listening":
            self.listener.close()
        else:
            self.listener.listen(50)
            threading.Thread(target=self.serve, daemon=True).start()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            if self.how == "reset":
                one.close()
            elif self.how == "half-closed":
                one.shutdown(socket.SHUT_WR)
                self.open.append(one)
            elif self.how == "another protocol":
                self.open.append(one)
                one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            else:
                self.open.append(one)

    def close(self):
        for one in [self.listener, *self.open]:
            one.close()


@pytest.mark.parametrize(
    "how", ["not listening", "reset", "half-closed", "silent", "another protocol"]
)
def test_fault_43_nothing_of_use_is_there(how, caches):
    """
    The result is right, the first calls take a quarter of a second at most, and from the breaker
    on nothing; it is said once.
    """
    away = Away(how)
    f = function(caches(away))

    first = [took(f, n) for n in range(5)]
    later = [took(f, n) for n in range(5, 25)]
    assert list(range(25)) == f.runs
    assert (3, 4) == f(3)
    assert max(first) < 2 * TIMEOUT + 0.5  # a busy machine is slow, and an attempt takes 0.25 s
    assert sorted(later)[10] < 0.05
    away.close()


def test_fault_43_a_frozen_server(own_server, caches):
    """
    What memory has is served at once; the first call that asks waits, the others do not.
    """
    f = function(caches(own_server))
    f(1)
    with own_server.frozen():
        assert (1, 1) == f(1)
        times = [took(f, n) for n in range(2, 12)]
        assert (1, 1) == f(1)
    assert times[0] < 2 * TIMEOUT + 0.5
    assert sorted(times)[5] < 0.05
    assert list(range(1, 12)) == f.runs


REFUSALS = {
    "wrong password": ("requirepass secret", "refuses the user or the password"),
    "replica": ("replicaof 127.0.0.1 1", "replica"),
    "full": ("maxmemory 1", "it is full"),
    "too many clients": ("maxclients 1", "failed: "),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_fault_43_a_server_that_refuses(own_server, name, how, caplog):
    """
    It is an error of the store that says what is wrong, and a result for the caller.
    """
    line, words = REFUSALS[how]
    with own_server.client() as keeper:
        keeper.ping()
        keeper.execute_command("CONFIG", "SET", *line.split(" ", 1)) if how != "replica" else (
            keeper.execute_command("REPLICAOF", "127.0.0.1", "1")
        )
        store = redis_store(own_server, name)
        with pytest.raises(StoreError, match=words):
            put(store, "a")
        store.close()
        with MultiLevelCache(redis_url=own_server.url, name=name) as cache:
            f = function(cache)
            assert [(1, 1), (1, 1)] == [f(1), f(1)]
        if how == "wrong password":
            keeper.execute_command("CONFIG", "SET", "requirepass", "")


def test_fault_27_a_password_is_in_no_error_log_or_repr(own_server, name, caplog):
    """
    Where the server is may be known; how to get in may not.
    """
    caplog.set_level(logging.DEBUG)
    url = f"redis://alice:{CANARY}@127.0.0.1:{own_server.port}/0"
    with MultiLevelCache(redis_url=url, name=name) as cache:
        f = function(cache)
        f(1)
        with pytest.raises(InvalidationNotDurable) as caught:
            cache.sync.invalidate_tags("t")
        said = [
            repr(cache),
            repr(cache._keyed.wiring),
            repr(cache._keyed.engine.store),
            caplog.text,
        ]
        said += [str(caught.value), repr(caught.value.__cause__)]
    assert not [text for text in said if CANARY in text or "alice" in text]
    assert str(own_server.port) in caplog.text


def test_fault_30_without_a_key_a_shared_store_is_warned_of(server, caches, caplog, monkeypatch):
    """
    Once, when the cache is made; with a key there is nothing to say.
    """
    caches(server)
    assert 1 == caplog.text.count("not signed")
    caplog.clear()
    monkeypatch.setenv("MEMOTIER_KEY", "ab" * 32)
    caches(server)
    assert "not signed" not in caplog.text


def test_fault_30_a_record_of_another_key_is_a_miss(server, name, monkeypatch):
    """
    A forged or foreign record is refused before anything of it is decoded.
    """
    results = []
    for key in ("ab" * 32, "cd" * 32, "ab" * 32):
        monkeypatch.setenv("MEMOTIER_KEY", key)
        with MultiLevelCache(redis_url=server.url, name=name) as cache:
            function(cache)(1)
            results.append(cache.get_stats()["l2"]["hits"])
    assert 0 == results[1]


def test_an_invalidation_that_cannot_be_sent_is_sent_when_the_server_is_back(own_server, name):
    """
    The caller hears of it, nobody here is given the old result meanwhile, and the others see it
    although nobody calls anything.
    """
    with Worker(own_server, name) as one, Worker(own_server, name) as two:
        old = one("get k")
        assert old == two("get k")
        with own_server.frozen():
            assert "not-durable" == one("tag t")
            assert old != one("get k")
        assert soon(lambda: two("get k") != old)
        assert soon(lambda: share(one, two))


def test_fault_44_when_the_server_is_back_each_process_computes_once(own_server, name):
    """
    Callers get results all the time; after it, what one computes is what the other has.
    """
    with Worker(own_server, name) as one, Worker(own_server, name) as two:
        one("get warm"), two("get warm")
        own_server.stop()
        here = [one(f"get {n}") for n in range(20)]
        own_server.start()
        assert soon(lambda: share(one, two))
        again = [one(f"get {n}") for n in range(20)]
        assert 20 == len(set(here)) == len(set(again))
        assert again == [two(f"get {n}") for n in range(20)] == [one(f"get {n}") for n in range(20)]


@pytest.mark.parametrize("what", ["key", "tag", "namespace", "all"])
def test_fault_3_and_4_invalidated_while_it_is_computed_elsewhere(server, caches, what):
    """
    The caller gets what it began with; nobody after the invalidation does, from any tier.
    """
    here, there = caches(server), caches(server)
    entered, go = threading.Event(), threading.Event()
    results = []

    @tiered_cache(namespace="n", cache=here, name="f", version=1, ttl=3600, tags=["t"])
    def slow(x):
        entered.set()
        assert go.wait(30)
        return "old"

    @tiered_cache(namespace="n", cache=there, name="f", version=1, ttl=3600, tags=["t"])
    def fast(x):
        return "new"

    caller = threading.Thread(target=lambda: results.append(slow(1)))
    caller.start()
    assert entered.wait(30)
    if what == "key":
        fast.invalidate(1)
    elif what == "tag":
        there.sync.invalidate_tags("t")
    elif what == "namespace":
        there.sync.clear_namespace("n")
    else:
        there.sync.clear()
    go.set()
    caller.join()

    assert ["old"] == results
    assert "new" == fast(1)
    entered.clear()
    assert soon(lambda: slow(1) == "new")


def test_fault_5_compare_and_store_is_one_step(server, stores):
    """
    Of a writer that noted its guard before an invalidation nothing is stored, however the two
    are interleaved with others.
    """
    store, other = stores(server), stores(server)
    late = [item(store, f"text {n}") for n in range(200)]
    stop = threading.Event()

    def write():
        for one in late:
            store.set([one])
        stop.set()

    thread = threading.Thread(target=write)
    other.bump([NAME])
    thread.start()
    thread.join()
    assert stop.is_set()
    assert [None] * 200 == read(store, *(f"text {n}" for n in range(200)))


def test_fault_16_a_replica_that_lags_takes_over(own_server, stores):
    """
    An invalidation that it never heard of: its number goes back, so memory trusts nothing, and
    what is there is what the replica has.
    """
    store = stores(own_server)
    put(store, "a")
    tokens = store._keys.tokens
    before = own_server.run("HGET", tokens, "serial")
    store.bump([NAME])
    store.bump([NAME])
    own_server.run("HSET", tokens, "serial", before)
    marks = store.watch.resets
    own_server.run("CLIENT", "KILL", "TYPE", "pubsub")

    soon(lambda: store.watch.resets > marks)


def test_a_forked_child_has_a_life_of_its_own(server, caches):
    """
    It hears of invalidations itself, trusts nothing of its parent's memory unseen, and leaves
    the parent's connections alone.
    """
    cache = caches(server)
    f = function(cache)
    assert (1, 1) == f(1)
    mine, yours = os.pipe()
    child = os.fork()
    if child == 0:
        said = b"failed"
        try:
            same = f(1) == (1, 1)
            store = cache._keyed.engine.store.store
            is_heard = store.watch._thread.is_alive() and soon(lambda: store.watch.is_subscribed)
            f.invalidate(1)
            said = b"%d%d%d" % (same, is_heard, f(1) == (1, 2))
        finally:
            os.write(yours, said)
            os._exit(0)
    os.waitpid(child, 0)
    os.close(yours)
    assert b"111" == os.read(mine, 10)
    os.close(mine)
    assert soon(lambda: f(1) == (1, 2))
    assert 1 == len(f.runs)


def test_closing_ends_the_thread_and_is_for_good(server, stores):
    """
    No thread is left, and no call comes through.
    """
    store = stores(server)
    put(store, "a")
    thread = store.watch._thread
    store.close()

    assert not thread.is_alive()
    with pytest.raises(StoreUnavailable):
        store.delete([address("a")])


def test_a_store_that_nobody_has_any_more_ends_its_thread(server, name):
    """
    Nobody has to close it.
    """
    store = redis_store(server, name)
    put(store, "a")
    thread = store.watch._thread
    store._server.close()
    del store

    soon(lambda: not thread.is_alive())


def test_nothing_happens_before_the_first_call(name):
    """
    To make a cache costs no connection, and to close it neither.
    """
    with MultiLevelCache(redis_url=f"redis://127.0.0.1:{free_port()}", name=name) as cache:
        store = cache._keyed.engine.store.store
        assert store.watch._thread is None
        assert store._server._client is None
