"""
Fault 30: MEMOTIER_KEY that is missing, short, malformed, rotated, or another's.
"""

from __future__ import annotations

import base64
import logging
import os
import threading

import pytest

from memotier import ConfigError, MultiLevelCache, tiered_cache
from memotier.codecs import records, sealed
from memotier.settings import load

from .conftest import KEY, OTHER, refused, text

ENCRYPTED = pytest.param({"encrypt": True}, marks=pytest.mark.extras, id="encrypted")
SIGNED = pytest.param({}, id="signed")


class Plain:
    """A result that only pickle carries."""

    def __init__(self, said):
        self.said = said


def function(cache, **options):
    calls = []

    @tiered_cache(cache=cache, name="f", version=1, namespace="ns", ttl=600, **options)
    def f(x):
        calls.append(x)
        return Plain(x) if options.get("codec") == "pickle" else x

    f.calls = calls
    return f


def said(caplog):
    return [one.getMessage() for one in caplog.records if "MEMOTIER_KEY" in one.getMessage()]


# -- missing -------------------------------------------------------------------------------


def test_fault_30_without_a_key_a_directory_is_trusted(open_cache, tier, caplog):
    """
    Nothing is said of a directory, which nobody else can write to; at a Redis one line is, once
    for a cache however often it is used, and the cache works.
    """
    with caplog.at_level(logging.WARNING, "memotier"):
        f = function(open_cache())
        assert "a" == f("a") == f("a")
        f("b")

    assert (1 if tier == "redis" else 0) == len(said(caplog))
    if tier == "redis":
        assert "can forge results" in said(caplog)[0]


def test_fault_30_with_a_key_nothing_is_said(open_cache, caplog, protection):
    """
    Neither signed nor encrypted.
    """
    with caplog.at_level(logging.WARNING, "memotier"):
        function(open_cache(**protection))("a")

    assert [] == caplog.records


@pytest.mark.parametrize("value", ["", " "])
def test_fault_30_an_empty_key_is_no_key(open_cache, monkeypatch, caplog, tier, value):
    """
    A variable that a deployment left empty: as if it were not set.
    """
    monkeypatch.setenv("MEMOTIER_KEY", value)
    with caplog.at_level(logging.WARNING, "memotier"):
        assert "a" == function(open_cache())("a")
    assert (1 if tier == "redis" else 0) == len(said(caplog))
    with pytest.raises(ConfigError, match="encrypt = True needs a key: set MEMOTIER_KEY"):
        open_cache(encrypt=True)


# -- short, malformed ----------------------------------------------------------------------


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        base64.b64encode(b"canary" * 5).decode(),
        "canary-canary-canary-canary-canary-canary!",
        text(KEY) + ",",
        text(KEY) + ", " + base64.b64encode(b"canary").decode(),
        "hunter2",
    ],
    ids=["short", "malformed", "an empty one", "second short", "a password"],
)
def test_fault_30_a_bad_key_is_refused_and_not_shown(open_cache, monkeypatch, value, encrypt):
    """
    When the cache is made, with the way out, and without a part of any key.
    """
    monkeypatch.setenv("MEMOTIER_KEY", value)

    with pytest.raises(ConfigError, match=r"key [12] of [12] in MEMOTIER_KEY.*`memotier key`") as e:
        open_cache(encrypt=encrypt)
    for part in value.replace(" ", "").split(","):
        assert not part or part not in str(e.value)


def test_fault_30_the_environment_encrypts_and_needs_the_key(monkeypatch):
    """
    MEMOTIER_ENCRYPT is a setting like any other; without a key it is an error, not clear text.
    """
    monkeypatch.setenv("MEMOTIER_ENCRYPT", "true")
    assert load().encrypt is True
    f = tiered_cache(lambda x: x)

    with pytest.raises(ConfigError, match="MEMOTIER_KEY"):
        f(1)
    monkeypatch.setenv("MEMOTIER_MODE", "off")
    assert 1 == tiered_cache(lambda x: x)(1)


@pytest.mark.parametrize("value", ["yes", 1, None, "true"])
def test_encrypt_is_a_yes_or_no(value):
    """
    The error names the argument and the value.
    """
    with pytest.raises(ConfigError, match=r"^encrypt = .* cannot be used: give True or False"):
        MultiLevelCache(encrypt=value)


# -- another's -----------------------------------------------------------------------------


def test_fault_30_a_wrong_key_reads_nothing(open_cache, protection, monkeypatch):
    """
    A miss, counted; and the other way round once the new result is there.
    """
    ours = open_cache(**protection)
    f = function(ours)
    f("a")
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    theirs = open_cache(**protection)
    g = function(theirs)

    assert "a" == g("a") and ["a"] == g.calls
    assert 1 == refused(theirs)


@pytest.mark.extras
@pytest.mark.parametrize("before", [{}, {"encrypt": True}], ids=["signed", "encrypted"])
def test_fault_30_encryption_is_turned_on_and_off(open_cache, monkeypatch, before):
    """
    With the same key: what the other kind wrote is a miss, whatever the record says of itself.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    after = {"encrypt": not before}
    function(open_cache(**before))("a")
    cache = open_cache(**after)
    f = function(cache)

    assert "a" == f("a") and ["a"] == f.calls
    assert 1 == refused(cache)


# -- rotated -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [SIGNED, ENCRYPTED])
@pytest.mark.parametrize("codec", ["safe", "pickle"])
def test_fault_30_rotation_loses_nothing_that_is_used(open_cache, monkeypatch, options, codec):
    """
    A record of the old key is a hit while both are listed, and from then on one of the new key;
    one that nobody used meanwhile is a miss once the old key is gone.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    first = function(open_cache(**options), codec=codec)
    first("used"), first("unused")
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY, OTHER))
    cache = open_cache(**options)
    f = function(cache, codec=codec)
    f("used")
    assert [] == f.calls and 0 == refused(cache)
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    cache = open_cache(**options)
    f = function(cache, codec=codec)

    f("used")
    assert [] == f.calls and 0 == refused(cache)
    f("unused")
    assert ["unused"] == f.calls


