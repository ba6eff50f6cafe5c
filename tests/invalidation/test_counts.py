"""
What an invalidation returns: the entries that it made unreachable in this cache.
"""

from __future__ import annotations

import pytest

from memotier import CacheInvalidator, WritePolicy, tiered_cache
from memotier.engine import index
from memotier.invalidation import core

from ..engine.worlds import Faulty


def test_levels_of_tags(invalidator, cache, call, face):
    """
    Each entry counts for the first tag that takes it, and for no other after that.
    """
    for key in ("key1", "key2", "key3"):
        call(face(cache).set(key, key, namespace="tool"))
    assert invalidator.tag("key1", "tool", ["code", "python", "src"]) is True
    assert invalidator.tag("key2", "tool", ["code", "python", "tests"]) is True
    assert invalidator.tag("key3", "tool", ["code", "javascript", "src"]) is True
    one = face(invalidator)

    assert 2 == call(one.invalidate_tag("python"))
    assert 1 == call(one.invalidate_tag("src"))
    assert 0 == call(one.invalidate_tag("code"))
    assert 0 == call(one.invalidate_tag("nobody's"))
    assert {} == call(face(cache).get_many(["key1", "key2", "key3"], namespace="tool"))


def test_every_way_to_get_a_tag_counts(invalidator, cache):
    """
    Tags of ``set``, of functions and of ``tag`` are counted alike, each entry once.
    """

    @tiered_cache(cache=cache, namespace="f", tags=["t", "n:{n}"], name="f", version=1)
    def f(n):
        return n

    f(1), f(2), f(1)
    cache.sync.set("a", 1, tags=["t"])
    cache.sync.set_many({"b": 1, "c": 2}, tags=["t", "u"])
    cache.sync.get_or_compute("d", lambda: 3, tags=["t"])
    cache.sync.set("e", 1)
    invalidator.tag("e", "default", ["t"])
    cache.sync.set("f", 1)

    assert 1 == invalidator.sync.invalidate_tag("n:2")
    assert 6 == invalidator.sync.invalidate_tag("t")
    assert 0 == invalidator.sync.invalidate_tag("u")
    assert 1 == cache.sync.get("f")


def test_what_is_gone_for_another_reason_does_not_count(invalidator, cache, clock):
    """
    Deleted, replaced, expired, cleared, invalidated by the cache itself.
    """

    def fill(**options):
        cache.sync.set_many({"a": 1, "b": 2}, namespace="n", tags=["t", "u"], **options)

    fill()
    cache.sync.delete("a", namespace="n")
    assert 1 == invalidator.sync.invalidate_tag("t")
    fill()
    cache.sync.set("a", 1, namespace="n")
    assert 1 == invalidator.sync.invalidate_tag("t")
    fill(ttl=10)
    clock.advance(11)
    assert 0 == invalidator.sync.invalidate_tag("t")
    fill()
    cache.sync.clear_namespace("n")
    assert 0 == invalidator.sync.invalidate_tag("t")
    fill()
    cache.sync.invalidate_tags("u")
    assert 0 == invalidator.sync.invalidate_tag("t")
    fill()
    cache.sync.invalidate_tags("t")
    assert 0 == invalidator.sync.invalidate_tag("t")


def test_evicted_from_memory_is_reachable_while_the_disk_has_it(make_cache):
    """
    The count is of both tiers: memory that lost an entry to others has lost it only if it was
    the last to have it.
    """
    for tiers, expected in (("disk", 5), ("memory", 2)):
        cache = make_cache(tiers, l1_maxsize=2)
        invalidator = CacheInvalidator(cache)
        cache.sync.set_many({f"k{n}": n for n in range(5)}, tags=["t"])
        assert expected == invalidator.sync.invalidate_tag("t")


def test_without_a_memory_tier(make_cache):
    """
    What only the disk keeps is counted as well.
    """
    cache = make_cache("disk", l1_maxsize=0)
    invalidator = CacheInvalidator(cache)
    cache.sync.set_many({f"k{n}": n for n in range(5)}, tags=["t"])
    f = tiered_cache(cache=cache, tags=["t"], name="f", version=1)(lambda n: n)
    f(1), f(2)

    assert 7 == invalidator.sync.invalidate_tag("t")


def test_what_another_process_invalidated_does_not_count(make_cache):
    """
    Its tags, its deletes and its namespaces are seen before anything is counted.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    invalidator = CacheInvalidator(ours)
    for forget in (
        lambda: theirs.sync.invalidate_tags("u"),
        lambda: theirs.sync.delete("a"),
        lambda: theirs.sync.clear_namespace("default"),
    ):
        ours.sync.set("a", 1, tags=["t", "u"])
        forget()
        assert 0 == invalidator.sync.invalidate_tag("t")


def test_what_another_process_stored_counts_once_it_was_read(make_cache):
    """
    An entry that this process never had to do with goes, too, but is not known to it.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    invalidator = CacheInvalidator(ours)
    theirs.sync.set("read", 1, tags=["t"])
    theirs.sync.set("unread", 1, tags=["t"])
    ours.sync.get("read")

    assert 1 == invalidator.sync.invalidate_tag("t")
    assert ours.sync.get("unread") is None is theirs.sync.get("unread")


def test_single_keys(invalidator, cache, call, face):
    """
    True for an entry that was there; what a tag has made unreachable was not.
    """
    one = face(invalidator)
    call(face(cache).set("k", 1, namespace="tool", tags=["t"]))
    assert call(one.invalidate("k", namespace="tool")) is True
    assert call(one.invalidate("k", "tool")) is False
    call(face(cache).set("k", 1, namespace="tool", tags=["t"]))
    assert 1 == call(one.invalidate_tag("t"))
    assert call(one.invalidate("k", "tool")) is False
    call(face(cache).set("k", 1, namespace="tool"))
    assert call(one.invalidate("k", "tool")) is True


