"""
``verify=``: a share of the hits is computed once more in the background, and compared.
"""

from __future__ import annotations

import contextvars
import math
import random
from collections import Counter
from dataclasses import dataclass

import pytest

import memotier
from memotier import ConfigError, tiered_cache
from memotier.engine import checks
from memotier.engine.checks import MOST, Checks
from memotier.verified import same

from ..conftest import stable
from ..engine.worlds import Gate
from .conftest import engine_of

TTL = 100


@pytest.fixture
def read(tiers, call, source):
    """
    Every hit is checked, and no two results are the same.
    """
    return call.cached(cache=tiers, name="r", ttl=TTL, verify=1.0)(source.read)


@pytest.fixture
def every(monkeypatch):
    """
    ``every(n)``: one hit of n is checked, no longer drawn.
    """
    return lambda n: monkeypatch.setattr(Checks, "draw", lambda self: n - 1)


def counts(function):
    info = function.cache_info()
    return info.verified, info.verified_differs


def test_a_hit_is_compared_with_a_fresh_result(read, tiers, call, clock, settle, source, caplog):
    """
    Its caller gets what was there, the next one the fresh result; how old the difference was is an
    event, and one line of the log.
    """
    told = []
    engine_of(tiers).events.listeners.append(lambda *event: told.append(event))
    call(read(1))
    clock.advance(7)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert (1, 1) == counts(read)
    assert (1, 1) == tuple(tiers.get_stats()[name] for name in ("verified", "verified_differs"))
    assert "value 2" == call(read(1))
    settle(tiers)

    differed = [detail for event, detail in told if event == "differed"]
    assert [7, 0] == pytest.approx([detail["age"] for detail in differed], abs=0.01)
    assert {"label", "age"} == set(differed[0])
    assert 1 == sum("7s old differs from a fresh one" in one.message for one in caplog.records)
    assert "value" not in caplog.text


def test_the_fresh_result_has_a_life_of_its_own(read, tiers, call, clock, settle):
    """
    It takes the old one's place in both tiers, and is as fresh as any that was just computed.
    """
    call(read(1))
    clock.advance(TTL - 1)
    call(read(1))
    settle(tiers)
    entry = call(read.lookup(1))
    assert "value 2" == entry.value
    assert pytest.approx(TTL, abs=0.1) == entry.ttl_left
    assert 0 == tiers.get_stats()["pending_writes"]


def test_what_is_the_same_does_not_differ(tiers, call, settle):
    """
    Checked, and found right.
    """
    asked = []

    @call.cached(cache=tiers, name="r", verify=1.0)
    def read(x):
        asked.append(x)
        return {"x": [x, math.nan]}

    for _ in range(3):
        call(read(1))
        settle(tiers)
    assert (2, 0) == counts(read)
    assert 3 == len(asked)


@pytest.mark.parametrize("key", [1, (1,)], ids=["native key", "canonical key"])
def test_one_hit_of_so_many(tiers, call, settle, source, every, key):
    """
    Those in between are hits like any other: they run nothing.
    """
    every(4)
    read = call.cached(cache=tiers, name="r", verify=0.25)(source.read)
    asked = []
    for _ in range(13):
        call(read(key))
        settle(tiers)
        asked.append(source.asked)
    assert [1] * 4 + [2] * 4 + [3] * 4 + [4] == asked
    assert 12 == read.cache_info().l1_hits
    assert (3, 3) == counts(read)


def test_each_hit_is_chosen_with_the_same_probability(monkeypatch):
    """
    The number of hits that pass is geometric: its mean, and the share that is chosen at once.
    """
    monkeypatch.setattr(checks, "random", random.Random(5).random)
    drawn = [Checks(0.1, same).draw() for _ in range(20_000)]
    assert pytest.approx(9, rel=0.03) == sum(drawn) / len(drawn)
    count = Counter(drawn)
    assert pytest.approx(0.1, rel=0.05) == count[0] / len(drawn)
    assert pytest.approx(0.09, rel=0.05) == count[1] / len(drawn)
    assert {0} == {Checks(1.0, same).draw() for _ in range(100)}
    assert 0 < min(Checks(1e-12, same).draw() for _ in range(100))


