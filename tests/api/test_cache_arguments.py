"""
The arguments of ``MultiLevelCache`` and ``CacheLevelConfig``: what is wrong is said at once.
"""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from memotier import CacheLevelConfig, ConfigError, EvictionPolicy, MultiLevelCache, WritePolicy

WRONG = {
    "l1_config": [{"max_size": 5}, 5, CacheLevelConfig],
    "l2_config": [{"max_size": 5}, "disk"],
    "write_policy": ["write-back", 5, None, ["write_back"], EvictionPolicy.LRU],
    "directory": [b"..", 5, True, "", "a\0b", ["cache"], "~nobody-here/cache"],
    "l1_maxsize": ["10", True, -1, 1.5, math.inf, [10]],
    "default_ttl": [0, -1, True, "10", "soon", math.nan, [60]],
    "max_l1_age": [0, -1, True, "10", "soon", "never", math.inf, 0.5, "2d", "5s"],
    "flush_interval": [0, -1, None, True, "10", "soon"],
    "max_value_bytes": [0, -1, None, True, 1.5, "8", "huge"],
    "name": [5, "", None, b"main", "../x", "a/b", "x" * 65, "a\nb"],
}


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_wrong_arguments(argument, value):
    """
    The error names the argument and the value.
    """
    with pytest.raises(ConfigError) as caught:
        MultiLevelCache(**{argument: value})

    assert str(caught.value).startswith(f"{argument} = {repr(value)[:40]}")
    assert caught.value.__cause__ is None


WRONG_LEVEL = {
    "max_size": ["10", True, -1, 1.5, [10]],
    "max_bytes": ["10", "much", True, 0, -1, 1.5],
    "ttl": [0, -1, True, "10", "soon", [60]],
    "eviction_policy": ["mru", 5, None, WritePolicy.WRITE_BACK],
    "enable_persistence": ["yes", 1, None],
    "persistence_path": [b"..", 5, "", "a\0b"],
}


@pytest.mark.parametrize("tier", ["l1", "l2"])
@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in WRONG_LEVEL.items() for value in values]
)
def test_wrong_levels(tier, field, value):
    """
    The error names tier, field and value.
    """
    with pytest.raises(ConfigError) as caught:
        MultiLevelCache(**{f"{tier}_config": CacheLevelConfig(**{field: value})})

    assert str(caught.value).startswith(f"{tier}_config.{field} = {repr(value)[:40]}")


@pytest.mark.parametrize("given", [{"enable_persistence": True}, {"persistence_path": "cache"}])
def test_memory_is_not_persistent(given):
    """
    What only the second tier can do is refused for the first, not ignored.
    """
    with pytest.raises(ConfigError, match="say it of l2_config"):
        MultiLevelCache(l1_config=CacheLevelConfig(**given))


def test_second_tier_of_no_entries():
    """
    A second tier without room for one entry is left out by not asking for it.
    """
    with pytest.raises(ConfigError, match=r"l2_config\.max_size = 0"):
        MultiLevelCache(l2_config=CacheLevelConfig(max_size=0))


def test_one_of_two_spellings():
    """
    An argument and its long spelling together are refused.
    """
    with pytest.raises(ConfigError, match="l1_maxsize is short for"):
        MultiLevelCache(l1_config=CacheLevelConfig(), l1_maxsize=5)
    with pytest.raises(ConfigError, match="directory is short for"):
        MultiLevelCache(directory="a", l2_config=CacheLevelConfig(persistence_path="b"))


@pytest.mark.parametrize(
    "given",
    [
        {"write_policy": "write_back"},
        {"directory": "cache"},
        {"directory": Path("~/cache")},
        {"l1_maxsize": None},
        {"l1_maxsize": 0},
        {"default_ttl": "10m"},
        {"default_ttl": math.inf},
        {"flush_interval": timedelta(seconds=1)},
        {"max_value_bytes": 1},
        {"max_value_bytes": "1MB"},
        {"name": "tool.search-2"},
        {"l1_config": CacheLevelConfig(max_bytes="64MB", eviction_policy="lfu", ttl="5m")},
        {"l2_config": CacheLevelConfig(max_size=1, max_bytes=10_000)},
    ],
)
def test_right_arguments(given):
    """
    Every form that settings know can be an argument too.
    """
    with MultiLevelCache(**given) as cache:
        cache.sync.set("k", 1)
