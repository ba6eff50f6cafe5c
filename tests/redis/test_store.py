"""
What the Redis store promises beyond the contract (tests/stores/test_contract.py and the others
there run on it, too): keys, lives, loss of tokens, room.
"""

from __future__ import annotations

import re

import pytest

from memotier.errors import ConfigError, StoreError
from memotier.settings.urls import RedisUrl
from memotier.stores.board import moved_cells, slot_on_board
from memotier.stores.redis.layout import LIFE, LONGEST
from memotier.stores.redis.store import RedisStore
from memotier.tokens import hard_token

from ..stores.support import NAME, OTHER, ROOT, address, item, noted, put, read
from .support import soon

pytestmark = pytest.mark.extras


def keys_of(server, name):
    return server.run("KEYS", f"mt1:{{{name}}}:*")


def told(events):
    """
    What happened, without what is told all the time.
    """
    return [event for event, _ in events if event != "store_reachable"]


def test_the_server_is_a_server(server):
    """
    No imitation: it says of itself what only a Redis or Valkey says.
    """
    info = server.run("INFO", "server")

    assert "redis_version" in info or "valkey_version" in info
    assert int(info["process_id"]) > 0 and info["executable"]


def test_fault_26_keys_are_digests_and_everything_has_a_time_to_live(server, stores, name):
    """
    A record under its address; tokens outlive every record that depends on them.
    """
    store = stores(server)
    put(store, "a", record=b"r", group="ns", expire=100.0)
    put(store, "b", record=b"r", group="ns")
    store.bump([NAME])
    store.delete([address("c")])

    found = {key.decode().rpartition(":")[2]: key for key in keys_of(server, name)}
    assert {"tokens", "ages", "index", address("a").hex(), address("b").hex()} == set(found)
    lives = {end: server.run("PTTL", key) / 1000 for end, key in found.items()}
    assert 99 < lives[address("a").hex()] <= 100
    assert LONGEST - 60 < lives[address("b").hex()] <= LONGEST
    assert all(LIFE - 60 < lives[end] <= LIFE for end in ("tokens", "ages", "index"))
    assert LIFE > LONGEST


def test_fault_26_the_server_sees_digests_and_no_text_of_a_user(own_server, caches):
    """
    Arguments, tags and keys of every kind: neither in a key nor in a script, and no KEYS.
    """
    nasty = "can\r\nary \0{x}*[a-z]?"
    cache = caches(own_server)
    with own_server.client() as client, client.monitor() as monitor:
        cache.sync.set(nasty, 1, namespace="a.b", tags=[nasty])
        assert 1 == cache.sync.get(nasty, namespace="a.b")
        cache.sync.add_tags(nasty, "more" + nasty, namespace="a.b")
        cache.sync.invalidate_tags(nasty)
        cache.sync.delete(nasty, namespace="a.b")
        cache.sync.clear_namespace("a", soft=True)
        cache.sync.clear_namespace("a")
        cache.sync.clear()
        cache.get_stats()
        cache.sync.close()
        own_server.run("ECHO", "the end")
        heard = []
        while "the end" not in (line := monitor.next_command()["command"]):
            heard.append(line)

    scripts = [line for line in heard if line.startswith("EVAL ")]
    assert heard and scripts
    assert not [line for line in heard if line.split()[0].upper() in ("KEYS", "FLUSHDB", "SCAN")]
    assert not any("canary" in re.sub(r'"[^ ]{0,}"', "", line) for line in scripts)
    keys = {word for line in heard for word in re.findall(r"mt1:\S+", line)}
    pattern = (
        r"mt1:\{test-\w+\}:"
        r"((lease:)?[0-9a-f]{32}|tokens|ages|index|inv:0|free:0|snaps|snap:[0-9a-f]{16})"
    )
    assert keys and all(re.fullmatch(pattern, key) for key in keys)


def test_a_known_script_is_not_sent_again(own_server, stores):
    """
    Only its digest goes to a server that has it.
    """
    store = stores(own_server)
    for _ in range(3):
        put(store, "a")
        read(store, "a")
        before = own_server.run("INFO", "commandstats").get("cmdstat_eval", {}).get("calls", 0)
    put(store, "a")
    read(store, "a")
    store.versions([NAME])

    assert before == own_server.run("INFO", "commandstats")["cmdstat_eval"]["calls"]