def test_namespaces_and_all(invalidator, cache, call, face):
    """
    With those below it; then everything.
    """
    for namespace in ("user_1", "user_1.a", "user_2"):
        call(face(cache).set("k", 1, namespace=namespace))

    assert 2 == call(face(invalidator).invalidate_namespace("user_1"))
    assert 1 == call(face(invalidator).invalidate_all())
    assert 0 == call(face(invalidator).invalidate_all())


def test_large_numbers(make_cache):
    """
    Ten entries, and more than are counted at once.
    """
    for number in (10, 2000):
        cache = make_cache(l1_maxsize=None)
        invalidator = CacheInvalidator(cache)
        cache.sync.set_many({f"k{n}": n for n in range(number)}, tags=["t"])
        assert number == invalidator.sync.invalidate_tag("t")


def test_operations_below_do_not_grow_with_the_number(tmp_path, make_cache):
    """
    The second tier is asked once, for one name.
    """
    for number in (10, 300):
        cache = make_cache("disk", directory=tmp_path / str(number))
        invalidator = CacheInvalidator(cache)
        cache.sync.set_many({f"k{n}": n for n in range(number)}, tags=["t"])
        faulty = cache._keyed.engine.store = Faulty(cache._keyed.engine.store)
        assert number == invalidator.sync.invalidate_tag("t")
        assert ["bump"] == faulty.calls


async def test_many_are_counted_outside_of_the_loop(make_cache, monkeypatch):
    """
    The number is the same when a thread counts.
    """
    monkeypatch.setattr(core, "MOST_AT_ONCE", 3)
    cache = make_cache()
    invalidator = CacheInvalidator(cache)
    await cache.set_many({f"k{n}": n for n in range(20)}, tags=["t"])

    assert 20 == await invalidator.invalidate_tag("t")


def test_the_index_is_bounded(make_cache, monkeypatch):
    """
    Beyond the bound the oldest are forgotten: the count is lower, the invalidation as complete.
    """
    monkeypatch.setattr(index, "MOST_KNOWN", 10)
    cache = make_cache()
    invalidator = CacheInvalidator(cache)
    cache.sync.set_many({f"k{n}": n for n in range(25)}, tags=["t", "u"])

    assert 10 == invalidator.get_stats()["tags"]["tagged_entries"]
    assert 10 == invalidator.sync.invalidate_tag("t")
    assert {} == cache.sync.get_many([f"k{n}" for n in range(25)])


def test_nothing_is_indexed_without_an_invalidator(make_cache):
    """
    A cache of which nobody asked that keeps no lists.
    """
    cache = make_cache()
    cache.sync.set("k", 1, tags=["t"])

    assert cache._keyed.engine.index is None


def test_lists_end_with_their_entries(invalidator, cache):
    """
    Forgotten entries leave nothing behind.
    """
    for number in range(50):
        cache.sync.set(f"k{number}", 1, tags=["t", f"t{number}"])
    for number in range(50):
        cache.sync.delete(f"k{number}")

    assert {"total_tags": 0, "tagged_entries": 0} == invalidator.get_stats()["tags"]


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_stats(make_cache, policy):
    """
    What was asked for, and what it did.
    """
    cache = make_cache("disk", write_policy=policy)
    invalidator = CacheInvalidator(cache)
    cache.sync.set_many({"a": 1, "b": 2}, namespace="n", tags=["t"])
    cache.sync.set("c", 3, namespace="n")
    invalidator.add_dependency("c", "n", "r")
    stats = invalidator.get_stats()
    assert {"total_tags": 2, "tagged_entries": 3} == stats["tags"]
    assert {"resources": 1, "dependent_entries": 1} == stats["dependencies"]
    invalidator.sync.invalidate_tag("t")
    invalidator.sync.invalidate_dependents("r")
    invalidator.sync.invalidate("a", "n")
    invalidator.sync.invalidate_namespace("n")
    invalidator.sync.invalidate_all()

    stats = invalidator.sync.get_stats()
    assert ("hybrid", 5, 1, 1) == tuple(
        stats[name]
        for name in (
            "strategy", "invalidations", "tag_invalidations", "dependency_invalidations"
        )
    )  # fmt: skip
    assert {"triggered": 0, "handlers": 0, "handlers_failed": 0} == stats["events"]
    assert {"running": 0, "changes": 0, "failed": 0} == stats["watchers"]


def test_namespaces_count_what_was_reachable(invalidator, cache, call, face):
    """
    What a tag had taken before, and still takes room, is removed and not counted.
    """
    for key, tags in (("a", ["t"]), ("b", ["u"]), ("c", [])):
        call(face(cache).set(key, 1, namespace="n.m", tags=tags))
    call(face(cache).set("d", 1, namespace="other", tags=["t"]))
    assert 2 == call(face(invalidator).invalidate_tag("t"))
    assert call(face(cache).get("a", namespace="n.m")) is None

    assert 2 == call(face(invalidator).invalidate_namespace("n"))
    call(face(cache).set("a", 1, namespace="n.m", tags=["t"]))
    assert 1 == call(face(invalidator).invalidate_all())
    call(face(cache).set("a", 1, namespace="n.m", tags=["t"]))
    assert 1 == call(face(invalidator).invalidate_tag("t"))
