"""
Reading a cached stream: what the plain generator gives, once computed, as often as one likes.
"""

from __future__ import annotations

import asyncio
import inspect
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import memotier
from memotier import MISS, ConfigError, MultiLevelCache, tiered_cache

from .conftest import is_quiet


def test_a_stream_is_computed_once(kind, tiers, source):
    """
    The first reader gets what the function yields, the next one the same without the function.
    """
    f = kind.cached(cache=tiers)(lambda n: (yield from source.read(range(n))))

    assert [0, 1, 2] == kind.list(f(3)) == kind.list(f(3))
    assert (1, 1) == (source.begun, source.closed)
    assert (1, 1) == f.cache_info()[:2]
    assert is_quiet(tiers)


def test_nothing_happens_before_the_first_item(kind, cache, source):
    """
    A call looks nothing up and begins nothing; a wrong call raises at once.
    """
    f = kind.cached(cache=cache, name="f")(lambda n: (yield from source.read(range(n))))
    stream = f(3)
    assert (inspect.isasyncgen if kind.is_async else inspect.isgenerator)(stream)
    assert (0, 0, 0) == (source.begun, f.cache_info().misses, f.cache_info().hits)
    with pytest.raises(TypeError, match="missing 1 required"):
        f()
    assert [0] == kind.take(stream, 1)
    kind.close(stream)


def test_a_source_gives_only_what_was_asked_for(kind, cache, source):
    """
    A reader who stops reading stops the source.
    """
    f = kind.cached(cache=cache)(lambda: (yield from source.read(range(100))))
    stream = f()
    kind.take(stream, 3)
    assert 3 == source.given
    kind.take(stream, 2)
    assert 5 == source.given
    kind.close(stream)


def test_late_readers_begin_at_the_start(kind, cache, source):
    """
    Who comes while a stream runs gets all of it, and the function runs once.
    """
    f = kind.cached(cache=cache)(lambda: (yield from source.read("abcdef")))
    first, second, third = f(), f(), f()

    assert ["a", "b"] == kind.take(first, 2)
    assert ["a", "b", "c", "d"] == kind.take(second, 4)
    assert ["c"] == kind.take(first, 1)
    assert list("abcdef") == kind.list(third)
    assert ["e", "f"] == kind.list(second)
    assert ["d", "e", "f"] == kind.list(first)
    assert (1, 6) == (source.begun, source.given)
    assert 2 == f.cache_info().joined
    assert is_quiet(cache)


@pytest.mark.parametrize(
    "items",
    [[], [None], [0, "", b"", False, None, [], {}], ["", "x", ""]],
    ids=["empty", "None", "falsy", "text"],
)
def test_falsy_items_and_empty_streams(kind, make_cache, source, items):
    """
    Nothing that an item may be ends a stream, in the one that runs, in memory, and on disk.
    """
    for _ in range(2):
        cache = make_cache("disk")
        f = kind.cached(cache=cache, name="f", namespace="falsy")(
            lambda: (yield from source.read(items))
        )
        for _ in range(2):
            got = kind.list(f())
            assert (items, list(map(type, items))) == (got, list(map(type, got)))
        cache.sync.close()
    assert 1 == source.begun


def test_a_stream_survives_a_restart(kind, make_cache, source):
    """
    A second process, or the same after a restart, reads it from the disk, and then from memory.
    """

    def numbers(n):
        yield from source.read([[i] for i in range(n)])

    def process():
        cache = make_cache("disk")
        return cache, kind.cached(cache=cache, name="numbers", namespace="restart")(numbers)

    cache, f = process()
    assert [[0], [1]] == kind.list(f(2))
    cache.sync.close()
    cache, f = process()
    assert [[0], [1]] == kind.list(f(2)) == kind.list(f(2))
    assert (1, 1, 1) == (source.begun, f.cache_info().l2_hits, f.cache_info().l1_hits)
    assert is_quiet(cache)


