"""
Tags for entries that exist: who finds them, for how long, and who wins.
"""

from __future__ import annotations

import pytest

from memotier import CacheLevelConfig, InvalidationNotDurable, WritePolicy, disabled

from ..engine.worlds import Faulty


def engine_of(cache):
    return cache._keyed.engine


def break_store(cache):
    """
    The cache's store, whose operations can be made to fail or to wait for others.
    """
    faulty = engine_of(cache).store = Faulty(engine_of(cache).store)
    return faulty


def test_the_entry_is_found_by_its_new_tags(cache, call, face):
    """
    It has the same value as before, and goes with any of its tags, old or new.
    """
    one = face(cache)
    for gone in ("old", "new", "more"):
        call(one.set("k", [1], namespace="tool", tags=["old"]))
        assert call(one.add_tags("k", "new", "more", namespace="tool")) is True
        assert [1] == call(one.get("k", namespace="tool"))
        call(one.invalidate_tags("unrelated"))
        assert [1] == call(one.get("k", namespace="tool"))
        call(one.invalidate_tags(gone))
        assert call(one.get("k", namespace="tool")) is None


def test_nothing_is_tagged_where_nothing_is(cache, call, face):
    """
    A missing, a deleted and an invalidated entry have no tags to be given.
    """
    one = face(cache)
    assert call(one.add_tags("k", "t")) is False
    call(one.set("k", 1))
    call(one.delete("k"))
    assert call(one.add_tags("k", "t")) is False
    call(one.set("k", 1, tags=["u"]))
    call(one.invalidate_tags("u"))
    assert call(one.add_tags("k", "t")) is False
    assert call(one.get("k")) is None


def test_a_later_value_has_the_tags_it_is_set_with(cache):
    """
    Tags belong to the entry, not to the key.
    """
    cache.sync.set("k", 1)
    cache.sync.add_tags("k", "t")
    cache.sync.set("k", 2)
    cache.sync.invalidate_tags("t")

    assert 2 == cache.sync.get("k")


def test_nothing_is_prolonged(cache, clock):
    """
    The entry ends when it would have ended, in memory and below, however often it is tagged.
    """
    cache.sync.set("k", 1, ttl=60)
    for second in range(3):
        clock.advance(19)
        assert cache.sync.add_tags("k", f"t{second}") is True
        assert 1 == cache.sync.get("k")
    clock.advance(4)

    assert cache.sync.get("k") is None
    assert cache.sync.add_tags("k", "late") is False


def test_a_record_below_is_tagged_without_memory(make_cache, clock):
    """
    What only the disk has is tagged there, keeps its age, and is found by another cache.
    """
    first = make_cache("disk")
    first.sync.set("k", {"a": (1,)}, ttl=100, tags=["old"])
    first.sync.close()
    clock.advance(90)

    second, third = make_cache("disk"), make_cache("disk")
    assert second.sync.add_tags("k", "new") is True
    assert {"a": (1,)} == third.sync.get("k")
    third.sync.invalidate_tags("new")
    assert second.sync.get("k") is None

    second.sync.set("k", 1, ttl=100)
    second.sync.close()
    clock.advance(90)
    third.sync.add_tags("k", "t")
    clock.advance(11)
    assert third.sync.get("k") is None


def test_other_memories_count_as_changed(make_cache):
    """
    Another process that holds the entry in memory, without the tag, does not serve it once the
    tag is invalidated, whoever does that.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    for who in (ours, theirs):
        ours.sync.set("k", "v")
        assert "v" == theirs.sync.get("k") == theirs.sync.get("k")
        assert ours.sync.add_tags("k", "t") is True
        assert "v" == theirs.sync.get("k")
        who.sync.invalidate_tags("t")
        assert theirs.sync.get("k") is None
        assert ours.sync.get("k") is None


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_set_in_between_wins(make_cache, where):
    """
    A value that another process stores between reading and writing stays, with its own tags.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    ours.sync.set("k", "old")
    faulty = break_store(ours)
    if where == "after":
        faulty.after["get"] = lambda: theirs.sync.set("k", "new")
    else:
        faulty.before["set"] = lambda: theirs.sync.set("k", "new")
    ours.sync.add_tags("k", "t")
    faulty.after.clear()
    faulty.before.clear()

    ours.sync.invalidate_tags("t")
    assert "new" == theirs.sync.get("k")
    assert "new" == make_cache("disk").sync.get("k")