def test_fault_30_a_record_is_signed_again_once(open_cache, planted, protection, monkeypatch):
    """
    By the first that finds it, by value or in a batch; who finds it then leaves it alone.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    first = function(open_cache(**protection))
    first("a"), first("b")
    old = planted().all()
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY, OTHER))
    f = function(open_cache(**protection))
    assert ["a", "b"] == f.map([("a",), ("b",)])
    new = planted().all()
    g = function(open_cache(**protection))
    g("a"), g("b")

    assert [] == f.calls == g.calls
    assert old.keys() == new.keys() and not set(old.values()) & set(new.values())
    assert new == planted().all()


def test_signed_again_it_lives_no_longer_and_is_as_invalid(
    open_cache, protection, monkeypatch, clock
):
    """
    It ends when it would have ended, and an invalidation from before counts.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    first = function(open_cache(**protection), tags=["t"])
    first("a"), first("b")
    clock.advance(500)
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY, OTHER))
    cache = open_cache(**protection)
    f = function(cache, tags=["t"])
    f("a")
    assert [] == f.calls
    clock.advance(101)
    f("a")
    assert ["a"] == f.calls

    first("b"), first("c")
    cache.sync.invalidate_tags("t")
    f("b"), f("c")
    assert ["a", "b", "c"] == f.calls


@pytest.mark.parametrize("what", ["invalidated", "expired", "replaced", "tagged"])
def test_what_happens_while_it_is_signed_again_wins(open_cache, monkeypatch, what):
    """
    Another process invalidates, expires or replaces it between reading and writing: the record of
    before is not put back.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    other = open_cache()
    other.sync.set("k", "old", "ns", tags=["t"])
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY, OTHER))
    cache = open_cache()
    store = cache._keyed.engine.store.store
    real, done = store.set, []

    def set_late(items):
        if not done:
            done.append(items)
            happens = {
                "invalidated": lambda: other.sync.delete("k", "ns"),
                "expired": lambda: other.sync.delete("k", "ns", soft=True),
                "replaced": lambda: other.sync.set("k", "new", "ns"),
                "tagged": lambda: other.sync.invalidate_tags("t"),
            }[what]
            # Inside an operation of a store this thread's caches stand aside.
            thread = threading.Thread(target=happens)
            thread.start()
            thread.join()
        return real(items)

    monkeypatch.setattr(store, "set", set_late)
    cache.sync.get("k", "ns")

    assert done
    fresh = open_cache()
    assert ("new" if what == "replaced" else None) == fresh.sync.get("k", "ns")


def test_a_store_that_takes_no_record_does_not_fail_the_call(open_cache, monkeypatch):
    """
    The result is there all the same.
    """
    from memotier.errors import StoreError

    monkeypatch.setenv("MEMOTIER_KEY", text(OTHER))
    function(open_cache())("a")
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY, OTHER))
    cache = open_cache()

    def refuse(items):
        raise StoreError("it is full")

    monkeypatch.setattr(cache._keyed.engine.store.store, "set", refuse)
    f = function(cache)

    assert "a" == f("a") and [] == f.calls


# -- the key of a user on a machine --------------------------------------------------------


def test_pickles_at_a_redis_take_a_key_that_all_machines_have(open_cache, tier, tmp_path):
    """
    In a directory the user's own key signs them. At a Redis, machines with a key each would throw
    away each other's results, so it has to be said.
    """
    f = function(open_cache(), codec="pickle")
    key = tmp_path / "home" / ".config" / "memotier" / "key"
    if tier == "disk":
        assert "a" == f("a").said
        assert key.exists()
        return
    with pytest.raises(ConfigError, match=r"codec='pickle' at a Redis .* MEMOTIER_KEY"):
        f("a")
    assert not key.exists()


def test_depends_on_at_a_redis_says_that_a_key_is_missing(open_cache, tier, caplog, monkeypatch):
    """
    Without one no other machine knows what state a result is of; with one they do.
    """
    from memotier import env

    monkeypatch.setenv("REGION", "eu")
    with caplog.at_level(logging.WARNING, "memotier"):
        function(open_cache(), depends_on=[env("REGION")])("a")
    assert (tier == "redis") == any(
        "no other process can use its results" in s for s in said(caplog)
    )

    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    function(open_cache(), depends_on=[env("REGION")])("b")
    monkeypatch.setenv("HOME", os.devnull)  # of another machine
    f = function(open_cache(), depends_on=[env("REGION")])
    f("b")
    assert [] == f.calls


def test_fault_12_each_namespace_has_a_key_of_its_own():
    """
    A key that became known for one, by whatever way, tells nothing of another's.
    """
    assert records._keyed(KEY, "a").digest() != records._keyed(KEY, "b").digest()
    assert sealed._keyed(KEY, "a", b"x").digest() != sealed._keyed(KEY, "b", b"x").digest()
    assert records._keyed(KEY, "a").digest() != sealed._keyed(KEY, "a", b"x").digest()
