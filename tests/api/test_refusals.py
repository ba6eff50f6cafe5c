"""
What is wrong is said when a function is decorated: the value, and the way out.
"""

from __future__ import annotations

import asyncio
import functools
import math
import types

import pytest

from memotier import ConfigError, MultiLevelCache, epoch, file, tiered_cache


def _plain(x, y=1, *args, **kwargs):
    return x


async def _later(*args):
    return 1


class _Codec:
    name = "mine"

    def encode(self, value):
        return b""

    def decode(self, payload):
        return None


WRONG = {
    "name": [
        (5, "5", "1 to 256"),
        ("", "''", "1 to 256"),
        ("x" * 257, "xxx", "1 to 256"),
        (b"f", "b'f'", "text"),
    ],
    "namespace": [
        (5, "5", "A-Z"),
        (None.__class__, "NoneType", "A-Z"),
        ("a b", "'a b'", "A-Z"),
        (["a"], "['a']", "A-Z"),
    ],
    "ttl": [
        (0, "0", "above zero"),
        (-1, "-1", "above zero"),
        (-0.5, "-0.5", "above zero"),
        (math.nan, "nan", "10m"),
        (-math.inf, "-inf", "above zero"),
        ("", "''", "10m"),
        ("10", "'10'", '"10s"'),
        ("10 minutes", "'10 minutes'", "10m"),
        ("soon", "'soon'", "10m"),
        (True, "True", "10m"),
        ([60], "[60]", "10m"),
        (lambda: 60, "lambda", "given the result"),
        (_later, "_later", "plain function"),
    ],
    "tags": [
        ("web", "'web'", "tags=['web']"),
        (5, "5", "list of texts"),
        ([5], "5", "texts|strings"),
        ([""], "''", "non-empty"),
        ([b"web"], "b'web'", "strings"),
        (["u:{user}"], "{user}", "there are: {x}, {y}"),
        (["u:{x.name}"], "{x.name}", "callable"),
        (["u:{x[0]}"], "{x[0]}", "callable"),
        (["u:{x!r}"], "{x!r}", "callable"),
        (["u:{x:>5}"], "{x:>5}", "callable"),
        (["u:{}"], "{}", "callable"),
        (["u:{0}"], "{0}", "callable"),
        (["u:{x"], "u:{x", "template"),
        (["u:x}"], "u:x}", "template"),
        (["u:{args}"], "{args}", "there are: {x}, {y}"),
        (["u:{kwargs}"], "{kwargs}", "callable"),
        (_later, "_later", "plain function"),
    ],
    "cache": [
        (None, "None", "MultiLevelCache"),
        (5, "5", "MultiLevelCache"),
        ("", "''", "MultiLevelCache"),
        (MultiLevelCache, "MultiLevelCache", "configured one"),
        ({}, "{}", "MultiLevelCache"),
    ],
    "key": [
        ("x", "'x'", "given the arguments"),
        (["x"], "['x']", "callable"),
        (_later, "_later", "plain function"),
    ],
    "ignore": [
        ("x", "'x'", "ignore=('x',)"),
        (["z"], "'z'", "there are: x, y, args, kwargs"),
        ([5], "5", "not a parameter"),
        ([["x"]], "['x']", "not a parameter"),
        (5, "5", "names of parameters"),
        (True, "True", "names of parameters"),
    ],
    "version": [
        (None, "None", '"auto"'),
        ("", "''", "text"),
        (True, "True", "number"),
        ((1, 2), "(1, 2)", "text"),
    ],
    "on_unkeyable": [
        ("ignore", "'ignore'", '"bypass"'),
        (None, "None", '"raise"'),
        (True, "True", '"raise"'),
    ],
    "codec": [
        ("json", "'json'", '"safe"'),
        (None, "None", '"pickle"'),
        (_Codec, "_Codec", "_Codec()"),
        (object(), "object", "encode"),
    ],
    "cache_if": [
        (True, "True", "given the result"),
        ("ok", "'ok'", "callable"),
        (_later, "_later", "plain function"),
    ],
    "copy": [
        ("deep", "'deep'", '"auto"'),
        (1, "1", "True or False"),
        (0, "0", "True or False"),
        (None, "None", '"auto"'),
    ],
    "single_flight": [
        ("world", "'world'", '"process"'),
        (True, "True", '"process"'),
        (False, "False", "None"),
    ],
}

