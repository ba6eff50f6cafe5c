"""
What was recorded comes back, as what it was and in its order, without a run of the function.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memotier import ScopeMissing, tiered_cache
from memotier.testing import CassetteMiss, assert_computed, assert_hit
from memotier.testing.cassettes import values


@dataclass
class Point:
    x: int
    y: tuple[int, ...]


#: Of those, JSON holds some exactly.
PLAIN = [None, True, 0, -7, 1.5, -0.0, "", "owl", "ü\n\u2028", [], {}, [1, [2.0, {"a": None}]]]
TYPED = [
    *((), (1, "a"), [(1,)], {"a": (1,)}, {1: "a"}, b"\xff", {1, 2}, frozenset("a"), 1 << 300),
    *(math.inf, "\ud800", {"\udfff": 1}, Decimal("1.10"), date(2020, 2, 29), timedelta(1)),
    *(datetime(2020, 1, 1, tzinfo=UTC), PurePosixPath("/a"), UUID(int=7), OrderedDict(a=1)),
    Point(1, (2,)),
]


def exact(value):
    """
    *value* with the types of all that is in it.
    """
    return repr(value), type(value)


@pytest.mark.parametrize("value", [*PLAIN, *TYPED], ids=repr)
def test_results_come_back_as_what_they_were(call, film, runs, value):
    """
    A result has its type and its content, for both colours, and the function does not run.
    """

    @call.cached()
    def f() -> object:
        runs.append(1)
        return value

    with film("record"):
        assert exact(value) == exact(call(f()))
    with film("replay-strict") as tape:
        assert exact(value) == exact(call(f()))
    assert [1] == runs and 1 == tape.replayed
    assert ("result" in film.lines[0]) is (value in PLAIN and value not in ((), set()))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(_json)
def test_nothing_changes_its_type(value):
    """
    Whatever is written is read as exactly that, or is refused when it is written.
    """
    written = values.write("f", value)
    values.check(written)
    assert exact(value) == exact(values.read(written))


def test_each_caller_gets_his_own(film):
    """
    Who changes a result changes nobody else's, on the tape neither.
    """

    @tiered_cache(copy=False)
    def f():
        return {"a": [1]}

    with film("record"):
        f()["a"].append(2)
    with film() as tape:
        f()["a"].append(3)
        assert {"a": [1]} == f.refresh()
    assert 2 == tape.replayed


def test_a_session_with_writes(call, film):
    """
    One call with several results: they come in their order, and the last one stays.
    """
    stock = [5]

    @call.cached(tags=["stock"])
    def left(sku):
        return stock[0]

    def session():
        seen = [call(left("owl")), call(left("owl"))]
        stock[0] -= 1
        call(left.invalidate("owl"))
        seen.append(call(left("owl")))
        return seen

    with film("record"):
        assert [5, 5, 4] == session()
    stock[0] = 99
    with film("replay-strict"):
        assert [5, 5, 4] == session()
        call(left.invalidate("owl"))
        assert 4 == call(left("owl"))
    assert [5, 4] == [one["result"] for one in film.lines]


def test_replay_adds_what_is_missing(call, film, runs):
    """
    ``replay`` calls what is not on the tape and adds it behind what was there, to the letter.
    """

    @call.cached()
    def f(x):
        runs.append(x)
        return x

    with film("record"):
        call(f(1))
    before = film.text
    with film("replay") as tape:
        assert [1, 2] == [call(f(1)), call(f(2))]
    assert [1, 2] == runs and (1, 1) == (tape.replayed, tape.recorded)
    assert film.text.startswith(before)
    with film("replay-strict"):
        assert [2, 1] == [call(f(2)), call(f(1))]
    assert [1, 2] == runs


def test_replay_writes_nothing_if_nothing_is_new(film):
    """
    A replay that has all its calls leaves the file as it is; without one it makes none.
    """

    @tiered_cache
    def f(x):
        return x

    with film("replay"):
        pass
    assert not film.path.exists()
    with film("replay"):
        f(1)
    film.path.chmod(0o400)
    before = film.path.stat()
    with film("replay"):
        f(1)
    after = film.path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_record_begins_from_nothing(film):
    """
    What an earlier run has recorded is gone, even if nothing is called.
    """

    @tiered_cache
    def f(x):
        return x

    with film("record"):
        f(1)
    with film("record"):
        f(2)
    assert [{"x": 2}] == [one["arguments"] for one in film.lines]
    with film("record"):
        pass
    assert [] == film.lines


def test_live_neither_reads_nor_writes(call, film, runs):
    """
    ``live`` runs the function, whatever the file is, and leaves that alone.
    """

    @call.cached()
    def f(x):
        runs.append(x)
        return x

    call(f(1))
    film.path.parent.mkdir()
    film.path.write_text("no cassette at all")
    with film("live"):
        call(f(1))
        call(assert_hit(f, 1))
    assert [1, 1] == runs and "no cassette at all" == film.text


def test_other_code_finds_its_results(film):
    """
    A tape outlives a change of the function, unless the test asks for the same code.
    """

    def first(x):
        return x + 1

    def second(x):
        return x + 2

    with film("record"):
        assert 2 == tiered_cache(name="f")(first)(1)
    with film():
        assert 2 == tiered_cache(name="f")(second)(1)
    with film(same_code=True):
        assert 2 == tiered_cache(name="f")(first)(1)
    with pytest.raises(CassetteMiss, match="has other code than when"), film(same_code=True):
        tiered_cache(name="f")(second)(1)


class Odd(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status
        self.api_key = "k-12345678"


class Odder(Odd):
    pass


def test_errors_are_raised_again(call, film, runs):
    """
    Builtin errors come back as they were, others as what the test allows, else by name.
    """
    errors = {
        "key": KeyError("a", 1),
        "file": FileNotFoundError(2, "no such file", "/x"),
        "text": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        "odd": Odder(404),
    }

    @call.cached()
    def f(which):
        runs.append(which)
        raise errors[which]

    def raised(which):
        try:
            call(f(which))
        except Exception as error:
            return error

    with film("record"):
        for one in errors.values():
            assert one is raised(next(key for key, other in errors.items() if other is one))
    with film():
        for which in ("key", "file", "text"):
            again = raised(which)
            assert type(errors[which]) is type(again) and str(errors[which]) == str(again)
            assert errors[which] is not again
        again = raised("odd")
        assert "ReplayedError" == type(again).__name__ and "status 404" in str(again)
        assert f"{__name__}.Odder" == again.type_name
    with film(raises=(Odd,)):
        again = raised("odd")
        assert Odder is type(again) and "status 404" == str(again) and 404 == again.status
    assert list(errors) == runs
    assert "12345678" not in film.text


def test_batches_are_recorded_by_id(call, film, runs):
    """
    Each id has a line; a replay asks the function for those alone that are not there.
    """

    @tiered_cache.many
    @call.define
    def f(ids, unit="kg"):
        runs.append(ids)
        return {one: (one, unit) for one in ids if one != 3}

    with film("record"):
        assert {1: (1, "kg"), 2: (2, "kg")} == call(f([1, 2, 3]))
    assert 3 == len(film.lines) and film.lines[2]["left_out"] is True
    with film("replay-strict"):
        assert {2: (2, "kg")} == call(f([3, 2]))
    with film("replay"):
        assert {1: (1, "kg"), 4: (4, "kg")} == call(f([1, 3, 4]))
    assert [[1, 2, 3], [4]] == runs
    with pytest.raises(CassetteMiss, match="'ids': "), film():
        call(f([1, 5]))
    with film():
        assert (1, "kg") == call(f.refresh(1))
    assert 2 == len(runs)


def test_batches_that_return_lists(call, film, runs):
    """
    The results are at the places of their ids.
    """

    @tiered_cache.many
    @call.define
    def f(ids) -> list[int]:
        runs.append(ids)
        return [one * 10 for one in ids]

    with film("record"):
        call(f([1, 2]))
    with film("replay"):
        assert [30, 20, 10] == call(f([3, 2, 1]))
    assert [[1, 2], [3]] == runs


def test_a_batch_that_fails_fails_again(call, film, runs):
    """
    The error of a call stands at each of its ids.
    """

    @tiered_cache.many
    @call.define
    def f(ids):
        runs.append(ids)
        raise ValueError("down")

    for mode in ("record", "replay-strict"):
        with film(mode), pytest.raises(ValueError, match="down"):
            call(f([1, 2]))
    assert [[1, 2]] == runs


def test_map(call, film, runs):
    """
    Many calls at once are many lines.
    """

    @call.cached()
    def f(x):
        runs.append(x)
        return x

    with film("record"):
        call(f.map([1, 2, 1]))
    with film():
        assert [2, 1, 2] == call(f.map([2, 1, 2]))
    assert [1, 2] == sorted(runs) and 2 == len(film.lines)


def items_of(stream, *, spoils=False):
    """
    The items of a stream of either colour, and the error that ended it. *spoils*: who reads it
    changes each item that he was given.
    """

    async def read():
        items = []
        try:
            async for item in stream:
                items.append(item)
                if spoils:
                    item.append("changed")
        except Exception as error:
            return items, error
        return items, None

    if hasattr(stream, "__aiter__"):
        return asyncio.run(read())
    items = []
    try:
        for item in stream:
            items.append(item)
            if spoils:
                item.append("changed")
    except Exception as error:
        return items, error
    return items, None


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_streams(film, runs, is_async):
    """
    A stream is one line with its items, as they were when they came, and the error at its end.
    """

    @tiered_cache(copy=False)
    def words(n):
        runs.append(n)
        for at in range(n):
            yield [at]
        if n == 2:
            raise ValueError("broken")

    @tiered_cache(name="words", copy=False)
    async def awords(n):
        runs.append(n)
        for at in range(n):
            yield [at]
        if n == 2:
            raise ValueError("broken")

    f = awords if is_async else words
    with film("record"):
        items_of(f(3), spoils=True)
        items_of(f(2))
    with film("replay-strict"):
        assert ([[0], [1], [2]], None) == items_of(f(3))
        items, error = items_of(f(2))
    assert [[0], [1]] == items and "broken" == str(error) and ValueError is type(error)
    assert [3, 2] == runs


def test_what_a_generator_returns_is_recorded(film):
    """
    The value of ``yield from`` is part of a stream.
    """

    @tiered_cache
    def f():
        yield 1
        return (2,)

    def outer():
        return (yield from f())

    def returned():
        source = outer()
        try:
            while True:
                next(source)
        except StopIteration as stop:
            return stop.value

    for mode in ("record", "replay-strict"):
        with film(mode):
            assert (2,) == returned()


def test_a_stream_that_was_left_is_not_on_the_tape(film):
    """
    What nobody read to its end is not recorded, as it is not cached.
    """

    @tiered_cache
    def f():
        yield 1
        yield 2

    with film("record"):
        stream = f()
        next(stream)
        stream.close()
    assert [] == film.lines


def test_instances_are_told_apart(film, runs):
    """
    Instances known only by themselves are numbers; a replay finds them by what they are asked.
    """

    class Client:
        def __init__(self, name):
            self.name = name

        @tiered_cache
        def get(self, x):
            runs.append((self.name, x))
            return self.name, x

    with film("record"):
        one, two = Client("one"), Client("two")
        one.get(1), two.get(2), two.get(1)
    assert [1, 2, 2] == [line["instance"] for line in film.lines]
    with film("replay-strict"):
        two, one = Client("-"), Client("-")
        assert ("two", 2) == two.get(2)
        assert ("one", 1) == one.get(1) and ("two", 1) == two.get(1)
    assert 3 == len(runs)


def test_instances_that_are_values_are_arguments(film):
    """
    An instance with a key of its own is known by that.
    """

    class Client:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

        @tiered_cache
        def get(self, x):
            return self.name * x

    with film("record"):
        Client("a").get(2)
    with film():
        assert "aa" == Client("a").get(2)
    with pytest.raises(CassetteMiss), film():
        Client("b").get(2)


def test_class_and_static_methods(film, runs):
    """
    They are recorded under the class that was asked.
    """

    class Base:
        @tiered_cache
        @classmethod
        def made(cls, x):
            runs.append(x)
            return f"{cls.__name__} {x}"

        @tiered_cache
        @staticmethod
        def plain(x):
            runs.append(x)
            return x

    class Other(Base):
        pass

    def session():
        return Base.made(1), Other.made(1), Base.plain(3)

    for mode in ("record", "replay-strict"):
        with film(mode):
            assert ("Base 1", "Other 1", 3) == session()
    assert [1, 1, 3] == runs


def test_calls_past_the_cache_are_on_it_too(call, film, runs):
    """
    ``bypass()``, ``refresh()`` and ``disabled()`` compute, and so ask the tape.
    """
    from memotier import disabled

    @call.cached()
    def f(x):
        runs.append(x)
        return len(runs)

    def session():
        seen = [call(f(1)), call(f.bypass(1)), call(f.refresh(1))]
        with disabled():
            seen.append(call(f(1)))
        return seen

    for mode in ("record", "replay-strict"):
        with film(mode):
            assert [1, 2, 3, 4] == session()
    assert 4 == len(runs)


def test_a_function_inside_of_one_that_is_on_the_tape(film, runs):
    """
    A replay of the outer function does not call the inner one, and one that is not there does.
    """

    @tiered_cache
    def inner(x):
        runs.append(x)
        return x

    @tiered_cache
    def outer(x):
        return inner(x) + 1

    with film("record"):
        assert 2 == outer(1)
    assert ["inner", "outer"] == [one["function"].rpartition(".")[2] for one in film.lines]
    with film("replay-strict") as tape:
        assert 2 == outer(1)
    assert 1 == tape.replayed and 1 == len(tape.unused)
    with pytest.raises(CassetteMiss, match="outer"), film():
        outer(2)
    assert [1] == runs


def test_what_memotier_raises_is_not_recorded(call, film):
    """
    It tells of the program that runs, not of what the function found.
    """

    @call.cached()
    def f():
        raise ScopeMissing("nobody")

    with film("record"), pytest.raises(ScopeMissing):
        call(f())
    assert [] == film.lines


def test_the_kit_counts_runs(film):
    """
    The assertions about calls tell runs of the function from answers of the tape.
    """

    @tiered_cache
    def f(x):
        return x

    with film("record"), assert_computed(f, times=1):
        f(1)
    with film(), assert_computed(f, times=0):
        f(1)
