"""
Fault 48: arguments that are huge, endless, or run code when they are looked at, by every way to a
cached function.
"""

from __future__ import annotations

import dataclasses
import sys
from contextvars import ContextVar

import pytest

import memotier
from memotier import CacheAnalytics, ScopeMissing, UnkeyableArgument, tiered_cache


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def flat(value):
    """Take *value* apart level by level, or freeing it would recurse."""
    while type(value) is list and value and value[0] is not value:
        value = value[0]


def cycle():
    value = {}
    value["me"] = [value]
    return value


HUGE = {
    "depth": lambda: deep(100_000),
    "cycle": cycle,
    "text": lambda: "x" * 100_000_000,
    "keys": lambda: dict.fromkeys(range(1_000_000)),
}


@pytest.fixture(params=HUGE, scope="module")
def huge(request):
    made = HUGE[request.param]()
    yield made
    flat(made)


def test_fault_48_huge_arguments(call, tiers, huge):
    """
    An error that names the argument, or a call that is not cached, counted each time; nothing is
    kept, and what can be asked of the call raises or says so.
    """
    runs = []
    strict = call.cached(cache=tiers, name="f")(lambda x: runs.append(1))
    lenient = call.cached(cache=tiers, name="g", on_unkeyable="bypass")(lambda x: runs.append(1))

    with pytest.raises(UnkeyableArgument, match="argument 'x'"):
        call(strict(huge))
    assert not runs
    call(lenient(huge)), call(lenient(huge))
    assert (2, 2, 0) == (
        len(runs),
        lenient.cache_info().bypassed,
        tiers.get_stats()["l1"]["size"],
    )
    for ask in (strict.cache_key, strict.peek):
        with pytest.raises(UnkeyableArgument):
            ask(huge)
    assert "unkeyable" == call(strict.explain(huge)).reason
    with memotier.trace() as trace:
        call(lenient(huge))
    assert ["bypass"] == [one.source for one in trace.calls]


def test_fault_48_huge_arguments_elsewhere(call, cache, huge):
    """
    The same of an id of a batch, of a key of the cache, of a scope, which is nobody's, and of what
    ``key=`` returns; a parameter that does not count is not looked at.
    """
    user = ContextVar("user")

    def load(ids: list) -> dict:
        return dict(enumerate(ids))

    many = tiered_cache.many(cache=cache)(call.define(load))
    with pytest.raises(UnkeyableArgument):
        call(many([huge]))
    with pytest.raises(UnkeyableArgument):
        cache.sync.get(huge)
    scoped = call.cached(cache=cache, scope=user)(lambda x: [x])
    user.set(huge)
    with pytest.raises(ScopeMissing):
        call(scoped(1))
    with pytest.raises(UnkeyableArgument):
        call(call.cached(cache=cache, key=lambda x: huge)(lambda x: x)(1))
    ignoring = call.cached(cache=cache, ignore=("x",))(lambda x, y: [y])
    assert [1] == call(ignoring(huge, 1)) == call(ignoring(None, 1))
    assert 1 == ignoring.cache_info().misses


#: The traps that were run into; an error alone might be caught.
SPRUNG = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    SPRUNG.clear()
    yield
    assert [] == SPRUNG


def _sprung(*_, **__):
    SPRUNG.append(sys._getframe(1).f_code.co_qualname)
    raise AssertionError("a hook of the argument was run")


NAMES = (
    *("__eq__", "__hash__", "__repr__", "__str__", "__bool__", "__len__", "__iter__"),
    *("__reduce__", "__reduce_ex__", "__getstate__", "__getattr__", "__getattribute__"),
    *("__index__", "__float__", "__format__", "__copy__", "__deepcopy__", "__fspath__"),
    *("__contains__", "__getitem__", "__lt__", "__sizeof__", "__dir__", "__array__"),
)
HOOKS = dict.fromkeys(NAMES, _sprung)
HOOKS["__class__"] = HOOKS["x"] = property(_sprung)


class Meta(type):
    """Runs into a trap whoever asks a class of it for anything."""

    __getattribute__ = __instancecheck__ = __subclasscheck__ = __iter__ = _sprung


def keyed(slots, meta):
    kind = dataclasses.make_dataclass(
        "Loud", [("q", str)], namespace=HOOKS, slots=slots, eq=False, repr=False
    )
    return kind if meta is type else meta("Loud", (kind,), {"__slots__": ()} if slots else {})


@pytest.mark.parametrize("meta", [type, Meta])
@pytest.mark.parametrize("slots", [False, True])
def test_fault_48_nothing_of_an_argument_with_a_key_runs(call, tiers, slots, meta):
    """
    An argument that is known by its fields may be a trap all the same: it is looked up, noted for
    explain(), traced, counted and shown without any of its code.
    """
    kind = keyed(slots, meta)
    CacheAnalytics(tiers, show_keys=True)
    f = call.cached(cache=tiers, name="f", redact=("y",))(lambda x, y=None: 1)

    def made(text):
        value = object.__new__(kind)
        object.__setattr__(value, "q", text)
        return value

    for _ in range(2):
        for value in (made("a"), [made("a")], {"k": (made("b"),)}):
            call(f(value)), call(f(value, y=value))
    assert 6 == f.cache_info().misses
    with memotier.trace() as trace:
        call(f(made("a"))), call(f(made("new")))
    assert ["memory", "computed"] == [one.source for one in trace.calls]
    assert "Loud(q='new')" in trace.calls[1].call
    assert "Loud(q='a')" in str(call(f.explain(made("a"))))
    assert "'other'" in str(call(f.explain(made("other"))))
    f.cache_key(made("a")), call(f.lookup(made("a"))), f.peek(made("a"))
    assert call(f.invalidate(made("a")))


@pytest.mark.parametrize("base", [object, str, int, list, dict, tuple, set, bytes])
@pytest.mark.parametrize("options", [{}, {"redact": ("x",)}, {"on_unkeyable": "bypass"}], ids=str)
def test_fault_48_nothing_of_an_argument_without_a_key_runs(call, cache, base, options):
    """
    What is refused, or passed by, is not asked for anything, either.
    """
    value = base.__new__(type("Loud", (base,), dict(HOOKS)))
    f = call.cached(cache=cache, **options)(lambda x: 1)

    for argument in (value, [value], {"k": value}, (1, [value])):
        if "on_unkeyable" in options:
            assert 1 == call(f(argument))
            continue
        with pytest.raises(UnkeyableArgument, match=r"argument 'x'.* is a .*Loud"):
            call(f(argument))
        with pytest.raises(UnkeyableArgument):
            f.cache_key(argument)
    assert "unkeyable" == call(f.explain(value)).reason


def test_fault_48_a_declared_hook_runs_once_for_each_look(call, cache):
    """
    ``__cache_key__()`` is what a class declares: asked when a key is made, and for nothing else.
    """
    asked = []

    class Session:
        def __cache_key__(self):
            asked.append(1)
            return "db"

    f = call.cached(cache=cache)(lambda x: 1)
    call(f(Session()))
    assert [1] == asked
    call(f(Session()))
    assert [1, 1] == asked
