"""
What the server tells by itself, and how long memory is believed when nothing can be told.
"""

from __future__ import annotations

import threading

import pytest

from memotier import MultiLevelCache, registry
from memotier.errors import ConfigError, StoreUnavailable
from memotier.settings.urls import RedisUrl
from memotier.stores.board import moved_cells, slot_on_board
from memotier.stores.redis.board import LocalBoard
from memotier.stores.redis.store import RedisStore
from memotier.stores.redis.watch import Watch

from ..stores.support import NAME, address, put
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]


# -- what the server itself tells --------------------------------------------------------


@pytest.mark.parametrize("how", ["flush", "delete"])
def test_fault_17_lost_tokens_are_heard_of_at_once(own_server, stores, how):
    """
    No beat is waited for: there is none in the time of this test.
    """
    store = stores(own_server)
    store.watch._beat = 3600.0
    put(store, "a")
    soon(lambda: store.watch.numbers.knows_tokens)
    resets = store.watch.resets
    assert store.watch.is_tracking
    own_server.run(*(["FLUSHALL"] if how == "flush" else ["DEL", store._keys.tokens]))

    soon(lambda: store.watch.resets > resets)


def test_invalidations_and_writes_make_nobody_ask(own_server, stores):
    """
    What a message explains, and what a write does to the tokens, costs others no question.
    """
    store, other = stores(own_server), stores(own_server)
    for one in (store, other):
        one.watch._beat = 3600.0
        put(one, "a")
        one.bump([NAME])  # the server knows all scripts now
        one.delete([address("a")])
    soon(lambda: store.watch.numbers.knows_tokens and other.watch.numbers.knows_tokens)

    def questions():
        found = own_server.run("INFO", "commandstats")
        return sum(found[f"cmdstat_{name}"]["calls"] for name in ("evalsha", "eval"))

    soon(lambda: not store.watch._is_due and not other.watch._is_due)
    before = questions()
    for _ in range(10):
        other.bump([NAME])
    for n in range(10):
        put(other, f"text {n}")  # three questions each
    other.delete([address("a")])
    soon(lambda: store.watch.numbers._number == other.watch.numbers._number)
    soon(lambda: not store.watch._is_due and not other.watch._is_due)
    assert before + 10 + 30 + 1 >= questions()
    assert 0 == store.watch.resets


def test_a_server_that_does_not_tell_is_watched_all_the_same(own_server, name, caplog):
    """
    Its user may not ask for tracking: invalidations are heard, and it is noted for who looks.
    """
    caplog.set_level("DEBUG", "memotier")
    rights = "on >secret ~mt1:* &mt1:* +@all -@dangerous -client|tracking"
    own_server.run("ACL", "SETUSER", "memotier", *rights.split())
    url = own_server.url.replace("//", "//memotier:secret@")
    store = RedisStore(RedisUrl(url), name=name)
    other = RedisStore(RedisUrl(own_server.url), name=name)
    put(store, "a")
    before = bytes(store.board.cells)
    other.bump([NAME])

    soon(lambda: [slot_on_board(NAME)] == moved_cells(before, bytes(store.board.cells)))
    assert not store.watch.is_tracking
    assert other.watch.is_tracking
    assert 1 == caplog.text.count("does not tell when it is emptied (the server refuses it)")
    assert not [one for one in caplog.records if one.levelname == "WARNING"]
    store.close()
    other.close()


def test_a_client_that_speaks_resp3_goes_without(server, name):
    """
    It hears of invalidations all the same.
    """
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(server.url, protocol=3) as client:
        store = RedisStore(client, name=name)
        other = RedisStore(RedisUrl(server.url), name=name)
        put(store, "a")
        before = bytes(store.board.cells)
        other.bump([NAME])
        soon(lambda: [slot_on_board(NAME)] == moved_cells(before, bytes(store.board.cells)))
        assert store.watch.is_subscribed and not store.watch.is_tracking
        store.close()
        other.close()


def test_a_client_that_connects_anew_by_itself_is_told_to_track_again(own_server, name):
    """
    Its new connection tracks nothing; the subscription is made again, and all is marked.
    """
    redis = pytest.importorskip("redis")
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    retry = Retry(NoBackoff(), 3)
    with redis.Redis.from_url(own_server.url, protocol=2, retry=retry) as client:
        store = RedisStore(client, name=name)
        put(store, "a")
        soon(lambda: store.watch.numbers.knows_tokens)
        for _ in range(3):
            resets = store.watch.resets
            own_server.run("CLIENT", "KILL", "TYPE", "pubsub")
            soon(lambda resets=resets: store.watch.resets > resets)
            soon(lambda: store.watch.is_tracking and store.watch.is_subscribed)
            store.watch._beat = 3600.0
        resets = store.watch.resets
        own_server.run("FLUSHALL")
        soon(lambda: store.watch.resets > resets)
        store.close()


# -- the bound ---------------------------------------------------------------------------


def test_the_bound_holds_while_somebody_waits_for_a_server():
    """
    An attempt that takes as long as it likes (to resolve a name, say) does not stretch it.
    """
    release, entered = threading.Event(), threading.Event()

    def never():
        entered.set()
        release.wait(60)
        raise ConnectionError

    watch = idle(max_age=0.05, subscription=never)
    with pytest.raises(StoreUnavailable):
        watch.start(0.01)
    assert entered.wait(30)
    soon(lambda: watch.resets >= 3)
    release.set()
    watch.stop()
    soon(lambda: not watch._age._thread.is_alive())


def test_a_short_bound_makes_beats_often():
    """
    Three in the time, so that one may fail.
    """
    assert 1.0 == idle(max_age=3)._beat
    assert 5.0 == idle(max_age=30)._beat


def test_without_threads_the_store_is_away(monkeypatch):
    """
    Nothing would bound how long memory is believed; a later call tries again.
    """
    watch = idle(max_age=30)

    def none(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        with pytest.raises(StoreUnavailable, match="no thread"):
            watch.start(1.0)
    watch.start(1.0)
    watch.stop()


def away():
    raise ConnectionError


def idle(max_age, subscription=away):
    """
    A watch of a server that cannot be subscribed to.
    """
    return Watch(
        LocalBoard(),
        channel="c",
        sender=b"m" * 8,
        subscription=subscription,
        last_number=lambda: (None, 0),
        renew=lambda birth: None,
        tracked="tokens",
        max_age=max_age,
        place="here",
    )


@pytest.mark.parametrize("value", [0, 0.5, "never", "2d", True, "soon", [5]])
def test_a_bound_that_is_none_is_refused(server, name, value):
    """
    From a second to a day; the message shows the value.
    """
    with pytest.raises(ConfigError, match=r"^max_l1_age = "):
        MultiLevelCache(redis_url=server.url, name=name, max_l1_age=value)


def test_the_bound_reaches_the_store(server, name, monkeypatch):
    """
    As an argument, and as a setting.
    """
    with MultiLevelCache(redis_url=server.url, name=name, max_l1_age="5s") as cache:
        assert 5.0 == cache._keyed.engine.store.store.watch._max_age
    with MultiLevelCache(redis_url=server.url, name=name) as cache:
        assert 30.0 == cache._keyed.engine.store.store.watch._max_age
    monkeypatch.setenv("MEMOTIER_REDIS_URL", server.url)
    monkeypatch.setenv("MEMOTIER_MAX_L1_AGE", "7s")
    assert 7.0 == registry.get_cache()._keyed.engine.store.store.watch._max_age