def test_readers_who_come_while_the_disk_is_asked(kind, make_cache, source):
    """
    One looks below for all of them; each gets items of his own.
    """
    for _ in range(2):
        cache = make_cache("disk")
        f = kind.cached(cache=cache, name="f", namespace="below")(
            lambda: (yield from source.read([[1], [2]]))
        )
        streams = [f() for _ in range(3)]
        got = [kind.take(stream, 1)[0] for stream in streams]
        assert [[1]] * 3 == got
        assert 3 == len({id(item) for item in got})
        assert [[[2]]] * 3 == [kind.list(stream) for stream in streams]
        cache.sync.close()
    assert 1 == source.begun


def test_what_a_generator_returns(cache, make_cache):
    """
    The value of ``return`` is part of the stream, for the first reader, the joined, and the next.
    """
    ran = []

    @tiered_cache(cache=cache)
    def f(n):
        ran.append(n)
        yield from range(n)
        return {"total": n}

    def both(stream):
        result = yield from stream
        returned.append(result)

    returned = []
    one, two = both(f(3)), both(f(3))
    next(one), next(two)
    assert ([1, 2], [1, 2], [0, 1, 2]) == (list(one), list(two), list(both(f(3))))
    assert [{"total": 3}] * 3 == returned
    returned[0]["total"] = 4
    assert [0, 1, 2] == list(both(f(3)))
    assert {"total": 3} == returned[-1]
    assert [3] == ran


def test_readers_cannot_change_what_others_get(kind, cache):
    """
    Items are copies: what one does to them reaches neither the source, nor joined readers, nor
    those who come later.
    """
    seen = []

    @kind.cached(cache=cache)
    def f():
        batch = []
        for i in range(3):
            batch.append(i)  # the same list every time, as sources do
            seen.append(list(batch))
            yield batch

    right = [[0], [0, 1], [0, 1, 2]]
    one, two = f(), f()
    for _ in range(3):
        kind.next(one).clear()
    assert right == kind.list(two)
    assert [] == kind.list(one)
    for item in kind.list(f()):
        item.append("mine")
    assert right == kind.list(f()) == seen
    f.peek()[0].append("mine")
    f.peek().clear()
    assert right == kind.list(f())


def test_copy_false_shares_items(kind, cache):
    """
    With ``copy=False`` all readers get the very objects, as was asked for.
    """
    f = kind.cached(cache=cache, copy=False)(lambda: (yield [1]))

    (first,), (second,) = kind.list(f()), kind.list(f())
    assert first is second
    f.peek().clear()
    assert [first] == kind.list(f())


def test_items_that_cannot_be_copied(kind, cache, caplog):
    """
    They are handed out, once; such a stream is not stored and is joined by nobody.
    """
    f = kind.cached(cache=cache, name="f")(
        lambda: (yield from ({"at": (one for one in [i])} for i in range(2)))
    )

    one = f()
    first = kind.next(one)
    two = f()
    assert 0 == next(kind.next(two)["at"]) == next(first["at"])
    assert 1 == next(kind.list(one)[0]["at"]) == next(kind.list(two)[0]["at"])
    assert MISS is f.peek()
    assert (2, 0) == (f.cache_info().misses, f.cache_info().currsize)
    assert 1 == caplog.text.count("neither shared nor stored")
    assert is_quiet(cache)


@pytest.mark.parametrize("way", ["call", "replay"])
def test_send_is_refused_and_close_ends_one_reader(kind, cache, way):
    """
    Nobody can answer what is sent; the other readers do not notice.
    """
    f = kind.cached(cache=cache, name="f")(lambda: (yield from range(3)))
    if way == "replay":
        kind.list(f())
    one, two = f(), f()
    kind.next(one), kind.next(two)
    with pytest.raises(TypeError, match=r"send\(\) of a int"):
        kind(one.asend(1)) if kind.is_async else one.send(1)
    assert [1, 2] == kind.list(two)
    three = f()
    kind.next(three)
    with pytest.raises(KeyError):
        kind(three.athrow(KeyError("k"))) if kind.is_async else three.throw(KeyError("k"))
    assert [] == kind.list(three)
    assert [0, 1, 2] == kind.list(f())


