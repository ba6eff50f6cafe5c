"""
``@tiered_cache.many``: an entry for each id, one call for those that have none.
"""

from __future__ import annotations

import math
from collections import defaultdict

import pytest

import memotier
from memotier import MISS, BatchMismatch, ConfigError, UnkeyableArgument, disabled, tiered_cache

from .conftest import flights_of, watched


class Colours:
    def __init__(self, call) -> None:
        self._call = call

    def many(self, **options):
        return lambda function: tiered_cache.many(**options)(self._call.define(function))


@pytest.fixture
def of(call):
    return Colours(call)


@pytest.fixture
def asked():
    """What the functions were asked for, call by call."""
    return []


@pytest.fixture
def users(of, tiers, asked):
    @of.many(cache=tiers, name="users", namespace="u", tags=["user:{ids}", "lang:{lang}"])
    def users(ids: list[int], *, lang: str = "en") -> dict[int, dict]:
        asked.append(ids)
        return {one: {"id": one, "lang": lang} for one in ids if one < 100}

    return users


def test_only_missing_ids_are_passed_on(call, users, asked):
    """
    In the caller's order, without duplicates, in one call; the answer has all of them.
    """
    call(users([3, 1]))
    answer = call(users((2, 3, 5, 2, 1)))
    assert [[3, 1], [2, 5]] == asked
    assert [2, 3, 5, 1] == list(answer)
    assert {"id": 2, "lang": "en"} == answer[2]
    assert {} == call(users([]))
    assert answer == call(users(iter([2, 3, 5, 1])))
    assert 2 == len(asked)


def test_all_other_arguments_are_part_of_the_key(call, users, asked):
    """
    An id in another language is another entry.
    """
    call(users([1], lang="de"))
    call(users(ids=[1]))
    assert "de" == call(users([1], lang="de"))[1]["lang"]
    assert [[1], [1]] == asked


def test_a_result_is_the_callers_own(call, users, asked):
    """
    Changing what one caller got changes nothing for the next.
    """
    call(users([1]))[1]["lang"] = "changed"
    call(users([1]))[1]["lang"] = "changed"
    assert "en" == call(users([1]))[1]["lang"]


def test_one_reading_and_one_writing(of, call, disk, again, trips, asked):
    """
    A cold batch reads once and writes once, whatever its size; a warm one reads once.
    """

    def function(ids: list[int]) -> dict[int, str]:
        asked.append(ids)
        return {one: str(one) for one in ids}

    options = {"name": "f", "namespace": "n", "tags": ["id:{ids}"]}
    expected = {one: str(one) for one in range(50)}
    assert expected == call(of.many(cache=disk, **options)(function)(range(50)))
    assert ["get", "versions", "set"] == trips.calls

    other = again()
    below = watched(other)
    assert expected == call(of.many(cache=other, **options)(function)(range(50)))
    assert ["get", "versions"] == below.calls
    assert 1 == len(asked)


def test_a_cold_batch_reads_once_however_long_it_takes_to_begin(of, call, disk, trips, clock):
    """
    To begin the call of very many ids takes a while; they are not looked for again.
    """

    def tags(ids):
        clock.advance(60)
        return [f"id:{ids}"]

    f = of.many(cache=disk, name="f", tags=tags)(lambda ids: dict.fromkeys(ids, 1))
    trips.after["versions"] = lambda: clock.advance(60)
    call(f(range(10)))
    assert 1 == trips.calls.count("get")


@pytest.mark.parametrize("arguments", [{"l1_maxsize": 0}, {"write_policy": "write_around"}])
def test_the_same_without_memory(of, call, make_cache, asked, arguments):
    """
    Where memory keeps nothing, what is below answers, in one reading.
    """
    policy = memotier.WritePolicy.WRITE_AROUND
    if "write_policy" in arguments:
        arguments = {"write_policy": policy}
    cache = make_cache("disk", **arguments)
    trips = watched(cache)

    @of.many(cache=cache, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, list[int]]:
        asked.append(ids)
        return {one: [one] for one in ids}

    call(f([1, 2]))
    assert 1 == trips.calls.count("get") == trips.calls.count("set")
    assert {1: [1], 2: [2]} == call(f([1, 2]))
    assert [[1, 2]] == asked


