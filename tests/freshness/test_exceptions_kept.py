"""
``cache_exceptions``: an error that is remembered is raised again, and the function not called.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref

import pytest

from memotier import MISS, ComputeTimeout, current, tiered_cache
from memotier.engine.drive import drive

from ..engine.worlds import Background, Faulty, Gate, in_threads
from .conftest import engine_of

TTL, FIRST, MOST = 100, 5, 20


class NotFound(Exception):
    pass


class Gone(NotFound):
    pass


class Other(Exception):
    pass


OPTIONS = {"name": "read", "ttl": TTL, "cache_exceptions": NotFound, "error_ttl_max": MOST}


@pytest.fixture
def read(tiers, call, source):
    return call.cached(cache=tiers, tags=["t"], **OPTIONS)(source.read)


@pytest.fixture
def fails(call):
    """
    ``fails(read, NotFound)``: the call raises that.
    """

    def check(function, kind=NotFound, *arguments):
        with pytest.raises(kind) as caught:
            call(function(*(arguments or (1,))))
        return caught.value

    return check


def failures_of(cache):
    return engine_of(cache).failures.known


# -- what is remembered, and for how long --------------------------------------------


def test_a_remembered_error_is_raised_without_a_call(read, fails, source, clock, call):
    """
    For error_ttl, for its key alone; then the function is called again.
    """
    source.error = NotFound("page 1")
    first = fails(read)
    for _ in range(3):
        assert ("page 1",) == fails(read).args
    assert 1 == source.asked
    fails(read, NotFound, 2)
    assert 2 == source.asked

    clock.advance(FIRST - 0.1)
    assert type(first) is type(fails(read))
    assert 2 == source.asked
    clock.advance(0.1)
    source.error = None
    assert "value 3" == call(read(1))


def test_without_the_option_no_error_is_remembered(tiers, call, fails, source):
    """
    What is not asked for does not happen, and nothing is kept for it.
    """
    read = call.cached(cache=tiers, name="read", ttl=TTL)(source.read)
    source.error = NotFound()
    fails(read), fails(read)

    assert 2 == source.asked
    assert not failures_of(tiers)


def test_other_errors_are_not_remembered(read, fails, source):
    """
    Only what is named, and its subclasses.
    """
    source.error = Other()
    fails(read, Other), fails(read, Other)
    assert 2 == source.asked
    source.error = Gone()
    fails(read, Gone), fails(read, Gone)

    assert 3 == source.asked


def test_the_nearest_type_says_how_long(tiers, call, fails, source, clock):
    """
    A dict has a duration for each; None is error_ttl.
    """
    read = call.cached(
        cache=tiers,
        name="read",
        cache_exceptions={NotFound: "1m", Gone: 2, Other: None},
        error_ttl=3,
    )(source.read)
    for kind, ttl in ((Gone, 2), (NotFound, 60), (Other, 3)):
        source.asked, source.error = 0, kind()
        key = kind.__name__
        fails(read, kind, key)
        clock.advance(ttl - 0.1)
        fails(read, kind, key)
        assert 1 == source.asked
        clock.advance(0.1)
        fails(read, kind, key)
        assert 2 == source.asked


def test_each_further_failure_doubles_it_up_to_the_most(read, fails, source, clock):
    """
    5, 10, 20, 20, ... seconds: a source that is down is asked less and less, but always again.
    """
    source.error = NotFound()
    for number, ttl in enumerate((5, 10, 20, 20, 20), 1):
        fails(read)
        assert number == source.asked
        clock.advance(ttl - 0.1)
        fails(read)
        assert number == source.asked
        clock.advance(0.1)


def test_a_thousand_failures_in_a_row_are_no_overflow(read, fails, source, clock):
    """
    The count grows, the duration does not.
    """
    source.error = NotFound()
    for _ in range(1100):
        fails(read)
        clock.advance(MOST)
    fails(read), fails(read)

    assert 1101 == source.asked


def test_a_result_ends_the_run(tiers, fails, source, clock, call):
    """
    After a success the next failure is a first one.
    """
    read = call.cached(cache=tiers, **{**OPTIONS, "ttl": 1})(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    clock.advance(10)
    source.error = None
    call(read(1))
    clock.advance(1)
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


@pytest.mark.parametrize("room", [0, 100])
def test_a_result_of_another_process_ends_the_run(make_cache, call, fails, source, clock, room):
    """
    The source answers again, whoever has asked it; also if nothing is kept in memory.
    """
    options = {**OPTIONS, "namespace": "n", "ttl": 1}
    read = call.cached(cache=make_cache("disk", l1_maxsize=room), **options)(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    source.error = None
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    assert "value 3" == call(read(1))
    clock.advance(10)
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


def test_a_result_that_is_not_kept_ends_the_run_too(tiers, call, fails, source, clock):
    """
    What counts is that the source has answered.
    """
    read = call.cached(cache=tiers, cache_if=lambda _: False, **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read)
    clock.advance(5)
    fails(read)
    clock.advance(10)
    source.error = None
    call(read(1))
    source.error, source.asked = NotFound(), 0
    fails(read)
    clock.advance(5)
    fails(read)

    assert 2 == source.asked


def test_a_run_ends_when_nobody_has_failed_for_long(read, fails, source, clock):
    """
    An outage of yesterday says nothing of today's: after error_ttl_max without a failure the
    next one is a first one.
    """
    source.error = NotFound()
    for ttl in (5, 10, 20):
        fails(read)
        clock.advance(ttl)
    clock.advance(MOST)
    fails(read)
    clock.advance(5)
    fails(read)

    assert 5 == source.asked


def test_failures_at_once_are_one(cache, clock):
    """
    Computations that began before the failure was known say nothing of how long it lasts.
    """
    gates, asked = [Gate(), Gate()], []

    @tiered_cache(cache=cache, single_flight=None, **OPTIONS)
    def read():
        asked.append(1)
        if len(asked) <= 2:
            gates[len(asked) - 1].wait()
        raise NotFound

    callers = []
    for gate in gates:
        callers.append(Background(read))
        assert gate.entered.wait(10)
    for gate, caller in zip(gates, callers, strict=True):
        gate.open()
        with pytest.raises(NotFound):
            caller.result()
    clock.advance(FIRST)
    with pytest.raises(NotFound):
        read()

    assert 3 == len(asked), "remembered for 5 s, not for 10"


@pytest.mark.parametrize("options", [{"l1_maxsize": 0}, {"l1_maxsize": 0, "tiers": "memory"}])
def test_it_needs_no_memory_tier(make_cache, call, fails, source, options):
    """
    Failures have a place of their own.
    """
    cache = make_cache(**{"tiers": "disk", **options})
    read = call.cached(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    fails(read), fails(read)

    assert 1 == source.asked


def test_what_is_remembered_is_bounded(cache, call, fails, source, clock):
    """
    A thousand keys; then the oldest is forgotten. Those whose run has ended go before.
    """
    read = call.cached(cache=cache, **OPTIONS)(source.read)
    source.error = NotFound()
    for key in range(1001):
        fails(read, NotFound, key)
    assert 1000 == len(failures_of(cache))
    fails(read, NotFound, 1)
    assert 1001 == source.asked
    fails(read, NotFound, 0)
    assert 1002 == source.asked
    clock.advance(FIRST + MOST)
    fails(read, NotFound, 2000)

    assert 1 == len(failures_of(cache))


# -- what comes first ------------------------------------------------------------------


def test_an_old_result_is_served_rather_than_a_remembered_error(tiers, call, fails, source, clock):
    """
    While stale_if_error allows it, and for as long; error_backoff says when it is tried again.
    """
    read = call.cached(cache=tiers, stale_if_error=20, error_backoff=3, **OPTIONS)(source.read)
    call(read(1))
    source.error = NotFound()
    clock.advance(TTL)
    for asked in (2, 2):
        assert "value 1" == call(read(1))
        assert asked == source.asked
    clock.advance(3)
    assert "value 1" == call(read(1))
    assert 3 == source.asked
    assert not failures_of(tiers)

    clock.advance(17)
    fails(read), fails(read)
    assert 4 == source.asked


def test_an_old_result_below_is_served_rather_than_a_remembered_error(
    make_cache, call, fails, source, clock
):
    """
    Also one that another process has brought since, and that this one never had.
    """
    options = {**OPTIONS, "namespace": "n", "stale_if_error": 1000, "error_ttl_max": 10_000}
    options |= {"error_ttl": 9_000, "error_backoff": 1}
    read = call.cached(cache=make_cache("disk"), **options)(source.read)
    source.error = NotFound()
    fails(read)
    source.error = None
    other = call.cached(cache=make_cache("disk"), **options)(source.read)
    assert "value 2" == call(other(1))
    clock.advance(TTL)
    source.error = NotFound()

    assert "value 2" == call(read(1))


def test_a_result_of_another_process_is_served_rather_than_a_remembered_error(
    make_cache, call, fails, source
):
    """
    The disk is looked at before: an error that only this process knows hides no result.
    """
    options = {**OPTIONS, "namespace": "n"}
    read = call.cached(cache=make_cache("disk"), **options)(source.read)
    source.error = NotFound()
    fails(read)
    source.error = None
    other = call.cached(cache=make_cache("disk"), **options)(source.read)
    assert "value 2" == call(other(1))

    assert "value 2" == call(read(1))


def test_a_failure_in_the_background_is_remembered_when_the_window_is_over(
    tiers, call, fails, source, clock, settle
):
    """
    While the old result is served it is not; a failed refresh raises nothing.
    """
    read = call.cached(cache=tiers, stale_while_revalidate=10, error_backoff=1, **OPTIONS)(
        source.read
    )
    call(read(1))
    source.error = NotFound()
    clock.advance(TTL)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert (2, 0) == (source.asked, len(failures_of(tiers)))
    assert 1 == tiers.get_stats()["background"]["failed"]
    clock.advance(10)
    fails(read), fails(read)

    assert 3 == source.asked
    assert 1 == tiers.get_stats()["errors_served"]


def test_a_refresh_in_the_background_heeds_a_remembered_error(
    cache, call, fails, source, clock, settle
):
    """
    The function has just failed, in a ``refresh()``: the old result is served and it rests.
    """
    read = call.cached(
        cache=cache, stale_while_revalidate=50, error_backoff=1, error_ttl=20, **OPTIONS
    )(source.read)
    call(read(1))
    clock.advance(TTL - 1)
    source.error = NotFound()
    fails(read.refresh)
    clock.advance(1)
    assert "value 1" == call(read(1))
    settle(cache)
    assert 2 == source.asked
    clock.advance(20)
    source.error = None
    assert "value 1" == call(read(1))
    settle(cache)

    assert "value 3" == call(read(1))


# -- what ends it ----------------------------------------------------------------------


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


# -- instances -------------------------------------------------------------------------


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


# -- the exceptions --------------------------------------------------------------------


def test_everyone_gets_an_exception_of_his_own(read, fails, source):
    """
    Raised again and again it grows no traceback, context or notes, and nobody shares it.
    """
    source.error = NotFound("x", {"a": 1})
    source.error.code = 404
    first = fails(read)
    assert first is source.error, "who asked gets the very exception"
    depths = set()
    for _ in range(5):
        try:
            raise Other
        except Other:
            again = fails(read)
        assert (first.args, 404) == (again.args, again.code)
        assert again is not first
        depth, step = 0, again.__traceback__
        while step is not None:
            depth, step = depth + 1, step.tb_next
        depths.add(depth)
        again.add_note("mine")
        again.code = 500
    assert 1 == len(depths)
    assert not hasattr(fails(read), "__notes__")
    assert not hasattr(first, "__notes__")


def test_a_remembered_error_keeps_no_frames_alive(cache, call, source):
    """
    What the failed call held, and what those held who got the error, goes with them.
    """

    class Held:
        pass

    argument, local = [Held()], []

    @call.cached(cache=cache, key=lambda x: 1, cache_exceptions=NotFound)
    def read(x):
        mine = Held()
        local.append(weakref.ref(mine))
        try:
            raise Other
        except Other as error:
            raise NotFound from error

    def caller():
        mine = Held()
        local.append(weakref.ref(mine))
        call(read(argument[0]))

    for _ in range(3):
        with pytest.raises(NotFound) as caught:
            caller()
        assert type(caught.value.__cause__) is Other
        del caught
    gone = weakref.ref(argument.pop())
    gc.collect()

    assert 1 == len(failures_of(cache))
    assert gone() is None
    assert [None] * 4 == [one() for one in local]


def test_many_threads_get_it_at_once(cache):
    """
    Each a traceback that ends in his own frames.
    """

    @tiered_cache(cache=cache, cache_exceptions=NotFound)
    def read():
        raise NotFound

    def caller():
        found = set()
        for _ in range(200):
            try:
                read()
            except NotFound as error:
                depth, step = 0, error.__traceback__
                while step is not None:
                    depth, step = depth + 1, step.tb_next
                found.add((depth, error.__traceback__.tb_frame.f_code.co_name))
        return found

    with pytest.raises(NotFound):
        read()
    answers = in_threads(*[caller] * 4)

    assert all({"caller"} == {name for _, name in answer} for answer in answers)
    assert 20 > max(depth for answer in answers for depth, _ in answer)
    assert 1 == read.cache_info().misses


def test_who_waits_for_a_failing_call_gets_its_error(tiers):
    """
    One computation, one failure, for everyone.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=tiers, **OPTIONS)
    def read():
        asked.append(1)
        gate.wait()
        raise NotFound("once")

    first = Background(read)
    assert gate.entered.wait(10)
    others = [Background(read) for _ in range(3)]
    gate.open()
    for caller in [first, *others]:
        with pytest.raises(NotFound, match="once"):
            caller.result()

    assert 1 == len(asked)
    with pytest.raises(NotFound, match="once"):
        read()
    assert 1 == len(asked)


