"""
Servers in states that real ones have: loading, a replica, full and evicting, and what a collision
of addresses does there.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading

import pytest

from memotier import MultiLevelCache, tiered_cache
from memotier.errors import StoreError
from memotier.keys.digest import Digester
from memotier.stores.redis.listing import figures

from ..stores.support import put, read
from .server import Server
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]


def function(cache):
    runs = []

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    def f(x):
        runs.append(x)
        return 10 * x

    f.runs = runs
    return f


def warnings_of(caplog, words):
    return sum(words in one.message for one in caplog.records if one.levelno >= logging.WARNING)


def test_fault_43_a_server_that_loads_its_data(name, caplog, clock):
    """
    It says so in an error that is known, once; results are right meanwhile, and used afterwards.
    """
    server = Server(**{"enable-debug-command": "yes"})
    cache = MultiLevelCache(redis_url=server.url, name=name, clock=clock, l1_maxsize=0)
    f = function(cache)
    assert 10 == f(1)
    with server.client() as client, server.client(socket_timeout=None) as loader:
        pipe = client.pipeline(transaction=False)
        for n in range(3000):
            pipe.set(f"key {n}", b"x" * 200)
        pipe.execute()
        loader.ping()
        # One key takes 1 ms, and others are answered (with an error) after each few.
        client.config_set("key-load-delay", 1000)
        client.config_set("loading-process-events-interval-bytes", 1024)
        reloading = threading.Thread(target=lambda: loader.execute_command("DEBUG", "RELOAD"))
        reloading.start()
        soon(lambda: b"LOADING" in raw(server))
        assert [10, 20] == [f(1), f(2)]
        assert "open" == cache._keyed.engine.store.reading.state
        assert 1 == warnings_of(caplog, "it is loading its data")
        assert [10, 20] == [f(1), f(2)]
        with contextlib.suppress(Exception):
            client.config_set("key-load-delay", 0)
        reloading.join()
    clock.advance(10)
    assert [10, 10] == [f(1), f(1)]
    assert [1, 1, 2, 1, 2] == f.runs
    cache.sync.close()
    server.stop()


def raw(server):
    """What it answers to a GET, as bytes."""
    import socket

    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as one:
        one.sendall(b"GET x\r\n")
        return one.recv(100)


def test_fault_43_a_replica_of_a_real_primary(own_server, name, caplog, clock):
    """
    What it has is read; what it refuses is said once, and the result is right.
    """
    replica = Server(**{"repl-diskless-sync-delay": "0"})
    with MultiLevelCache(redis_url=own_server.url, name=name, clock=clock) as cache:
        assert 10 == function(cache)(1)
    own_server.run("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica.run("REPLICAOF", "127.0.0.1", own_server.port)
    soon(lambda: "up" == replica.run("INFO", "replication").get("master_link_status"))
    with MultiLevelCache(redis_url=replica.url, name=name, clock=clock) as cache:
        f = function(cache)
        assert [10, 20, 30, 30] == [f(1), f(2), f(3), f(3)]
        assert [2, 3] == f.runs
        assert 1 == warnings_of(caplog, "a replica that cannot be written")
    replica.stop()


def test_fault_17_eviction_under_load_never_gives_what_was_invalidated(own_server, caches):
    """
    A server of 5 MB that evicts anything at any time, and two processes' worth of callers: after
    an invalidation nobody gets what was before it, although tokens are evicted, too.
    """
    used = own_server.run("INFO", "memory")["used_memory"]
    own_server.run("CONFIG", "SET", "maxmemory", str(max(used + 1_500_000, 5 * 2**20)))
    own_server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    truth = dict.fromkeys(range(40), 0)
    made = [caches(own_server, l1_maxsize=5) for _ in range(2)]
    wrong = []

    def user(cache, seed):
        @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t{x}"])
        def f(x):
            return truth[x], b"x" * 100_000

        chance = random.Random(seed)
        for _ in range(250):
            # Each changes what is his alone; he must see it at once.
            x = chance.randrange(20) * 2 + seed
            if chance.random() < 0.3:
                truth[x] += 1
                cache.sync.invalidate_tags(f"t{x}")
            if f(x)[0] != truth[x]:
                wrong.append(x)

    threads = [threading.Thread(target=user, args=(one, n)) for n, one in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert own_server.run("INFO", "stats")["evicted_keys"] > 0


def test_fault_01_two_calls_with_one_address_get_two_results(server, caches, monkeypatch, caplog):
    """
    The fingerprint tells them apart, the collision is counted and said once.
    """
    monkeypatch.setattr(Digester, "address", lambda self, canonical, **_: b"\0" * 16)
    cache = caches(server, l1_maxsize=0)
    f = function(cache)
    assert [10, 20, 10] == [f(1), f(2), f(1)]
    assert [1, 2, 1] == f.runs
    assert 2 == cache.get_stats()["l2"]["key_collisions"]
    assert 1 == sum("one address" in record.message for record in caplog.records)


def test_fault_02_a_call_made_to_meet_anothers_address_gets_nothing_of_it(
    server, caches, monkeypatch
):
    """
    It is computed; what another process has of the victim in memory stays.
    """
    monkeypatch.setattr(Digester, "address", lambda self, canonical, **_: b"\1" * 16)
    victim, attacker = caches(server), caches(server, l1_maxsize=0)
    f, g = function(victim), function(attacker)
    assert 10 == f(1)
    assert [20, 20] == [g(2), g(2)]
    assert [10, 10] == [f(1), f(1)]
    assert [1] == f.runs
    assert [2] == g.runs


def test_the_servers_room_is_in_the_stats(own_server, caches, name):
    """
    Its bound, what it does at it, and how many keys left; nothing for a user who may not ask.
    """
    own_server.run("CONFIG", "SET", "maxmemory", "64mb")
    own_server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    cache = caches(own_server)
    cache.sync.set("k", 1)
    shown = cache.get_stats()["l2"]
    assert 1 == shown["size"]
    assert shown["max_size"] is None
    assert {
        "maxmemory": 64 * 2**20,
        "maxmemory_policy": "allkeys-lfu",
        "evicted_keys": 0,
        "expired_keys": 0,
    } == {key: value for key, value in shown["server"].items() if key != "used_memory"}
    assert 0 < shown["server"]["used_memory"]

    rights = "on >secret ~mt1:* &mt1:* +@all -@dangerous"
    own_server.run("ACL", "SETUSER", "memotier", *rights.split())
    url = own_server.url.replace("//", "//memotier:secret@")
    with MultiLevelCache(redis_url=url, name=name) as other:
        assert {} == other.get_stats()["l2"]["server"]
        assert 1 == other.get_stats()["l2"]["size"]
        assert "closed" == other._keyed.engine.store.reading.state


def test_figures_of_any_client():
    """
    A dict, the text, or something that nobody has seen.
    """
    text = b"# Memory\r\nused_memory:12\r\nmaxmemory_policy:noeviction\r\nother:1\r\n"
    assert {"used_memory": 12, "maxmemory_policy": "noeviction"} == figures(text)
    assert {"used_memory": 12} == figures({"used_memory": 12, "other": 1})
    assert {} == figures(None)


def test_fault_43_one_warning_when_it_begins_and_one_line_when_it_ends(
    own_server, name, caplog, clock
):
    """
    A frozen server that is used for long says no more than that it froze.
    """
    caplog.set_level(logging.INFO)
    with MultiLevelCache(redis_url=own_server.url, name=name, clock=clock, l1_maxsize=0) as cache:
        f = function(cache)
        f(1)
        with own_server.frozen():
            for n in range(4):
                assert 10 * n == f(n)
                clock.advance(6)
        soon(
            lambda: [clock.advance(6), f(1), cache._keyed.engine.store.reading.state][2] == "closed"
        )
    assert 1 == warnings_of(caplog, "failed to read")
    assert 1 >= warnings_of(caplog, "failed to write")
    assert 1 >= warnings_of(caplog, "does not tell of invalidations")
    assert 1 == sum("can read again" in one.message for one in caplog.records)


def test_a_store_reads_from_a_replica_and_writes_are_refused(own_server, stores):
    """
    The error says what is wrong.
    """
    store = stores(own_server)
    put(store, "a")
    own_server.run("REPLICAOF", "127.0.0.1", "1")
    assert [b"record"] == read(store, "a")
    with pytest.raises(StoreError, match="a replica that cannot be written"):
        store.bump([b"x" * 16])


@pytest.mark.parametrize("by", ["a call", "a key"])
def test_fault_17_tokens_that_are_lost_between_a_record_and_its_tokens(own_server, caches, by):
    """
    A record that was read while the old tokens were there is not judged by the new ones, which know
    of no invalidation.
    """
    one, two = caches(own_server), caches(own_server)
    f, g = function(one), function(two)
    assert 10 == f(1)
    one.sync.set("k", "old", tags=["t"])
    one.sync.invalidate_tags("t")
    store = two._keyed.engine.store.store
    read_it, lost = store.get, []

    def get(addresses):
        reading = read_it(addresses)
        if not lost:
            lost.append(own_server.run("DEL", store._keys.tokens))
        return reading

    store.get = get
    if by == "a call":
        assert 10 == g(1)
        assert [1] == g.runs
    else:
        assert two.sync.get("k") is None
    assert [1] == lost


def test_fault_17_who_is_answered_with_new_tokens_knows_of_the_loss(own_server, stores):
    """
    Also if another thread was the first to see them and has not told of it yet.
    """
    told, entered, go = [], threading.Event(), threading.Event()

    def hear(event, details):
        if event == "store_replaced":
            told.append(threading.current_thread())
            if len(told) == 1:
                entered.set()
                assert go.wait(30)

    store = stores(own_server, on_event=hear)
    put(store, "a")
    own_server.run("DEL", store._keys.tokens)
    first = threading.Thread(target=read, args=(store, "a"))
    first.start()
    assert entered.wait(30)
    assert [None] == read(store, "a")
    assert threading.current_thread() in told
    go.set()
    first.join()
