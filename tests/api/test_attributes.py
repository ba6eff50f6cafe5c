"""
The attributes of a decorated thing: on functions, on instances, on classes.
"""

from __future__ import annotations

import inspect

import pytest

from memotier import MISS, CacheInfo, CacheLevelConfig, Entry, EvictionPolicy, tiered_cache


def _function(call, cache, seen):
    @call.cached(cache=cache, ttl=60, tags=["t"], name="f")
    def f(x, *, k=1):
        seen.append((x, k))
        return [x, k]

    return f


def _instance(call, cache, seen):
    class Shop:
        @call.cached(cache=cache, ttl=60, tags=["t"], name="f")
        def f(self, x, *, k=1):
            seen.append((x, k))
            return [x, k]

    return Shop().f


def _through_class(call, cache, seen):
    bound = _instance(call, cache, seen)
    instance, function = bound.__self__, type(bound.__self__).f

    class Through:
        def __init__(self, target):
            self._target = target

        def __call__(self, *args, **kwargs):
            return self._target(instance, *args, **kwargs)

        def __getattr__(self, name):
            found = getattr(self._target, name)
            if name == "seed":
                return lambda value, *args, **kwargs: found(value, instance, *args, **kwargs)
            if name in ("cache_info", "cache_parameters", "cache_clear", "cache_expire"):
                return found
            return lambda *args, **kwargs: found(instance, *args, **kwargs)

    return Through(function)


def _static(call, cache, seen):
    class Shop:
        f = staticmethod(_function(call, cache, seen))

    return Shop().f


def _class_method(call, cache, seen):
    class Shop:
        @tiered_cache(cache=cache, ttl=60, tags=["t"], name="f")
        @classmethod
        @call.define
        def f(cls, x, *, k=1):
            seen.append((x, k))
            return [x, k]

    return Shop.f


@pytest.fixture
def seen():
    return []


@pytest.fixture(params=[_function, _instance, _through_class, _static, _class_method])
def f(request, call, tiers, seen):
    """
    One function as the user reaches it: every test using this proves all five ways.
    """
    return request.param(call, tiers, seen)


def test_cache_info(f, call, seen):
    """
    Counts of hits, misses and entries, in the order of ``lru_cache``'s.
    """
    assert [[1, 1], [1, 1], [2, 1]] == [call(f(1)), call(f(1, k=1)), call(f(2))]
    info = f.cache_info()

    assert isinstance(info, CacheInfo)
    assert (1, 2, 1000, 2) == info[:4]
    assert ("hits", "misses", "maxsize", "currsize") == info._fields[:4]


def test_cache_parameters(f):
    """
    The options in effect, by name.
    """
    shown = f.cache_parameters()

    assert {"maxsize": 1000, "typed": True, "name": "f", "ttl": 60, "tags": ("t",)}.items() <= (
        shown.items()
    )
    assert __name__ == shown["namespace"]


def test_cache_clear(f, call, seen):
    """
    All results of the function are forgotten, those of others are not.
    """
    assert [[1, 1], [2, 1]] == [call(f(1)), call(f(2))]
    assert call(f.cache_clear()) is None

    assert f.peek(1) is MISS
    assert 0 == f.cache_info().currsize
    assert [1, 1] == call(f(1))
    assert [(1, 1), (2, 1), (1, 1)] == seen


def test_cache_clear_leaves_others(call, tiers):
    """
    Clearing one function clears no other of the same cache and namespace.
    """
    one, two = (call.cached(cache=tiers, name=name)(lambda x: [x]) for name in ("one", "two"))
    assert [1] == call(one(1)) == call(two(1))
    call(one.cache_clear())
    assert [1] == call(one(1)) == call(two(1))
    assert (2, 1) == (one.cache_info().misses, two.cache_info().misses)


def test_invalidate(f, call, seen):
    """
    Only the call with these arguments is forgotten; whether there was one is the answer.
    """
    assert [[1, 1], [1, 2]] == [call(f(1)), call(f(1, k=2))]

    assert call(f.invalidate(1, k=1)) is True
    assert call(f.invalidate(1)) is False
    assert call(f.invalidate(5)) is False
    assert [[1, 1], [1, 2]] == [call(f(x=1)), call(f(1, k=2))]
    assert [(1, 1), (1, 2), (1, 1)] == seen


def test_refresh(f, call, seen):
    """
    A refresh computes although there is a result, and stores what came of it.
    """
    assert [1, 1] == call(f(1)) == call(f.refresh(1)) == call(f(1))
    assert [2, 1] == call(f.refresh(2)) == call(f(2))
    assert [(1, 1), (1, 1), (2, 1)] == seen


def test_peek(f, call, seen):
    """
    A peek finds what memory has and never computes; MISS is falsy and is not None.
    """
    assert f.peek(1) is MISS
    assert not f.peek(1)
    assert [1, 1] == call(f(1)) == f.peek(1) == f.peek(x=1, k=1)
    assert [(1, 1)] == seen
    assert not inspect.isawaitable(f.peek(1))


