"""
Soft invalidation: what was invalidated is stale, not gone; and it wins the races that a hard
one wins.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

import memotier
from memotier import MISS, ConfigError, InvalidationNotDurable, MultiLevelCache, tiered_cache

from ..engine.worlds import Background, Faulty, Gate
from .conftest import engine_of

TTL, WINDOW, BACKOFF = 100, 20, 3

#: Every way to invalidate softly what ``read(1)`` is.
SOFT = {
    "call": lambda cache, read: read.expire(1),
    "function": lambda cache, read: read.cache_expire(),
    "tag": lambda cache, read: cache.sync.invalidate_tags("t", soft=True),
    "namespace": lambda cache, read: cache.sync.clear_namespace("soft", soft=True),
    "namespace above": lambda cache, read: cache.sync.clear_namespace("soft.deep", soft=True),
    "everything": lambda cache, read: cache.sync.clear(soft=True),
}
HARD = {
    "call": lambda cache, read: read.invalidate(1),
    "function": lambda cache, read: read.cache_clear(),
    "tag": lambda cache, read: cache.sync.invalidate_tags("t"),
    "namespace": lambda cache, read: cache.sync.clear_namespace("soft"),
    "everything": lambda cache, read: cache.sync.clear(),
}
WINDOWS = {
    "while_revalidate": {"stale_while_revalidate": WINDOW, "error_backoff": BACKOFF},
    "if_error": {"stale_if_error": WINDOW, "error_backoff": BACKOFF},
}
each_way = pytest.mark.parametrize("way", SOFT)


class Down(Exception):
    pass


def told(call, answer):
    """
    The answer of a way: those of the function are awaited where it is a coroutine function.
    """
    return call(answer) if hasattr(answer, "__await__") else answer


def defined(cache, call, source, **options):
    options = {"ttl": TTL, "tags": ["t"], "namespace": "soft.deep", **options}
    return call.cached(cache=cache, name="read", version=1, **options)(source.read)


@each_way
def test_it_is_served_at_once_and_refreshed_behind(tiers, call, source, settle, way):
    """
    With stale_while_revalidate the old result is served once more, and then the new one.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert "value 1" == call(read(1))
    settle(tiers)
    assert ["value 2", "value 2"] == [call(read(1)), call(read(1))]
    assert 1 == tiers.get_stats()["stale"]["while_revalidating"]


@each_way
def test_it_is_what_a_failing_function_falls_back_on(tiers, call, source, clock, way):
    """
    With stale_if_error the function is asked again, and the old result covers its failure until
    the window ends, which counts from the invalidation.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    clock.advance(10)
    told(call, SOFT[way](tiers, read))
    source.error = Down()

    assert "value 1" == call(read(1))
    assert 2 == source.asked
    clock.advance(WINDOW - 1)
    assert "value 1" == call(read(1))
    clock.advance(1.001)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_function_that_works_is_asked_anew(tiers, call, source, way):
    """
    With stale_if_error alone nothing old is served while the function answers.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert "value 2" == call(read(1)) == call(read(1))


@each_way
def test_without_a_window_it_is_gone(tiers, call, source, way):
    """
    A function without windows computes anew, and gets its error if that fails.
    """
    read = defined(tiers, call, source)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None

    source.error = Down()
    with pytest.raises(Down):
        call(read(1))
    source.error = None
    assert "value 3" == call(read(1))


