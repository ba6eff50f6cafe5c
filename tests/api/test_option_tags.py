"""
What ``invalidate_tags`` will know results by: every form of ``tags``.
"""

from __future__ import annotations

import enum
import logging
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import pytest

import memotier
from memotier import MISS, ConfigError, InvalidationNotDurable, UnkeyableArgument
from memotier.errors import StoreError


def test_static_tags(call, tiers):
    """
    A tag of the option is on every result of the function.
    """
    web = call.cached(cache=tiers, tags=["web", "all"], name="web")(lambda x: [x])
    disk = call.cached(cache=tiers, tags=("disk", "all"), name="disk")(lambda x: [x])

    def misses():
        assert [1] == call(web(1)) == call(disk(1))
        return web.cache_info().misses, disk.cache_info().misses

    assert (1, 1) == misses()
    tiers.sync.invalidate_tags("web")
    assert (2, 1) == misses()
    tiers.sync.invalidate_tags("all")
    assert (3, 2) == misses()
    tiers.sync.invalidate_tags("other")
    assert (3, 2) == misses()


def test_templates(call, tiers):
    """
    A template makes the tag of the arguments of the call, defaults included.
    """

    @call.cached(cache=tiers, tags=["user:{user_id}", "{kind}/{user_id}"], name="f")
    def f(user_id, *, kind="web"):
        return [user_id, kind]

    assert [[1, "web"], [2, "web"]] == [call(f(1)), call(f(2))]
    assert {"user:1", "web/1"} == set(call(f.lookup(1)).tags)

    tiers.sync.invalidate_tags("user:1")
    assert [[1, "web"], [2, "web"]] == [call(f(1)), call(f(2))]
    assert 3 == f.cache_info().misses
    tiers.sync.invalidate_tags("web/2")
    assert [[1, "web"], [2, "web"]] == [call(f(1)), call(f(2))]
    assert 4 == f.cache_info().misses


class Level(enum.Enum):
    HIGH = "high"


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("a", "t:a"),
        (1, "t:1"),
        (True, "t:True"),
        (None, "t:None"),
        (1.5, "t:1.5"),
        (Decimal("1.0"), "t:1.0"),
        (date(2024, 2, 29), "t:2024-02-29"),
        (UUID(int=1), f"t:{UUID(int=1)}"),
        (PurePosixPath("a/b"), "t:a/b"),
        (Level.HIGH, "t:high"),
    ],
)
def test_what_a_template_can_hold(call, cache, value, tag):
    """
    Values whose text is the same everywhere can stand in a tag.
    """
    f = call.cached(cache=cache, tags=["t:{x}"])(lambda x: 1)

    assert 1 == call(f(value))
    assert (tag,) == call(f.lookup(value)).tags


def test_what_a_template_cannot_hold(call, cache):
    """
    A list has no text that a tag could be made of: the call is refused before it runs.
    """
    seen = []
    f = call.cached(cache=cache, tags=["t:{x}"])(lambda x: seen.append(x))

    with pytest.raises(UnkeyableArgument, match=r"'t:\{x\}'.*'x' is a list.*callable"):
        call(f([1]))
    assert [] == seen


def test_what_a_template_cannot_hold_bypasses_if_asked(call, cache, caplog):
    """
    With ``on_unkeyable="bypass"`` such a call runs and is not stored without its tag.
    """
    seen = []

    @call.cached(cache=cache, tags=["t:{x}"], on_unkeyable="bypass")
    def f(x):
        seen.append(x)
        return x

    with caplog.at_level(logging.WARNING, "memotier"):
        assert [1] == call(f([1])) == call(f([1]))
    assert [[1], [1]] == seen
    assert (0, 2) == (f.cache_info().currsize, f.cache_info().bypassed)
    assert 1 == len(caplog.messages)


def test_braces_in_a_template(call, cache):
    """
    Doubled braces are braces.
    """
    f = call.cached(cache=cache, tags=["{{x}}", "{{{x}}}"])(lambda x: 1)

    assert 1 == call(f(5))
    assert {"{x}", "{5}"} == set(call(f.lookup(5)).tags)