class Picky(Exception):
    def __init__(self, *, code):
        super().__init__("picky")
        if code != 7:
            raise RuntimeError
        self.code = code


def test_no_code_of_the_class_runs_for_a_copy(read, fails, source):
    """
    An ``__init__`` that takes something else than ``args`` is never called.
    """

    class Missing(NotFound, Picky):
        pass

    source.error = Missing(code=7)
    fails(read)
    again = fails(read)

    assert (Missing, 7, ("picky",)) == (type(again), again.code, again.args)
    assert 1 == source.asked


def test_what_cannot_be_copied_is_not_remembered(tiers, call, fails, caplog):
    """
    The function is called again, and the log says so once, without the text.
    """
    asked = []

    def body(_):
        asked.append(1)
        error = NotFound("secret")
        error.parts = None
        for _ in range(40):
            outer = NotFound("secret")
            outer.parts = error
            error = outer
        raise error

    read = call.cached(cache=tiers, **OPTIONS)(body)
    with caplog.at_level(logging.WARNING, "memotier"):
        fails(read), fails(read)

    assert 2 == len(asked)
    (record,) = caplog.records
    assert "NotFound cannot be copied" in record.getMessage()
    assert "not remembered" in record.getMessage()
    assert "secret" not in caplog.text


# -- and timeouts ------------------------------------------------------------------------


