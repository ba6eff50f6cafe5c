"""
Reading: one round trip that is as good as one state, no more bytes than a record can have, and
connections on which no answer is ever taken for another.
"""

from __future__ import annotations

import socket
import threading
from importlib import import_module

import pytest

from memotier import ConfigError, MultiLevelCache, tiered_cache
from memotier.errors import StoreError, StoreUnavailable
from memotier.settings.urls import RedisUrl
from memotier.stores.redis import lines
from memotier.stores.redis.requests import Request
from memotier.stores.redis.store import RedisStore

from ..engine.worlds import Background
from ..stores.support import NAME, OTHER, address, item, noted, put, read
from .support import soon

pytestmark = pytest.mark.extras


@pytest.fixture
def between(monkeypatch):
    """
    A function that has something done between the two halves of the next reading of a store.
    """

    def between(store, action):
        exchange = store._server.lines.exchange
        actions = [action]

        def interrupted(request):
            if request.doing != "read" or not actions:
                return exchange(request)
            first = exchange(Request("read", request.commands[0]))
            # In a thread of its own, as this one is inside an operation of a store.
            Background(actions.pop()).result()
            return first + exchange(Request("read", *request.commands[1:]))

        monkeypatch.setattr(store._server.lines, "exchange", interrupted)
        return actions

    return between


def test_a_hit_is_one_round_trip_of_two_plain_commands(own_server, stores):
    """
    Tokens first, then the record; no script and nothing else.
    """
    store = stores(own_server)
    put(store, "a")
    with own_server.client() as client, client.monitor() as monitor:
        assert [b"record"] == read(store, "a")
        own_server.run("ECHO", "the end")
        heard = []
        while "the end" not in (line := monitor.next_command()["command"]):
            heard.append(line.split()[0])

    commands = [one for one in heard if one in ("HMGET", "GETRANGE", "EVALSHA", "GET", "EVAL")]
    assert ["HMGET", "GETRANGE"] == commands


MEANWHILE = {
    "delete": lambda other: other.delete([address("a")]),
    "expire": lambda other: other.expire([address("a")]),
    "bump": lambda other: other.bump([NAME]),
    "bump softly": lambda other: other.bump([NAME], True),
    "clear": lambda other: (other.bump([NAME]), other.clear()),
}


@pytest.mark.parametrize("was_there", [True, False])
@pytest.mark.parametrize("what", MEANWHILE)
def test_what_was_read_around_an_invalidation_stores_nothing(
    server, stores, between, what, was_there
):
    """
    Whoever noted tokens before it and computes is refused, whatever he read after it.
    """
    store, other = stores(server), stores(server)
    if was_there:
        put(store, "a", record=b"old")
    tokens, _ = store.versions([NAME])
    left = between(store, lambda: MEANWHILE[what](other))

    reading = store.get([address("a")])
    assert not left

    guard = noted(store)._replace(epoch=reading.epoch, tokens=tokens, mark=reading.marks[0])
    assert [False] == store.set([item(store, record=b"late", guard=guard)])
    instead = guard._replace(instead_of=b"old")
    assert [False] == store.set([item(store, record=b"late", guard=instead)])
    assert b"late" not in read(other, "a")


@pytest.mark.parametrize("was_there", [True, False])
@pytest.mark.parametrize("what", ["delete", "bump"])
def test_a_record_that_was_stored_in_between_says_its_own_tokens(
    server, stores, between, what, was_there
):
    """
    Invalidated, computed anew and stored between the halves: what is read is the new one, of
    which the epoch that came with it may know nothing.
    """
    store, other = stores(server), stores(server)
    if was_there:
        put(store, "a", record=b"old")
    epoch = store.versions(())[1]

    def renew():
        MEANWHILE[what](other)
        assert [True] == put(other, "a", record=b"new")

    between(store, renew)
    reading = store.get([address("a")])

    assert [b"new"] == reading.records
    assert epoch == reading.epoch
    assert (other.versions(())[1] == epoch) is (what == "delete")