@each_way
@pytest.mark.parametrize("hard", HARD)
def test_a_hard_invalidation_after_it_wins(tiers, call, source, way, hard):
    """
    What was stale is gone, whichever of its names the hard invalidation takes.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW, stale_if_error=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    told(call, HARD[hard](tiers, read))
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_soft_one_after_a_hard_one_brings_nothing_back(tiers, call, source, way):
    """
    What was invalidated hard stays gone.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    call(read(1))
    tiers.sync.invalidate_tags("t")
    told(call, SOFT[way](tiers, read))
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_second_one_does_not_prolong_anything(tiers, call, source, clock, way):
    """
    The window of an entry counts from the first soft invalidation that was noticed.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    source.error = Down()
    assert "value 1" == call(read(1))
    clock.advance(WINDOW - 1)
    told(call, SOFT[way](tiers, read))
    clock.advance(1.001)

    with pytest.raises(Down):
        call(read(1))


@each_way
@pytest.mark.parametrize("restarts", [False, True])
def test_the_hard_limit_stays(make_cache, call, source, clock, way, restarts):
    """
    A soft invalidation late in the life of an entry moves its end by nothing.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    cache = make_cache("disk")
    read = defined(cache, call, source, **options)
    call(read(1))
    clock.advance(TTL + WINDOW - 1)
    told(call, SOFT[way](cache, read))
    source.error = Down()
    if restarts:
        cache.sync.close()
        cache = make_cache("disk")
        read = defined(cache, call, source, **options)

    assert "value 1" == call(read(1))
    clock.advance(1.001)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_refresh_ahead_serves_for_its_share_of_the_ttl(tiers, call, source, clock, settle, way):
    """
    From the invalidation on, for as long as from the moment of attention to the end of ttl.
    """
    read = defined(tiers, call, source, refresh_ahead=0.8)
    call(read(1)), call(read(2))
    clock.advance(10)
    told(call, SOFT[way](tiers, read))
    clock.advance(TTL * 0.2 - 1)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert "value 3" == call(read(1))

    if way != "call":
        clock.advance(1.001)
        assert "value 4" == call(read(2))


def test_it_is_seen_as_the_stale_value(tiers, call):
    """
    The function can look at what was invalidated softly, and say that it holds still.
    """
    seen = []

    @call.cached(cache=tiers, name="page", version=1, ttl=TTL, stale_if_error=WINDOW, tags=["t"])
    def page(x):
        seen.append(memotier.current().stale_value)
        return "page" if seen[-1] is MISS else memotier.current().not_modified()

    call(page(1))
    tiers.sync.invalidate_tags("t", soft=True)

    assert "page" == call(page(1)) == call(page(1))
    assert [MISS, "page"] == seen
    assert TTL == pytest.approx(call(page.lookup(1)).ttl_left)


@each_way
def test_nothing_shows_it_as_fresh(tiers, call, source, way):
    """
    ``peek`` and ``lookup`` see only what is fresh.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None


def test_other_entries_are_left_alone(tiers, call, source):
    """
    Another key, tag, function and namespace stay as they are.
    """
    read = defined(tiers, call, source)
    other = call.cached(cache=tiers, name="other", namespace="softly", ttl=TTL)(source.read)
    one, two, three = call(read(1)), call(read(2)), call(other(1))
    call(read.expire(1))
    tiers.sync.invalidate_tags("another", soft=True)
    tiers.sync.clear_namespace("soft.deep.er", soft=True)

    assert two == call(read(2))
    assert one != call(read(1))
    tiers.sync.clear_namespace("soft", soft=True)
    assert three == call(other(1))


def test_what_it_answers(tiers, call, source):
    """
    Whether there was an entry, how many there were, or nothing, as the hard ones do.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    assert call(read.expire(1)) is False
    call(read(1)), call(read(2))
    assert call(read.expire(1)) is True
    assert call(read.cache_expire()) is None
    assert tiers.sync.invalidate_tags("t", soft=True) is None
    tiers.sync.set("k", 1, namespace="soft")
    assert tiers.sync.delete("none", namespace="soft", soft=True) is False
    assert tiers.sync.delete("k", namespace="soft", soft=True) is True
    assert 2 <= tiers.sync.clear_namespace("soft", soft=True) <= 3


def test_of_an_object_there_is_no_window(tiers, call):
    """
    An entry that was set by key is a miss after it, awaited and in threads.
    """
    ways = [
        lambda: tiers.sync.delete("k", soft=True),
        lambda: tiers.sync.invalidate_tags("t", soft=True),
        lambda: tiers.sync.clear_namespace("default", soft=True),
        lambda: tiers.sync.clear(soft=True),
    ]
    for invalidate in ways:
        tiers.sync.set("k", "v", tags=["t"])
        assert "v" == tiers.sync.get("k")
        invalidate()
        assert tiers.sync.get("k") is None
        assert "new" == tiers.sync.get_or_compute("k", lambda: "new")