@pytest.mark.parametrize("what", ["delete", "old tag", "new tag", "namespace"])
def test_an_invalidation_in_between_wins(make_cache, what):
    """
    What is invalidated between reading and writing does not come back with more tags.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    ours.sync.set("k", "old", tags=["old"])
    faulty = break_store(ours)
    faulty.before["set"] = {
        "delete": lambda: theirs.sync.delete("k"),
        "old tag": lambda: theirs.sync.invalidate_tags("old"),
        "new tag": lambda: theirs.sync.invalidate_tags("t"),
        "namespace": lambda: theirs.sync.clear_namespace("default"),
    }[what]
    ours.sync.add_tags("k", "t")
    faulty.before.clear()

    assert ours.sync.get("k") is None
    assert theirs.sync.get("k") is None


@pytest.mark.parametrize("below", [{"tiers": "disk"}, {"l2_config": CacheLevelConfig()}])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_reader_in_between_does_not_keep_it_without_the_tag(make_cache, below, moment):
    """
    Whoever read the record before it was tagged may have it, and memory forgets it.
    """
    cache = make_cache(**below)
    cache.sync.set("k", "v")
    engine = engine_of(cache)
    with engine.lock:
        engine.memory.drop(engine.local_residents(None))
    faulty = break_store(cache)
    seen = []
    if moment == "before":
        faulty.before["set"] = lambda: seen.append(cache.sync.get("k"))
        cache.sync.add_tags("k", "t")
    else:
        # It has read, and keeps what it read after the record was tagged.
        faulty.after["get"] = lambda: faulty.after.clear() or cache.sync.add_tags("k", "t")
        seen.append(cache.sync.get("k"))
    faulty.before.clear()
    faulty.after.clear()
    cache.sync.invalidate_tags("t")

    assert ["v"] == seen
    assert cache.sync.get("k") is None


def test_the_row_ends_with_the_record(make_cache, clock):
    """
    The store removes a tagged record when it would have removed it untagged.
    """
    for below in ({"tiers": "disk"}, {"l2_config": CacheLevelConfig()}):
        cache = make_cache(**below)
        cache.sync.set("k", 1, ttl=60)
        clock.advance(50)
        assert cache.sync.add_tags("k", "t") is True
        assert 1 == engine_of(cache).store.count()
        clock.advance(11)
        assert 0 == engine_of(cache).store.count()


@pytest.mark.parametrize("operation", ["get", "set"])
def test_a_tag_that_cannot_be_written_gives_the_entry_up(make_cache, operation):
    """
    If the disk does not take the tag, the entry is gone: no invalidation can miss it.
    """
    cache = make_cache("disk")
    cache.sync.set("k", "v")
    faulty = break_store(cache)
    faulty.failing = {operation}
    assert cache.sync.add_tags("k", "t") is False
    faulty.failing = set()
    assert cache.sync.get("k") is None

    cache.sync.set("k", "v")
    faulty.failing = {operation, "delete"}
    with pytest.raises(InvalidationNotDurable):
        cache.sync.add_tags("k", "t")
    faulty.failing = set()
    assert cache.sync.get("k") is None


def test_what_is_owed_is_written_first(make_cache):
    """
    Write-back: the disk has the entry with its tags when this returns.
    """
    cache = make_cache("disk", write_policy=WritePolicy.WRITE_BACK, flush_interval=3600)
    cache.sync.set("k", "old")
    cache.sync.flush()
    cache.sync.set("k", "v", tags=["a"])
    assert cache.sync.add_tags("k", "t") is True
    other = make_cache("disk")
    assert "v" == other.sync.get("k")
    other.sync.invalidate_tags("t")

    assert cache.sync.get("k") is None


def test_room_is_counted(cache):
    """
    What the tags take is added to the memory's bytes, and taken off when the entry goes.
    """
    for number in range(20):
        cache.sync.set(f"k{number}", number)
        cache.sync.add_tags(f"k{number}", "t")
    cache.sync.clear()

    assert 0 == cache.get_stats()["l1"]["bytes"]
    assert 0 == cache.get_stats()["l1"]["size"]


def test_tagging_goes_on_while_the_cache_is_disabled(cache):
    """
    Invalidations happen while ``disabled()`` holds, so what they find must be found then, too.
    """
    cache.sync.set("k", 1)
    with disabled():
        assert cache.sync.add_tags("k", "t") is True
        cache.sync.invalidate_tags("t")

    assert cache.sync.get("k") is None


def test_a_closed_cache_tags_nothing(cache):
    """
    After ``close()`` there are no entries.
    """
    cache.sync.set("k", 1)
    cache.sync.close()

    assert cache.sync.add_tags("k", "t") is False


@pytest.mark.parametrize("key", [("a", 1), 7, b"x", "long" * 5000])
def test_every_key_can_be_tagged(cache, key):
    """
    Keys of all kinds, also those that are looked up by their bytes.
    """
    cache.sync.set(key, 1)
    assert cache.sync.add_tags(key, "t") is True
    cache.sync.invalidate_tags("t")

    assert cache.sync.get(key) is None


def test_a_refresh_in_progress_does_not_bring_back_the_old_value(make_cache):
    """
    A computation that began before the tag is not kept without it.
    """
    cache = make_cache()
    cache.sync.set("k", "old")

    def compute():
        cache.sync.set("k", "set meanwhile")
        assert cache.sync.add_tags("k", "t") is True
        return "computed"

    cache.sync.delete("k")
    assert "computed" == cache.sync.get_or_compute("k", compute)
    cache.sync.invalidate_tags("t")
    assert cache.sync.get("k") is None