def test_a_hit_below_is_checked(make_cache, call, settle, source, clock):
    """
    The results that a process finds are the oldest: their age is counted from when they were
    computed, by whomever.
    """
    options = {"name": "r", "namespace": "n", "ttl": TTL, "verify": 1.0}
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    clock.advance(9)
    cache = make_cache("disk")
    read = call.cached(cache=cache, **options)(source.read)
    assert "value 1" == call(read(1))
    settle(cache)
    assert (1, 1) == counts(read)
    (bucket,) = read._self_memo.shelf.checks.ages.counts
    assert pytest.approx(9 / 60, rel=0.02) == 2.0 ** ((bucket - 30 * 64) / 64)
    assert "value 2" == call(read(1))


def test_a_cache_without_memory_is_checked(make_cache, call, settle, source):
    """
    What was served is kept for the comparison alone.
    """
    cache = make_cache("disk", l1_maxsize=0)
    read = call.cached(cache=cache, name="r", verify=1.0)(lambda x: [source.read(x)])
    call(read(1))
    given = call(read(1))
    given.append("changed by its caller")
    settle(cache)
    assert (1, 1) == counts(read)
    assert ["value 2"] == call(read(1))


def test_what_its_caller_does_to_a_result_is_no_difference(tiers, call, settle):
    """
    A snapshot is compared, not the object that he has.
    """
    read = call.cached(cache=tiers, name="r", verify=1.0)(lambda x: [x])
    call(read(1))
    call(read(1)).append(2)
    settle(tiers)
    assert (1, 0) == counts(read)


def test_nobody_waits_for_a_check(tiers, source, settle, call):
    """
    The caller has his result while the function still runs; of one key there is one check at a
    time, and of a function there are so many.
    """
    if call.is_async:
        pytest.skip("a task waits for its turn")
    gate, held = Gate(), []

    @tiered_cache(cache=tiers, name="r", verify=1.0)
    def read(x):
        if held:
            gate.wait()
        return source.read()

    for x in range(2 * MOST):
        read(x)
    held.append(True)
    for _ in range(3):
        for x in range(2 * MOST):
            read(x)
    assert MOST == engine_of(tiers).background.running
    gate.open()
    settle(tiers)
    assert (MOST, MOST) == counts(read)
    assert 3 * MOST == source.asked


def test_an_invalidation_in_between_is_no_difference(tiers, call, settle, source):
    """
    The hit was right when it was served. The check is not counted, and what it brings not kept.
    """
    later = []

    @call.cached(cache=tiers, name="r", verify=1.0, tags=["t"])
    def read(x):
        if later:
            later.pop()()
        return source.read()

    call(read(1))
    later.append(lambda: tiers.sync.invalidate_tags("t"))
    call(read(1))
    settle(tiers)
    assert (0, 0) == counts(read)
    assert "value 3" == call(read(1))


def test_arguments_that_change_meanwhile(tiers, call, settle, source):
    """
    What is computed from them is another call's result: neither compared nor kept.
    """
    argument, states = [1], []

    @call.cached(cache=tiers, name="r", verify=1.0)
    def read(x):
        states.append(list(x))
        if len(states) == 2:
            x.append(2)
        return list(x)

    call(read(argument))
    assert [1] == call(read(argument))
    settle(tiers)
    assert (0, 0) == counts(read)
    assert [1] == call(read([1]))


def test_a_check_that_fails_changes_nothing(read, tiers, call, settle, source, caplog):
    """
    The old result stays, nothing is counted as compared, and the type of the error is said.
    """
    call(read(1))
    source.error = ValueError("secret")
    for _ in range(2):
        assert "value 1" == call(read(1))
        settle(tiers)
    assert (0, 0) == counts(read)
    assert 2 == read._self_memo.shelf.checks.failed
    assert "ValueError" in caplog.text and "secret" not in caplog.text
    source.error = None
    call(read(1))
    settle(tiers)
    assert (1, 1) == counts(read)


