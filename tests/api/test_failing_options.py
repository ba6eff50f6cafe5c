"""
Callables of the options that raise, and results that cannot be copied: no call fails of them.
"""

from __future__ import annotations

import logging

import pytest

from memotier import MISS, ConfigError, UnkeyableArgument


def _raise(*args, **kwargs):
    raise LookupError("of the option")


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.WARNING, "memotier")
    return lambda: caplog.messages


@pytest.mark.parametrize("option", ["tags", "ttl", "cache_if"])
def test_what_to_do_with_a_result_is_not_known(call, tiers, lines, option):
    """
    If ``tags``, ``ttl`` or ``cache_if`` raises, the result is returned, not stored, and this is
    said once.
    """
    runs = []

    @call.cached(cache=tiers, name="f", **{option: _raise})
    def f(x):
        runs.append(x)
        return [x]

    assert [1] == call(f(1)) == call(f(1)) == call(f.refresh(1))
    assert [1, 1, 1] == runs
    assert f.peek(1) is MISS
    assert call(f.lookup(1)) is None
    (line,) = lines()
    assert option in line
    assert "raised LookupError" in line
    assert "not stored" in line


def test_a_key_that_raises_is_no_key(call, cache, lines):
    """
    With ``on_unkeyable="raise"`` the error stems from what ``key`` raised; with ``"bypass"``
    the call is made, and this is said once.
    """
    strict = call.cached(cache=cache, key=_raise)(lambda x: [x])
    lenient = call.cached(cache=cache, key=_raise, on_unkeyable="bypass")(lambda x: [x])

    with pytest.raises(UnkeyableArgument, match="key= raised LookupError") as caught:
        call(strict(1))
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(UnkeyableArgument, match="key= raised LookupError"):
        call(lenient.invalidate(1))
    assert [1] == call(lenient(1)) == call(lenient(1))
    assert 2 == lenient.cache_info().bypassed
    (line,) = lines()
    assert "key= raised LookupError (called, not cached)" in line


def test_what_passes_all_exceptions_passes(call, cache):
    """
    An interrupt inside an option's callable is no fault of that option.
    """

    def interrupt(*args):
        raise KeyboardInterrupt

    for option in ("key", "tags", "ttl", "cache_if"):
        f = call.cached(cache=cache, on_unkeyable="bypass", **{option: interrupt})(lambda x: x)
        with pytest.raises(KeyboardInterrupt):
            call(f(1))


def test_seeding_is_explicit(call, cache):
    """
    ``seed`` stores or raises: there is no call that it could let go on.
    """
    for option in ("tags", "ttl"):
        f = call.cached(cache=cache, **{option: _raise})(lambda x: x)
        with pytest.raises(ConfigError, match=f"{option}= raised LookupError"):
            call(f.seed(5, 1))
        assert f.peek(1) is MISS


class Stubborn:
    """
    Can be copied once, when it is stored, and never again.
    """

    copied = 0

    def __init__(self, error=ValueError):
        self.error = error

    def __deepcopy__(self, memo):
        if self.copied:
            raise self.error("of the copy")
        twin = Stubborn(self.error)
        twin.copied = 1
        return twin


@pytest.mark.parametrize("error", [ValueError, UnkeyableArgument, KeyError, RecursionError])
@pytest.mark.parametrize("argument", [1, [1]], ids=["native", "canonical"])
def test_a_result_that_can_no_longer_be_copied(call, cache, lines, argument, error):
    """
    Fault 10: it is computed anew, for calls, keys and attributes alike, and nothing is raised.
    """
    runs = []

    @call.cached(cache=cache)
    def f(x):
        runs.append(x)
        return Stubborn(error)

    for _ in range(3):
        assert isinstance(call(f(argument)), Stubborn)
    assert 3 == len(runs)
    assert f.peek(argument) is MISS
    assert call(f.lookup(argument)) is None
    assert isinstance(call(f(argument)), Stubborn)
    assert 4 == len(runs)
    assert 1 == len(lines())


def test_a_value_that_can_no_longer_be_copied(cache):
    """
    Fault 10: the same for the cache object.
    """
    cache.sync.set("k", Stubborn())

    assert cache.sync.get("k") is None
    assert isinstance(cache.sync.get_or_compute("k", Stubborn), Stubborn)
    assert 5 == cache.sync.get_or_compute("k", lambda: 5) == cache.sync.get("k")


def test_the_error_of_the_next_computation_has_no_context(call, cache):
    """
    What the function raises after a copy failed does not carry the error of the copy.
    """
    results = [Stubborn()]

    @call.cached(cache=cache)
    def f(x):
        return results.pop()

    call(f(1))
    with pytest.raises(IndexError) as caught:
        call(f(1))
    assert caught.value.__context__ is None


def _hostile(error):
    """An instance of a class whose metaclass does not let it be hashed, and notes it."""

    class Meta(type):
        hashed = 0

        def __hash__(cls):
            Meta.hashed += 1
            raise error

    return Meta("Hostile", (), {"__eq__": lambda *_: True, "__hash__": lambda _: hash(1)})()


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("no"), KeyError("no")], ids=repr)
def test_fault_48_a_class_that_cannot_be_hashed(call, tiers, error):
    """
    Fault 48: as an argument it has no key, as a result it is returned; neither makes a call fail
    with an error of the class.
    """
    value = _hostile(error)
    strict = call.cached(cache=tiers, name="f")(lambda x, y=1: [x])
    lenient = call.cached(cache=tiers, name="g", on_unkeyable="bypass")(lambda x: [x])
    giver = call.cached(cache=tiers, name="h")(lambda x: [value])
    single = call.cached(cache=tiers, name="i")(lambda x: [x])

    for f in (strict, single, lenient, giver):
        call(f(1))  # attached: the hit path is in place
    assert [1] == call(strict(1)) == call(single(1))
    for f in (strict, single):
        with pytest.raises(UnkeyableArgument, match=r"'x' is a .*Hostile"):
            call(f(value))
    assert value is call(lenient(value))[0]
    assert value is call(giver(1))[0] is call(giver(2))[0]
    with pytest.raises(UnkeyableArgument, match="Hostile"):
        tiers.sync.get(value)
    tiers.sync.set("k", value)
