from __future__ import annotations

import enum
import math
from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from memotier.settings import NamespaceSettings


class _Eviction(enum.Enum):
    LFU = "lfu"


def test_code_may_use_the_types_of_the_language(project):
    """
    configure() takes timedeltas, paths and members of enums as well as text.
    """
    project.overrides = {
        "default_ttl": timedelta(minutes=1),
        "directory": project.root / "x",
        "l1": {"eviction": _Eviction.LFU, "ttl": math.inf, "max_size": None},
    }

    settings = project.load()

    assert 60.0 == settings.default_ttl
    assert project.root / "x" == settings.directory
    assert ("lfu", math.inf, None) == (settings.l1.eviction, settings.l1.ttl, settings.l1.max_size)


def test_none_can_be_written_where_there_is_no_none(project):
    """
    TOML and the environment know no null: "none" stands for it where None is allowed.
    """
    project.write('[tool.memotier]\nl1 = { max_size = "none", ttl = "never" }')
    project.environ["MEMOTIER_L2__TTL"] = "none"

    settings = project.load()

    assert settings.l1.max_size is None
    assert math.inf == settings.l1.ttl
    assert settings.l2.ttl is None


def test_memory_tier_can_be_left_out(project):
    """
    A size of 0 is how the cache object is told so.
    """
    project.environ["MEMOTIER_L1__MAX_SIZE"] = "0"

    assert 0 == project.load().l1.max_size


def test_a_namespace_inherits_what_it_does_not_say(project):
    """
    The levels above answer for it, nearest first, setting by setting.
    """
    project.write(
        "[tool.memotier.namespaces]\n"
        'tool = { ttl = "10m", tags = ["web"] }\n'
        '"tool.search" = { ttl = "1m" }\n'
        '"tool.search.deep.er" = { tags = [] }\n'
    )

    settings = project.load()

    assert NamespaceSettings(ttl=600.0, tags=("web",)) == settings.namespace("tool")
    assert NamespaceSettings(ttl=600.0, tags=("web",)) == settings.namespace("tool.other")
    assert NamespaceSettings(ttl=60.0, tags=("web",)) == settings.namespace("tool.search")
    assert NamespaceSettings(ttl=60.0, tags=("web",)) == settings.namespace("tool.search.deep")
    assert NamespaceSettings(ttl=60.0, tags=()) == settings.namespace("tool.search.deep.er.x")
    assert NamespaceSettings() == settings.namespace("toolbox")
    assert NamespaceSettings() == settings.namespace("")


def test_origins_of_namespaces_tell_what_was_written(project):
    """
    Under the key as a file would spell it; what is inherited has no key of its own.
    """
    path = project.write(
        '[tool.memotier.namespaces]\ntool.ttl = "10m"\n"tool.search".tags = ["web", "web"]'
    )
    project.overrides = {"namespaces": {"tool.search": {"ttl": 5}}}

    settings = project.load()

    assert {
        "namespaces.tool.ttl": str(path),
        'namespaces."tool.search".tags': str(path),
        'namespaces."tool.search".ttl': "configure()",
    } == {key: source for key, source in settings.origins.items() if key.startswith("name")}
    assert NamespaceSettings(ttl=5.0, tags=("web",)) == settings.namespaces["tool.search"]


_SHARED = """
[tool.memotier]
directory = "main"
default_ttl = "1h"
l1 = { max_size = 5, eviction = "fifo" }
namespaces.tool = { ttl = "10m", tags = ["web"] }

[tool.memotier.caches.shared]
directory = "shared"
l1 = { max_size = 6 }
namespaces.tool.ttl = "1m"

[tool.memotier.caches.Big-One]
"""


def test_a_named_cache_inherits_everything_but_the_directory(project):
    """
    Two caches in one directory would be one cache, so each names its own or has none.
    """
    path = project.write(_SHARED)

    shared, big = project.load("shared"), project.load("Big-One")

    assert ("default", "shared", "Big-One") == project.read().names
    assert ("shared", "Big-One") == (shared.name, big.name)
    assert project.root / "shared" == shared.directory
    assert (6, "fifo", 3600.0) == (shared.l1.max_size, shared.l1.eviction, shared.default_ttl)
    assert NamespaceSettings(ttl=60.0, tags=("web",)) == shared.namespace("tool")
    assert str(path) == shared.origins["default_ttl"]
    assert big.directory is None
    assert "default" == big.origins["directory"]
    assert (5, 600.0) == (big.l1.max_size, big.namespace("tool").ttl)
    assert 5 == project.load().l1.max_size