def test_attributes(kind, tiers, source):
    """
    They speak of the list of the items; what computes gives a generator.
    """
    f = kind.cached(cache=tiers, name="f", ttl="1h")(lambda n: (yield from source.read(range(n))))

    assert MISS is f.peek(2)
    kind(f.seed((7, 8), 2))
    assert [7, 8] == f.peek(2) == kind.list(f(2)) == kind(f.lookup(2)).value
    assert "l1" == kind(f.lookup(2)).tier
    assert 0 == source.begun
    assert [0, 1] == kind.list(f.bypass(2))
    assert [7, 8] == kind.list(f(2))
    stream = f.refresh(2)
    assert [0] == kind.take(stream, 1)
    assert [7, 8] == kind.list(f(2))  # others have the old one meanwhile
    assert [1] == kind.list(stream)
    assert [0, 1] == f.peek(2) == kind.list(f(2))
    assert f.cache_key(2) == f.cache_key(n=2)
    assert kind(f.invalidate(2)) and not kind(f.invalidate(2))
    assert kind(f.lookup(2)) is None
    kind.list(f(2)), kind(f.cache_clear())
    assert MISS is f.peek(2)
    for wrong in ("ab", b"ab", 5):
        with pytest.raises(ConfigError, match="give a list of items"):
            kind(f.seed(wrong, 2))
    assert "process" == f.cache_parameters()["single_flight"]
    assert is_quiet(tiers)


def test_options_are_given_the_items(kind, cache, clock):
    """
    ``cache_if`` and ``ttl`` see the list, ``tags`` the arguments, ``current()`` the entry.
    """
    seen = []

    @kind.cached(
        cache=cache,
        name="f",
        cache_if=lambda items: seen.append(items) or len(items) > 1,
        ttl=lambda items, n: 10 * len(items) * n,
        tags=["n:{n}"],
        jitter=1.0,
    )
    def f(n):
        for i in range(n):
            memotier.current().add_tags(f"item:{i}")
            yield i

    kind.list(f(1)), kind.list(f(2))
    assert [[0], [0, 1]] == seen
    assert MISS is f.peek(1)
    entry = kind(f.lookup(2))
    assert ("n:2", "item:0", "item:1") == entry.tags
    assert 40 <= entry.ttl_left <= 41
    clock.advance(42)
    assert MISS is f.peek(2)


def test_current_in_every_step(kind, cache):
    """
    Between the items the reader is outside: a cached function that he is in keeps its own entry.
    """

    @kind.cached(cache=cache, name="inner")
    def inner():
        for i in range(3):
            memotier.current().add_tags("inner")
            yield i

    @tiered_cache(cache=cache, name="outer")
    def outer():
        memotier.current().add_tags("before")
        stream = inner()
        kind.next(stream)
        memotier.current().add_tags("between")
        kind.list(stream)
        return 1

    outer()
    assert ("before", "between") == outer.lookup().tags
    assert ("inner",) == kind(inner.lookup()).tags
    with pytest.raises(LookupError):
        memotier.current()


def test_skip_is_not_stored(kind, cache, source):
    """
    ``current().skip()`` in any step: the readers get the stream, nobody later does.
    """

    @kind.cached(cache=cache)
    def f():
        for item in source.read("ab"):
            memotier.current().skip()
            yield item

    assert ["a", "b"] == kind.list(f()) == kind.list(f())
    assert 2 == source.begun


def test_methods(kind, cache):
    """
    Methods, class- and static methods, above and below the other decorator.
    """

    class Model:
        def __init__(self):
            self.asked = 0

        @kind.cached(cache=cache)
        def tokens(self, n):
            self.asked += 1
            yield from range(n)

    one, two = Model(), Model()
    assert (
        [0, 1] == kind.list(one.tokens(2)) == kind.list(one.tokens(2)) == kind.list(two.tokens(2))
    )
    assert (1, 1) == (one.asked, two.asked)
    assert [0, 1] == one.tokens.peek(2) == Model.tokens.peek(one, 2)
    assert kind(one.tokens.invalidate(2))
    assert MISS is one.tokens.peek(2)
    assert [0, 1] == two.tokens.peek(2)
    kind(one.tokens.seed([5], 2))
    assert [5] == kind.list(one.tokens(2))
    assert [0, 1] == kind.list(one.tokens.refresh(2)) == one.tokens.peek(2)