@pytest.mark.parametrize("again", [False, True])
def test_fault_17_tokens_that_are_lost_in_between(own_server, stores, name, between, again):
    """
    A record stored after that belongs to tokens of another birth: a miss. One of before is an
    answer of before.
    """
    store, other = stores(own_server), stores(own_server)
    put(store, "a", record=b"old")
    read(other, "a")

    def lose():
        own_server.run("DEL", f"mt1:{{{name}}}:tokens")
        if again:
            put(other, "a", record=b"new")

    between(store, lose)

    assert [None if again else b"old"] == read(store, "a")
    assert [b"new" if again else None] == read(store, "a")


@pytest.mark.parametrize("what", ["delete", "tag", "clear"])
@pytest.mark.parametrize("was_there", [True, False])
def test_fault_03_an_invalidation_between_the_halves_of_a_reading(
    server, caches, between, what, was_there
):
    """
    The call that had begun may get either; every later one, of either process, gets the new.
    """
    data, here, there = ["old"], caches(server), caches(server)
    options = {"namespace": "n", "name": "f", "version": 1, "ttl": 3600, "tags": ["t"]}
    mine, others = (
        tiered_cache(cache=cache, **options)(lambda x: data[0]) for cache in (here, there)
    )
    others("other")
    if was_there:
        assert "old" == others("k")
    store = here._keyed.engine.store.store
    mine("other")

    def change():
        data[0] = "new"
        if what == "delete":
            others.invalidate("k")
        elif what == "tag":
            there.sync.invalidate_tags("t")
        else:
            there.sync.clear()

    left = between(store, change)

    assert mine("k") in ("old", "new")
    assert not left
    assert "new" == others("k")
    soon(lambda: "new" == mine("k"))
    assert "new" == others("k") == mine("k")


def test_a_huge_value_that_somebody_has_put_there_is_not_loaded(own_server, name):
    """
    The server sends no more of it than a record of ours can have; it is a miss.
    """
    store = RedisStore(RedisUrl(own_server.url), name=name, max_record_bytes=1000)
    put(store, "a")
    read(store, "a")
    with own_server.client() as client:
        client.setrange(f"mt1:{{{name}}}:{address('a').hex()}", 40_000_000, b"x")
        before = client.info("stats")["total_net_output_bytes"]
        assert [None] == read(store, "a")
        assert [None, None] == read(store, "a", "b")
        sent = client.info("stats")["total_net_output_bytes"] - before
    store.close()

    assert sent < 50_000


def test_a_value_of_another_type_is_a_miss_and_keeps_nobody_from_others(server, stores, name):
    """
    Each record is read for itself.
    """
    store = stores(server)
    put(store, "a", "c")
    server.run("RPUSH", f"mt1:{{{name}}}:{address('b').hex()}", "x")

    assert [b"record", None, b"record"] == read(store, "a", "b", "c")


def test_a_record_as_large_as_allowed_is_read_and_a_larger_one_is_not(server, stores, name):
    """
    The limit is the record's own size; what comes before it does not count.
    """
    small = stores(server, max_record_bytes=1000)
    large = stores(server)
    put(large, "a", record=b"x" * 1000, group="n" * 200)
    put(large, "b", record=b"x" * 1500, group="n" * 255)

    assert [b"x" * 1000, None] == read(small, "a", "b")