def test_an_unknown_script_is_sent_again(own_server, stores):
    """
    A server that was restarted, or told to forget its scripts, knows none.
    """
    store = stores(own_server)
    put(store, "a")
    own_server.run("SCRIPT", "FLUSH")

    assert [b"record"] == read(store, "a")
    assert [True] == put(store, "b")


@pytest.mark.parametrize("loss", ["tokens", "everything"])
def test_fault_17_what_is_older_than_the_tokens_is_a_miss(own_server, stores, name, loss):
    """
    Evicted tokens count as changed, never as those of names that were never invalidated.
    """
    events = []
    store = stores(own_server, on_event=lambda *event: events.append(event))
    other = stores(own_server)
    guard = noted(store, "late")
    put(store, "a")
    old = store.versions([NAME])[1]
    own_server.run(*(("DEL", f"mt1:{{{name}}}:tokens") if loss == "tokens" else ("FLUSHALL",)))

    assert [None] == read(store, "a")
    assert old[:4] != store.versions([NAME])[1][:4]
    assert ["store_replaced"] == told(events)
    assert [False] == store.set([item(store, "late", guard=guard)])
    assert [True] == put(store, "a", record=b"new")
    assert [b"new"] == read(other, "a")


def test_a_bump_that_finds_no_tokens_begins_anew(own_server, stores, name):
    """
    What was stored before is a miss then, too, also under other names.
    """
    store, other = stores(own_server), stores(own_server)
    put(store, "a", names=(OTHER,))
    own_server.run("DEL", f"mt1:{{{name}}}:tokens")
    other.bump([NAME])

    assert [None] == read(store, "a")


def test_old_tokens_are_forgotten_and_young_ones_are_not(server, stores, name):
    """
    A name that was invalidated so long ago that no record of before can be left.
    """
    store = stores(server)
    store.bump([NAME, OTHER])
    server.run("ZADD", f"mt1:{{{name}}}:ages", server.run("TIME")[0] - LIFE - 60, NAME)
    store.bump([b"x" * 16])

    [gone, there], _ = store.versions([NAME, OTHER])
    assert gone is None
    assert 8 == len(there)


def test_a_soft_bump_that_is_interrupted_is_made_again(server, stores, monkeypatch):
    """
    The halves of a token are made of the one that is there, not of one that was.
    """
    store, other = stores(server), stores(server)
    versions, interrupts = store._ask.versions, [1, 2, 3]

    def interrupted(names):
        answer = yield from versions(names)
        if interrupts:
            interrupts.pop()
            other.bump([NAME])
        return answer

    monkeypatch.setattr(store._ask, "versions", interrupted)
    store.bump([NAME], True)

    [token], _ = other.versions([NAME])
    assert [] == interrupts
    assert 24 == len(token) and bytes(8) != token[:8]


def test_planted_values_are_misses(server, stores, name):
    """
    A foreign text, a damaged head, another type, and one that is too large: none is read, and
    none keeps the others from being read.
    """
    store = stores(server, max_record_bytes=1000)
    put(store, *"abcdef")

    def key(text):
        return f"mt1:{{{name}}}:{address(text).hex()}"

    server.run("SET", key("a"), "foreign")
    server.run("SET", key("b"), b"\x02" + b"x" * 60)
    server.run("DEL", key("c"))
    server.run("HSET", key("c"), "x", "y")
    server.run("SET", key("d"), b"\x01" + b"x" * 5000)
    server.run("SETRANGE", key("e"), 21, b"\xff")

    assert [None, None, None, None, None, b"record"] == read(store, *"abcdef")
    assert [False, False, False] == store.delete([address(text) for text in "abc"])
    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")
    assert 1 <= store.count()
    store.clear()
    assert [None] * 6 == read(store, *"abcdef")