async def _awaited(cache):
    await cache.set("k", "v", tags=["t"])
    await cache.invalidate_tags("t", soft=True)
    found = [await cache.get("k")]
    await cache.set("k", "v")
    found.append(await cache.delete("k", soft=True))
    await cache.clear_namespace("default", soft=True)
    await cache.clear(soft=True)
    return [*found, await cache.get("k")]


def test_the_awaited_names(tiers):
    """
    The cache's own methods take ``soft`` as those of ``sync`` do.
    """
    import asyncio

    assert [None, True, None] == asyncio.run(_awaited(tiers))


def test_of_all_named_caches(monkeypatch):
    """
    ``memotier.invalidate_tags(soft=True)`` reaches the default cache.
    """
    asked = []

    @tiered_cache(ttl=TTL, stale_if_error=WINDOW, tags=["t"])
    def read():
        asked.append(memotier.current().stale_value)
        return "page"

    read()
    memotier.invalidate_tags("t", soft=True)
    read()
    assert [MISS, "page"] == asked


def test_of_methods(tiers, call):
    """
    On an instance the instance is put in front, as for ``invalidate``.
    """

    class Reader:
        def __init__(self):
            self.asked = []

        @call.cached(cache=tiers, ttl=TTL, stale_if_error=WINDOW)
        def read(self, x):
            self.asked.append(memotier.current().stale_value)
            return x

    one, two = Reader(), Reader()
    call(one.read(1)), call(two.read(1))
    assert call(one.read.expire(1)) is True
    assert call(one.read.expire(2)) is False
    call(one.read(1)), call(two.read(1))
    assert ([MISS, 1], [MISS]) == (one.asked, two.asked)

    call(one.read.cache_expire())
    call(two.read(1))
    assert [MISS, 1] == two.asked


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_soft_is_true_or_false(tiers, value):
    """
    Anything else is a mistake, and is shown.
    """
    with pytest.raises(ConfigError, match=f"soft= is a {type(value).__name__}"):
        tiers.sync.invalidate_tags("t", soft=value)


def test_a_rest_after_a_failure_ends(tiers, call, source):
    """
    A soft invalidation is news: the next caller asks the function, although a refresh has just
    failed.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    tiers.sync.invalidate_tags("t", soft=True)
    source.error = Down()
    assert "value 1" == call(read(1)) == call(read(1))
    assert 2 == source.asked


def test_unrelated_invalidations_do_not_end_a_rest(tiers, call, source):
    """
    That an entry was expired is noticed once, however often its versions are compared.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    tiers.sync.invalidate_tags("t", soft=True)
    source.error = Down()
    call(read(1))
    for _ in range(3):
        tiers.sync.invalidate_tags("another")
        assert "value 1" == call(read(1))
    assert 2 == source.asked


# -- both tiers, other processes ------------------------------------------------------------