def test_it_is_computed_for_the_caller(tiers, call, settle):
    """
    In his context: the result of a scope is compared with one of the same scope.
    """
    user = contextvars.ContextVar("user")
    read = call.cached(cache=tiers, name="r", scope=user, verify=1.0)(lambda x: user.get())

    def ask(name):
        user.set(name)
        return call(read(1))

    for name in ("ann", "bob", "ann", "bob"):
        assert name == contextvars.copy_context().run(ask, name)
        settle(tiers)
    assert (2, 0) == counts(read)


def test_who_is_turned_away_has_nothing_checked(tiers, call, settle, source):
    """
    Together with ``authorize=``: for him nothing is computed in the background.
    """
    allowed = [True]
    read = call.cached(
        cache=tiers, name="r", verify=1.0, authorize=lambda entry, scope: allowed[0]
    )(source.read)  # fmt: skip
    call(read(1))
    allowed[0] = False
    assert "value 2" == call(read(1))
    settle(tiers)
    assert (0, 0) == counts(read)
    allowed[0] = True
    assert "value 1" == call(read(1))
    settle(tiers)
    assert (1, 1) == counts(read)


def test_who_is_turned_away_below_has_nothing_checked(make_cache, call, settle, source):
    """
    The same of what the second tier has: only the function is called, for him.
    """
    options = {"name": "r", "namespace": "n", "verify": 1.0}
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    cache = make_cache("disk")
    read = call.cached(cache=cache, authorize=lambda entry, scope: False, **options)(source.read)
    assert "value 2" == call(read(1))
    settle(cache)
    assert 2 == source.asked
    assert (0, 0) == counts(read)


def test_after_a_check_that_failed_it_is_drawn_anew(tiers, call, settle, source, every):
    """
    The entry stays, and so many of its hits pass again.
    """
    every(4)
    read = call.cached(cache=tiers, name="r", verify=0.25)(source.read)
    call(read(1))
    source.error = ValueError("down")
    for _ in range(12):
        call(read(1))
        settle(tiers)
    assert 4 == source.asked
    assert 3 == read._self_memo.shelf.checks.failed


@pytest.mark.parametrize("where", ["memory", "below"])
def test_what_is_known_to_be_old_is_not_checked(make_cache, call, settle, source, clock, where):
    """
    A refresh has failed, and the stale result counts as fresh for a while: it is no news that it
    differs.
    """
    room = {} if where == "memory" else {"l1_maxsize": 0}
    cache = make_cache("disk", **room)
    read = call.cached(
        cache=cache, name="r", ttl=10, stale_while_revalidate=99, error_backoff=50, verify=1.0
    )(source.read)
    call(read(1))
    clock.advance(11)
    source.error = ValueError("down")
    call(read(1))
    settle(cache)
    source.error = None
    for _ in range(3):
        assert "value 1" == call(read(1))
        settle(cache)
    assert 2 == source.asked
    assert (0, 0) == counts(read)


def test_what_is_refreshed_anyway_is_not_checked(tiers, call, settle, source, clock):
    """
    A stale result is known to be old.
    """
    read = call.cached(cache=tiers, name="r", ttl=10, stale_while_revalidate=10, verify=1.0)(
        source.read
    )
    call(read(1))
    clock.advance(11)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert (0, 0) == counts(read)
    assert 2 == source.asked
    call(read(1))
    settle(tiers)
    assert (1, 1) == counts(read)


def test_map_is_checked_too(tiers, call, settle, source):
    """
    Hits among many calls.
    """
    read = call.cached(cache=tiers, name="r", verify=1.0)(source.read)
    call(read.map([1, 2]))
    call(read.map([1, 2]))
    settle(tiers)
    assert (2, 2) == counts(read)


def test_peek_and_lookup_are_not_checked(read, tiers, call, settle, source):
    """
    They are no hits.
    """
    call(read(1))
    read.peek(1), call(read.lookup(1)), call(read.explain(1))
    settle(tiers)
    assert 1 == source.asked


