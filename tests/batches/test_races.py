"""
Batches beside each other, beside single calls, and beside invalidations.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading

import pytest

import memotier
from memotier import MISS, tiered_cache

from ..engine.worlds import Background, Gate, in_threads
from .conftest import engine_of, flights_of, until, watched


def followed(cache):
    """How many flights somebody is told of."""
    return sum(one.future is not None for one in list(engine_of(cache).flights.table.values()))


def test_ids_that_somebody_computes_are_waited_for(tiers):
    """
    Of two batches that overlap each computes its own part, and both have all.
    """
    gate, asked = Gate(), []

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, list[int]]:
        asked.append(ids)
        if 1 in ids:
            gate.wait()
        return {one: [one] for one in ids}

    first = Background(lambda: f([1, 2]))
    gate.entered.wait()
    second = Background(lambda: f([2, 3, 1]))
    until(lambda: [3] in asked and 2 == followed(tiers))
    gate.open()
    assert {1: [1], 2: [2]} == first.result()
    mine = second.result()
    assert {2: [2], 3: [3], 1: [1]} == mine
    assert [2, 3, 1] == list(mine)
    assert [[1, 2], [3]] == asked
    assert mine[2] is not f([2])[2]
    assert 2 == f.cache_info().joined
    assert [] == flights_of(tiers)


def test_two_batches_that_want_what_the_other_has_do_not_wait_for_ever(tiers):
    """
    Each lands what is its own before it waits: whatever the order, both end.
    """
    both = threading.Barrier(2, timeout=10)
    asked = []

    @tiered_cache.many(cache=tiers, name="f", namespace="n", max_batch=1)
    def f(ids: list[int]) -> dict[int, int]:
        if len(asked) < 2:
            asked.append(ids)
            both.wait()
        else:
            asked.append(ids)
        return {one: one for one in ids}

    assert [{1: 1, 2: 2}, {2: 2, 1: 1}] == in_threads(lambda: f([1, 2]), lambda: f([2, 1]))
    assert sorted(asked) == [[1], [2]]


def test_who_waits_for_a_batch_that_fails_has_its_error(tiers):
    """
    Everyone who waits for one of these ids gets the error of the function.
    """
    gate, error = Gate(), ConnectionError("no")

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, int]:
        if 1 in ids:
            gate.wait()
            raise error
        return {one: one for one in ids}

    first = Background(lambda: f([1, 2]))
    gate.entered.wait()
    second = Background(lambda: f([2, 3]))
    until(lambda: 3 == f.peek(3) and followed(tiers))
    gate.open()
    for one in (first, second):
        with pytest.raises(ConnectionError) as caught:
            one.result()
        assert error is caught.value
    assert 3 == f.peek(3)
    assert [] == flights_of(tiers)


def test_who_waits_for_an_id_that_is_left_out_has_none(tiers):
    """
    To be left out is an answer, also for those who wait: they do not ask again.
    """
    gate, asked = Gate(), []

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        if 1 in ids:
            gate.wait()
        return {one: one for one in ids if one != 2}

    first = Background(lambda: f([1, 2]))
    gate.entered.wait()
    second = Background(lambda: f([2, 3]))
    until(lambda: [3] in asked and followed(tiers))
    gate.open()
    assert {1: 1} == first.result()
    assert {3: 3} == second.result()
    assert [[1, 2], [3]] == asked


INVALIDATIONS = {
    "key": lambda cache, f: f.invalidate(1),
    "tag": lambda cache, f: cache.sync.invalidate_tags("id:1"),
    "function": lambda cache, f: f.cache_clear(),
    "namespace": lambda cache, f: cache.sync.clear_namespace("n"),
}


@pytest.mark.parametrize("kind", INVALIDATIONS)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_invalidation_that_races_a_batch_wins(make_cache, kind, elsewhere):
    """
    The caller has what was computed before it, and nobody else ever does; other ids are kept if
    they were not meant.
    """
    gate, cache = Gate(), make_cache("disk")
    options = {"name": "f", "namespace": "n", "version": 1, "tags": ["id:{ids}"]}

    @tiered_cache.many(cache=cache, **options)
    def f(ids: list[int]) -> dict[int, str]:
        if not gate.entered.is_set():
            gate.wait()
            return dict.fromkeys(ids, "old")
        return dict.fromkeys(ids, "new")

    caller = Background(lambda: f([1, 2]))
    gate.entered.wait()
    invalidator, theirs = cache, f
    if elsewhere:
        invalidator = make_cache("disk")
        theirs = tiered_cache.many(cache=invalidator, **options)(lambda ids: {})
    INVALIDATIONS[kind](invalidator, theirs)
    gate.open()
    assert {1: "old", 2: "old"} == caller.result()
    fresh = make_cache("disk")
    other = tiered_cache.many(cache=fresh, **options)(lambda ids: dict.fromkeys(ids, "new"))
    kept = "old" if kind in ("key", "tag") else "new"
    assert {1: "new", 2: kept} == other([1, 2]) == f([1, 2])


def test_who_comes_after_an_invalidation_does_not_get_what_began_before(tiers):
    """
    A batch that joins after the invalidation of one id computes that one itself.
    """
    gate, asked = Gate(), []

    @tiered_cache.many(cache=tiers, name="f", namespace="n", tags=["id:{ids}"])
    def f(ids: list[int]) -> dict[int, str]:
        asked.append(ids)
        if len(asked) > 1:
            return dict.fromkeys(ids, "new")
        gate.wait()
        return dict.fromkeys(ids, "old")

    caller = Background(lambda: f([1, 2]))
    gate.entered.wait()
    tiers.sync.invalidate_tags("id:1")
    late = Background(lambda: f([1, 2]))
    until(lambda: [1] in asked and 2 in [key for _, key in engine_of(tiers).flights.table])
    gate.open()
    assert {1: "old", 2: "old"} == caller.result()
    assert {1: "new", 2: "old"} == late.result()
    assert {1: "new", 2: "old"} == f([1, 2])


def test_a_value_that_is_set_meanwhile_stays(tiers):
    """
    Seeding an id while a batch computes it is newer than what the batch brings.
    """
    gate = Gate()

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, str]:
        gate.wait()
        return dict.fromkeys(ids, "computed")

    caller = Background(lambda: f([1, 2]))
    gate.entered.wait()
    f.seed("seeded", 1)
    gate.open()
    assert {1: "computed", 2: "computed"} == caller.result()
    assert {1: "seeded", 2: "computed"} == f([1, 2])


def test_tags_added_inside_are_noted(make_cache):
    """
    A tag that the function adds and that is invalidated before it returns wins, too.
    """
    cache = make_cache("disk")

    @tiered_cache.many(cache=cache, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, str]:
        memotier.current().add_tags("late")
        cache.sync.invalidate_tags("late")
        return dict.fromkeys(ids, "old")

    assert {1: "old"} == f([1])
    assert MISS is f.peek(1)
    assert f.lookup(1) is None


def test_who_comes_after_such_a_tag_was_invalidated_starts_over(tiers):
    """
    Nobody knows the added tags of a batch before it returns; who joined too late asks again.
    """
    gate, asked = Gate(), []

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, str]:
        asked.append(ids)
        memotier.current().add_tags("late")
        if len(asked) > 1:
            return dict.fromkeys(ids, "new")
        gate.wait()
        return dict.fromkeys(ids, "old")

    caller = Background(lambda: f([1]))
    gate.entered.wait()
    tiers.sync.invalidate_tags("late")
    late = Background(lambda: f([1]))
    until(lambda: followed(tiers))
    gate.open()
    assert {1: "old"} == caller.result()
    assert {1: "new"} == late.result()


def test_a_batch_inside_itself_does_not_wait_for_itself(tiers):
    """
    A function that asks for its own ids while it computes them computes them beside.
    """
    depth = itertools.count()

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, int]:
        return {one: one for one in ids} if next(depth) else f(ids)

    assert {1: 1, 2: 2} == Background(lambda: f([1, 2])).result()
    assert [] == flights_of(tiers)


def test_batches_that_ask_for_each_other_inside_do_not_hang(tiers):
    """
    Two threads, each computing what the other one asks for from inside: one of them sees it.
    """
    both = threading.Barrier(2, timeout=10)
    mine = threading.local()

    @tiered_cache.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, int]:
        if getattr(mine, "inside", False):
            return {one: one for one in ids}
        mine.inside = True
        both.wait()
        return {one: f([3 - one])[3 - one] and one for one in ids}

    assert [{1: 1}, {2: 2}] == in_threads(lambda: f([1]), lambda: f([2]))


def test_the_same_for_coroutines(tiers):
    """
    Two tasks, each computing what the other one asks for from inside.
    """

    async def main():
        begun = asyncio.Barrier(2)

        @tiered_cache.many(cache=tiers, name="f", namespace="n")
        async def f(ids: list[int]) -> dict[int, int]:
            if f.depth > 1:
                return {one: one for one in ids}
            f.depth += 1
            await begun.wait()
            return {one: (await f([3 - one]))[3 - one] and one for one in ids}

        f.depth = 0
        return await asyncio.wait_for(asyncio.gather(f([1]), f([2])), 20)

    assert [{1: 1}, {2: 2}] == Background(lambda: asyncio.run(main())).result()


def test_a_cancelled_batch_hands_over(tiers):
    """
    Who waits for a batch that is cancelled computes, and gets its result.
    """

    async def main():
        entered, asked = asyncio.Event(), []

        @tiered_cache.many(cache=tiers, name="f", namespace="n")
        async def f(ids: list[int]) -> dict[int, int]:
            asked.append(ids)
            if len(asked) == 1:
                entered.set()
                await asyncio.Event().wait()
            return {one: one for one in ids}

        first = asyncio.create_task(f([1, 2]))
        await entered.wait()
        second = asyncio.create_task(f([2, 3]))
        while not (followed(tiers) and [3] in asked):
            await asyncio.sleep(0.001)
        first.cancel()
        assert {2: 2, 3: 3} == await asyncio.wait_for(second, 20)
        with pytest.raises(asyncio.CancelledError):
            await first
        assert [[1, 2], [3], [2]] == asked

    asyncio.run(main())
    assert [] == flights_of(tiers)


@pytest.mark.parametrize("where", ["get", "set", "versions"])
def test_a_batch_that_is_interrupted_leaves_nothing_behind(make_cache, where):
    """
    An interrupt inside of any operation of the second tier lands every flight.
    """
    cache = make_cache("disk")
    trips = watched(cache)
    f = tiered_cache.many(cache=cache, name="f", namespace="n")(lambda ids: dict.fromkeys(ids, 1))

    def interrupt():
        raise KeyboardInterrupt

    trips.before[where] = interrupt
    with pytest.raises(KeyboardInterrupt):
        f([1, 2, 3])
    assert [] == flights_of(cache)
    trips.before.clear()
    assert {1: 1, 3: 1} == f([1, 3])


@pytest.mark.parametrize("seed", range(6))
def test_many_threads_compute_each_id_once(make_cache, seed):
    """
    Whatever the batches, an id is computed once, and every answer is right.
    """
    cache, chance = make_cache("disk"), random.Random(seed)
    counts: dict[int, int] = {}
    lock = threading.Lock()

    @tiered_cache.many(cache=cache, name="f", namespace="n", max_batch=3)
    def f(ids: list[int]) -> dict[int, int]:
        with lock:
            for one in ids:
                counts[one] = counts.get(one, 0) + 1
        return {one: -one for one in ids}

    lists = [[chance.sample(range(20), 9) for _ in range(4)] for _ in range(6)]

    def work(mine):
        return all({one: -one for one in ids} == f(ids) for ids in mine)

    assert [True] * 6 == in_threads(*(lambda mine=mine: work(mine) for mine in lists))
    assert {1} == set(counts.values())
    assert [] == flights_of(cache)


def test_without_single_flight_everyone_computes(tiers):
    """
    ``single_flight=None``: nobody waits, and nothing is left behind.
    """
    gate, asked = Gate(), []

    @tiered_cache.many(cache=tiers, name="f", namespace="n", single_flight=None)
    def f(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        if len(asked) == 1:
            gate.wait()
        return {one: one for one in ids}

    first = Background(lambda: f([1]))
    gate.entered.wait()
    assert {1: 1} == f([1])
    gate.open()
    assert {1: 1} == first.result()
    assert [[1], [1]] == asked
    assert [] == flights_of(tiers)
