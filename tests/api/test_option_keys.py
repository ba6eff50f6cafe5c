"""
Options that decide what a call is known by: name, namespace, key, ignore, on_unkeyable, cache.
"""

from __future__ import annotations

import functools
import logging

import pytest

import memotier
from memotier import ConfigError, UnkeyableArgument, tiered_cache


def test_name_gives_a_local_function_a_place_in_the_second_tier(call, make_cache):
    """
    A function inside a function is kept in memory only, until it has a name.
    """

    def make(name, cache):
        @call.cached(cache=cache, name=name)
        def f(x):
            return [x]

        return f

    first = make_cache("disk")
    assert [1] == call(make("tests.f", first)(1))
    assert [2] == call(make(None, first)(2))
    first.sync.close()

    again = make_cache("disk")
    named, nameless = make("tests.f", again), make(None, again)
    assert [1] == call(named(1))
    assert [2] == call(nameless(2))
    assert (1, 0) == (named.cache_info().l2_hits, named.cache_info().misses)
    assert (0, 1) == (nameless.cache_info().l2_hits, nameless.cache_info().misses)


class Shop:
    def price(self, item):
        return item


def _local():
    def local(x):
        return x

    return local


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x, "a lambda has no name of its own"),
        (_local(), "it is defined inside another function"),
        (functools.partial(pow, 2), "a partial has the name of the function inside it"),
        (Shop().price, "it is a method of one object"),
    ],
    ids=["lambda", "local", "partial", "method"],
)
def test_a_name_is_asked_for_once(make_cache, caplog, function, reason):
    """
    One log line says why results stay in memory, and what to do about it.
    """
    cached = tiered_cache(cache=make_cache("disk"))(function)
    with caplog.at_level(logging.WARNING, "memotier"):
        assert [function(1), function(2)] == [cached(1), cached(2)]

    (line,) = caplog.messages
    assert f"memory only, because {reason}; give it a name=" in line


def test_name_shows_in_key_and_parameters(call, cache):
    """
    Two functions with one name and version have the same keys; with two names they have not.
    """
    one, two, other = (
        call.cached(cache=cache, name=name, version=1)(lambda x: x) for name in ("n", "n", "m")
    )

    assert "n" == one.cache_parameters()["name"]
    assert one.cache_key(1) == two.cache_key(1) != other.cache_key(1)


def test_namespace_is_the_module_if_not_said(call, cache):
    """
    The function's module is its namespace, which begins its keys.
    """
    silent = call.cached(cache=cache)(lambda x: x)
    said = call.cached(cache=cache, namespace="tool.search")(lambda x: x)

    assert __name__ == silent.cache_parameters()["namespace"]
    assert said.cache_key(1).startswith("tool.search:")
    assert silent.cache_key(1).startswith(f"{__name__}:")


def test_clearing_a_namespace_clears_those_below(call, tiers):
    """
    ``clear_namespace("tool")`` clears ``tool`` and ``tool.search``, not ``toolbox``.
    """
    functions = {
        name: call.cached(cache=tiers, namespace=name, name=name)(lambda x: x)
        for name in ("tool", "tool.search", "toolbox", "other")
    }
    for f in functions.values():
        assert 1 == call(f(1))

    assert 2 == tiers.sync.clear_namespace("tool")

    for f in functions.values():
        assert 1 == call(f(1))
    misses = {name: f.cache_info().misses for name, f in functions.items()}
    assert {"tool": 2, "tool.search": 2, "toolbox": 1, "other": 1} == misses


BAD_NAMESPACES = [
    "../x", "a/b", "nul\0", "x" * 65, "CON", "con.txt", "tооl", "*", "{x}", ".", "..", "a..b",
    ".a", "a.", "a b", "a:b", "",
]  # fmt: skip


@pytest.mark.parametrize("namespace", BAD_NAMESPACES)
def test_fault_25_namespaces_at_decoration(namespace):
    """
    A namespace that is a path, a pattern or a look-alike is refused when a function is decorated.
    """
    with pytest.raises(ConfigError, match="namespace") as caught:
        tiered_cache(namespace=namespace)(lambda x: x)

    assert ascii(namespace)[:40] in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_key_alone_counts(call, cache):
    """
    Calls for which ``key`` returns one thing are one call, whatever their arguments are.
    """
    seen = []

    @call.cached(cache=cache, key=lambda session, user, k=10: (user, k))
    def f(session, user, k=10):
        seen.append(user)
        return [user, k]

    assert ["ann", 10] == call(f(object(), "ann")) == call(f(object(), user="ann", k=10))
    assert ["bob", 10] == call(f(object(), "bob"))
    assert ["ann", "bob"] == seen
    assert f.cache_key(object(), "ann") == f.cache_key(object(), "ann")


def test_key_is_typed_and_must_be_keyable(call, cache):
    """
    What ``key`` returns is a key by the same rules as arguments.
    """
    f = call.cached(cache=cache, key=lambda x: x)(lambda x: type(x))

    assert [int, float, bool] == [call(f(1)), call(f(1.0)), call(f(True))]
    with pytest.raises(UnkeyableArgument, match="'key'"):
        call(f(object()))