def test_what_is_skipped_is_not_compared(tiers, call, settle):
    """
    The function says of the fresh one that it is no result to keep.
    """
    asked = []

    @call.cached(cache=tiers, name="r", verify=1.0)
    def read(x):
        asked.append(x)
        if len(asked) == 2:
            memotier.current().skip()
        return len(asked)

    call(read(1)), call(read(1))
    settle(tiers)
    assert (0, 0) == counts(read)


def test_equal_decides(tiers, call, settle, source):
    """
    It is given the old and the new result.
    """
    seen = []

    def equal(old, new):
        seen.append((old, new))
        return old[:5] == new[:5]

    read = call.cached(cache=tiers, name="r", verify=1.0, equal=equal)(source.read)
    call(read(1)), call(read(1))
    settle(tiers)
    assert [("value 1", "value 2")] == seen
    assert (1, 0) == counts(read)


@pytest.mark.parametrize("what", ["raises", "cannot say"])
def test_who_cannot_compare_says_so_once(tiers, call, settle, source, caplog, what):
    """
    Nothing is counted.
    """

    class Ambiguous:
        def __bool__(self):
            raise ValueError("secret")

    def equal(old, new):
        if what == "raises":
            raise KeyError("secret")
        return Ambiguous()

    read = call.cached(cache=tiers, name="r", verify=1.0, equal=equal)(source.read)
    for _ in range(3):
        call(read(1))
        settle(tiers)
    assert (0, 0) == counts(read)
    assert 1 == sum("give equal=" in one.message for one in caplog.records)
    assert "secret" not in caplog.text


class Plain:
    """
    Equal to itself only.
    """


@dataclass
class Point:
    x: float


class Odd:
    """
    What it says of being equal is no bool.
    """

    def __eq__(self, other):
        return "perhaps"

    __hash__ = None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1, 1, True),
        (1, 2, False),
        (1, 1.0, False),
        (True, 1, False),
        (math.nan, math.nan, True),
        ([math.nan], [math.nan], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        ({1, 2}, {2, 1}, True),
        ("a", b"a", False),
        (Point(1.0), Point(1.0), True),
        (Point(1.0), Point(2.0), False),
        (Plain(), Plain(), None),
        ([Plain()], [Plain()], None),
        (Odd(), Odd(), None),
    ],
    ids=stable,
)
def test_the_same_content(old, new, expected):
    """
    By the rules of keys; what nobody can compare is not called different.
    """
    assert expected is same(old, new)


@pytest.mark.extras
def test_the_same_arrays_and_frames():
    """
    By what is in them.
    """
    import numpy as np
    import pandas as pd

    for make in (
        lambda x: np.array([x, math.nan]),
        lambda x: {"a": np.array([[x]])},
        lambda x: pd.DataFrame({"a": [x, math.nan]}),
        lambda x: [pd.Series([x])],
    ):
        assert same(make(1.0), make(1.0)) is True
        assert same(make(1.0), make(2.0)) is False


# -- what to do ------------------------------------------------------------------------