@each_way
def test_what_lies_on_disk_is_stale_for_the_next_process(make_cache, call, source, clock, way):
    """
    A cache that starts anew finds it stale, and counts its window from the invalidation.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    first = make_cache("disk")
    read = defined(first, call, source, **options)
    call(read(1))
    told(call, SOFT[way](first, read))
    first.sync.close()
    source.error = Down()
    clock.advance(WINDOW - 2)
    for _ in range(2):
        cache = make_cache("disk")
        read = defined(cache, call, source, **options)
        assert read.peek(1) is MISS
        assert call(read.lookup(1)) is None
        assert "value 1" == call(read(1))
        cache.sync.close()
        clock.advance(1)

    read = defined(make_cache("disk"), call, source, **options)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_another_cache_sees_it_at_its_next_call(make_cache, call, source, settle, way):
    """
    Two caches on one directory: what one invalidates softly the other serves as stale, from its
    memory too.
    """
    here, there = make_cache("disk"), make_cache("disk")
    read = defined(here, call, source, stale_while_revalidate=WINDOW)
    seen = defined(there, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    assert "value 1" == call(seen(1)) == call(seen(1))
    told(call, SOFT[way](here, read))

    assert "value 1" == call(seen(1))
    settle(there)
    assert "value 2" == call(seen(1))
    assert 1 == there.get_stats()["stale"]["while_revalidating"]


OTHER = textwrap.dedent(
    """
    import sys
    from memotier import MultiLevelCache, tiered_cache
    cache = MultiLevelCache(directory=sys.argv[1])

    @tiered_cache(cache=cache, name="read", version=1, ttl=3600, stale_if_error=3600, tags=["t"],
                  namespace="soft.deep")
    def read(x):
        raise OSError("down")

    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print(eval(line), flush=True)
        except OSError:
            print("raised", flush=True)
    """
)


@contextmanager
def other_process(directory):
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert "ready" == process.stdout.readline().strip()
        yield ask
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def test_real_processes(tmp_path):
    """
    Another process finds it stale, falls back on it, invalidates it softly and then hard; each
    is seen here at the next call.
    """
    cache, asked = MultiLevelCache(directory=tmp_path / "cache"), []

    @tiered_cache(
        cache=cache, name="read", version=1, ttl=3600, stale_if_error=3600, tags=["t"],
        namespace="soft.deep",
    )  # fmt: skip
    def read(x):
        asked.append(memotier.current().stale_value)
        return f"value {len(asked)}"

    ways = [
        "read.expire(1)",
        "read.cache_expire()",
        "cache.sync.invalidate_tags('t', soft=True)",
        "cache.sync.clear_namespace('soft', soft=True)",
        "cache.sync.clear(soft=True)",
    ]
    read(1)
    with other_process(tmp_path / "cache") as ask:
        assert "value 1" == ask("read(1)")
        for number, way in enumerate(ways, start=1):
            ask(way)
            assert f"value {number}" == ask("read(1)")  # its function fails
            assert f"value {number + 1}" == read(1) == read(1)
            assert f"value {number}" == asked[-1]
            read.expire(1)
            assert f"value {number + 1}" == ask("read(1)")
            ask("cache.sync.invalidate_tags('none')")
            read.seed(f"value {number + 1}", 1)
        ask("cache.sync.invalidate_tags('t', soft=True)")
        ask("cache.sync.invalidate_tags('t')")
        assert "raised" == ask("read(1)")
        read(1)
        assert asked[-1] is MISS
    cache.sync.close()


@pytest.mark.parametrize("policy", list(memotier.WritePolicy))
@each_way
def test_of_what_is_still_to_be_written(make_cache, call, source, policy, way):
    """
    Whatever the write policy, an entry is stale after it, here and in the next process; what was
    owed has been written before.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    cache = make_cache("disk", write_policy=policy, flush_interval="1d")
    read = defined(cache, call, source, **options)
    call(read(1))
    told(call, SOFT[way](cache, read))
    source.error = Down()
    assert "value 1" == call(read(1))
    cache.sync.close()

    cache = make_cache("disk")
    read = defined(cache, call, source, **options)
    assert "value 1" == call(read(1))


def test_it_is_not_durable_and_so_not_believed(tmp_path, call, source):
    """
    If the disk cannot be told the caller hears of it, what lies there is not believed, memory is
    stale, and later the disk is told softly.
    """
    cache = MultiLevelCache(directory=tmp_path / "cache")
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    keyed = defined(cache, call, source, stale_if_error=WINDOW, tags=["u"])
    call(read(1)), call(keyed(2))
    store.failing = {"bump", "expire", "delete", "set"}
    with pytest.raises(InvalidationNotDurable):
        cache.sync.invalidate_tags("t", soft=True)
    with pytest.raises(InvalidationNotDurable):
        call(keyed.expire(2))
    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None
    assert call(keyed.lookup(2)) is None
    source.error = Down()
    assert "value 1" == call(read(1))

    store.failing = set()
    store.calls.clear()
    cache.sync.close()
    assert {"bump", "expire"} <= set(store.calls)
    assert "delete" not in store.calls

    cache = MultiLevelCache(directory=tmp_path / "cache")
    source.error = Down()
    read = defined(cache, call, source, stale_if_error=WINDOW)
    assert "value 1" == call(read(1))
    assert "value 2" == call(read(2))
    cache.sync.close()


