"""
Dependencies: of keys on resources, through keys on further resources, and in other processes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from memotier import CacheInvalidator, ConfigError, InvalidationNotDurable, tiered_cache
from memotier.invalidation.dependencies import Dependencies

from ..engine.worlds import Faulty, in_threads


def fill(cache, *keys):
    cache.sync.set_many({key: key for key in keys}, namespace="tool")


def left(cache, *keys):
    return sorted(cache.sync.get_many(keys, namespace="tool"))


def test_what_depends_goes(invalidator, cache, call, face):
    """
    Entries that depend on the resource go and are counted; others stay.
    """
    keys = ("analysis", "test", "report")
    fill(cache, *keys)
    invalidator.add_dependency("analysis", "tool", "/src/main.py")
    invalidator.add_dependency("test", "tool", "/tests/test_main.py")
    invalidator.add_dependency("report", "tool", "/src/main.py")
    invalidator.add_dependency("report", "tool", Path("/src/utils.py"))

    assert 2 == call(face(invalidator).invalidate_dependents("/src/main.py"))
    assert ["test"] == left(cache, *keys)
    assert 0 == call(face(invalidator).invalidate_dependents("/src/utils.py"))
    assert 0 == call(face(invalidator).invalidate_dependents("/nobody's"))


@pytest.mark.parametrize("first", ["a", "b"])
def test_dependencies_go_on_from_key_to_key(invalidator, cache, call, face, first):
    """
    a depends on b, b on c: both go with c, whichever was said first; with b only a goes.
    """
    steps = {"a": ("a", "tool", "b"), "b": ("b", "tool", "c")}
    for name in sorted(steps, reverse=first == "b"):
        invalidator.add_dependency(*steps[name])
    fill(cache, "a", "b")
    assert 1 == call(face(invalidator).invalidate_dependents("b"))
    assert ["b"] == left(cache, "a", "b")
    fill(cache, "a", "b")
    assert 2 == call(face(invalidator).invalidate_dependents("c"))
    assert [] == left(cache, "a", "b")


def test_circles_end(invalidator, cache):
    """
    Keys that depend on each other, and on themselves, go once.
    """
    fill(cache, "a", "b", "c")
    for key, resource in (("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")):
        invalidator.add_dependency(key, "tool", resource)

    assert 3 == invalidator.sync.invalidate_dependents("a")
    assert [] == left(cache, "a", "b", "c")


def test_a_dependency_outlives_the_entry(invalidator, cache):
    """
    It is said of the key: before there is an entry, and after it was replaced.
    """
    assert invalidator.add_dependency("k", "tool", "r") is False
    for _ in range(2):
        fill(cache, "k")
        assert 1 == invalidator.sync.invalidate_dependents("r")
        assert [] == left(cache, "k")
    fill(cache, "k")
    assert invalidator.add_dependency("k", "tool", "r") is True
    fill(cache, "k")
    assert 1 == invalidator.sync.invalidate_dependents("r")


def test_other_processes_find_dependents(make_cache):
    """
    One that was told nothing reaches what depends directly, in the memory of the others, too.
    """
    ours, theirs = make_cache("disk"), make_cache("disk")
    told, untold = CacheInvalidator(ours), CacheInvalidator(theirs)
    fill(ours, "k", "other")
    assert ["k", "other"] == left(theirs, "k", "other")
    told.add_dependency("k", "tool", "r")
    untold.sync.invalidate_dependents("r")

    assert ["other"] == left(ours, "k", "other") == left(theirs, "k", "other")


def test_functions_depend_by_a_tag(invalidator, cache):
    """
    ``tags=["dep:{path}"]`` is a dependency, in any process.
    """

    @tiered_cache(cache=cache, tags=["dep:{path}"], name="f", version=1, namespace="f")
    def f(path):
        return path

    f("/a"), f("/b")
    assert 1 == invalidator.sync.invalidate_dependents("/a")
    assert f.lookup("/a") is None
    assert f.lookup("/b") is not None


def test_long_resources_are_bounded(invalidator, cache):
    """
    A text of any length, with any characters, is a resource; it is not opened, kept or shown.
    """
    fill(cache, "a", "b", "c")
    strange = ["x" * 100_000, "../../etc/passwd\0{}%s", "\ud800"]
    for key, resource in zip("abc", strange, strict=True):
        assert invalidator.add_dependency(key, "tool", resource) is True
    for resource in strange:
        assert 1 == invalidator.sync.invalidate_dependents(resource)


@pytest.mark.parametrize("resource", ["", b"bytes", 7, None])
def test_what_is_no_resource_is_refused(invalidator, resource):
    """
    The message shows it and says what to give.
    """
    with pytest.raises(ConfigError, match=r"a resource is .*: give a text"):
        invalidator.add_dependency("k", "tool", resource)
    with pytest.raises(ConfigError, match=r"a resource is"):
        invalidator.sync.invalidate_dependents(resource)


def test_too_many_give_way_and_are_invalidated(make_cache):
    """
    Beyond the bound the oldest is forgotten, and what depended on it is not served any more.
    """
    cache = make_cache()
    invalidator = CacheInvalidator(cache)
    invalidator._core.dependencies = Dependencies(most=3)
    fill(cache, *"abcde")
    for key in "abcde":
        invalidator.add_dependency(key, "tool", f"r{key}")

    assert ["c", "d", "e"] == left(cache, *"abcde")
    assert {"resources": 3, "dependent_entries": 3} == invalidator.get_stats()["dependencies"]


def test_saying_it_twice_is_saying_it_once(invalidator, cache):
    """
    A dependency that is known takes no more room.
    """
    fill(cache, "k")
    for _ in range(3):
        invalidator.add_dependency("k", "tool", "r")

    assert {"resources": 1, "dependent_entries": 1} == invalidator.get_stats()["dependencies"]
    assert 1 == invalidator.sync.invalidate_dependents("r")


def test_names_are_told_also_if_keys_cannot_be(make_cache):
    """
    A failing disk raises, and what this process serves is right all the same.
    """
    cache = make_cache("disk")
    invalidator = CacheInvalidator(cache)
    fill(cache, "k")
    invalidator.add_dependency("k", "tool", "r")
    cache.sync.set("told", 1, namespace="tool", tags=["dep:r"])
    faulty = cache._keyed.engine.store = Faulty(cache._keyed.engine.store)
    faulty.failing = {"delete"}
    with pytest.raises(InvalidationNotDurable):
        invalidator.sync.invalidate_dependents("r")
    faulty.failing = set()

    assert [] == left(cache, "k", "told")


def test_many_threads(make_cache):
    """
    Threads that add and invalidate at the same time leave nothing that should have gone.
    """
    cache = make_cache("disk")
    invalidator = CacheInvalidator(cache)

    def work(number):
        for turn in range(20):
            key = f"k{number}-{turn}"
            fill(cache, key)
            invalidator.add_dependency(key, "tool", f"r{turn % 3}")
            invalidator.sync.invalidate_dependents(f"r{turn % 3}")
            assert [] == left(cache, key)

    assert [None] * 4 == in_threads(*(lambda n=n: work(n) for n in range(4)))