class Liar:
    """
    A server that answers every command with what is no answer to it, after the first *honest* ones.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0?socket_timeout=5"
        self.connections = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.answer, args=(one,), daemon=True).start()

    def answer(self, one) -> None:
        with one, one.makefile("rb") as lines:
            while line := lines.readline():
                if line.startswith(b"*"):
                    one.sendall(b"+OK\r\n")


def test_fault_13_a_server_that_answers_something_else(name):
    """
    It is an error that says so, and the connection is not used again.
    """
    liar = Liar()
    store = RedisStore(RedisUrl(liar.url), name=name)
    store._watching = True  # nobody to hear of here
    for _ in range(3):
        with pytest.raises(StoreError, match="something else than what it was asked"):
            store.get([address("a")])
    store.close()
    liar.listener.close()

    assert 3 == liar.connections


class Stop(BaseException):
    """
    Stands for KeyboardInterrupt.
    """


@pytest.mark.parametrize("answers", [0, 1])
def test_fault_13_an_interrupt_in_the_middle_of_the_answers(server, stores, monkeypatch, answers):
    """
    What is left of them is never read by a later request: the connection is closed.
    """
    store = stores(server)
    put(store, "a", record=b"A")
    put(store, "b", record=b"B")
    read(store, "a")
    connection = store._server.lines._idle[-1][0]
    proper, done = connection.read_response, []

    def interrupted(*arguments, **options):
        if len(done) == answers:
            raise Stop
        done.append(1)
        return proper(*arguments, **options)

    monkeypatch.setattr(connection, "read_response", interrupted)
    with pytest.raises(Stop):
        read(store, "a")

    assert connection not in [one for one, _ in store._server.lines._idle]
    assert [b"B"] == read(store, "b")
    assert [b"A", b"B"] == read(store, "a", "b")


def test_a_connection_that_the_server_has_closed_is_not_used(own_server, stores, monkeypatch):
    """
    One that rested is looked at first, so nobody pays for it.
    """
    monkeypatch.setattr(lines, "RESTED", 0.0)
    store = stores(own_server)
    put(store, "a")
    own_server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert [b"record"] == read(store, "a")


def test_as_many_connections_as_threads_that_ask_at_once_and_no_more_than_allowed(own_server, name):
    """
    ``max_connections`` in the URL is a bound: one more is an error, and no other harm.
    """
    store = RedisStore(RedisUrl(own_server.url + "?max_connections=2"), name=name)
    put(store, "a")
    ours = store._server.lines
    soon(lambda: len(ours._idle) == ours._open)  # the thread that listens asks, too
    taken = [ours._take() for _ in range(2)]
    with pytest.raises(StoreUnavailable, match="max_connections"):
        store.get([address("a")])
    for one in taken:
        ours._drop(one)

    assert [b"record"] == read(store, "a")
    store.close()


# -- clients that the user made --------------------------------------------------------


@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_a_given_client_is_used_for_everything(server, name, package, call):
    """
    redis-py's and valkey-py's: results are shared with others, and invalidations are heard.
    """
    library = import_module(package)
    client = library.from_url(server.url)
    with (
        MultiLevelCache(redis_url=client, name=name) as cache,
        MultiLevelCache(redis_url=server.url, name=name) as other,
    ):
        options = {"namespace": "n", "name": "f", "version": 1, "ttl": 3600, "tags": ["t"]}
        runs = []

        @call.cached(cache=cache, **options)
        def f(x):
            runs.append(x)
            return [x, len(runs)]

        @tiered_cache(cache=other, **options)
        def g(x):
            return "never"

        assert [1, 1] == call(f(1)) == call(f(1))
        assert [1, 1] == g(1)
        other.sync.invalidate_tags("t")
        soon(lambda: call(f(1)) == [1, 2])
        assert [1, 2] == g(1)
        assert not cache._keyed.engine.store.has_twins
        assert 0 == cache.get_stats()["l2"]["errors"]
    client.close()


def test_a_given_client_reads_what_is_of_another_type_or_size_as_a_miss(server, name):
    """
    As our own connections do.
    """
    import redis

    client = redis.Redis.from_url(server.url)
    store = RedisStore(client, name=name, max_record_bytes=1000)
    put(store, "a", "c")
    client.rpush(f"mt1:{{{name}}}:{address('b').hex()}", "x")
    client.setrange(f"mt1:{{{name}}}:{address('d').hex()}", 100_000, b"x")

    assert [b"record", None, b"record", None] == read(store, "a", "b", "c", "d")
    client.execute_command("SCRIPT", "FLUSH")
    store.bump([OTHER])
    store.close()
    client.close()


@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_a_client_of_asyncio_is_refused_with_the_way_out(server, package):
    """
    Its connections belong to one loop, and threads ask, too.
    """
    library = import_module(f"{package}.asyncio")
    with pytest.raises(ConfigError, match=r"belong to one event loop: give its URL"):
        MultiLevelCache(redis_url=library.from_url(server.url))