@pytest.mark.parametrize("other", [classmethod, staticmethod])
@pytest.mark.parametrize("above", [True, False])
def test_class_and_static_methods(kind, cache, other, above):
    """
    The attributes of streams are found through the class.
    """
    takes = 1 if other is classmethod else 0
    count = []
    function = kind.define(
        (lambda cls, n: (yield from count.append(n) or range(n)))
        if takes
        else (lambda n: (yield from count.append(n) or range(n)))
    )
    decorate = tiered_cache(cache=cache, name="f")
    made = other(decorate(function)) if above else decorate(other(function))
    Model = type("Model", (), {"tokens": made})

    assert [0, 1] == kind.list(Model.tokens(2)) == kind.list(Model().tokens(2))
    assert [2] == count
    owner = (Model,) if takes and above else ()
    tokens = Model.__dict__["tokens"].__func__ if owner else Model.tokens
    assert [0, 1] == tokens.peek(*owner, 2)


def test_what_inspect_says(kind, cache):
    """
    The decorated object and its generators look like the function's own.
    """

    def words(text: str, most: int = 3):
        """Words of a text."""
        yield text

    plain = kind.define(words)
    f = tiered_cache(cache=cache)(plain)
    is_function = inspect.isasyncgenfunction if kind.is_async else inspect.isgeneratorfunction
    assert is_function(f) and is_function(plain)
    assert not inspect.iscoroutinefunction(f)
    assert inspect.signature(plain) == inspect.signature(f)
    assert ("words", "Words of a text.") == (f.__name__, f.__doc__)
    stream = f("a")
    assert ("words", plain.__qualname__) == (stream.__name__, stream.__qualname__)


def test_past_the_cache(kind, make_cache, source):
    """
    Disabled, closed, or without a key: a plain stream, and nothing is kept.
    """
    cache = make_cache()
    f = kind.cached(cache=cache, name="f", on_unkeyable="bypass")(
        lambda x=None: (yield memotier.current() and source.read("a").__next__())
    )
    with memotier.disabled():
        assert ["a"] == kind.list(f()) == kind.list(f())
    assert MISS is f.peek()
    assert ["a"] == kind.list(f(lambda: 1)) == kind.list(f(object()))
    assert 1 <= f.cache_info().bypassed
    cache.sync.close()
    assert ["a"] == kind.list(f()) == kind.list(f())
    assert 2 + 2 + 2 == source.begun


def test_without_single_flight_everyone_computes(kind, cache, source):
    """
    ``single_flight=None``: nobody joins, and what was read to its end is stored all the same.
    """
    f = kind.cached(cache=cache, single_flight=None)(lambda: (yield from source.read("abc")))
    one, two = f(), f()
    kind.take(one, 2), kind.take(two, 1)
    assert 2 == source.begun
    assert (["c"], ["b", "c"]) == (kind.list(one), kind.list(two))
    assert list("abc") == kind.list(f())
    assert 2 == source.begun
    assert f.cache_parameters()["single_flight"] is None


def test_a_stream_that_is_too_large(kind, make_cache, source):
    """
    From ``max_value_bytes`` on nobody joins and nothing is stored; who has joined reads on.
    """
    cache = make_cache(max_value_bytes=5000)
    f = kind.cached(cache=cache, name="f")(
        lambda: (yield from source.read([bytes([i]) * 1000 for i in range(50)]))
    )
    right = [bytes([i]) * 1000 for i in range(50)]
    slow, fast = f(), f()
    assert right[:1] == kind.take(slow, 1)
    assert right[:20] == kind.take(fast, 20)
    late = f()
    assert right[:2] == kind.take(late, 2)
    assert 2 == source.begun
    assert right[20:] == kind.list(fast)
    assert right[1:] == kind.list(slow)
    assert right[2:] == kind.list(late)
    assert MISS is f.peek()
    assert 2 == f.cache_info().misses
    assert is_quiet(cache)


def test_a_refresh_that_is_too_large_takes_the_old_one_away(kind, make_cache):
    """
    What cannot be kept is still newer than what was there.
    """
    cache, size = make_cache("disk", max_value_bytes=5000), [1]
    f = kind.cached(cache=cache, name="f", namespace="big")(
        lambda: (yield from [b"x" * 1000] * size[0])
    )
    kind.list(f())
    size[0] = 50
    assert 50 == len(kind.list(f.refresh()))
    assert kind(f.lookup()) is None


