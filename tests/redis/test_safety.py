"""
What another user of the server can change around a record, and what he is kept from by rights.
"""

from __future__ import annotations

import re
import struct

import pytest

from memotier import MultiLevelCache, tiered_cache
from memotier.stores.redis.layout import BIRTH, EXPIRED_AT, NOT_EXPIRED, head_of, pack, record_of

from ..safety.conftest import KEY, OTHER, Values, refused, text
from ..stores.support import ROOT

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))


@pytest.fixture
def values(server, name):
    return Values(server, name)


def defined(cache, **options):
    calls = []

    @tiered_cache(cache=cache, name="f", version=1, namespace="ns", ttl=600, **options)
    def f(x):
        calls.append(x)
        return x

    f.calls = calls
    return f


def at(offset: int, what: bytes):
    """Bytes of a value, replaced."""
    return lambda value: value[:offset] + what + value[offset + len(what) :]


@pytest.mark.parametrize(
    ("change", "hits"),
    [
        (at(0, b"\x02"), False),
        (at(1, b"none"), False),
        (at(1 + BIRTH, struct.pack(">d", 0.0)), False),
        (at(1 + BIRTH, struct.pack(">d", float("nan"))), False),
        (at(1 + BIRTH, struct.pack(">d", float("inf"))), True),
        (at(EXPIRED_AT, struct.pack(">d", 1.0)), False),
        (at(EXPIRED_AT, struct.pack(">d", float("nan"))), False),
        (at(EXPIRED_AT + 8, b"\xff"), False),
        (at(EXPIRED_AT + 8, b"\x00"), False),
        (at(EXPIRED_AT + 9, b"xx"), True),
        (at(EXPIRED_AT + 9, b"\xff\xff"), False),
    ],
    ids=[
        *("version", "birth", "ended", "no end", "endless", "expired", "expired at no time"),
        *("long group", "no group", "other group", "group of no text"),
    ],
)
def test_fault_12_the_head_before_a_record(server, values, caches, change, hits):
    """
    It is not authenticated, and need not be: whatever it says, a call gets its own result, from the
    record or computed. (A group says which records go when a namespace is cleared, for the room;
    what is valid is told by tokens.)
    """
    defined(caches(server))("a")
    [(address, value)] = values.all().items()
    values.put(address, change(value))
    f = defined(caches(server))

    assert "a" == f("a")
    assert ([] if hits else ["a"]) == f.calls


def test_a_namespace_is_cleared_whatever_the_head_says(server, values, caches):
    """
    A record that claims to be of another namespace is not removed by that, and not used either.
    """
    cache = caches(server)
    defined(cache)("a")
    [(address, value)] = values.all().items()
    values.put(address, at(EXPIRED_AT + 9, b"xx")(value))
    cache.sync.clear_namespace("ns")
    assert values.all()
    f = defined(caches(server))

    f("a")
    assert ["a"] == f.calls


def test_what_was_expired_by_its_key_can_be_called_fresh_within_its_ttl(server, values, caches):
    """
    As SECURITY.md says: that moment stands in the head. It ends with the ttl, or the key.
    """
    cache = caches(server)
    first = defined(cache, stale_if_error=60)
    first("a")
    first.expire("a")
    [(address, value)] = values.all().items()
    assert NOT_EXPIRED != value[EXPIRED_AT : EXPIRED_AT + 8]
    values.put(address, at(EXPIRED_AT, NOT_EXPIRED)(value))

    f = defined(caches(server), stale_if_error=60)
    assert "a" == f("a") and [] == f.calls


def test_fault_12_tokens_that_somebody_puts_there(server, values, caches, name):
    """
    Foreign tokens of a name are an invalidation, like lost ones.
    """
    defined(caches(server), tags=["t"])("a")
    caches(server).sync.invalidate_tags("t")
    defined(caches(server), tags=["t"])("a")
    for field in server.run("HKEYS", f"mt1:{{{name}}}:tokens"):
        if len(field) == 16:
            server.run("HSET", f"mt1:{{{name}}}:tokens", field, b"xxxxxxxx")
    f = defined(caches(server), tags=["t"])

    f("a")
    assert ["a"] == f.calls