def test_a_timeout_of_its_own_is_not_a_failure(cache):
    """
    The function goes on: who calls again waits for it, whatever is named.
    """
    gate = Gate()

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=TimeoutError)
    def read():
        gate.wait()
        return 1

    with pytest.raises(ComputeTimeout):
        read()
    assert gate.entered.wait(10)
    assert not failures_of(cache)
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)

    assert 1 == read()


def test_a_timeout_of_a_function_it_calls_is(cache):
    """
    It is an error like any other that the function raises.
    """
    asked = []

    @tiered_cache(cache=cache, cache_exceptions=ComputeTimeout)
    def outer():
        asked.append(1)
        raise ComputeTimeout("inner did not return")

    for _ in range(2):
        with pytest.raises(ComputeTimeout, match="inner"):
            outer()

    assert 1 == len(asked)


def test_a_failure_after_the_timeout_is_remembered(cache):
    """
    What went on in the background failed in the end: the next caller is told at once.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=NotFound)
    def read():
        asked.append(1)
        gate.wait()
        raise NotFound

    with pytest.raises(ComputeTimeout):
        read()
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)
    for _ in range(2):
        with pytest.raises(NotFound):
            read()

    assert 1 == len(asked)


def test_a_failure_of_changed_arguments_is_not_remembered(cache):
    """
    The caller has gone on and has changed what he asked for: it may be another call's error.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=cache, hard_timeout="10ms", cache_exceptions=NotFound)
    def read(keys):
        asked.append(list(keys))
        gate.wait()
        raise NotFound

    keys = [1]
    with pytest.raises(ComputeTimeout):
        read(keys)
    assert gate.entered.wait(10)
    keys.append(2)
    gate.open()
    for thread in list(engine_of(cache).timed._threads):
        thread.join(10)

    assert not failures_of(cache)


# -- what is counted -----------------------------------------------------------------------


def test_calls_that_got_it_are_counted(read, tiers, fails, source):
    """
    Neither as hits nor as misses.
    """
    source.error = NotFound()
    for _ in range(4):
        fails(read)

    info = read.cache_info()
    assert (0, 1, 3, 0) == (info.hits, info.misses, info.errors_served, info.currsize)
    assert 3 == tiers.get_stats()["errors_served"]


def test_joining_is_possible_while_it_is_recalled(tiers):
    """
    Many callers of a remembered error at once: none calls the function, none hangs.
    """
    asked = []

    @tiered_cache(cache=tiers, **OPTIONS)
    def read():
        asked.append(1)
        raise NotFound

    start = threading.Barrier(4)

    def caller():
        start.wait(10)
        kinds = set()
        for _ in range(50):
            try:
                read()
            except Exception as error:
                kinds.add(type(error))
        return kinds

    with pytest.raises(NotFound):
        read()

    assert [{NotFound}] * 4 == in_threads(*[caller] * 4)
    assert 1 == len(asked)