def test_what_a_replay_saves(kind, cache, clock):
    """
    The time of the source counts, not that of its reader.
    """

    @kind.cached(cache=cache, name="f")
    def f():
        for i in range(3):
            clock.advance(2)
            yield i

    stream = f()
    while kind.take(stream, 1) != [2]:
        clock.advance(100)
    kind.list(stream)
    assert 6 == pytest.approx(kind(f.lookup()).compute_seconds, abs=0.01)


def test_memory_of_a_long_stream_is_let_go(cache):
    """
    What all readers have passed is freed once a stream is too large to be kept.
    """
    import weakref

    class Item:
        pass

    alive = weakref.WeakSet()

    @tiered_cache(cache=MultiLevelCache(max_value_bytes=100), copy=False)
    def f():
        while True:
            item = Item()
            alive.add(item)
            yield item

    one, two = f(), f()
    next(one), next(two)
    for _ in range(500):
        next(one)
        assert len(alive) < 400 or next(two)
    for _ in range(500):
        next(two)
    assert len(alive) < 20
    one.close(), two.close()


def test_a_very_long_stream_is_let_go_of_at_once(cache):
    """
    A chain of many links is freed without running out of stack.
    """
    f = tiered_cache(cache=cache, name="f", cache_if=lambda _: False)(
        lambda: (yield from range(50_000))
    )
    one, two = f(), f()
    next(two)
    assert sum(range(50_000)) == sum(one)
    two.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    items=st.lists(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()))),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=30),
    fails=st.booleans(),
)
def test_readers_of_any_speed_get_what_the_plain_generator_gives(kind, items, steps, fails):
    """
    Readers come, read a few items, and come back, in any order: each gets the plain sequence,
    and at most one function runs for those who overlap.
    """
    cache, running = MultiLevelCache(), [0, 0]

    @kind.cached(cache=cache, name="f")
    def f():
        running[0] += 1
        running[1] = max(running)
        try:
            yield from items
            if fails:
                raise KeyError("end")
        finally:
            running[0] -= 1

    streams = {number: [f(), []] for number in range(4)}
    for number, count in steps:
        stream, got = streams[number]
        for _ in range(count):
            try:
                got.append(kind.next(stream))
            except StopIteration:
                assert not fails or got == items
                break
            except KeyError:
                assert fails and got == items
                streams[number] = [f(), []]
                break
        assert streams[number][1] == items[: len(streams[number][1])]
    for stream, got in streams.values():
        try:
            got += kind.list(stream)
        except KeyError:
            assert fails
        else:
            assert got == items
        kind.close(stream)
    assert running[1] <= 1
    assert is_quiet(cache)


def test_a_replay_lets_others_run(cache):
    """
    A replay never waits for anything; the event loop has its turn all the same.
    """
    f = tiered_cache(cache=cache, name="f")(_many)

    async def main():
        assert 1000 == len([x async for x in f()])
        order = []

        async def other():
            order.append("other")

        task = asyncio.create_task(other())
        async for _ in f():
            pass
        order.append("end")
        await task
        assert ["other", "end"] == order

    asyncio.run(main())


async def _many():
    for i in range(1000):
        yield i


class _Json:
    """
    A codec of somebody's own; with *loses* it gives back less than it was given.
    """

    name = "json"

    def __init__(self, loses=False):
        self._loses = loses

    def encode(self, value):
        return json.dumps(value).encode()

    def decode(self, data):
        found = json.loads(bytes(data))
        return found[0][0] if self._loses else found


def test_a_codec_of_ones_own(kind, make_cache, source):
    """
    It is given the pair of items and return value, and may give back a list for it.
    """
    for _ in range(2):
        cache = make_cache("disk")
        f = kind.cached(cache=cache, name="f", namespace="json", codec=_Json())(
            lambda: (yield from source.read([1, [2]]))
        )
        assert [1, [2]] == kind.list(f())
        cache.sync.close()
    assert 1 == source.begun
    f = kind.cached(cache=make_cache("disk"), name="f", namespace="json", codec=_Json(True))(
        lambda: (yield from source.read([1, [2]]))
    )
    with pytest.raises(ConfigError, match=r"codec= gave back a int for a stream.*pair"):
        kind.list(f())