def test_tags_by_callable(call, tiers):
    """
    A callable is given the arguments and returns the tags.
    """

    def tags(user, *, k=1):
        return (f"user:{name}" for name in user)

    @call.cached(cache=tiers, tags=tags, name="f")
    def f(user, *, k=1):
        return [user]

    assert [["ann", "bob"]] == call(f(["ann", "bob"], k=3))
    assert ("user:ann", "user:bob") == call(f.lookup(["ann", "bob"], k=3)).tags
    tiers.sync.invalidate_tags("user:bob")
    assert call(f.lookup(["ann", "bob"], k=3)) is None


@pytest.mark.parametrize("returned", [None, "web", [1], [""], 5])
def test_tags_callable_that_returns_no_tags(call, tiers, caplog, returned):
    """
    What is no list of texts costs the result its place in the cache, never the call.
    """
    f = call.cached(cache=tiers, name="f", tags=lambda x: returned)(lambda x: [x])

    assert [1] == call(f(1)) == call(f(1)) == call(f.refresh(1))
    assert f.peek(1) is MISS
    with pytest.raises(ConfigError, match=r"cannot be seeded: .*tag"):
        call(f.seed([2], 1))
    (line,) = caplog.messages
    assert "tag" in line and line.endswith("; the result was returned but not stored")


def test_tags_from_inside(call, tiers):
    """
    ``current().add_tags`` adds what only the computation knows.
    """

    @call.cached(cache=tiers, tags=["web"], name="f")
    def f(x):
        memotier.current().add_tags("row:1", f"row:{x}")
        return [x]

    assert [[2], [3]] == [call(f(2)), call(f(3))]
    assert {"web", "row:1", "row:2"} == set(call(f.lookup(2)).tags)
    tiers.sync.invalidate_tags("row:2")
    assert call(f.lookup(2)) is None
    assert call(f.lookup(3)) is not None
    tiers.sync.invalidate_tags("row:1")
    assert call(f.lookup(3)) is None


def test_invalidating_a_tag_during_the_computation(call, tiers):
    """
    A result whose tag is invalidated while it is computed is returned and not kept.
    """
    rounds = []

    @call.cached(cache=tiers, tags=["user:{x}"], name="f")
    def f(x):
        rounds.append(x)
        if len(rounds) == 1:
            tiers.sync.invalidate_tags("user:1")
        return len(rounds)

    assert [1, 2, 2] == [call(f(1)), call(f(1)), call(f(1))]


def test_tags_of_the_settings_are_added(call):
    """
    Tags that the settings give a namespace are on its functions' results too.
    """
    memotier.configure(namespaces={"tool": {"tags": ["configured"]}})
    f = call.cached(namespace="tool.search", tags=["own"])(lambda x: 1)

    assert 1 == call(f(1))
    assert {"configured", "own"} == set(call(f.lookup(1)).tags)
    memotier.invalidate_tags("configured")
    assert call(f.lookup(1)) is None


def test_seed_and_refresh_carry_the_tags(call, tiers):
    """
    A seeded and a refreshed result can be found by the tags of its arguments.
    """

    @call.cached(cache=tiers, tags=["user:{x}"], name="f")
    def f(x):
        return [x]

    call(f.seed(["seeded"], 1))
    assert ["seeded"] == call(f(1))
    tiers.sync.invalidate_tags("user:1")
    assert [1] == call(f.refresh(1)) == call(f(1))
    assert ("user:1",) == call(f.lookup(1)).tags
    tiers.sync.invalidate_tags("user:1")
    assert call(f.lookup(1)) is None


def test_one_cache_that_cannot_be_told_does_not_keep_the_others_from_it(monkeypatch):
    """
    ``memotier.invalidate_tags`` tries every cache, and then says that one was not told.
    """
    memotier.configure(directory="a", caches={"b": {"directory": "b"}, "c": {"directory": "c"}})
    caches = [memotier.get_cache(name) for name in ("default", "b", "c")]
    for cache in caches:
        cache.sync.set("k", 1, tags=["web"])

    def fail(names):
        raise StoreError("the disk is full")

    monkeypatch.setattr(caches[0]._keyed.engine.store, "bump", fail)
    with pytest.raises(InvalidationNotDurable, match="the disk is full"):
        memotier.invalidate_tags("web")

    assert [None, None, None] == [cache.sync.get("k") for cache in caches]