def test_a_hard_one_that_is_not_durable_stays_hard(tmp_path, call, source):
    """
    A soft one on top of a hard one that the disk does not know yet does not make it soft.
    """
    cache = MultiLevelCache(directory=tmp_path / "cache")
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    call(read(1))
    store.failing = {"bump"}
    for soft in (True, False, True):
        with pytest.raises(InvalidationNotDurable):
            cache.sync.invalidate_tags("t", soft=soft)
    store.failing = set()
    cache.sync.close()

    cache = MultiLevelCache(directory=tmp_path / "cache")
    read = defined(cache, call, source, stale_if_error=WINDOW)
    source.error = Down()
    with pytest.raises(Down):
        call(read(1))
    cache.sync.close()


# -- races ------------------------------------------------------------------------------------


class Paused:
    """
    A source that can be held in the middle of an answer.
    """

    def __init__(self):
        self.gate = None
        self.asked = 0
        self.error = None

    def read(self, x):
        self.asked += 1
        number, gate = self.asked, self.gate
        if gate is not None:
            self.gate = None
            gate.wait()
        if self.error is not None:
            raise self.error
        return f"value {number}"


@pytest.fixture
def paused():
    return Paused()


@each_way
@pytest.mark.parametrize("options", WINDOWS.values(), ids=WINDOWS)
def test_a_computation_that_began_before_is_not_kept_as_fresh(tiers, paused, way, options):
    """
    Its caller gets it; who comes later has the function asked again.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep", **options
    )(paused.read)
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    SOFT[way](tiers, read)
    later = Background(lambda: read(1))
    assert "value 2" == later.result()
    gate.open()
    assert "value 1" == before.result()

    assert "value 1" != read.peek(1)
    assert read(1) in ("value 2", "value 3")
    assert paused.asked >= 2


@each_way
@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_what_was_overtaken_is_kept_as_stale(make_cache, paused, way, tier):
    """
    A result that a soft invalidation has overtaken covers a failure, but is not fresh. (By its
    call, on disk, the mark of the slot tells no difference from a hard one.)
    """
    cache = make_cache(tier)
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        **WINDOWS["if_error"],
    )(paused.read)  # fmt: skip
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    SOFT[way](cache, read)
    gate.open()
    assert "value 1" == before.result()

    assert read.peek(1) is MISS
    paused.error = Down()
    if (way, tier) == ("call", "disk"):
        with pytest.raises(Down):
            read(1)
    else:
        assert "value 1" == read(1)
    assert 2 == paused.asked


@each_way
def test_an_overtaken_refresh_leaves_a_stale_result(make_cache, paused, way):
    """
    Invalidated softly again and again while it is refreshed, an entry is never lost on the way.
    """
    cache = make_cache("disk")
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    for _ in range(3):
        SOFT[way](cache, read)
        gate = paused.gate = Gate()
        refresh = Background(lambda: read(1))
        gate.entered.wait(10)
        if way != "call":
            SOFT[way](cache, read)
        gate.open()
        refresh.result()
    paused.error = Down()
    SOFT[way](cache, read)
    assert "value 4" == read(1)


@pytest.mark.parametrize("hard", HARD)
def test_a_hard_one_during_the_computation_leaves_nothing(tiers, paused, hard):
    """
    Softly first and then hard, while the function runs: neither the old result nor the new one
    is of any use.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    tiers.sync.invalidate_tags("t", soft=True)
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    tiers.sync.invalidate_tags("t", soft=True)
    HARD[hard](tiers, read)
    gate.open()
    before.result()
    paused.error = Down()
    with pytest.raises(Down):
        read(1)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_old_result_covers_a_failure_that_a_soft_one_has_overtaken(tiers, paused, kind):
    """
    While the function runs and then raises, a soft invalidation leaves the caller the old
    result, and a hard one does not.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    tiers.sync.invalidate_tags("t", soft=True)
    gate, paused.error = Gate(), Down()
    paused.gate = gate
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    tiers.sync.invalidate_tags("t", soft=kind == "soft")
    gate.open()
    if kind == "soft":
        assert "value 1" == before.result()
    else:
        with pytest.raises(Down):
            before.result()


@each_way
def test_what_is_read_from_disk_meanwhile_is_stale(tmp_path, clock, source, call, way):
    """
    A record that was read before a soft invalidation and is promoted after it is not fresh.
    """
    first = MultiLevelCache(directory=tmp_path / "cache", clock=clock)
    call(defined(first, call, source, stale_while_revalidate=WINDOW)(1))
    first.sync.close()
    cache = MultiLevelCache(directory=tmp_path / "cache", clock=clock)
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_while_revalidate=WINDOW)
    sync = defined(cache, type(call)(False), source, stale_while_revalidate=WINDOW)
    done = []

    def invalidate():
        store.after.clear()
        done.append(SOFT[way](cache, sync))

    sync.peek(1)
    store.after["get"] = invalidate
    assert call(read(1)) in ("value 1", "value 2")
    assert done
    assert read.peek(1) in (MISS, "value 2", "value 3")
    cache.sync.close()


@pytest.mark.parametrize("soft", [True, False])
def test_the_board_and_the_entries_in_memory(make_cache, call, source, soft):
    """
    Of 100 entries with a tag one write makes all stale, and each is told when it is asked for.
    """
    cache = make_cache("disk")
    engine = engine_of(cache)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    for number in range(100):
        call(read(number))
    engine.store = store = Faulty(engine.store)
    cache.sync.invalidate_tags("t", soft=soft)
    assert ["bump"] == store.calls
    assert 100 == cache.get_stats()["l1"]["size"]
    source.error = Down()
    if soft:
        assert "value 8" == call(read(7))
    else:
        with pytest.raises(Down):
            call(read(7))


@pytest.fixture
def raced(make_cache, paused):
    """
    A function that is held while another cache on the directory does something, and what its
    caller got.
    """
    here, there = make_cache("disk"), make_cache("disk")
    read, seen = (
        tiered_cache(
            cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
            stale_if_error=WINDOW,
        )(paused.read)
        for cache in (here, there)
    )  # fmt: skip

    def race(*, way, error=None):
        gate = paused.gate = Gate()
        caller = Background(lambda: read(1))
        gate.entered.wait(10)
        paused.error = error
        way(there, seen)
        gate.open()
        return caller

    return read, race


@each_way
def test_another_process_overtakes_a_computation_softly(raced, paused, way):
    """
    Its result is not fresh here, and covers a failure; unless the other process named the key,
    which looks the same as a removal.
    """
    read, race = raced
    assert "value 1" == race(way=SOFT[way]).result()
    assert read.peek(1) is MISS
    paused.error = Down()
    if way == "call":
        with pytest.raises(Down):
            read(1)
    else:
        assert "value 1" == read(1)


@pytest.mark.parametrize("hard", HARD)
def test_another_process_overtakes_a_computation_for_good(raced, paused, hard):
    """
    Softly and then hard: nothing of it is left.
    """
    read, race = raced

    def both(cache, seen):
        cache.sync.invalidate_tags("t", soft=True)
        HARD[hard](cache, seen)

    assert "value 1" == race(way=both).result()
    paused.error = Down()
    with pytest.raises(Down):
        read(1)


@pytest.mark.parametrize("hard", HARD)
def test_another_process_takes_away_what_would_have_covered_a_failure(raced, hard):
    """
    While the function runs and then raises, the old result is invalidated hard elsewhere.
    """
    read, race = raced
    read(1)
    read.expire(1)
    with pytest.raises(Down):
        race(way=HARD[hard], error=Down()).result()


@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_what_comes_late_does_not_replace_what_is_newer(make_cache, paused, tier):
    """
    Two refreshes, the first of them overtaken: the result of the second stays, and is fresh.
    """
    cache = make_cache(tier)
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_while_revalidate=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    cache.sync.invalidate_tags("t", soft=True)
    gate = paused.gate = Gate()
    assert "value 1" == read(1)
    gate.entered.wait(10)
    threads = list(engine_of(cache).background._threads)
    cache.sync.invalidate_tags("t", soft=True)
    assert "value 1" == read(1)
    for thread in set(engine_of(cache).background._threads) - set(threads):
        thread.join(10)
    assert "value 3" == read(1)
    gate.open()
    for thread in threads:
        thread.join(10)
    assert "value 3" == read.peek(1) == read(1)
    assert 3 == paused.asked