def test_variables_reach_named_caches(project):
    """
    By the name in capitals, with _ for what cannot stand in a variable; else a new cache.
    """
    project.write(_SHARED)
    project.environ = {
        "MEMOTIER_CACHES__SHARED__L1__MAX_SIZE": "7",
        "MEMOTIER_CACHES__BIG_ONE__DIRECTORY": "/var/big",
        "MEMOTIER_CACHES__CODED__MODE": "off",
        "MEMOTIER_CACHES__FRESH__L1__TTL": "5s",
    }
    project.overrides = {"caches": {"Coded": {"l1": {"max_size": 8}}}}

    assert ("default", "shared", "Big-One", "Coded", "fresh") == project.read().names
    assert 7 == project.load("shared").l1.max_size
    assert "/var/big" == str(project.load("Big-One").directory)
    assert ("off", 8) == (project.load("Coded").mode, project.load("Coded").l1.max_size)
    assert 5.0 == project.load("fresh").l1.ttl


def test_a_variable_that_could_mean_two_caches_is_refused(project):
    """
    Guessing would set the wrong one.
    """
    project.write("[tool.memotier.caches.a-b]\n[tool.memotier.caches.A_B]\n")
    project.environ["MEMOTIER_CACHES__A_B__MODE"] = "off"

    assert "MEMOTIER_CACHES__A_B__MODE could mean the caches a-b and A_B" in project.error()


def test_off_turns_every_cache_off(project):
    """
    Who sets MEMOTIER_MODE=off in an incident must not find one cache still on.
    """
    project.write('[tool.memotier.caches.eager]\nmode = "on"')
    project.environ["MEMOTIER_MODE"] = "off"

    assert ("off", "MEMOTIER_MODE") == (
        project.load("eager").mode,
        project.load("eager").origins["mode"],
    )


def test_one_cache_can_be_off_alone(project):
    """
    Off below the top level concerns that cache.
    """
    project.write('[tool.memotier.caches.idle]\nmode = "off"')

    assert ("on", "off") == (project.load().mode, project.load("idle").mode)


def test_an_unknown_cache_is_told_with_the_known_ones(project):
    """
    The nearest if there is one, else all, and how to set one up.
    """
    project.write(_SHARED)

    assert "there is no cache 'sharde': did you mean shared?" in project.error("sharde")
    assert "'zzz': there are default, shared, Big-One" in project.error("zzz")
    assert "[tool.memotier.caches.NAME]" in project.error("zzz")


def test_a_named_cache_is_bounded_too(project):
    """
    What is unlimited in two places at once is found for the cache that has it.
    """
    path = project.write('[tool.memotier.caches.x]\nl1.max_size = "none"')
    project.environ["MEMOTIER_L1__MAX_BYTES"] = "none"

    message = project.error("x")

    assert f"{path} and MEMOTIER_L1__MAX_BYTES: l1.max_size and l1.max_bytes" in message
    assert 1000 == project.load().l1.max_size


def test_settings_cannot_be_changed(project):
    """
    Who reads them later sees what was loaded; equal settings are equal whatever their source.
    """
    project.write('[tool.memotier]\nmode = "on"\nnamespaces.tool.ttl = 5')
    settings = project.load()

    with pytest.raises(FrozenInstanceError):
        settings.mode = "off"
    with pytest.raises(TypeError):
        settings.namespaces["x"] = NamespaceSettings()
    with pytest.raises(TypeError):
        settings.origins["mode"] = "me"

    project.environ["MEMOTIER_MODE"] = "on"
    assert settings == project.load()
    assert hash(settings) == hash(project.load())


def test_default_ttl_is_the_tiers_where_nobody_said_more(project):
    """
    The tiers take it over, and it shows; a ttl of a tier's own stays.
    """
    path = project.write('[tool.memotier]\ndefault_ttl = "2h"\nl2 = { ttl = "1d" }')
    settings = project.load()
    assert (7200.0, 86400.0) == (settings.l1.ttl, settings.l2.ttl)
    assert f"{path} (default_ttl)" == settings.origins["l1.ttl"]
    assert str(path) == settings.origins["l2.ttl"]
