"""
Fault 27: what callers pass and get is in no log line, warning, error of ours, repr or statistic.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import traceback
import warnings

import pytest

import memotier
from memotier import MISS, MemotierError, tiered_cache

#: In the form of a word, so that it could be taken for a name in a program.
CANARY = "canary_hunter"


class Session:
    """
    Has no key, cannot be stored or copied, and says all it knows.
    """

    def __init__(self):
        self.password = CANARY

    def __repr__(self):
        return CANARY

    __str__ = __repr__

    def __reduce_ex__(self, protocol):
        raise ValueError(CANARY)

    def __deepcopy__(self, memo):
        raise ValueError(CANARY)


@dataclasses.dataclass
class Extra:
    x: object


class Asked:
    def __cache_key__(self):
        raise ValueError(CANARY)


@dataclasses.dataclass(frozen=True)
class Shop:
    town: str = CANARY

    @tiered_cache
    def price(self, item):
        return item


class Codec:
    name = "mine"

    def encode(self, value):
        raise ValueError(CANARY)

    def decode(self, payload):
        raise ValueError(CANARY)


@pytest.fixture
def said(caplog):
    """
    Everything that is said while a test runs; ``said()`` is the text of it.
    """
    texts = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        def text(*more):
            texts.extend(map(str, more))
            logs = [logging.Formatter().format(record) for record in caplog.records]
            return "\n".join([*texts, *logs, *(str(one.message) for one in warned)])

        yield text


def only_ours(error):
    """
    The text of an error, without that of errors of the user which it stems from.
    """
    assert isinstance(error, MemotierError)
    return "".join(traceback.format_exception_only(error))


ARGUMENTS = [
    Session(),
    [Session()],
    {CANARY: Session()},
    {"a": {CANARY: [Session()]}},
    {(CANARY,): Session()},
    {Session()},
    Extra(Session()),
    Extra({CANARY: Session()}),
    Asked(),
    [Asked()],
    functools.partial(print, CANARY, Session()),
]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda one: type(one).__name__)
def test_fault_27_arguments_without_a_key(call, tiers, said, argument):
    """
    Fault 27: an argument that has no key is named by place and type, in the error and the log.
    """
    strict = call.cached(cache=tiers)(lambda x: 1)
    lenient = call.cached(cache=tiers, on_unkeyable="bypass")(lambda x: 1)

    with pytest.raises(MemotierError) as caught:
        call(strict(argument))
    assert 1 == call(lenient(argument))
    with pytest.raises(MemotierError) as of_cache:
        tiers.sync.get(argument)

    heard = said(only_ours(caught.value), only_ours(of_cache.value))
    assert "argument 'x'" in heard
    assert CANARY not in heard


@pytest.mark.parametrize("codec", ["safe", "pickle", Codec()], ids=["safe", "pickle", "mine"])
@pytest.mark.parametrize(
    "result",
    [Session(), {CANARY: Session()}, Extra({CANARY: Session()}), "\ud800" + CANARY],
    ids=["object", "dict", "dataclass", "text"],
)
def test_fault_27_results_that_cannot_be_kept(call, make_cache, said, monkeypatch, codec, result):
    """
    Fault 27: a result that cannot be stored or copied is named by its type.
    """
    monkeypatch.setenv("MEMOTIER_KEY", "A" * 44)
    cache = make_cache("disk")
    f = call.cached(cache=cache, name="f", codec=codec)(lambda x: result)

    assert result is call(f(1))
    assert CANARY not in said(cache, cache.sync, f, f.cache_info(), cache.get_stats())


def _raise(*args, **kwargs):
    raise ValueError(CANARY)


@pytest.mark.parametrize(
    "options",
    [
        {"key": _raise, "on_unkeyable": "bypass"},
        {"tags": _raise},
        {"tags": lambda x: CANARY},
        {"tags": lambda x: [CANARY, None]},
        {"tags": lambda x: {CANARY: 1}},
        {"tags": ["{x}"]},
        {"ttl": _raise},
        {"ttl": lambda result: CANARY},
        {"cache_if": _raise},
    ],
    ids=[
        "key",
        "tags",
        "tags-one",
        "tags-wrong",
        "tags-dict",
        "template",
        "ttl",
        "ttl-wrong",
        "cache_if",
    ],
)
def test_fault_27_options_that_raise(call, tiers, said, options):
    """
    Fault 27: of what an option's callable raises or returns, only the type is said.
    """
    f = call.cached(cache=tiers, name="f", **options)(lambda x: [x])

    assert [CANARY] == call(f(CANARY))
    assert CANARY not in said(tiers, f, f.cache_info(), tiers.get_stats())


def test_fault_27_key_that_raises(call, cache, said):
    """
    Fault 27: the error about ``key=`` names the type of what it raised.
    """
    f = call.cached(cache=cache, key=_raise)(lambda x: x)
    with pytest.raises(MemotierError, match="key= raised ValueError") as caught:
        call(f(1))

    assert CANARY not in said(only_ours(caught.value))


def test_fault_27_the_functions_own_error_is_unchanged(call, tiers, said):
    """
    Fault 27: what the function raises reaches the caller as it is, and no log.
    """
    f = call.cached(cache=tiers, name="f")(_raise)
    with pytest.raises(ValueError, match=CANARY):
        call(f(1))

    assert CANARY not in said(tiers, f, tiers.get_stats())


def test_fault_27_looking_at_what_is_cached(call, tiers, said):
    """
    Fault 27: no repr, key, statistic or entry shows arguments, results or tags.
    """

    @call.cached(cache=tiers, name="f", tags=["user:{user}"])
    def f(user, password=None):
        seen.append(repr(memotier.current()))
        memotier.current().add_tags(CANARY)
        seen.append(repr(memotier.current()))
        return {CANARY: CANARY}

    seen = []
    assert {CANARY: CANARY} == call(f(CANARY, password=CANARY))
    tiers.sync.set(CANARY, CANARY, tags=[CANARY])
    tiers.sync.invalidate_tags(CANARY)
    assert MISS is f.peek(CANARY, password=CANARY)
    partial = tiered_cache(cache=tiers)(functools.partial(_raise, CANARY))
    shown = [f, f.cache_info(), f.cache_parameters(), f.cache_key(CANARY), tiers, tiers.sync]
    shown += [tiers.get_stats(), partial, Shop().price, Shop.price, *seen]

    assert CANARY not in said(*map(repr, shown))


@pytest.mark.parametrize("tags", [CANARY, [CANARY, ""], [CANARY, 5], [b"canary_hunter"], 5])
def test_fault_27_wrong_tags(cache, said, tags):
    """
    Fault 27: a tag may be made of data, so the error about tags does not show it.
    """
    errors = []
    for attempt in (
        lambda: cache.sync.set("k", 1, tags=tags),
        lambda: cache.sync.get_or_compute("k", lambda: 1, tags=tags),
        lambda: cache.sync.invalidate_tags(*tags if tags is not CANARY and tags != 5 else [b"x"]),
    ):
        with pytest.raises(MemotierError, match="tag") as caught:
            attempt()
        errors.append(only_ours(caught.value))

    assert CANARY not in said(*errors)


def test_fault_27_a_listener_that_fails(tiers, said):
    """
    Fault 27: the log says which event and what type of error, and where it was raised.
    """
    tiers._keyed.engine.events.listeners.append(_raise)
    tiers._keyed.engine.events.emit("fault", {})

    heard = said()
    assert "'fault'" in heard
    assert "ValueError" in heard
    assert "test_canary.py" in heard
    assert CANARY not in heard


def test_fault_27_seed_with_options_that_raise(call, cache, said):
    """
    Fault 27: what cannot be seeded is an error without what the option's callable raised.
    """
    for options in ({"tags": _raise}, {"ttl": _raise}):
        f = call.cached(cache=cache, **options)(lambda x: x)
        with pytest.raises(MemotierError, match="= raised ValueError") as caught:
            call(f.seed(1, CANARY))
        assert f.peek(CANARY) is MISS

        assert CANARY not in said(only_ours(caught.value))
