"""
What a strict tape says of a call that it does not have, and that nobody can overlook it.
"""

from __future__ import annotations

from datetime import date

import pytest

from memotier import ConfigError, UnkeyableArgument, tiered_cache
from memotier.testing import CassetteMiss


@pytest.fixture
def search(call):
    @call.cached(name="search")
    def search(q, limit=10, tags=(), since=None):
        return q

    return search


@pytest.fixture
def recorded(call, film, search):
    """
    A tape with three calls.
    """
    with film("record"):
        call(search("owl", tags=["night", "bird"]))
        call(search("a very long question " * 10))
        call(search("lark", limit=20, since=date(2020, 1, 1)))
    return film


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("owls", 10, ["night", "bird"]), ["jsonl:2", "'q': 'owl' there, 'owls' here. "]),
        (("Owl", 10, ["night", "bird"]), ["'Owl' here (they differ in upper and lower case only)"]),
        (("owl", "10", ["night", "bird"]), ["'limit'", "(they are equal, but of different types)"]),
        (
            ("owl", 10, ("night", "bird")),
            ["'tags': ['night', 'bird'] there, ('night', 'bird') here"],
        ),
        (("owl", 10, ["bird"]), ["'tags': ['night', 'bird'] there, ['bird'] here"]),
        (("lark", 21, (), date(2020, 1, 1)), ["jsonl:4", "'limit': 20 there, 21 here"]),
        (("lark", 20, (), date(2020, 1, 2)), ["jsonl:4", "'since'", "2020-01-02"]),
        (("lark", 20), ["jsonl:4", "'since': date('2020-01-01') there, None here"]),
    ],
)
def test_the_argument_that_differs_is_named(call, recorded, search, arguments, told):
    """
    In a miss stand the nearest call, with its line, and what is different in it.
    """
    with pytest.raises(CassetteMiss) as miss, recorded():
        call(search(*arguments))
    text = str(miss.value)
    assert all(one in text for one in ["search was not called", *told]), text


def test_long_arguments_that_look_the_same(call, recorded, search):
    """
    Two texts that differ behind what is shown are two calls, and it says so.
    """
    with recorded("record"):
        call(search("x" * 1000 + "y" * 1000))
    with pytest.raises(CassetteMiss, match="in what is not shown here"), recorded():
        call(search("x" * 1000 + "z" * 1000))


def test_a_parameter_that_is_new_is_named(call, film):
    """
    A function that has another parameter now makes other calls.
    """

    def before(q):
        return q

    def after(q, limit=10):
        return q

    with film("record"):
        call(call.cached(name="f")(before)("owl"))
    with pytest.raises(CassetteMiss, match=r"'limit': \(not there\) there, 10 here"), film():
        call(call.cached(name="f")(after)("owl"))


def test_functions_that_are_not_there(call, recorded, film):
    """
    Another function, and an empty tape.
    """

    @call.cached(name="other")
    def other():
        return 1

    with pytest.raises(CassetteMiss, match="no call of it is there, only of 'search'"), recorded():
        call(other())
    with film("record"):
        pass
    with pytest.raises(CassetteMiss, match="it is empty"), film():
        call(other())


def test_a_miss_that_is_swallowed_fails_the_block(call, recorded, search):
    """
    Agents hand the errors of their tools to the model: the block raises it again.
    """
    with pytest.raises(CassetteMiss, match="'q'"), recorded() as tape:  # noqa: PT012
        try:
            call(search("owls"))
        except Exception:
            pass
        assert 1 == tape.misses

    with recorded() as tape:
        with pytest.raises(CassetteMiss):
            call(search("owls"))
        tape.problems.clear()


def test_the_error_of_the_block_comes_first(call, recorded, search):
    """
    A block that fails by itself fails by that.
    """
    with pytest.raises(ZeroDivisionError), recorded():  # noqa: PT012
        try:
            call(search("owls"))
        except CassetteMiss:
            raise ZeroDivisionError from None


def test_a_file_that_is_not_there(film):
    """
    A strict replay needs one.
    """
    with pytest.raises(ConfigError, match=r"there is no cassette .*one\.jsonl: record it"), film():
        pass


def test_what_has_no_key_cannot_be_on_a_tape(film, runs):
    """
    A call that is not cached because it has no key is an error, unless all is live.
    """

    @tiered_cache(on_unkeyable="bypass")
    def f(x):
        runs.append(1)
        return 1

    for mode in ("record", "replay", "replay-strict"):
        if mode == "replay-strict":
            film.write()
        with pytest.raises(UnkeyableArgument, match="on a cassette"), film(mode):
            f(object())
    with film("live"):
        assert 1 == f(object())
    assert [1] == runs


def test_two_functions_of_one_name_are_refused(film):
    """
    One would get the results of the other.
    """

    def make(value):
        @tiered_cache
        def f(x):
            return value

        return f

    one, two = make(1), make(2)
    with (
        pytest.raises(ConfigError, match=r"two functions are called .*f on the cassette"),
        film("record"),
    ):
        one(1), two(1)


def test_names_are_of_one_namespace(film):
    """
    Two functions with one name in two namespaces are two.
    """
    one = tiered_cache(name="f", namespace="a")(lambda x: "one")
    two = tiered_cache(name="f", namespace="b")(lambda x: "two")
    for mode in ("record", "replay-strict"):
        with film(mode):
            assert ("one", "two") == (one(1), two(1))
    assert ["a:f", "b:f"] == [one["function"] for one in film.lines]


def test_what_was_not_used_is_told(call, recorded, search):
    """
    Lines that no call has asked for, and a short picture of the tape.
    """
    with recorded() as tape:
        call(search("owl", tags=["night", "bird"]))
        assert [3, 4] == [int(one.rpartition(":")[2]) for one in tape.unused]
        assert "replay-strict replayed=1 new=0" in repr(tape)