def test_key_on_a_method_decides_about_the_instance_too(call, cache):
    """
    With ``key`` an instance counts only if the callable makes it count.
    """

    class Shop:
        def __init__(self, town):
            self.town = town

        @call.cached(cache=cache, key=lambda self, item: (self.town, item))
        def price(self, item):
            return [id(self), item]

    one, two, other = Shop("Rome"), Shop("Rome"), Shop("Oslo")

    assert [id(one), 1] == call(one.price(1)) == call(two.price(1))
    assert [id(other), 1] == call(other.price(1))
    assert call(two.price.invalidate(1))
    assert [id(two), 1] == call(two.price(1)) == call(one.price(1))


def test_ignore(call, cache):
    """
    Ignored parameters do not count; all others do.
    """

    @call.cached(cache=cache, ignore=["session", "k"])
    def f(session, query, *, k=10):
        return [query, k]

    assert ["a", 10] == call(f(object(), "a")) == call(f(None, "a", k=3)) == call(f({}, query="a"))
    assert ["b", 4] == call(f(None, "b", k=4))
    assert f.cache_key(1, "a") == f.cache_key(2, "a", k=5) != f.cache_key(1, "b")


def test_ignore_collecting_parameters(call, cache):
    """
    ``*args`` and ``**kwargs`` can be ignored as a whole.
    """

    @call.cached(cache=cache, ignore=("rest", "more"))
    def f(a, *rest, **more):
        return [a, rest, more]

    assert [1, (object,), {}] == call(f(1, object)) == call(f(1, 2, x=object()))
    assert [2, (), {}] == call(f(2))


def test_ignore_self_shares_between_instances(call, cache):
    """
    ``ignore=("self",)`` shares on purpose.
    """

    class Shop:
        @call.cached(cache=cache, ignore=("self",))
        def price(self, item):
            return [id(self), item]

    one, two = Shop(), Shop()

    assert [id(one), 1] == call(one.price(1)) == call(two.price(1)) == call(Shop.price(two, 1))
    assert 1 == Shop.price.cache_info().misses


def test_fault_09_unkeyable_raises(call, cache):
    """
    An object that has only an address is no argument of a cached function.
    """

    class Session:
        pass

    seen = []

    @call.cached(cache=cache)
    def load(session, x=1):
        seen.append(x)

    with pytest.raises(UnkeyableArgument) as caught:
        call(load(Session()))

    message = str(caught.value)
    assert "load" in message
    assert "'session'" in message
    assert "Session" in message
    assert "ignore=('session',)" in message
    assert [] == seen
    assert isinstance(caught.value, TypeError)


def test_fault_09_unkeyable_bypasses(call, cache, caplog):
    """
    With ``on_unkeyable="bypass"`` such calls run every time, are counted, and said once.
    """

    class Session:
        pass

    seen = []

    @call.cached(cache=cache, on_unkeyable="bypass")
    def load(session, x=1):
        seen.append(x)
        return [x]

    with caplog.at_level(logging.WARNING, "memotier"):
        for at in range(50):
            assert [at] == call(load(Session(), at))
        assert [7] == call(load("key", 7)) == call(load("key", 7))

    assert [*range(50), 7] == seen
    assert (1, 1, 50) == (
        load.cache_info().hits,
        load.cache_info().misses,
        load.cache_info().bypassed,
    )
    (line,) = caplog.messages
    assert "Session" in line


def test_unkeyable_attributes_raise_also_when_calls_bypass(call, cache):
    """
    Nothing can be invalidated, looked up or seeded for a call that has no key.
    """
    f = call.cached(cache=cache, on_unkeyable="bypass")(lambda x: [x])
    value = object()

    assert value is call(f.bypass(value))[0]
    for name in ("invalidate", "lookup", "refresh"):
        with pytest.raises(UnkeyableArgument):
            call(getattr(f, name)(value))
    with pytest.raises(UnkeyableArgument):
        f.peek(value)
    with pytest.raises(UnkeyableArgument):
        f.cache_key(value)
    with pytest.raises(UnkeyableArgument):
        call(f.seed(1, value))


def test_cache_by_object(call, make_cache):
    """
    Functions of one cache share its room; those of two caches do not meet.
    """
    one, two = make_cache(l1_maxsize=2), make_cache()
    f, g = (call.cached(cache=one)(lambda x: x) for _ in range(2))
    h = call.cached(cache=two)(lambda x: x)

    for function in (f, g, h):
        for at in range(2):
            assert at == call(function(at))

    assert [0, 2, 2] == [x.cache_info().currsize for x in (f, g, h)]
    assert [2, 2, 1000] == [x.cache_info().maxsize for x in (f, g, h)]


def test_cache_by_name(call):
    """
    A named cache is the configured one, made at the first call.
    """
    f = call.cached(cache="small")(lambda x: x)
    memotier.configure(caches={"small": {"l1": {"max_size": 7}}})

    assert 1 == call(f(1))
    assert 7 == f.cache_info().maxsize
    assert "small" == f.cache_parameters()["cache"]
    assert 1 == memotier.get_cache("small").get_stats()["l1"]["size"]


def test_unknown_cache_is_said_at_the_first_call(call):
    """
    The name of a cache that nothing configures is an error with the names there are.
    """
    memotier.configure(caches={"small": {}})
    f = call.cached(cache="smal")(lambda x: x)

    with pytest.raises(ConfigError, match=r"'smal'.*small"):
        call(f(1))
