"""
What forgets a remembered error: invalidations, results, the end of what it belongs to.
"""

from __future__ import annotations

import asyncio
import gc

import pytest

from memotier import MISS, current, tiered_cache
from memotier.engine.drive import drive

from ...engine.worlds import Background, Faulty
from ..conftest import engine_of
from .conftest import FIRST, OPTIONS, NotFound, Other, failures_of

ENDS = {
    "call": lambda read, cache, call: call(read.invalidate(1)),
    "cache_clear": lambda read, cache, call: call(read.cache_clear()),
    "tag": lambda read, cache, call: cache.sync.invalidate_tags("t"),
    "namespace": lambda read, cache, call: cache.sync.clear_namespace("n"),
    "everything": lambda read, cache, call: cache.sync.clear(),
}


@pytest.mark.parametrize("how", ENDS)
def test_an_invalidation_forgets_it(tiers, call, fails, source, clock, how):
    """
    The function is called again, and if it fails that is a first failure.
    """
    read = call.cached(cache=tiers, namespace="n.m", tags=["t"], **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(FIRST)
    fails(read)
    ENDS[how](read, tiers, call)
    assert how == "tag" or not failures_of(tiers), "nothing holds on to it"
    fails(read)
    assert 3 == source.asked
    clock.advance(FIRST)
    fails(read)

    assert 4 == source.asked


@pytest.mark.parametrize("how", ENDS)
def test_an_invalidation_in_another_process_forgets_it(make_cache, call, fails, source, how):
    """
    At once, as for results.
    """
    options = {**OPTIONS, "namespace": "n.m", "tags": ["t"]}
    read = call.cached(cache=make_cache("disk"), **options)(source.read)
    source.error = NotFound()
    fails(read), fails(read)
    assert 1 == source.asked
    cache = make_cache("disk")
    ENDS[how](call.cached(cache=cache, **options)(source.read), cache, call)
    fails(read)

    assert 2 == source.asked


def test_an_invalidation_of_something_else_does_not(tiers, call, fails, source):
    """
    Neither of another key nor of another tag, however many.
    """
    read = call.cached(cache=tiers, tags=["t"], **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read)
    for number in range(3):
        tiers.sync.invalidate_tags(f"u{number}")
        call(read.invalidate(2))
        fails(read)

    assert 1 == source.asked


@pytest.mark.parametrize("how", ["tag", "everything", "call"])
def test_an_invalidation_while_it_fails_wins(tiers, call, fails, how):
    """
    The failure is of before: it is raised for its caller, and not remembered.
    """
    asked = []

    def body(_):
        asked.append(1)
        if len(asked) == 1 and how == "call":
            answer = read.invalidate(1)
            if call.is_async:
                Background(lambda: asyncio.run(answer)).result()
        elif len(asked) == 1:
            ENDS[how](read, tiers, call)
        raise NotFound

    read = call.cached(cache=tiers, tags=["t"], **OPTIONS)(body)
    fails(read)
    assert not failures_of(tiers)
    fails(read), fails(read)

    assert 2 == len(asked)


def test_a_tag_that_the_failing_function_added_forgets_it(tiers, call, fails):
    """
    ``current().add_tags()`` holds for failures as for results.
    """
    asked = []

    def body(_):
        asked.append(1)
        current().add_tags("late")
        raise NotFound

    read = call.cached(cache=tiers, **OPTIONS)(body)
    fails(read), fails(read)
    assert 1 == len(asked)
    tiers.sync.invalidate_tags("late")
    fails(read)

    assert 2 == len(asked)


def test_a_function_that_says_skip_is_not_remembered(tiers, call, fails):
    """
    ``current().skip()`` holds for failures as for results.
    """
    asked = []

    def body(_):
        asked.append(1)
        current().skip()
        raise NotFound

    read = call.cached(cache=tiers, **OPTIONS)(body)
    fails(read), fails(read)

    assert 2 == len(asked)


def test_refresh_computes(read, call, fails, source):
    """
    Who asks for a new result gets it, and everyone after him.
    """
    source.error = NotFound()
    fails(read)
    source.error = None
    assert "value 2" == call(read.refresh(1))

    assert "value 2" == call(read(1))


@pytest.mark.parametrize("how", ["tag", "call"])
def test_a_refresh_after_an_invalidation_begins_a_new_run(
    read, tiers, call, fails, source, clock, how
):
    """
    It does not look for what is remembered, and still finds that that is of before.
    """
    source.error = NotFound()
    fails(read)
    clock.advance(FIRST)
    fails(read)
    ENDS[how](read, tiers, call)
    fails(read.refresh)
    clock.advance(FIRST)
    source.asked = 0
    fails(read)

    assert 1 == source.asked


def test_the_last_failure_counts(tiers, call, fails, source, clock):
    """
    If a refresh fails in another way, that is what is raised, for as long as it says.
    """
    read = call.cached(cache=tiers, name="read", cache_exceptions={NotFound: 50, Other: 2})(
        source.read
    )
    source.error = NotFound()
    fails(read)
    source.error = Other()
    fails(read.refresh, Other)
    fails(read, Other)
    assert 2 == source.asked
    clock.advance(2)
    source.error = None

    assert "value 3" == call(read(1))


def test_a_refresh_that_fails_does_not_lengthen_what_is_remembered_already(
    read, fails, source, clock
):
    """
    Asking by hand ten times is no outage ten times as long; it is remembered from the last on.
    """
    source.error = NotFound()
    for _ in range(10):
        fails(read.refresh)
    clock.advance(FIRST)
    source.asked = 0
    fails(read)

    assert 1 == source.asked


def test_seed_forgets_it(read, call, fails, source, clock):
    """
    A result that somebody has is better than an error, and ends the run.
    """
    source.error = NotFound()
    fails(read)
    clock.advance(FIRST)
    fails(read)
    call(read.seed("seeded", 1))
    assert "seeded" == call(read(1))
    call(read.invalidate(1))
    fails(read)
    clock.advance(FIRST)
    fails(read)

    assert 4 == source.asked


def test_bypass_neither_raises_nor_remembers_it(read, call, fails, source):
    """
    It is a call of the function and nothing else.
    """
    source.error = NotFound()
    fails(read.bypass), fails(read)
    source.error = None
    assert "value 3" == call(read.bypass(1))

    source.asked = 0
    fails(read)
    assert 0 == source.asked


def test_peek_and_lookup_know_nothing_of_it(read, call, fails, source):
    """
    A remembered error is no entry.
    """
    source.error = NotFound()
    fails(read)

    assert MISS is read.peek(1)
    assert call(read.lookup(1)) is None
    assert not call(read.invalidate(1))


def test_close_forgets_it(make_cache, call, fails, source):
    """
    A closed cache holds on to nothing.
    """
    cache = make_cache()
    read = call.cached(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read)
    cache.sync.close()
    fails(read), fails(read)

    assert 3 == source.asked
    assert not failures_of(cache)


def test_a_call_that_was_about_to_begin_at_close_leaves_nothing_behind(make_cache, source):
    """
    It computes, and a closed cache stays empty.
    """
    cache = make_cache()
    read = tiered_cache(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    _, plan = read._self_memo.begin(((1,),))
    cache.sync.close()
    with pytest.raises(NotFound):
        drive(plan)

    assert not failures_of(cache)


def test_an_unreachable_second_tier_vouches_for_nothing(make_cache, source):
    """
    If the tokens that something may have changed cannot be read, the function is called.
    """
    cache = make_cache("disk")
    read = tiered_cache(cache=cache, tags=["t"], **OPTIONS)(source.read)
    source.error = NotFound()
    with pytest.raises(NotFound):
        read(1)
    engine = engine_of(cache)
    with engine.lock:
        engine.versions.forget()

    faulty = engine.store = Faulty(engine.store)
    faulty.failing |= {"get", "versions"}
    with pytest.raises(NotFound):
        read(1)

    assert 2 == source.asked


def test_the_failures_of_an_instance_are_its_own_and_go_with_it(cache, call):
    """
    Neither another instance's nor kept when it is gone, though another may get its address.
    """
    asked = []

    class Shelf:
        def __init__(self, name):
            self.name = name

        @call.cached(cache=cache, cache_exceptions=NotFound)
        def read(self, key):
            asked.append(self.name)
            raise NotFound(self.name)

    shelves = [Shelf(name) for name in "ab"]
    for shelf in shelves * 2:
        with pytest.raises(NotFound, match=shelf.name):
            call(shelf.read(1))
    assert ["a", "b"] == asked
    assert 2 == len(failures_of(cache))

    del shelves, shelf
    gc.collect()
    for number in range(20):
        with pytest.raises(NotFound, match=str(number)):
            call(Shelf(str(number)).read(1))
    gc.collect()
    alive = Shelf("alive")
    with pytest.raises(NotFound, match="alive"):
        call(alive.read(1))
    assert 1 == len(failures_of(cache))
