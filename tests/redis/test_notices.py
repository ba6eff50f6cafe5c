"""
What processes leave of themselves at a Redis.
"""

from __future__ import annotations

import uuid

import pytest
import redis

from memotier.settings.urls import RedisUrl
from memotier.stores.notices import LARGEST, LIFE, MOST
from memotier.stores.redis.store import RedisStore


@pytest.fixture
def store(redis_server, clock):
    made = RedisStore(RedisUrl(redis_server.url), name=uuid.uuid4().hex, clock=clock)
    yield made
    made.close()


@pytest.fixture
def client(redis_server):
    with redis.Redis.from_url(redis_server.url) as made:
        yield made


def test_what_is_left_is_found_and_replaced(store, clock):
    """
    One notice for each name, the newest first.
    """
    store.notices.leave("a1", b"old")
    store.notices.leave("b2", b"other")
    clock.advance(1)
    store.notices.leave("a1", b"new")

    assert [("a1", b"new"), ("b2", b"other")] == [one[:2] for one in store.notices.left()]


def test_a_notice_expires(store, client, clock):
    """
    By our clock for who looks, and by the server's own for who does not.
    """
    store.notices.leave("a1", b"x")
    assert 0 < client.pttl(store._keys.notice("a1")) <= LIFE * 1000
    assert 0 < client.pttl(store._keys.notices) <= LIFE * 1000

    clock.advance(LIFE + 1)
    assert [] == store.notices.left()


def test_there_are_not_more_than_so_many(store, client, clock):
    """
    Of too many the oldest are no longer known.
    """
    for number in range(MOST + 5):
        store.notices.leave(f"{number:x}", b"x")
        clock.advance(1)

    assert MOST == len(store.notices.left()) == client.zcard(store._keys.notices)
    assert f"{MOST + 4:x}" == store.notices.left()[0].name


def test_what_others_put_there_is_passed_over(store, client):
    """
    What is too large, of another type or gone.
    """
    for name in ("a1", "b1", "c1", "d1"):
        store.notices.leave(name, b"x")
    client.set(store._keys.notice("b1"), bytes(LARGEST + 1))
    client.delete(store._keys.notice("c1"), store._keys.notice("d1"))
    client.lpush(store._keys.notice("c1"), "x")

    assert ["a1"] == [one.name for one in store.notices.left()]


def test_clearing_leaves_them(store):
    """
    They are no records.
    """
    store.notices.leave("a1", b"x")
    store.clear()

    assert ["a1"] == [one.name for one in store.notices.left()]
