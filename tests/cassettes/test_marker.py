"""
The marker ``cassette``, in a pytest of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOOLS = """
    import pytest
    from memotier import tiered_cache

    ran = []

    @tiered_cache(ttl="10m")
    def f(x):
        ran.append(x)
        return (x, len(ran))

    @tiered_cache
    async def g(x):
        ran.append(x)
        return x
"""


@pytest.fixture
def run(tmp_path):
    """
    Runs pytest on a file with the tools above; its exit status and what it printed.
    """

    def run(text, *arguments, **variables):
        source = textwrap.dedent(TOOLS) + textwrap.dedent(text)
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / "test_it.py").write_text(source, encoding="utf-8")
        plugin = () if "no:memotier" in arguments else ("-p", "memotier.testing.plugin")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        done = subprocess.run(
            [*command, "-q", "-W", "error", "--strict-markers", *plugin, *arguments, "tests"],
            cwd=tmp_path,
            env=environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def lines(path):
    return [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines()[1:]]


def test_a_test_is_recorded_and_replayed(run, tmp_path):
    """
    The file lies next to the test; the option records, the default is strict and offline.
    """
    text = """
        import asyncio

        @pytest.mark.cassette("one.jsonl")
        def test_one(memotier_tape):
            assert (1, 1) == f(1)
            assert 2 == asyncio.run(g(2))
            assert memotier_tape.mode in ("record", "replay-strict")
            assert ([1, 2] if memotier_tape.mode == "record" else []) == ran

        def test_without(memotier_tape):
            assert memotier_tape is None
    """
    status, told = run(text)
    assert 1 == status and "there is no cassette" in told
    assert "pytest --cassette-mode=record" in told
    status, told = run(text, "--cassette-mode=record")
    assert 0 == status, told
    path = tmp_path / "tests" / "cassettes" / "one.jsonl"
    assert [[1], [2]] == [list(one["arguments"].values()) for one in lines(path)]
    status, told = run(text)
    assert 0 == status, told


def test_classes_of_annotations_are_known_in_another_process(run):
    """
    A replay makes objects of the classes that functions say they return, in a process in which
    none of them was ever made: of a function, a coroutine function, a batch and streams.
    """
    test = """
        from collections.abc import AsyncIterator, Iterator
        from dataclasses import dataclass
        import asyncio

        @dataclass
        class Place:
            name: str

        @dataclass
        class Order:
            item: str
            place: Place

        def order(item):
            ran.append(item)
            return Order(item, Place("shelf"))

        @tiered_cache
        def one(item) -> list[Order]:
            return [order(item)]

        @tiered_cache(codec="pickle", key=lambda item: item)
        async def later(item) -> Order | None:
            return order(item)

        @tiered_cache.many
        def many(items) -> dict[str, Order]:
            return {item: order(item) for item in items}

        @tiered_cache
        def stream(item) -> Iterator[Order]:
            yield order(item)

        @tiered_cache
        async def astream(item) -> AsyncIterator[Order]:
            yield order(item)

        async def read():
            return [each async for each in astream("e")]

        @pytest.mark.parametrize("found", [
            lambda: one("a"),
            lambda: [asyncio.run(later("b"))],
            lambda: list(many(["c"]).values()),
            lambda: list(stream("d")),
            lambda: asyncio.run(read()),
        ], ids="abcde")
        @pytest.mark.cassette
        def test_orders(found, request):
            (made,) = found()
            assert request.node.callspec.id == made.item and "shelf" == made.place.name
            assert type(made) is Order and type(made.place) is Place
            assert bool(ran) == (request.config.getoption("--cassette-mode") == "record")
    """
    status, told = run(test, "--cassette-mode=record")
    assert 0 == status, told
    for one in "abcde":
        status, told = run(test, "-k", f"test_orders[{one}]")
        assert 0 == status, told


def test_files_of_tests_without_a_name(run, tmp_path):
    """
    Each test, and each set of parameters, has a file of its own.
    """
    text = """
        @pytest.mark.cassette
        @pytest.mark.parametrize("x", [1, "a/../b", "long" * 100], ids=str)
        def test_one(x):
            f(x)

        class TestIt:
            @pytest.mark.cassette
            def test_two(self):
                f(2)
    """
    status, told = run(text, "--cassette-mode=record")
    assert 0 == status, told
    folder = tmp_path / "tests" / "cassettes" / "test_it"
    names = sorted(one.name for one in folder.iterdir())
    assert ["TestIt.test_two.jsonl", "test_one-1.jsonl", "test_one-a-..-b.jsonl"] == names[:3]
    assert 4 == len(names) and len(names[3]) < 130
    status, told = run(text)
    assert 0 == status, told


def test_a_test_fails_by_a_call_that_is_not_there(run):
    """
    The test itself fails, also if the code under test swallows the error; and by that once.
    """
    before = """
        @pytest.mark.cassette
        def test_one():
            f(1)

        @pytest.mark.cassette
        def test_two():
            f(1)
    """
    after = """
        @pytest.mark.cassette
        def test_one():
            f(2)

        @pytest.mark.cassette
        def test_two():
            try:
                f(2)
            except Exception:
                pass
    """
    assert 0 == run(before, "--cassette-mode=record")[0]
    status, told = run(after)
    assert 1 == status and "2 failed" in told and "error" not in told.splitlines()[-1]
    assert 2 <= told.count("'x': 1 there, 2 here")


def test_two_tests_do_not_record_one_file(run):
    """
    The second would leave only its own calls.
    """
    text = """
        pytestmark = pytest.mark.cassette("all.jsonl")

        def test_one():
            f(1)

        def test_two():
            f(2)
    """
    status, told = run(text, "--cassette-mode=record")
    assert 1 == status and "1 passed, 1 error" in told
    assert "test_two would record over the cassette of" in told and "test_it.py::test_one: " in told


def test_the_mode_is_what_was_said_last(run, tmp_path):
    """
    The option comes before the marker, that before the environment, that before the default.
    """
    text = """
        @pytest.mark.cassette("a.jsonl", mode="live")
        def test_one(memotier_tape):
            f(memotier_tape.mode)

        @pytest.mark.cassette("b.jsonl")
        def test_two(memotier_tape):
            f(memotier_tape.mode)
    """
    folder = tmp_path / "tests" / "cassettes"
    status, told = run(text, MEMOTIER_CASSETTE_MODE="record")
    assert 0 == status, told
    assert ["b.jsonl"] == [one.name for one in folder.iterdir()]
    status, told = run(text, "--cassette-mode=replay", MEMOTIER_CASSETTE_MODE="record")
    assert 0 == status, told
    assert ["a.jsonl", "b.jsonl"] == sorted(one.name for one in folder.iterdir())
    assert 2 == len(lines(folder / "b.jsonl"))


def test_with_the_other_fixtures(run):
    """
    A fake clock moves what is recorded, and results of other tests are not there.
    """
    text = """
        @pytest.mark.cassette("one.jsonl")
        def test_one(memotier_cache, memotier_clock):
            assert (1, 1) == f(1) == f(1)
            memotier_clock.advance(600)
            assert (1, 2) == f(1)

        def test_without():
            assert (1, len(ran) + 1) == f(1)
    """
    for option in ("--cassette-mode=record", "--cassette-mode=replay-strict"):
        status, told = run(text, option)
        assert 0 == status, told


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('"a", "b"', "takes one name"),
        ('"a", modus="live"', "modus"),
        ('"a", mode="alive"', "mode = 'alive'"),
    ],
)
def test_markers_that_cannot_be_used(run, marker, told):
    """
    The error of the test says what is wrong with it.
    """
    status, text = run(f"""
        @pytest.mark.cassette({marker})
        def test_one():
            pass
    """)
    assert 1 == status and told in text


def test_the_environment_in_a_run_of_tests(run, tmp_path):
    """
    One tape for all tests, around what fixtures isolate; files of markers are inside of it.
    """
    text = """
        def test_one(memotier_cache):
            assert (1, 1) == f(1)

        @pytest.mark.cassette("own.jsonl")
        def test_two():
            assert 2 == f(2)[0]

        def test_three():
            assert 3 == f(3)[0]
            assert ran in ([1, 2, 3], [])
    """
    for mode in ("record", "replay-strict"):
        status, told = run(text, MEMOTIER_CASSETTE="all.jsonl", MEMOTIER_CASSETTE_MODE=mode)
        assert 0 == status, told
    assert [{"x": 1}, {"x": 3}] == [one["arguments"] for one in lines(tmp_path / "all.jsonl")]


def test_tests_in_several_processes(run, tmp_path):
    """
    With pytest-xdist each test has its file, and none is in another's way.
    """
    text = """
        @pytest.mark.cassette
        @pytest.mark.parametrize("x", range(6))
        def test_one(x):
            assert x == f(x)[0]
    """
    for mode in ("record", "replay-strict"):
        status, told = run(text, "-p", "xdist", "-n", "2", f"--cassette-mode={mode}")
        assert 0 == status and "6 passed" in told, told
    assert 6 == len(list((tmp_path / "tests" / "cassettes" / "test_it").iterdir()))
