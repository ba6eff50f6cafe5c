"""
Every kind of parameter: a cached function is called exactly like the function.
"""

from __future__ import annotations

import inspect
import itertools

import pytest

from memotier import tiered_cache

SHAPES = [
    "",
    "a",
    "a=1",
    "a, b=2",
    "a, /",
    "a, /, b",
    "a, b=2, /, c=3",
    "a, *, b",
    "a, *, b=2",
    "*, a=1, b",
    "*args",
    "a, *args",
    "a, *args, b",
    "a, /, b, *args, c=3",
    "**kwargs",
    "a, **kwargs",
    "a, /, **kwargs",
    "*args, **kwargs",
    "a, b=2, *args, c, d=4, **kwargs",
]

CALLS = [
    (args, kwargs)
    for count in range(4)
    for args in [tuple(range(10, 10 + count))]
    for names in itertools.chain.from_iterable(
        itertools.combinations(("a", "b", "c", "z"), size) for size in range(4)
    )
    for kwargs in [{name: ord(name) for name in names}]
]


def _build(shape):
    scope = {}
    names = inspect.signature(eval(f"lambda {shape}: 0")).parameters
    exec(f"def f({shape}):\n    return [{', '.join(names)}]\n", scope)
    return scope["f"]


def _outcome(function, args, kwargs):
    """The result of a call, or the text of its error."""
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize("shape", SHAPES)
def test_calls_and_wrong_calls_are_those_of_the_function(shape, cache):
    """
    For every call the cached function gives what the function gives, or its very error.
    """
    plain = _build(shape)
    cached = tiered_cache(cache=cache, name=shape or "none")(plain)

    for args, kwargs in CALLS:
        expected = _outcome(plain, args, kwargs)
        assert expected == _outcome(cached, args, kwargs) == _outcome(cached, args, kwargs)
        if isinstance(expected, str):
            continue
        assert expected == cached.peek(*args, **kwargs)
        assert expected == cached.bypass(*args, **kwargs)
    assert inspect.signature(plain) == inspect.signature(cached)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_key_per_call_however_it_is_written(shape, cache):
    """
    Two spellings are one key exactly when they bind to the same arguments.
    """
    plain = _build(shape)
    cached = tiered_cache(cache=cache, name=shape or "none")(plain)

    keys = {}
    for args, kwargs in CALLS:
        bound = _outcome(plain, args, kwargs)
        if not isinstance(bound, str):
            keys.setdefault(repr(bound), set()).add(cached.cache_key(*args, **kwargs))

    assert [1] * len(keys) == [len(found) for found in keys.values()]
    assert len(keys) == len(set().union(*keys.values()))


def test_defaults_and_keywords_are_one_call(call, cache):
    """
    f(1, b=2), f(a=1, b=2) and f(1), where 2 is the default, are computed once.
    """

    @call.cached(cache=cache)
    def f(a, b=2):
        return [a, b]

    assert [1, 2] == call(f(1, b=2)) == call(f(a=1, b=2)) == call(f(b=2, a=1)) == call(f(1))
    assert (3, 1) == f.cache_info()[:2]


def test_keywords_in_any_order_are_one_call(call, cache):
    """
    The order of ``**kwargs`` does not count, and their names are no parameters.
    """

    @call.cached(cache=cache)
    def f(*args, **kwargs):
        return [args, kwargs]

    assert call(f(1, x=1, y=2)) == call(f(1, y=2, x=1)) == [(1,), {"x": 1, "y": 2}]
    assert [(), {"args": 1, "kwargs": 2}] == call(f(args=1, kwargs=2))
    assert 2 == f.cache_info().misses


def test_mutable_default(call, cache):
    """
    A mutable default is keyed by what it holds at the time of the call.
    """

    default = []

    @call.cached(cache=cache)
    def f(into=default):
        return list(into)

    assert [] == call(f())
    default.append(1)
    assert [1] == call(f())
    assert 2 == f.cache_info().misses


def test_default_none_and_given_none(call, cache):
    """
    None as an argument, as a default and as a result is a value like any other.
    """
    seen = []

    @call.cached(cache=cache)
    def f(a=None):
        seen.append(a)

    assert [None] * 4 == [call(f()), call(f(None)), call(f(a=None)), call(f())]
    assert [None] == seen