def test_it_is_recommended_how_long_results_hold(make_cache, clock, call, settle):
    """
    What a function returns changes every 100 s; results up to 10 s old are nearly all right. The
    advice names the share that differed, and a ttl among those that would have been right.
    """
    cache = make_cache()

    @call.cached(cache=cache, ttl="1h", verify=1.0)
    def read(x):
        return int(clock.monotonic() // 100)

    call(read(1))
    clock.advance(100 - clock.monotonic() % 100)
    for pause in (8,) * 40 + (500,) * 20:
        call(read(1))
        settle(cache)
        clock.advance(pause)
    analytics = memotier.CacheAnalytics(cache).sync
    (advice,) = (
        one for one in analytics.get_recommendations() if one.kind == "serves_old_results"
    )  # fmt: skip
    verified, differs = counts(read)
    assert (60, True) == (verified, differs >= 20)
    assert f"{differs / verified:.1%} of 60 hits" in advice.title
    assert "high" == advice.priority
    assert advice.evidence["verified_differs"] == differs


def test_the_ttl_that_is_proposed_is_one_that_holds():
    """
    Of those up to that age no more than 1 % differed, and it is a round number.
    """
    from memotier.analytics.verifying import good_until

    of = Checks(0.5, same)
    for minutes, count, differ in ((1, 300, 0), (7, 300, 2), (45, 300, 100)):
        of.ages.add(minutes, count)
        of.differing.add(minutes, differ)
    found = good_until(of)
    assert (300, 600, 2) == found
    of.differing.add(0.5, 50)
    of.ages.add(0.5, 50)
    assert None is good_until(of)


def test_nothing_is_recommended_where_results_hold(read, tiers, call, settle):
    """
    Nor while too few were checked.
    """
    steady = call.cached(cache=tiers, name="s", verify=1.0)(lambda x: x)
    for _ in range(60):
        call(steady(1))
        settle(tiers)
    call(read(1)), call(read(1))
    settle(tiers)
    kinds = [one.kind for one in memotier.CacheAnalytics(tiers).sync.get_recommendations()]
    assert "serves_old_results" not in kinds


def test_figures_are_told_everywhere(read, tiers, call, settle):
    """
    In snapshots, which can be merged, and in the text for Prometheus.
    """
    from memotier.analytics import merge, snapshot

    call(read(1)), call(read(1))
    settle(tiers)
    taken = snapshot(tiers)
    counters = merge([taken, taken])["functions"][0]["counters"]
    assert (2, 2, 0) == tuple(counters[n] for n in ("verified", "verified_differs", "denied"))
    text = memotier.CacheAnalytics(tiers).sync.export_to_prometheus()
    assert "memotier_verified_differs_total{" in text


# -- the options -----------------------------------------------------------------------


@pytest.mark.parametrize("verify", [-0.1, 1.1, "1%", True, math.nan, [0.1]])
def test_a_share_is_from_0_to_1(verify):
    """
    Nothing else.
    """
    with pytest.raises(ConfigError, match=r"verify=.* cannot be used: the share"):
        tiered_cache(verify=verify)(lambda x: x)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"equal": lambda a, b: True}, "equal=.*verify="),
        ({"verify": 0, "equal": lambda a, b: True}, "equal=.*verify="),
        ({"verify": 0.1, "equal": "=="}, "equal=.*plain function"),
        ({"verify": 0.1, "equal": lambda result: True}, "equal=.*the old and the new result"),
        ({"verify": 0.1, "equal": lambda a, b, *, c: True}, "equal=.*the old and the new result"),
        ({"verify": 0.1, "effects": "idempotent"}, 'verify=0.1.*effects="idempotent"'),
    ],
)
def test_what_cannot_be_checked_is_refused(options, match):
    """
    A check of a function that changes something would change it once more.
    """
    with pytest.raises(ConfigError, match=match):
        tiered_cache(**options)(lambda x: x)


def test_streams_and_batches_are_refused():
    """
    There is no single result of a call to compare.
    """

    def stream(n):
        yield n

    def load(ids: list[int]) -> dict[int, int]:
        return {}

    with pytest.raises(ConfigError, match=r"verify=0.1.*generator function"):
        tiered_cache(verify=0.1)(stream)
    with pytest.raises(ConfigError, match="verify= cannot be used"):
        tiered_cache.many(verify=0.1)(load)


def test_it_is_shown_and_off_costs_nothing(cache):
    """
    0 is off: the hit path is that of a function without it.
    """
    import linecache

    def source_of(made):
        made(1)
        return "".join(linecache.getlines(type(made).__call__.__code__.co_filename))

    on = tiered_cache(cache=cache, verify=0.5, equal=max)(lambda x: x)
    off = tiered_cache(cache=cache, verify=0)(lambda x: x)
    shown = [made.cache_parameters() for made in (on, off)]
    assert [(0.5, max), (0.0, None)] == [(one["verify"], one["equal"]) for one in shown]
    assert "check_at" in source_of(on)
    assert "check_at" not in source_of(off)
