"""
Arguments as short texts: what is shown, what is hidden, and what never runs.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from pathlib import PurePosixPath

import pytest

from memotier.shown import HIDDEN, LONGEST, scrubbed, shown


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Query:
    text: str
    token: str = ""


class Hostile:
    def __repr__(self):
        raise RuntimeError("nobody is to call this")

    __str__ = __len__ = __iter__ = __repr__


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "'a'"),
        (b"a", "b'a'"),
        (1.5, "1.5"),
        (None, "None"),
        ([1, "a", (2,)], "[1, 'a', (2,)]"),
        ({"k": [1]}, "{'k': [1]}"),
        (set(), "{}"),
        (frozenset((1,)), "frozenset({1})"),
        (list(range(9)), "[0, 1, 2, 3, …]"),
        ([[[1]]], "[[list of 1]]"),
        (2**200, "int of 201 bits"),
        (Colour.RED, "Colour.RED"),
        (datetime.date(2024, 1, 2), "date('2024-01-02')"),
        (PurePosixPath("a/b"), "PurePosixPath('a/b')"),
        (Query("owls"), "Query(text='owls', token=***)"),
        (Hostile(), "<Hostile>"),
        ([Hostile()], "[<Hostile>]"),
        (int, "int"),
    ],
)
def test_shown(value, expected):
    """
    Plain values as Python writes them, records by their fields, anything else by its type.
    """
    assert expected == shown("x", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "a"),
        ("apiKey", "a"),
        ("auth_token", b"a"),
        ("x", {"password": "hunter2"}),
        ("x", ("Authorization", "hunter2")),
        ("x", [("api_key", "hunter2")]),
        ("x", "https://me:hunter2@host"),
        ("x", ["https://me:hunter2@" + "h" * 100]),
        ("x", "Bearer hunter2"),
        ("x", "password=hunter2&b=1"),
        ("x", '{"token": "hunter2"}'),
        ("x", "sk-hunter2hunter2"),
    ],
)
def test_secrets_are_hidden(name, value):
    """
    By name, inside of containers, and by the look of a text, also where the text is cut.
    """
    text = scrubbed(shown(name, value))

    assert HIDDEN in text
    assert "hunter2" not in text


def test_numbers_that_count_tokens_are_no_secret():
    """
    How many tokens is not which.
    """
    assert "100" == shown("max_tokens", 100)
    assert HIDDEN == shown("token", "100")


def test_short():
    """
    No text is longer than it may be, and nothing that is long is read to its end.
    """
    for value in ("a" * 10**6, ["a" * 50] * 1000, {str(n): n for n in range(1000)}):
        assert len(shown("x", value)) <= LONGEST


def test_texts_that_only_resemble_a_secret_take_no_time():
    """
    No text makes the patterns try again and again.
    """
    for text in ("password" * 5000, "x-" * 20_000, "://a:" * 10_000, "Bearer " * 5000):
        assert isinstance(scrubbed(text), str)
