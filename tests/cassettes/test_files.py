"""
A tape is somebody else's file: it is read as JSON and by the safe codec, or refused with its line.
"""

from __future__ import annotations

import base64
import json
import pickle
import sys

import pytest

from memotier import ConfigError, SerializationError, tiered_cache
from memotier.errors import DecodeRefused
from memotier.testing import ReplayedError
from memotier.testing.cassettes import episodes

GOOD = {"function": "f", "arguments": {"x": 1}, "key": "00", "result": 1}


def with_(**other):
    return {**GOOD, **other}


def without(name):
    return {key: one for key, one in GOOD.items() if key != name}


def encoded(payload, codec="safe"):
    text = base64.b64encode(payload).decode()
    return {**without("result"), "encoded": {"codec": codec, "base64": text}}


@pytest.mark.parametrize("mode", ["replay", "replay-strict"])
@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "1",
        json.dumps(GOOD).replace('"result": 1', '"result": 1, "result": 2'),
        json.dumps(GOOD).replace("1}", "NaN}", 1),
        json.dumps(GOOD).replace("1}", "Infinity}", 1),
        json.dumps(GOOD).replace("1}", "1e999}", 1),
        json.dumps(GOOD).replace("1}", "9" * 5000 + "}", 1),
        json.dumps(GOOD).replace("1}", "[" * 100_000 + "}", 1),
        with_(result=[[[1]]], arguments=json.loads("[" * 100 + "]" * 100)),
        with_(result=json.loads("[" * 100 + "]" * 100)),
        with_(function=1),
        with_(arguments=[1]),
        with_(key=None),
        with_(version=1),
        with_(scope=[1]),
        with_(scope=True),
        with_(instance=None),
        without("function"),
        without("arguments"),
        without("key"),
        without("result"),
        with_(encoded={"codec": "safe", "base64": ""}),
        encoded(b"\x01", codec="pickle"),
        {**without("result"), "encoded": "AQ=="},
        {**without("result"), "encoded": {"codec": "safe", "base64": 1}},
        {**without("result"), "raises": "ValueError"},
        {**without("result"), "raises": {"type": "ValueError"}},
        {**without("result"), "raises": {"type": "ValueError", "text": "", "args": [1]}},
        {**without("result"), "raises": {"type": "ValueError", "text": "", "args": {"x": 1}}},
        {**without("result"), "raises": {"type": "A", "text": "", "attributes": []}},
        with_(stream=True, result=[1, 2]),
        with_(stream=True, result={}),
    ],
    ids=lambda line: str(line)[:60],
)
def test_a_damaged_line_is_told_with_its_place(film, mode, line):
    """
    Nothing is replayed from a file with a line that is none, and nothing is written over it.
    """
    film.path.parent.mkdir()
    film.write(GOOD, line, GOOD)
    before = film.text
    with pytest.raises(DecodeRefused, match=r"one\.jsonl:3: "), film(mode):
        pass
    assert before == film.text


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}\n", b"\x80\x04.", b'{"memotier": "cassette", "format": 2}\n', b"\xff\n"],
    ids=repr,
)
def test_a_file_that_is_no_cassette(film, data):
    """
    Its first line says what it is, and of which format.
    """
    film.path.parent.mkdir()
    film.path.write_bytes(data)
    with pytest.raises(DecodeRefused, match=r"one\.jsonl"), film("replay"):
        pass


def test_a_file_that_is_too_large(film, monkeypatch):
    """
    It is refused before it is taken apart; and so is a recording that would become one.
    """

    @tiered_cache
    def f(x):
        return "x" * 400

    with film("record"):
        f(1)
    monkeypatch.setattr(episodes, "MOST_BYTES", 300)
    with pytest.raises(DecodeRefused, match="is larger than"), film():
        pass
    monkeypatch.undo()
    monkeypatch.setattr("memotier.testing.cassettes.tape.MOST_BYTES", 1000)
    with pytest.raises(SerializationError, match="too large to be read"), film("record"):
        [f(x) for x in range(3)]
    with film():
        assert "x" * 400 == f(0)


class Bomb:
    """Whoever unpickles it runs this."""

    def __reduce__(self):
        return pytest.fail, ("something on a tape was executed",)


@pytest.mark.parametrize(
    "payload", [pickle.dumps(Bomb()), b"", b"\xc1\x03garbage", b"\xc1\x09", b"\x91" * 200], ids=repr
)
def test_payloads_are_never_executed(call, film, payload):
    """
    What is no payload of the safe codec is an error of the call, with the line; and of the block.
    """

    @call.cached(name="f")
    def f(x):
        return (x,)

    with film("record"):
        call(f(1))
    film.write({**film.lines[0], "encoded": encoded(payload)["encoded"]})
    with pytest.raises(DecodeRefused, match=r"one\.jsonl:2: "), film():
        call(f(1))


def test_classes_are_looked_up_and_not_imported(film, monkeypatch):
    """
    An object of a class that nobody has registered is refused, also if it could be imported.
    """
    from memotier.codecs import classes

    class Thing(tuple):
        __slots__ = ()
        _fields = ("a",)

    from dataclasses import dataclass

    @dataclass
    class Point:
        x: int

    @tiered_cache(name="f")
    def f() -> object:
        return Point(1)

    with film("record"):
        f()
    monkeypatch.setattr(classes, "_by_name", {})
    with pytest.raises(DecodeRefused, match=r"one\.jsonl:2: .*not registered"), film():
        f()