def test_fault_20_a_value_of_another_type_and_one_that_is_too_large(server, values, caches):
    """
    Neither is read, and the next result takes its place.
    """
    caches(server, max_value_bytes=1000).sync.set("k", 1)
    [address] = values.all()
    for command in (
        ("HSET", values.key(address), "a", "b"),
        ("SET", values.key(address), b"\x01" * 2_000_000),
    ):
        server.run("DEL", values.key(address))
        server.run(*command)
        other = caches(server, max_value_bytes=1000)
        assert other.sync.get("k") is None
        other.sync.set("k", 1)
        assert 1 == caches(server, max_value_bytes=1000).sync.get("k")


def test_a_foreign_record_is_told_and_removed_once(server, values, caches, caplog):
    """
    One line for a cache, whatever the number; each is counted.
    """
    cache = caches(server)
    cache.sync.set_many({n: n for n in range(3)})
    for address in values.all():
        values.put(address, b"foreign")
    other = caches(server)

    assert {} == other.sync.get_many(range(3))
    assert {} == values.all()
    assert 3 == refused(other)
    assert 1 == caplog.text.count("that memotier has not written")
    assert "foreign" not in caplog.text.replace("foreign_rows", "")


def test_two_keys_at_one_server_are_two_worlds(server, values, caches, monkeypatch):
    """
    Caches of one name whose processes have different keys never use each other's results, and
    none of their calls fails.
    """
    ours = defined(caches(server))
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    theirs = defined(caches(server))

    assert ["a"] * 2 == [ours("a"), theirs("a")]
    assert ["a"] == ours.calls == theirs.calls


def rights(user: str) -> list[str]:
    """
    The words of the line in the guide that makes *user*.
    """
    guide = (ROOT / "docs" / "guide" / "redis.md").read_text(encoding="utf-8")
    [line] = re.findall(rf"^ACL SETUSER {user} .*$", guide, flags=re.MULTILINE)
    return line.replace("PASSWORD", "secret").split()


def test_a_user_of_one_cache_is_kept_from_all_others(own_server, caplog):
    """
    The second line of the guide: its own cache works, and of another one it reads, changes and
    removes nothing, nor learns what keys there are; its functions are called all the same.
    """
    own_server.run(*rights("shop"))
    url = own_server.url.replace("//", "//shop:secret@") + "?socket_timeout=20"
    theirs = MultiLevelCache(redis_url=own_server.url, name="bank")
    defined(theirs)("theirs")
    keys = [key for key in own_server.run("KEYS", "*") if b":snap" not in key]
    before = {key: own_server.run("DUMP", key) for key in keys}

    own = MultiLevelCache(redis_url=url, name="shop")
    defined(own)("a")
    again = MultiLevelCache(redis_url=url, name="shop")
    f = defined(again)
    assert "a" == f("a") and [] == f.calls
    again.sync.invalidate_tags("t")
    again.sync.clear()
    assert "" == caplog.text

    intruder = MultiLevelCache(redis_url=url, name="bank")
    g = defined(intruder)
    assert "theirs" == g("theirs") and ["theirs"] == g.calls
    assert "its user may not do that" in caplog.text
    import redis

    with redis.Redis.from_url(url) as client:
        for command in (
            ("GET", next(iter(before))),
            ("DEL", next(iter(before))),
            ("SCAN", "0"),
            ("KEYS", "*"),
            ("RANDOMKEY",),
            ("FLUSHALL",),
            ("CONFIG", "GET", "*"),
            ("PUBLISH", "mt1:{bank}:inv:0", "x"),
            ("SUBSCRIBE", "mt1:{bank}:inv:0"),
            ("EVAL", "return redis.call('GET', KEYS[1])", "1", next(iter(before))),
        ):
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission"):
                client.execute_command(*command)
    # What its own process tells of itself comes when it comes.
    there = [key for key in own_server.run("KEYS", "mt1:{bank}:*") if b":snap" not in key]
    assert before == {key: own_server.run("DUMP", key) for key in there}
    for cache in (theirs, own, again, intruder):
        cache.sync.close()


def test_pack_and_head_agree():
    """
    The offsets that the tests above change are those of the head.
    """
    value = pack(b"brth", 5.0, "ns", b"record")
    head = head_of(at(EXPIRED_AT, struct.pack(">d", 7.0))(value))

    assert (b"brth", 5.0, 7.0, "ns") == head
    assert b"record" == record_of(value, head)