@pytest.mark.parametrize(
    "names",
    [
        ("self", "type"),
        ("type", "key", "id"),
        ("_mt_e", "_mt_v", "_mt_now"),
        ("_mt_type", "_mt_shapes", "_mt_places", "_mt_cells"),
        ("_mt_slow", "_mt_none", "_mt_call", "_mt_monotonic"),
        ("_mt", "_mt_", "_mt__d0"),
        ("args", "kwargs", "bind", "spread", "v", "value"),
        ("cls", "instance", "owner", "function"),
        ("KeyError", "TypeError", "int", "tuple"),
        ("ünï", "名", "_"),
    ],
)
@pytest.mark.parametrize("method", [False, True], ids=["function", "method"])
def test_parameters_named_like_ours(call, cache, names, method):
    """
    A parameter may have any name, also one that generated code or our attributes use.
    """
    scope = {}
    head = ", ".join(f"{name}={at}" for at, name in enumerate(names))
    exec(f"def f({'this, ' * method}{head}):\n    return ({', '.join(names)},)\n", scope)
    scope["f"].__qualname__ = "C.f" if method else "f"
    cached = call.cached(cache=cache)(scope["f"])
    f = type("C", (), {"f": cached})().f if method else cached
    given = dict(zip(names, "abcdefgh", strict=False))

    assert tuple(range(len(names))) == call(f())
    for _ in range(2):
        assert tuple(given.values()) == call(f(**given)) == f.peek(**given)
    assert f.cache_key(**given) == f.cache_key(*given.values())
    assert tuple(given.values()) == call(f.lookup(**given)).value
    assert tuple(given.values()) == call(f.refresh(**given))
    call(f.seed(("seeded",), **given))
    assert ("seeded",) == call(f(**given))
    assert call(f.invalidate(**given))
    assert tuple(given.values()) == call(f.bypass(**given))


def test_type_twins_are_different_calls(call, cache):
    """
    Values that are equal but of different types do not share a result.
    """

    @call.cached(cache=cache)
    def f(x):
        return type(x).__name__, str(x)

    twins = [1, 1.0, True, "1", b"1", 0, 0.0, -0.0, False, None, "None", (1,), (True,), [1], {1}]
    for _ in range(2):
        assert [(type(x).__name__, str(x)) for x in twins] == [call(f(x)) for x in twins]
    assert len(twins) == f.cache_info().misses


def test_nan_is_found_again(call, cache):
    """
    A NaN equals itself as a key, as an argument and inside one.
    """

    @call.cached(cache=cache)
    def f(x):
        return "found"

    for x in (float("nan"), float("nan"), -float("nan"), (float("nan"),), (float("nan"),)):
        assert "found" == call(f(x))
    assert (3, 2) == f.cache_info()[:2]


def test_fault_08_field_boundaries(call, cache):
    """
    Where one argument ends and the next begins is part of the key.
    """

    @call.cached(cache=cache)
    def f(*args, **kwargs):
        return [args, kwargs]

    calls = [
        (("a:b", "c"), {}),
        (("a", "b:c"), {}),
        (("a", "b", "c"), {}),
        ((("a", "b"), "c"), {}),
        (("a",), {"b": "c"}),
        (("a", ("b", "c")), {}),
        ((), {"a": "b", "c": ""}),
        ((), {"a": "", "b": "c"}),
    ]
    for args, kwargs in calls * 2:
        assert [args, kwargs] == call(f(*args, **kwargs))
    assert len(calls) == f.cache_info().misses


def test_fault_48_no_hook_of_an_argument_runs(cache):
    """
    Looking up a hostile argument runs none of its methods: it is refused by its type.
    """

    class Trap:
        def _sprung(self, *args, **kwargs):
            raise AssertionError("a hook of the argument was run")

        __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = _sprung
        __reduce__ = __reduce_ex__ = __getattr__ = __getattribute__ = __index__ = _sprung

    class Unhashable(type):
        __hash__ = None

    class Odd(metaclass=Unhashable):
        pass

    @tiered_cache(cache=cache)
    def f(x, y=1):
        return 1

    for value in (Trap(), [Trap()], Odd(), (1, Odd())):
        with pytest.raises(TypeError, match="argument 'x'"):
            f(value)


def test_long_arguments(call, cache):
    """
    Arguments of any length count to their last character, and memory does not keep them.
    """

    @call.cached(cache=cache)
    def f(x):
        return len(x)

    long = "x" * 100_000
    for _ in range(2):
        assert 100_000 == call(f(long))
        assert 100_001 == call(f(long + "y")) == call(f(long + "z"))
    assert 3 == f.cache_info().misses
    assert cache.get_stats()["l1"]["bytes"] < 10_000