@pytest.mark.parametrize(
    "type_name",
    [
        *("SystemExit", "KeyboardInterrupt", "BaseException", "GeneratorExit", "StopIteration"),
        *("eval", "print", "os.system", "antigravity.Error", "this.that", "int", ""),
        *("ExceptionGroup", "builtins.ValueError", "memotier.errors.ConfigError"),
    ],
)
def test_names_of_errors_are_looked_up_in_a_table(call, film, type_name):
    """
    Only builtin exceptions, and what the test allows, are raised by their name on a tape.
    """

    @call.cached(name="f")
    def f():
        raise ValueError("x")

    with film("record"), pytest.raises(ValueError, match="x"):
        call(f())
    line = film.lines[0]
    film.write({**line, "raises": {"type": type_name, "text": "boo", "args": ["boo"]}})
    with film(raises=(LookupError,)), pytest.raises(ReplayedError, match="boo") as told:
        call(f())
    assert type_name == told.value.type_name
    assert not {"antigravity", "this"} & set(sys.modules)


def test_no_code_of_an_allowed_error_runs(film):
    """
    Arguments of a file are not handed to an ``__init__``.
    """

    class Careless(Exception):
        def __init__(self, command=None):
            super().__init__(command)
            if command == "run":
                pytest.fail("arguments of a file were used")

    @tiered_cache(name="f")
    def f():
        raise Careless("walk")

    with film("record"), pytest.raises(Careless):
        f()
    film.write(film.text.splitlines()[1].replace("walk", "run"))
    with film(raises=(Careless,)), pytest.raises(Careless, match="run"):
        f()


def test_arguments_that_no_such_error_has(film):
    """
    A line that was edited badly raises an error that says what stands there.
    """

    @tiered_cache(name="f")
    def f():
        raise ValueError("x")

    with film("record"), pytest.raises(ValueError, match="x"):
        f()
    line = film.lines[0]
    # (One becomes another type when it is made: a FileNotFoundError.)
    for name, args in (("UnicodeDecodeError", ["bad"]), ("OSError", {"result": [2, "bad"]})):
        film.write({**line, "raises": {"type": name, "text": "bad", "args": args}})
        with film(), pytest.raises(ReplayedError, match=f"{name}: bad"):
            f()


def test_a_result_that_was_edited_is_what_is_replayed(film):
    """
    A tape is a file for people: who changes a result gets that.
    """

    @tiered_cache
    def f():
        return {"n": 1}

    with film("record"):
        f()
    film.path.write_text(film.text.replace('"n": 1', '"n": 2'), encoding="utf-8")
    with film():
        assert {"n": 2} == f()


@pytest.mark.parametrize(
    "other", [{"left_out": True}, {"stream": True, "result": [[1], None]}], ids=str
)
def test_a_line_of_another_kind_is_no_result(call, film, other):
    """
    A plain function gets neither a stream nor nothing; a stream gets no plain result.
    """

    @call.cached(name="f")
    def f():
        return [[1], None]

    @tiered_cache(name="f")
    def stream():
        yield 1

    with film("record"):
        call(f())
    plain = film.lines[0]
    with pytest.raises(DecodeRefused, match="this is no stream"), film():
        list(stream())
    del plain["result"]
    film.write({**plain, **other})
    with pytest.raises(DecodeRefused, match="this is no result"), film():
        call(f())


def test_a_list_of_results_lacks_none(film):
    """
    Who returns a list has a result for each id.
    """

    @tiered_cache.many
    def f(ids) -> list[int]:
        return ids

    with film("record"):
        f([1, 2])
    one, two = film.lines
    del two["result"]
    film.write(one, {**two, "left_out": True})
    with pytest.raises(DecodeRefused, match=r"one\.jsonl:3: this is no result"), film():
        f([1, 2])


def test_what_cannot_be_recorded_fails_at_once(call, film):
    """
    A result without a lasting form is an error of the call that records it.
    """

    @call.cached(on_unkeyable="raise")
    def f():
        return object()

    with pytest.raises(SerializationError, match=r"f\(\) cannot be recorded: "), film("record"):
        call(f())
    with film("live"):
        assert object is type(call(f()))


def test_nothing_half_written_is_ever_there(film, monkeypatch):
    """
    If writing fails the old file is whole, and nothing is left beside it.
    """

    @tiered_cache
    def f(x):
        return x

    with film("record"):
        f(1)
    before = film.text

    def fail(*_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(ConfigError, match="no space left on device"), film("record"):
        f(2)
    assert before == film.text and [film.path] == list(film.path.parent.iterdir())


def test_a_file_that_somebody_else_wrote_is_not_written_over(film):
    """
    Two recordings of one file are an error of the second, which changes nothing.
    """

    @tiered_cache
    def f(x):
        return x

    with film("record"):
        f(1)
    with pytest.raises(ConfigError, match="was written by somebody else"), film("record"):  # noqa: PT012
        f(2)
        film.write()
    assert [] == film.lines


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mode": "reply"}, "mode = 'reply' cannot be used: give one of 'record', 'replay'"),
        ({"mode": 1}, "mode = 1"),
        ({"raises": (int,)}, "raises= holds <class 'int'>"),
        ({"raises": (KeyboardInterrupt,)}, "raises= holds"),
        ({"redact_result": "x"}, "redact_result='x'"),
        ({"same_code": 1}, "same_code=1"),
        ({"scopes": []}, "scopes="),
    ],
)
def test_misuse_is_told_when_it_is_opened(film, options, told):
    """
    With the value and what to give instead.
    """
    with pytest.raises(ConfigError) as error, film(**options):
        pass
    assert told in str(error.value)


@pytest.mark.parametrize("path", [None, "", 1, "a\0b"], ids=repr)
def test_paths_that_cannot_be_used(path):
    """
    Neither nothing nor something else.
    """
    from memotier.testing import cassette

    with pytest.raises(ConfigError, match="the path cannot be used"), cassette(path):
        pass