def test_write_back_owes_every_id(of, call, make_cache, asked, again):
    """
    In write-back each result is owed, and written by ``flush``.
    """
    cache = make_cache("disk", write_policy=memotier.WritePolicy.WRITE_BACK)

    def function(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        return {one: -one for one in ids}

    f = of.many(cache=cache, name="f", namespace="n")(function)
    call(f([1, 2, 3]))
    assert 3 == cache.sync.flush()
    assert {1: -1, 3: -3} == call(of.many(cache=again(), name="f", namespace="n")(function)([1, 3]))
    assert 1 == len(asked)


def test_an_id_without_a_result_is_left_out(call, users, asked):
    """
    It is in no answer, nothing of it is stored, and the others are not disturbed.
    """
    assert [1, 2] == list(call(users([1, 200, 2])))
    assert MISS is users.peek(200)
    assert {} == call(users([200, 200]))
    assert [[1, 200, 2], [200]] == asked


def test_lists_have_one_result_for_each(of, call, tiers, asked):
    """
    A function that says that it returns a list gives lists, duplicates and all.
    """

    @of.many(cache=tiers, name="f", namespace="n")
    def f(texts: list[str]) -> list[list[int]]:
        asked.append(texts)
        return [[len(text)] for text in texts]

    assert [[1], [2], [1]] == call(f(["a", "bb", "a"]))
    answer = call(f(["ccc", "a", "ccc"]))
    assert [[3], [1], [3]] == answer
    assert answer[0] is not answer[2]
    assert [["a", "bb"], ["ccc"]] == asked
    assert [] == call(f([]))


@pytest.mark.parametrize("wrong", [[1], [1, 2, 3], (), "ab", {1: 1}, None])
def test_a_list_of_another_length_is_an_error(of, call, tiers, wrong):
    """
    The error names both lengths (or the type), and nothing is stored.
    """

    @of.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> list[int]:
        return wrong

    with pytest.raises(BatchMismatch) as caught:
        call(f([7, 8]))
    if isinstance(wrong, (list, tuple)):
        assert f"{len(wrong)} results for 2 ids" in str(caught.value)
    assert MISS is f.peek(7)
    assert [] == flights_of(tiers)


def test_no_dict_where_one_is_due_is_an_error(of, call, cache):
    """
    What does not say that it is a list has to be a dict.
    """
    f = of.many(cache=cache, name="f")(lambda ids: list(ids))
    with pytest.raises(BatchMismatch, match="-> list"):
        call(f([1]))


def test_a_mapping_is_only_asked_for_what_it_has(of, call, cache):
    """
    A ``defaultdict`` makes nothing up for an id that it does not have; what was not asked for is
    not in the answer.
    """
    f = of.many(cache=cache, name="f")(lambda ids: defaultdict(int, {1: "one", 9: "nine"}))
    assert {1: "one"} == call(f([1, 2]))


def test_equal_ids_are_not_mixed_up(of, call, cache, asked):
    """
    1, 1.0 and True are one key of the function's dict and three entries: three calls.
    """

    @of.many(cache=cache, name="f")
    def f(ids) -> dict:
        asked.append(ids)
        return {one: type(one).__name__ for one in ids}

    call(f([1, 2, True, 1.0]))
    assert ["int", "bool", "float"] == [f.peek(1), f.peek(True), f.peek(1.0)]
    assert [[1, 2], [True], [1.0]] == asked


def test_large_batches_are_split(of, call, disk, trips, asked):
    """
    No call gets more than *max_batch* ids; they are counted after looking, and read once.
    """

    @of.many(cache=disk, name="f", max_batch=3)
    def f(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        return {one: one for one in ids}

    call(f([2, 4, 6]))
    trips.calls.clear()
    assert {one: one for one in range(8)} == call(f(range(8)))
    assert [[2, 4, 6], [0, 1, 3], [5, 7]] == asked
    assert 1 == trips.calls.count("get")
    assert 2 == trips.calls.count("set")


def test_an_error_is_raised_and_what_landed_before_stays(of, call, tiers, asked):
    """
    The function's own error, as it is; earlier calls of a split batch are kept.
    """
    error = ConnectionError("gone")

    @of.many(cache=tiers, name="f", namespace="n", max_batch=1)
    def f(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        if ids == [2]:
            raise error
        return {one: one for one in ids}

    with pytest.raises(ConnectionError) as caught:
        call(f([1, 2, 3]))
    assert error is caught.value
    assert (1, MISS, MISS) == (f.peek(1), f.peek(2), f.peek(3))
    assert [[1], [2]] == asked
    assert [] == flights_of(tiers)


def test_attributes_are_about_one_id(call, users, asked, tiers):
    """
    They are asked with one id and the other arguments.
    """
    call(users([1, 2, 3]))
    assert {"id": 1, "lang": "en"} == users.peek(1)
    assert ("user:2", "lang:en") == call(users.lookup(2)).tags
    assert users.cache_key(1) != users.cache_key(2) == users.cache_key(2, lang="en")
    assert call(users.invalidate(1)) is True
    assert call(users.invalidate(1)) is False
    assert MISS is users.peek(1)
    assert {"id": 2, "lang": "en"} == call(users.refresh(2))
    assert [[1, 2, 3], [2]] == asked
    call(users.seed({"id": "seeded"}, 1))
    assert {1: {"id": "seeded"}, 3: {"id": 3, "lang": "en"}} == call(users([1, 3]))
    assert {4: {"id": 4, "lang": "en"}} == call(users.bypass([4]))
    assert 2 == users.cache_info().hits
    shown = users.cache_parameters()
    assert ("ids", None) == (shown["items"], shown["max_batch"])
    call(users.cache_clear())
    assert MISS is users.peek(3)


def test_refreshing_what_is_there_no_more_removes_it(call, users, tiers):
    """
    If the function has no result for the id any more, the old one goes, and the answer is MISS.
    """
    call(users.seed({"id": "old"}, 200))
    assert MISS is call(users.refresh(200))
    assert call(users.lookup(200)) is None


def test_tags_mean_the_single_id(call, users, tiers, asked):
    """
    Invalidating the tag of one id leaves the others.
    """
    call(users([1, 2]))
    tiers.sync.invalidate_tags("user:1")
    call(users([1, 2]))
    assert [[1, 2], [1]] == asked


def test_options_are_given_one_result(of, call, tiers, clock, asked):
    """
    ``ttl``, ``cache_if``, ``tags`` and ``key`` are asked about each id by itself.
    """

    @of.many(
        cache=tiers,
        name="f",
        namespace="n",
        ttl=lambda result, ids, k: result * k,
        cache_if=lambda result: result != 30,
        tags=lambda ids, k: [f"tag:{ids}"],
        key=lambda ids, k: ids,
    )
    def f(ids: list[int], k: int) -> dict[int, int]:
        asked.append(ids)
        return {one: one for one in ids}

    call(f([10, 20, 30], 2))
    clock.advance(25)
    call(f([10, 20, 30], 2))
    assert [[10, 20, 30], [10, 30]] == asked
    assert ("tag:20",) == call(f.lookup(20, 2)).tags


def test_what_the_function_says_of_the_entry_holds_for_all(of, call, tiers, asked):
    """
    ``current()`` in a batch speaks of every id of that call.
    """

    @of.many(cache=tiers, name="f", namespace="n")
    def f(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        memotier.current().add_tags("together")
        memotier.current().set_ttl(7)
        if 9 in ids:
            memotier.current().skip()
        return {one: one for one in ids}

    call(f([1, 2]))
    entry = call(f.lookup(2))
    assert ("together",) == entry.tags
    assert 6 < entry.ttl_left <= 7
    call(f([9, 1]))
    assert MISS is f.peek(9)
    tiers.sync.invalidate_tags("together")
    call(f([1, 2]))
    assert [[1, 2], [9], [1, 2]] == asked


def test_jitter_is_drawn_for_each_id(of, call, tiers):
    """
    Results of one batch do not expire all at once.
    """
    f = of.many(cache=tiers, name="f", namespace="n", ttl=100, jitter=100)(
        lambda ids: dict.fromkeys(ids, 0)
    )
    call(f(range(20)))
    left = {round(call(f.lookup(one)).ttl_left) for one in range(20)}
    assert len(left) > 5
    assert all(99 <= one <= 200 for one in left)


def test_methods_and_other_parameters(of, call, cache, asked):
    """
    The ids are the first parameter after ``self``, or the one that *items* names.
    """

    class Shop:
        def __init__(self, rate):
            self.rate = rate

        @of.many(cache=cache)
        def prices(self, items: list[int]) -> dict[int, int]:
            asked.append(items)
            return {one: one * self.rate for one in items}

        @of.many(cache=cache, items="ids", ignore=("session",))
        def named(this, session, kind: str, ids: list[int]) -> dict[int, str]:
            return {one: f"{kind} {one}" for one in ids}

        @of.many(cache=cache)
        def plain(this, ids: list[int]) -> dict[int, int]:
            return {one: one for one in ids}

    one, two = Shop(10), Shop(100)
    assert {1: 10, 2: 20} == call(one.prices([1, 2]))
    assert {1: 100} == call(two.prices([1]))
    assert {1: 10} == call(Shop.prices(one, [1]))
    assert 10 == one.prices.peek(1)
    assert call(one.prices.invalidate(1)) is True
    assert [[1, 2], [1]] == asked
    assert {5: "x 5"} == call(one.named(object(), "x", [5]))
    assert "x 5" == one.named.peek(object(), "x", 5)
    assert {3: 3} == call(one.plain([3]))
    assert 3 == one.plain.peek(3)


def test_ids_without_a_key(of, call, cache, asked):
    """
    An error, or computed with the others and not kept.
    """

    def function(ids) -> list[str]:
        asked.append(ids)
        return ["x"] * len(ids)

    odd = lambda: 0  # noqa: E731
    with pytest.raises(UnkeyableArgument):
        call(of.many(cache=cache, name="f")(function)([1, odd]))
    f = of.many(cache=cache, name="g", on_unkeyable="bypass")(function)
    assert ["x", "x", "x"] == call(f([1, odd, odd]))
    assert ["x", "x"] == call(f([1, odd]))
    assert [[1, odd, odd], [odd]] == asked


def test_a_text_is_not_many_ids(call, users):
    """
    It would be an id per letter.
    """
    with pytest.raises(TypeError, match="give a list"):
        call(users("abc"))


def test_without_a_cache_it_is_the_plain_function(call, users, asked, tiers):
    """
    ``disabled()`` and a closed cache pass the ids on as they are.
    """
    with disabled():
        call(users((1, 1)))
    tiers.sync.close()
    call(users((2, 2)))
    assert {"id": 1, "lang": "en"} == call(users.refresh(1))
    assert [(1, 1), (2, 2), [1]] == asked


def test_a_broken_second_tier_costs_nothing_but_itself(of, call, make_cache, asked):
    """
    If it does not answer, the function is called, and memory keeps the results.
    """
    cache = make_cache("disk")
    trips = watched(cache)
    trips.failing |= {"get", "set", "versions"}
    f = of.many(cache=cache, name="f")(lambda ids: asked.append(ids) or dict.fromkeys(ids, 1))
    assert {1: 1, 2: 1} == call(f([1, 2]))
    assert {1: 1, 2: 1} == call(f([1, 2]))
    assert [[1, 2]] == asked


OTHERS = {
    "stale_while_revalidate": "1m",
    "stale_if_error": "1m",
    "error_backoff": 1,
    "refresh_ahead": 0.5,
    "soft_timeout": 1,
    "hard_timeout": 1,
}


@pytest.mark.parametrize("option", OTHERS)
def test_what_is_about_one_call_is_refused(option):
    """
    An option that makes no sense for a batch is an error that names it.
    """
    with pytest.raises(ConfigError, match=f"{option}="):
        tiered_cache.many(**{option: OTHERS[option]})(lambda ids: {})


def test_misuse_is_refused():
    """
    At decoration, with the value and the way out.
    """

    def f(ids, kind=0, *rest):
        return {}

    for options, said in (
        ({"items": "id"}, "items='id'"),
        ({"items": 3}, "items=3"),
        ({"items": "rest"}, "'rest'"),
        ({"items": "ids", "ignore": ["ids"]}, "items='ids'"),
        ({"max_batch": 0}, "max_batch=0"),
        ({"max_batch": math.inf}, "max_batch=inf"),
        ({"max_batch": True}, "max_batch=True"),
    ):
        with pytest.raises(ConfigError, match=said):
            tiered_cache.many(**options)(f)
    with pytest.raises(ConfigError, match="no parameter"):
        tiered_cache.many(lambda: dict[int, int]())
    with pytest.raises(TypeError, match="max_bach"):
        tiered_cache.many(max_bach=1)
    with pytest.raises(ConfigError, match="takes many"):
        tiered_cache.many(f).map([[1]])

    for said in ("tuple[int, ...]", "dict | None", "Frame", int, set[int]):

        def g(ids):
            return None

        g.__annotations__["return"] = said
        with pytest.raises(ConfigError, match="annotation"):
            tiered_cache.many(g)


@pytest.mark.parametrize("said", ["list[Unknown]", "typing.Sequence[int]", list, list[int]])
def test_how_a_list_may_be_said(said, cache):
    """
    Also as text that names what is not there.
    """

    def g(ids):
        return [1] * len(ids)

    g.__annotations__["return"] = said
    assert [1, 1] == tiered_cache.many(cache=cache)(g)([1, 2])