def test_tokens_that_are_none_of_ours_are_a_fault_of_the_store(own_server, stores, name):
    """
    Somebody else uses the key: an error that the breaker hears of, not a wrong answer.
    """
    store = stores(own_server)
    own_server.run("SET", f"mt1:{{{name}}}:tokens", "x")
    with pytest.raises(StoreError):
        read(store, "a")

    own_server.run("DEL", f"mt1:{{{name}}}:tokens")
    own_server.run("HSET", f"mt1:{{{name}}}:tokens", "epoch", "of somebody else")
    with pytest.raises(StoreError, match="none of ours"):
        read(store, "a")


def test_a_record_that_is_too_large_is_not_stored(server, stores):
    """
    It is told, and the others of its batch are stored.
    """
    events = []
    store = stores(server, max_record_bytes=100, on_event=lambda *event: events.append(event))

    big, small = item(store, "big", record=b"x" * 101), item(store, "small")
    assert [False, True] == store.set([big, small])
    assert ["record_too_large"] == told(events)
    assert ("record_too_large", {"size": 101, "limit": 100}) in events


def test_fault_17_a_server_that_is_full(own_server, stores):
    """
    One that evicts loses records and no more; one that does not says so in an error.
    """
    store = stores(own_server)
    put(store, "first", names=(NAME,))
    store.bump([NAME])
    valid = store.versions([NAME])
    own_server.run("CONFIG", "SET", "maxmemory", "8mb")
    own_server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    for n in range(300):
        put(store, f"text {n}", record=b"x" * 100_000)  # refused if the tokens went meanwhile
    there = [record is not None for record in read(store, *(f"text {n}" for n in range(300)))]

    assert sum(there) < 300
    # Either the tokens are still there, or everything older than them is a miss.
    if store.versions([NAME]) == valid:
        assert 0 < sum(there)
    else:
        assert [None] == read(store, "first")

    own_server.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
    own_server.run("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(StoreError, match="it is full"):
        put(store, "b", record=b"x" * 100_000)


def test_two_caches_of_one_server_are_two(server, stores, caches, name):
    """
    Unless they have one name, and then databases tell them apart.
    """
    store = stores(server)
    put(store, "a")
    one = caches(server, name=name + "x")
    one.sync.set("k", 1)
    two = caches(server, name=name + "y")

    assert two.sync.get("k") is None
    two.sync.clear()
    assert 1 == one.sync.get("k")
    assert [b"record"] == read(store, "a")


@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_a_client_of_the_users(server, name, package):
    """
    It is used as it is and stays open; one that makes text of bytes is refused.
    """
    module = pytest.importorskip(package)
    kind = module.Redis if package == "redis" else module.Valkey
    with kind.from_url(server.url) as client:
        store = RedisStore(client, name=name)
        put(store, "a")
        assert [b"record"] == read(store, "a")
        assert soon(lambda: store.watch.is_subscribed)
        assert [True] == store.delete([address("a")])
        assert 0 == store.count("ns") == store.clear()
        store.close()
        assert client.ping()
    with (
        kind.from_url(server.url, decode_responses=True) as client,
        pytest.raises(ConfigError, match="decode_responses"),
    ):
        RedisStore(client, name=name)
    with pytest.raises(ConfigError, match=r"a builtins\.object cannot be used"):
        RedisStore(object(), name=name)


def test_fault_13_an_answer_to_another_request_is_not_believed(own_server, stores):
    """
    After a timeout the connection is not used again, so a late answer reaches nobody.
    """
    store = stores(own_server)
    put(store, "a", record=b"one")
    put(store, "b", record=b"two")
    with own_server.frozen(), pytest.raises(StoreError):
        read(store, "a")

    assert [b"two"] == read(store, "b")


def test_fault_20_what_the_script_was_given_is_never_run(server, stores):
    """
    Names and records that look like a script are data.
    """
    store = stores(server)
    text = b"'] redis.call('SET','mt1:planted','1') --"
    store.bump([text[:16]])
    put(store, "a", record=text, names=(text[:16],))

    assert [text] == read(store, "a")
    assert server.run("GET", "mt1:planted") is None
    assert hard_token() not in store.versions([text[:16]])[0]


def test_the_rights_that_the_guide_names_are_enough(own_server, name, stores):
    """
    A user with no more than these does everything, and hears of the others.
    """
    guide = (ROOT / "docs" / "guide" / "redis.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^ACL SETUSER memotier .*$", guide, flags=re.MULTILINE)
    own_server.run(*line.replace("PASSWORD", "secret").split())
    url = own_server.url.replace("//", "//memotier:secret@")
    store, other = RedisStore(RedisUrl(url), name=name), stores(own_server)
    put(store, "a", "b")
    before = bytes(store.board.cells)
    other.bump([NAME])
    soon(lambda: [slot_on_board(NAME)] == moved_cells(before, bytes(store.board.cells)))
    store.bump([NAME], True)
    store.expire([address("a")])
    store.delete([address("a")])
    store.discard(address("b"))
    put(store, "c")
    assert 1 == store.count("ns") == store.usage()["size"] == store.clear_group("ns")
    own_server.run("SCRIPT", "FLUSH")
    own_server.run("FLUSHALL")
    assert [None] == read(store, "c")
    store.close()


def test_an_answer_that_is_late_does_not_empty_memory(server, stores):
    """
    That there was no epoch yet may be heard after one was made: nothing was lost.
    """
    events = []
    store = stores(server, on_event=lambda *event: events.append(event))
    put(store, "a")
    store._ask._noticed(None)
    put(store, "a")

    assert [] == told(events)


# -- who made what ---------------------------------------------------------------------------


def made(store, text, version, **options):
    """
    Store a record that a *version* of the function NAME has made.
    """
    one = item(store, text, **options)._replace(made_by=(NAME, version))
    return store.set([item(store, f"{text}-other"), one])[1]


def test_versions_are_noted_with_their_records(stores, server, name):
    """
    The last first, each once, only the last few, in another process, too; and they end by
    themselves.
    """
    store, other = stores(server), stores(server)
    for version in ("1", "2", "1", "3", "4", "5", "4"):
        assert made(store, version, version)

    assert ["4", "5", "3", "1"] == other.recall(NAME)
    assert [] == other.recall(OTHER)
    key = f"mt1:{{{name}}}:made:{NAME.hex()}"
    assert LONGEST < server.run("PTTL", key) / 1000 <= LIFE


def test_a_record_that_is_not_stored_is_not_noted(stores, server):
    """
    Its guard did not hold: there is nothing that this version has made.
    """
    store = stores(server)
    one = item(store, "a")._replace(made_by=(NAME, "1"))
    store.delete([address("a")])

    assert [False] == store.set([one])
    assert [] == store.recall(NAME)


def test_a_long_text_is_cut_and_a_foreign_one_given_up(stores, server, name):
    """
    Whatever lies under the key of a note, storing and asking go on.
    """
    store, key = stores(server), f"mt1:{{{name}}}:made:{NAME.hex()}"
    server.run("SADD", key, "x")
    assert [] == store.recall(NAME)
    assert made(store, "a", "v" * 5000)
    assert ["v" * 100] == store.recall(NAME)
    server.run("SET", key, b"\xff" * 100_000)
    assert sum(map(len, store.recall(NAME))) < 1000
    assert made(store, "b", "2")
    assert "2" == store.recall(NAME)[0]


def test_notes_and_leases_go_together(stores, server):
    """
    Of several records, one has a note, one gives back its lease, one both.
    """
    store, other = stores(server), stores(server)
    items = [item(store, text) for text in "abc"]
    leases = [store.claims.claim(one.address, "cluster") for one in items[1:]]
    assert all(taking.is_ours for taking in store.claims.take([(one, None) for one in leases]))
    items[0] = items[0]._replace(made_by=(NAME, "1"))
    items[2] = items[2]._replace(made_by=(OTHER, "2"))

    assert [True] * 3 == store.set(items)
    assert (["1"], ["2"]) == (store.recall(NAME), store.recall(OTHER))
    again = [other.claims.claim(one.address, "cluster") for one in items[1:]]
    assert all(taking.is_ours for taking in other.claims.take([(one, None) for one in again]))
