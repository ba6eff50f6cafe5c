"""
Two real servers: one takes over from the other, and does not know of an invalidation that the
other had acknowledged.

Clients find the primary through a proxy that turns to the other one, as a name or an address does
after a failover.
"""

from __future__ import annotations

import logging
import os
import signal

import pytest

from memotier import InvalidationNotDurable, MultiLevelCache, tiered_cache
from memotier.errors import StoreError
from memotier.settings.urls import RedisUrl
from memotier.stores.redis.store import RedisStore

from ..stores.support import NAME, put, read
from .proxy import Proxy
from .server import Server, free_port
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]


class Pair:
    """
    A primary, its replica, and the proxy that clients use.
    """

    def __init__(self) -> None:
        at_once = {"repl-diskless-sync-delay": "0"}
        self.primary, self.replica = Server(**at_once), Server(**at_once)
        self.replica.run("REPLICAOF", "127.0.0.1", self.primary.port)
        soon(lambda: "up" == self.replica.run("INFO", "replication").get("master_link_status"))
        self.proxy = Proxy(self.primary.port)
        self.url = self.proxy.url

    def caught_up(self) -> None:
        """Until the replica has all that the primary acknowledged."""
        with self.primary.client() as client:
            client.set("caught up", "?")
            soon(lambda: 1 == client.wait(1, 1000))

    def cut(self) -> None:
        """The replica hears no more of the primary, and keeps what it has."""
        self.caught_up()
        self.replica.run("REPLICAOF", "127.0.0.1", free_port())

    def fail_over(self) -> None:
        """The replica is the primary now; the old one is gone for clients."""
        self.replica.run("REPLICAOF", "NO", "ONE")
        self.proxy.turn_to(self.replica.port)

    def close(self) -> None:
        self.proxy.close()
        self.replica.stop()
        self.primary.stop()


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def cached(name):
    """
    A function that makes a cache as another process would have it, of a function whose result is
    what ``truth`` says.
    """
    made, truth = [], {"now": 0}

    def make(server, **options):
        cache = MultiLevelCache(redis_url=server.url, name=name, **options)
        made.append(cache)

        @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
        def f(x):
            return truth["now"]

        f.cache, f.watch = cache, cache._keyed.engine.store.store.watch
        return f

    make.truth = truth
    yield make
    for cache in made:
        cache.sync.close()


def birth(server, name):
    return server.run("HGET", f"mt1:{{{name}}}:tokens", "epoch")[:4]


def test_fault_16_what_was_invalidated_does_not_come_back_with_a_stale_replica(
    pair, cached, name, caplog
):
    """
    From the moment that it is noticed, no process serves the old result, from memory or from the
    server, and none that starts later does; it is said once, and the tokens are new ones.
    """
    one, two = cached(pair), cached(pair)
    assert [0, 0] == [one(1), two(1)]
    pair.cut()
    before = birth(pair.replica, name)
    cached.truth["now"] = 1
    one.cache.sync.invalidate_tags("t")
    assert soon(lambda: two(1)) == one(1) == 1

    pair.fail_over()
    soon(lambda: before != birth(pair.replica, name))
    assert 1 == soon(lambda: one(1)) == soon(lambda: two(1))
    assert 1 == cached(pair.replica)(1)
    soon(lambda: one.watch.is_subscribed and two.watch.is_subscribed)
    assert [1, 1] == [one(1), two(1)]
    said = [r for r in caplog.records if "restarted or failed over" in r.message]
    assert 2 == len(said)  # each process, which are two in one here
    assert {logging.WARNING} == {record.levelno for record in said}
    cached.truth["now"] = 2  # and coherence is as before
    two.cache.sync.invalidate_tags("t")
    soon(lambda: 2 == one(1))


def test_fault_16_a_failover_that_lost_nothing_keeps_what_is_stored(pair, cached, name):
    """
    A replica that had caught up is believed: nothing is computed again.
    """
    one, two = cached(pair), cached(pair)
    one.cache.sync.invalidate_tags("t")
    assert [0, 0] == [one(1), two(1)]
    pair.cut()
    before = birth(pair.replica, name)
    pair.fail_over()
    cached.truth["now"] = 1
    soon(lambda: not one.watch.is_subscribed)
    soon(lambda: one.watch.is_subscribed and two.watch.is_subscribed)
    one.cache.sync.set("k", 1)  # a round trip, and one more
    assert [0, 0] == [one(1), two(1)]
    assert before == birth(pair.replica, name)
    assert 0 == cached(pair.replica)(1)


def test_fault_16_a_stale_replica_that_cannot_be_written_is_not_believed(pair, name, caplog):
    """
    Its tokens cannot be renewed yet, so reading fails; when it is promoted, they are.
    """
    store = RedisStore(RedisUrl(pair.url), name=name)
    put(store, "a")
    pair.cut()
    store.bump([NAME])
    pair.proxy.turn_to(pair.replica.port)
    soon(lambda: "failed over" in caplog.text)
    with pytest.raises(StoreError):
        read(store, "a")
    pair.replica.run("REPLICAOF", "NO", "ONE")
    soon(lambda: reads(store, "a") == [None])
    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")
    assert 1 == caplog.text.count("failed over")
    store.close()


def test_fault_16_the_old_primary_comes_back(pair, cached, name):
    """
    With tokens that were left for others: what it holds counts as invalidated, too.
    """
    one = cached(pair)
    one(1)
    pair.cut()
    one.cache.sync.invalidate_tags("t")
    assert 0 == one(1)
    old = birth(pair.primary, name)
    pair.fail_over()
    soon(lambda: old != birth(pair.replica, name))
    soon(lambda: one.watch.is_subscribed)
    cached.truth["now"] = 1
    soon(lambda: one.cache.sync.invalidate_tags("t") is None)
    assert 1 == one(1)

    pair.proxy.turn_to(pair.primary.port)
    soon(lambda: old != birth(pair.primary, name))
    assert 1 == soon(lambda: one(1))
    assert 1 == cached(pair.primary)(1)


def test_fault_16_a_frozen_primary_and_a_failover(pair, cached, name):
    """
    It acknowledged, froze, and another took over; an invalidation that it could not acknowledge
    is made up for there.
    """
    one, two = cached(pair), cached(pair)
    assert [0, 0] == [one(1), two(1)]
    pair.cut()
    cached.truth["now"] = 1
    one.cache.sync.invalidate_tags("t")
    soon(lambda: 1 == two(1))
    pid = pair.primary.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        cached.truth["now"] = 2
        with pytest.raises(InvalidationNotDurable):
            one.cache.sync.invalidate_tags("t")
        assert 2 == one(1)
        pair.fail_over()
        soon(lambda: 2 == two(1))
        assert 2 == one(1)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_fault_43_connections_that_the_server_kills(pair, cached):
    """
    CLIENT KILL of whoever asks: the next call is answered, if need be by the function.
    """
    one = cached(pair, l1_maxsize=0)
    assert 0 == one(1)
    for _ in range(5):
        pair.primary.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert 0 == one(1)


def reads(store, *texts):
    try:
        return read(store, *texts)
    except StoreError:
        return None