CASES = [(option, *case) for option, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(
    ("option", "value", "shown", "advice"), CASES, ids=[f"{c[0]}={c[2]}" for c in CASES]
)
def test_a_wrong_option(call, option, value, shown, advice):
    """
    The message names the function, the option, its value and what to write instead.
    """
    with pytest.raises(ConfigError) as caught:
        call.cached(**{option: value})(_plain)

    message = str(caught.value)
    assert message.startswith("_plain: ")
    assert option.rstrip("s") in message
    assert shown in message
    assert any(part in message for part in advice.split("|"))
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_long_value_is_cut():
    """
    A message stays readable, however long the value is.
    """
    with pytest.raises(ConfigError) as caught:
        tiered_cache(key=["x" * 10_000])(_plain)
    assert len(str(caught.value)) < 300


def test_key_and_ignore_contradict():
    """
    With ``key`` nothing is left to ignore.
    """
    with pytest.raises(ConfigError, match="key= alone decides"):
        tiered_cache(key=lambda *a: 1, ignore=["x"])(_plain)


def test_an_unknown_option():
    """
    A misspelt option is Python's own error, before anything is decorated.
    """
    with pytest.raises(TypeError, match="'tll'"):
        tiered_cache(tll=5)


@pytest.mark.parametrize("value", ["10m", 60, None, ["web"]], ids=repr)
def test_an_option_without_its_name(value):
    """
    What is not callable in the function's place was meant to be an option.
    """
    with pytest.raises(ConfigError, match=r"Options are given by name") as caught:
        tiered_cache(value)
    assert repr(value) in str(caught.value)


def _generator(x):
    yield x


async def _async_generator(x):
    yield x


class _Generates:
    def __call__(self, x):
        yield x


@pytest.mark.parametrize(
    "function",
    [
        _generator,
        _async_generator,
        functools.partial(_generator, 1),
        _Generates(),
        staticmethod(_generator),
        classmethod(_async_generator),
    ],
    ids=["generator", "async", "partial", "callable", "staticmethod", "classmethod"],
)
@pytest.mark.parametrize(
    "option",
    [
        {"stale_while_revalidate": 1},
        {"stale_if_error": "1d"},
        {"refresh_ahead": 0.5},
        {"stale_if_error": 60, "soft_timeout": 1},
        {"hard_timeout": "2s"},
        {"error_ttl": "2s"},
        {"record": True},
    ],
    ids=lambda option: next(iter(option)),
)
def test_generator_functions_and_options_of_results(function, option):
    """
    What needs an old result, or a moment of return, is refused for streams, with the value.
    """
    name, value = next(iter(option.items()))
    with pytest.raises(ConfigError, match=f"{name}={value!r}.*generator function"):
        tiered_cache(**option)(function)


def test_generator_functions_and_worlds():
    """
    A file may change while its stream is read: refused, where an epoch is not.
    """
    with pytest.raises(ConfigError, match=r"file\(\) or env\(\).*epoch"):
        tiered_cache(depends_on=[file("x")])(_generator)
    tiered_cache(depends_on=[epoch("x")])(_generator)


def test_generator_functions_and_batches():
    """
    Neither many ids in one stream, nor many streams at once.
    """
    with pytest.raises(ConfigError, match="generator function"):
        tiered_cache.many(_generator)
    with pytest.raises(ConfigError, match="read its streams one by one"):
        tiered_cache(_generator).map([()])


def test_a_generator_that_is_awaited():
    """
    What types.coroutine makes of a generator function is no stream, and is refused.
    """
    with pytest.raises(ConfigError, match=r"_generator.*awaited.*async def"):
        tiered_cache(types.coroutine(_generator))


def test_a_class():
    """
    A class is refused: its instances would be shared.
    """
    with pytest.raises(ConfigError, match=r"Fine is a class.*function that makes"):

        @tiered_cache
        class Fine:
            pass


@pytest.mark.parametrize("kind", [property, functools.cached_property])
def test_above_a_property(kind):
    """
    The decorator goes below a property.
    """
    with pytest.raises(ConfigError, match=f"above @{kind.__name__}: put it below"):
        tiered_cache(kind(lambda self: 1))


def test_decorated_twice(call, cache):
    """
    A second decorator is refused in every form, because it would only hide the first.
    """
    once = call.cached(cache=cache)(lambda self: 1)

    class Shop:
        method = once
        inner = classmethod(once)
        outer = tiered_cache(cache=cache)(classmethod(call.define(lambda cls: 1)))
        static = tiered_cache(cache=cache)(staticmethod(call.define(lambda: 1)))

    again = tiered_cache(ttl=5)
    for function in (
        once,
        staticmethod(once),
        classmethod(once),
        Shop().method,
        Shop.outer,
        Shop.__dict__["outer"],
        Shop.static,
        Shop.__dict__["static"],
    ):
        with pytest.raises(ConfigError, match="cached already"):
            again(function)


def test_a_function_that_does_not_tell_its_parameters():
    """
    Some functions made in C have no signature: wrap them.
    """
    with pytest.raises(ConfigError, match=r"getattr.*function of your own"):
        tiered_cache(getattr)


def test_refused_functions_stay_usable(call):
    """
    A refusal leaves the function as it was.
    """
    with pytest.raises(ConfigError):
        call.cached(ttl=0)(_plain)
    assert 1 == _plain(1)
    assert 1 == asyncio.run(_later())
