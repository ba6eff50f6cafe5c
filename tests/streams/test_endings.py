"""
How a stream may end: only one that was read to the end of its source is ever stored.
"""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from memotier import MISS, StreamInterrupted, tiered_cache

from .conftest import engine_of, is_quiet


def test_a_failed_stream_is_not_stored(kind, tiers, source):
    """
    All who joined get the items so far and then the error; the next caller begins anew.
    """
    error = KeyError("broken")
    f = kind.cached(cache=tiers, name="f")(lambda: (yield from source.read("ab", error)))
    one, two, three = f(), f(), f()
    kind.take(one, 1), kind.take(two, 1), kind.take(three, 1)
    for stream in (one, two, three):
        assert ["b"] == kind.take(stream, 1)
        with pytest.raises(KeyError) as caught:
            kind.next(stream)
        assert error is caught.value
        assert [] == kind.list(stream)
    assert 1 == source.begun
    assert MISS is f.peek() and kind(f.lookup()) is None
    assert ["a", "b"] == kind.take(f(), 2)
    assert 2 == source.begun
    gc.collect()


def test_what_fails_at_once(kind, cache, source):
    """
    An error before the first item is raised by the first next, for everyone who waits.
    """
    f = kind.cached(cache=cache, name="f")(lambda: (yield from source.read("", ValueError("x"))))
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            kind.next(f())
    assert 2 == source.begun
    assert 2 == f.cache_info().misses
    assert is_quiet(cache)


@pytest.mark.parametrize("read", [0, 1, 2, 3])
def test_a_stream_that_was_not_read_to_its_end(kind, tiers, source, read):
    """
    All items are not the end: unless the source has said that it ended, nothing is stored.
    """
    f = kind.cached(cache=tiers, name="f")(lambda: (yield from source.read("abc")))
    stream = f()
    assert list("abc")[:read] == kind.take(stream, read)
    held = list(engine_of(tiers).streams.running)  # so that nobody but its reader closes it
    kind.close(stream)
    assert ["ABANDONED"] * len(held) == [one.state.name for one in held]
    assert source.begun == source.closed == (1 if read else 0)
    assert MISS is f.peek() and kind(f.lookup()) is None
    assert is_quiet(tiers)
    assert list("abc") == kind.list(f()) == f.peek()


def test_the_last_reader_closes_the_source(kind, cache, source):
    """
    Who leaves takes nothing away from those who stay.
    """
    f = kind.cached(cache=cache, name="f")(lambda: (yield from source.read("abcd")))
    one, two, three = f(), f(), f()
    kind.take(one, 3), kind.take(two, 1), kind.take(three, 1)
    kind.close(one)
    assert 0 == source.closed
    assert ["b"] == kind.take(two, 1)
    kind.close(two)
    assert 0 == source.closed
    assert list("bcd") == kind.list(three)
    assert list("abcd") == f.peek()
    assert is_quiet(cache)


def test_what_closing_raises(kind, cache):
    """
    An error of the source's own clean-up is raised to whoever closes it, as without the cache.
    """

    @kind.cached(cache=cache, name="f")
    def f():
        try:
            yield 1
        finally:
            raise KeyError("clean-up")

    stream = f()
    kind.next(stream)
    with pytest.raises(KeyError, match="clean-up"):
        kind.close(stream)
    assert is_quiet(cache)


def test_a_reader_that_is_forgotten(kind, cache, source):
    """
    ``break`` and the garbage collector close a source as they close a generator.
    """
    f = kind.cached(cache=cache, name="f")(lambda: (yield from source.read("abc")))

    async def abroad():
        async for _ in f():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    if kind.is_async:
        kind(abroad())
    else:
        for _ in f():
            break
        gc.collect()
    assert (1, 1) == (source.begun, source.closed)
    assert MISS is f.peek()
    assert is_quiet(cache)


def test_a_collection_in_the_middle_of_a_step(cache, source):
    """
    A reader that is collected while its thread is inside the cache is closed beside it.
    """
    import threading

    f = tiered_cache(cache=cache, name="f")(lambda: (yield from source.read("abc")))
    stream = f()
    next(stream)
    before = set(threading.enumerate())
    with cache._keyed.engine.lock:
        del stream
        gc.collect()
        assert 0 == source.closed
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert 1 == source.closed
    assert is_quiet(cache)


