"""
The keys of the cache object: anything that has a stable key, and which of them can be in a dict.
"""

from __future__ import annotations

import math

import pytest

from memotier import ConfigError, UnkeyableArgument

#: No two of them are one entry, though some are equal, and some cannot be hashed.
KEYS = [1, 1.0, True, "1", b"1", None, (1,), (1.0,), 0.0, -0.0, [1], {"a": 1}, {1}, "x" * 5000]


@pytest.fixture(params=["sync", "async"])
def do(request, tiers):
    """
    Call a method of the cache either way.
    """
    import asyncio

    def run(name, *args, **kwargs):
        if request.param == "sync":
            return getattr(tiers.sync, name)(*args, **kwargs)
        return asyncio.run(getattr(tiers, name)(*args, **kwargs))

    return run


def test_any_key_can_be_set_got_and_deleted(do):
    """
    Each key is an entry of its own in both tiers, whether or not a dict could tell them apart.
    """
    for number, key in enumerate(KEYS):
        do("set", key, number)
    assert list(range(len(KEYS))) == [do("get", key) for key in KEYS]

    for number, key in enumerate(KEYS):
        assert do("delete", key) is True
        assert do("delete", key) is False
        assert do("get", key) is None
        assert [*range(number + 1, len(KEYS))] == [do("get", other) for other in KEYS[number + 1 :]]


def test_any_key_can_be_computed(do):
    """
    ``get_or_compute`` keeps what ``get`` then finds.
    """
    for number, key in enumerate(KEYS):
        assert number == do("get_or_compute", key, lambda number=number: number)
    assert list(range(len(KEYS))) == [do("get", key) for key in KEYS]


def test_many_keys_at_once(do):
    """
    The mappings go in and come out with the keys as they were given, each once.
    """
    mapping = {1: "int", "1": "str", (1, "a"): "tuple", math.nan: "nan", None: "none"}
    do("set_many", mapping)

    assert mapping == do("get_many", [*mapping, 1, "missing"])
    assert {1: True, "missing": False} == do("delete_many", [1, 1, "missing"])
    assert {"1": "str"} == do("get_many", iter([1, "1"]))


@pytest.mark.parametrize("name", ["get_many", "delete_many"])
@pytest.mark.parametrize("key", [["secret"], {"secret": 1}, ("a", ["secret"])])
def test_a_key_that_no_dict_can_hold(do, name, key):
    """
    The answer is a dict, so such a key is refused before anything happens, and not shown.
    """
    do("set", "a", 1)
    with pytest.raises(UnkeyableArgument, match=rf"{name}\(\).*a {type(key).__name__}") as caught:
        do(name, ["a", key])

    assert "secret" not in str(caught.value)
    assert 1 == do("get", "a")


@pytest.mark.parametrize("name", ["get_many", "delete_many"])
@pytest.mark.parametrize("keys", [(1, 1.0), (True, "x", 1), (0.0, -0.0), ((1,), (1.0,))])
def test_keys_that_a_dict_takes_for_one(do, name, keys):
    """
    Two entries cannot be answered under one key: the call is refused, and nothing is mixed up.
    """
    for number, key in enumerate(keys):
        do("set", key, number)
    with pytest.raises(ConfigError, match="equal for a dict") as caught:
        do(name, keys)

    assert f"0 and {len(keys) - 1}" in str(caught.value)
    assert [*range(len(keys))] == [do("get", key) for key in keys]


class Hostile:
    """Has a key, and a hash that fails."""

    def __cache_key__(self):
        return "hostile"

    def __hash__(self):
        raise ValueError("secret")


def test_a_key_whose_hash_fails(do):
    """
    Such a key works alone, and is refused where a dict is to be returned.
    """
    do("set", Hostile(), 1)
    assert 1 == do("get", Hostile())
    with pytest.raises(UnkeyableArgument, match="Hostile") as caught:
        do("get_many", [Hostile()])

    assert "secret" not in str(caught.value)
    assert do("delete", Hostile()) is True


def test_a_long_key_is_not_kept_in_memory(cache):
    """
    Of a long key, text or not, memory keeps a digest.
    """
    for key in ("x" * 100_000, b"x" * 100_000, ["x" * 100] * 1000, dict.fromkeys(range(5000))):
        cache.sync.set(key, 1)
        assert 1 == cache.sync.get(key)

    place = cache._keyed._shelves["default"].place
    assert [True] * 4 == [len(one.key) < 64 for one in place.residents()]


@pytest.mark.parametrize("namespace", [None, 5, ["a"], "", "a/b"])
def test_a_namespace_that_cannot_be(do, namespace):
    """
    What is no namespace is refused by name, also if it cannot be hashed.
    """
    with pytest.raises(ConfigError, match="namespace"):
        do("get", "k", namespace=namespace)