def test_lookup(f, call, seen, clock):
    """
    The entry of a call tells its age, its ttl, its tags and its value, and computes nothing.
    """
    assert call(f.lookup(1)) is None
    assert [1, 1] == call(f(1))
    clock.advance(10)
    entry = call(f.lookup(1))

    assert isinstance(entry, Entry)
    assert [1, 1] == entry.value
    assert ("l1", ("t",), __name__) == (entry.tier, entry.tags, entry.namespace)
    assert (10, 50) == (pytest.approx(entry.age, abs=0.1), pytest.approx(entry.ttl_left, abs=0.1))
    assert entry.key == f.cache_key(1)
    assert [(1, 1)] == seen
    assert "[1, 1]" not in repr(entry)


def test_seed(f, call, seen):
    """
    A seeded value is the result of that call, and of no other.
    """
    assert call(f.seed(["seeded"], 1, k=1)) is None

    assert ["seeded"] == call(f(1)) == f.peek(1)
    assert [2, 1] == call(f(2))
    call(f.seed(["again"], 1))
    assert ["again"] == call(f(1))
    assert [(2, 1)] == seen


def test_seed_of_none_and_of_a_parameter_called_value(call, cache):
    """
    None can be seeded, and the function may have a parameter called ``value`` itself.
    """
    f = call.cached(cache=cache)(lambda value: [value])
    call(f.seed(None, value=3))

    assert call(f(3)) is None
    assert [4] == call(f(4))


def test_cache_key(f, call):
    """
    One text per call, which says nothing about the arguments and computes nothing.
    """
    key = f.cache_key("secret-argument")

    assert key == f.cache_key(x="secret-argument", k=1)
    assert key != f.cache_key("secret-argument", k=2)
    assert key.startswith(f"{__name__}:")
    assert "secret" not in key
    assert f.peek("secret-argument") is MISS


def test_bypass(f, call, seen):
    """
    A bypassing call reads nothing and writes nothing.
    """
    assert [1, 1] == call(f.bypass(1))
    assert f.peek(1) is MISS
    assert [1, 1] == call(f(1)) == call(f.bypass(1, k=1))
    assert [(1, 1)] * 3 == seen
    assert 1 == f.cache_info().misses


@pytest.mark.parametrize("name", ["invalidate", "refresh", "peek", "lookup", "cache_key", "bypass"])
def test_wrong_arguments_to_an_attribute(f, call, name):
    """
    An attribute takes the arguments of the function, and complains like it.
    """
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'z'"):
        call(getattr(f, name)(1, z=2))
    with pytest.raises(TypeError, match=r"f\(\) missing 1 required positional argument: 'x'"):
        call(getattr(f, name)())


def test_wrapped(call, cache, seen):
    """
    ``__wrapped__`` is the function that was decorated, on an instance bound to it.
    """
    plain = call.define(lambda x: [x])
    cached = tiered_cache(cache=cache)(plain)
    bound = _instance(call, cache, seen)

    assert plain is cached.__wrapped__
    assert [1, 1] == call(bound.__wrapped__(1))
    assert bound.__self__ is bound.__wrapped__.__self__
    assert 0 == cached.cache_info().misses == bound.cache_info().misses


def test_second_tier_through_the_attributes(call, make_cache, seen):
    """
    Attributes of a new process find, forget and refresh what an earlier one stored.
    """

    def process():
        return _function(call, make_cache("disk"), seen)

    assert [1, 1] == call(process()(1))
    second = process()
    assert second.peek(1) is MISS
    assert "l2" == call(second.lookup(1)).tier
    assert [1, 1] == call(second(1)) == second.peek(1)
    assert "l1" == call(second.lookup(1)).tier
    third = process()
    assert call(third.invalidate(1)) is True
    assert call(process().lookup(1)) is None
    call(process().seed(["seeded"], 1))
    assert ["seeded"] == call(process()(1))
    assert [1, 1] == call(process().refresh(1)) == call(process()(1))
    call(process().cache_clear())
    assert call(process().lookup(1)) is None
    assert [(1, 1), (1, 1)] == seen


def test_options_never_enter_the_users_keywords(call, cache):
    """
    A function with ``**kwargs`` gets every keyword that a caller gives, whatever its name.
    """

    @call.cached(cache=cache, ttl=5)
    def f(**kwargs):
        return kwargs

    given = dict.fromkeys(("ttl", "tags", "refresh", "cache", "bypass", "key", "namespace"), 1)
    assert given == call(f(**given)) == call(f.bypass(**given)) == f.peek(**given)


def test_peek_is_no_use(call, make_cache):
    """
    A peek is no hit, and does not keep an entry from being the next to leave.
    """
    cache = make_cache(l1_config=CacheLevelConfig(max_size=2, eviction_policy=EvictionPolicy.LRU))
    f = call.cached(cache=cache)(lambda x: [x])

    assert [[1], [2]] == [call(f(1)), call(f(2))]
    assert [1] == f.peek(1)
    cache.sync.invalidate_tags("other")  # now entries are checked before they are served
    before = f.cache_info()
    assert [1] == f.peek(1) == f.peek(1)
    assert before == f.cache_info()

    call(f(3))
    assert (MISS, [2]) == (f.peek(1), f.peek(2))