def test_invalidated_in_the_middle(kind, tiers, source):
    """
    Who joined before has his stream; who comes after does not join it, and it is not kept.
    """
    f = kind.cached(cache=tiers, name="f", namespace="inv", tags=["t"])(
        lambda: (yield from source.read([source.begun] * 3))
    )
    for number, invalidate in enumerate(
        (
            lambda: kind(f.invalidate()),
            lambda: kind(f.cache_clear()),
            lambda: tiers.sync.invalidate_tags("t"),
            lambda: tiers.sync.clear_namespace("inv"),
            lambda: kind.list(f.refresh()) and kind(f.invalidate()),
        )
    ):
        source.begun = 10 * number
        early = f()
        assert [10 * number] == kind.take(early, 1)
        invalidate()
        begun = source.begun
        late = f()
        assert [begun] == kind.take(late, 1)
        assert [10 * number] * 2 == kind.list(early)
        assert MISS is f.peek()
        assert [begun] * 2 == kind.list(late)
        assert [begun] * 3 == f.peek() == kind(f.lookup()).value
        kind(f.cache_clear())
        assert is_quiet(tiers)


def test_arguments_that_a_reader_changes(kind, tiers):
    """
    What came of them is nobody else's: who comes with equal ones does not join, and it is not
    stored.
    """
    f = kind.cached(cache=tiers, name="f")(lambda items: (yield from items))
    mine = [1, 2]
    one, two = f(mine), f([1, 2])
    assert [1, 1] == kind.take(one, 1) + kind.take(two, 1)
    assert 1 == f.cache_info().joined
    mine.append(3)
    assert [1, 2] == kind.list(f([1, 2]))
    assert [1, 2] == f.peek([1, 2])
    assert [2, 3] == kind.list(one)
    assert [1, 2] == f.peek([1, 2])

    mine = [7]
    one = f(mine)
    kind.take(one, 1)
    mine.append(8)
    assert [8] == kind.list(one)
    assert MISS is f.peek([7]) and MISS is f.peek([7, 8])
    assert [7] == kind.list(f([7])) == f.peek([7])
    assert is_quiet(tiers)


def test_invalidated_with_nobody_after(kind, tiers, source):
    """
    Nothing of an overtaken stream is kept, in no tier.
    """
    f = kind.cached(cache=tiers, name="f")(lambda: (yield from source.read("abc")))
    stream = f()
    kind.next(stream)
    kind(f.invalidate())
    assert ["b", "c"] == kind.list(stream)
    assert MISS is f.peek() and kind(f.lookup()) is None


def test_invalidated_by_another_process_in_the_middle(kind, make_cache, source):
    """
    What the store was told by others counts as well, for who comes and for what is kept.
    """
    cache, other = make_cache("disk"), make_cache("disk")
    f = kind.cached(cache=cache, name="f", namespace="other", tags=["t"])(
        lambda: (yield from source.read("abc"))
    )
    stream = f()
    kind.next(stream)
    other.sync.invalidate_tags("t")
    late = f()
    kind.next(late)
    assert 2 == source.begun
    assert ["b", "c"] == kind.list(stream)
    assert MISS is f.peek() and kind(f.lookup()) is None
    assert ["b", "c"] == kind.list(late)
    assert list("abc") == f.peek()


def test_a_store_that_cannot_write(kind, make_cache, source, monkeypatch):
    """
    Whatever storing raises, readers see the end of the stream.
    """
    cache = make_cache("disk")
    f = kind.cached(cache=cache, name="f")(lambda: (yield from source.read("abc")))

    def broken(*_, **__):
        raise RuntimeError("no")

    monkeypatch.setattr("memotier.engine.compute.store_below", broken)
    one, two = f(), f()
    kind.next(two)
    assert list("abc") == kind.list(one)
    assert list("bc") == kind.list(two)
    assert is_quiet(cache)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_driver_that_is_interrupted(cache, error):
    """
    He gets the interrupt; who has nothing yet begins anew, who has something is told.
    """
    ran = []

    @tiered_cache(cache=cache, name="f")
    def f():
        ran.append(1)
        yield 1
        if len(ran) == 1:
            raise error
        yield 2

    one, two = f(), f()
    assert (1, 1) == (next(one), next(two))
    with pytest.raises(error):
        next(one)
    with pytest.raises(StreamInterrupted, match=r"f>?: whoever drove this stream"):
        next(two)
    assert is_quiet(cache)
    assert [1, 2] == list(f())


def test_an_interpreter_that_ends_in_the_middle(tmp_path):
    """
    Readers that are left over at exit end without a word and without waiting.
    """
    import subprocess

    code = """
import asyncio
from memotier import tiered_cache

@tiered_cache
def f():
    yield 1
    yield 2

@tiered_cache
async def g():
    yield 1
    await asyncio.sleep(60)
    yield 2

one = f()
next(one)
left = []

async def main():
    two = g()
    await anext(two)
    left.append(two)
    three = g()
    await anext(three)
    waits = asyncio.create_task(anext(three))
    await asyncio.sleep(0)

asyncio.run(main(), debug=True)

loop = asyncio.new_event_loop()
four = g()
loop.run_until_complete(anext(four))
loop.close()
print("end")
"""
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(script)], capture_output=True, text=True, timeout=60
    )
    assert ("end\n", "") == (done.stdout, done.stderr)
