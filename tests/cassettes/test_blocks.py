"""
What a cassette holds for: the caches outside are neither read nor written, and blocks nest.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memotier import MISS, ConfigError, get_cache, tapes, tiered_cache
from memotier.testing import (
    CassetteMiss,
    FakeClock,
    assert_hit,
    assert_miss,
    cassette,
    isolated_cache,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", ["record", "replay", "replay-strict", "live"])
def test_the_caches_outside_are_left_alone(call, film, tiers, mode):
    """
    A block finds nothing of them and leaves nothing there, in memory, on disk and on a server.
    """

    @call.cached(cache=tiers, name="f")
    def f(x):
        return [x]

    call(f(1))
    film.path.parent.mkdir()
    film.write()
    if mode == "replay-strict":
        with film("record"):
            call(f(1)), call(f(2))
    outside = tiers.get_stats()
    with film(mode):
        call(f(1))
        call(assert_hit(f, 1))
        call(f(2))
        get_cache().sync.set("k", 1)
    assert MISS is f.peek(2) and outside["l1"]["size"] == tiers.get_stats()["l1"]["size"]
    call(assert_hit(f, 1))
    call(assert_miss(f, 2))
    assert get_cache().sync.get("k") is None


def test_nothing_is_asked_after_the_block(call, film):
    """
    What stood in for functions is gone with the last block.
    """

    @call.cached()
    def f(x):
        return x

    with film("record"):
        assert tapes.stand_in is not None
        call(f(1))
    assert tapes.stand_in is None
    with film("live"):
        assert tapes.stand_in is None
    with pytest.raises(CassetteMiss), film():
        call(f(2))
    assert tapes.stand_in is None and 2 == call(f(2))


def test_a_hit_knows_nothing_of_tapes(film, monkeypatch):
    """
    While no cassette is open the hit path is what it was, and does not ask for one.
    """

    @tiered_cache
    def f(x):
        return x

    f(1)
    before = f._self_call.__code__.co_code
    with film("record"):
        f(1)
    monkeypatch.setattr(tapes, "callee", None)
    monkeypatch.setattr("memotier.memo.callee", None)
    assert 1 == f(1) and before == f._self_call.__code__.co_code


def test_what_is_decorated_inside_is_on_it_too(film):
    """
    A function that a test decorates itself is like any other.
    """
    with film("record"):
        assert 1 == tiered_cache(name="late")(lambda: 1)()
    with film():
        assert 1 == tiered_cache(name="late")(lambda: 2)()


def test_time_is_that_of_the_block_around(film):
    """
    In the time of a fake clock results expire by that, and are asked for again.
    """
    clock = FakeClock()

    @tiered_cache(ttl="10m")
    def f():
        return clock.monotonic()

    def session():
        seen = [f(), f()]
        clock.advance(600)
        return [*seen, f()]

    with isolated_cache(clock=clock):
        with film("record"):
            first = session()
        with film():
            assert first == session()
    assert first[0] == first[1] != first[2]


def test_an_isolated_cache_inside(film, runs):
    """
    An empty memory within a block is one more computation, and is on the tape.
    """

    @tiered_cache
    def f():
        runs.append(1)
        return len(runs)

    def session():
        with isolated_cache(clock=FakeClock()):
            one = f()
        return one, f()

    for mode in ("record", "replay-strict"):
        with film(mode):
            assert (1, 2) == session()


def test_the_innermost_cassette_is_asked(film, tmp_path, runs):
    """
    A block within a block has a tape and a memory of its own, and the outer one goes on after it.
    """

    @tiered_cache
    def f(x):
        runs.append(x)
        return x

    other = tmp_path / "other.jsonl"
    with film("record"):
        f(1)
        with cassette(other, mode="record"):
            f(1), f(2)
        f(3)
    assert [1, 3] == [one["result"] for one in film.lines]
    with cassette(other):
        assert 2 == f(2)
        with film():
            assert 3 == f(3)
        assert 1 == f(1)
        with film("live"):
            f(4)
    assert [1, 1, 2, 3, 4] == runs


def test_threads_and_tasks_share_the_block(film, runs):
    """
    One cold key is computed once, and is on the tape once, whoever asks.
    """
    lock = threading.Lock()

    @tiered_cache
    def f(x):
        with lock:
            runs.append(x)
        return x

    @tiered_cache
    async def g(x):
        runs.append(x)
        await asyncio.sleep(0)
        return x

    async def tasks():
        return await asyncio.gather(*(g("g") for _ in range(20)))

    def session():
        with ThreadPoolExecutor(8) as pool:
            assert list(range(4)) * 10 == list(pool.map(f, list(range(4)) * 10))
        assert ["g"] * 20 == asyncio.run(tasks())

    with film("record"):
        session()
    with film():
        session()
    assert [0, 1, 2, 3, "g"] == sorted(runs, key=str) and 5 == len(film.lines)


def test_a_block_of_another_thread_is_refused(film, tmp_path):
    """
    Two tests at once in one process would get each other's results.
    """
    errors = []

    def other():
        try:
            with cassette(tmp_path / "other.jsonl", mode="record"):
                pass
        except ConfigError as error:
            errors.append(str(error))

    with film("record"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "by another thread or task" in errors[0] and not (tmp_path / "other.jsonl").exists()
    other()
    assert (tmp_path / "other.jsonl").exists()


def test_a_refused_block_leaves_the_open_one_as_it_is(film, tmp_path, runs):
    """
    Who could not open his cassette has changed nothing for the other.
    """

    @tiered_cache
    def f(x):
        runs.append(x)
        return x

    def other():
        with pytest.raises(ConfigError), cassette(tmp_path / "other.jsonl", mode="record"):
            pass

    with film("record"):
        f(1)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert_hit(f, 1)
        f(2)
    assert [1, 2] == [one["result"] for one in film.lines]


def test_who_computes_beyond_the_end_is_as_without(film):
    """
    A thread that outlives its block has the result of the function, and the tape is as it was.
    """
    inside, over, results = threading.Event(), threading.Event(), []

    @tiered_cache
    def f(x):
        inside.set()
        over.wait(20)
        return x

    thread = threading.Thread(target=lambda: results.append(f(1)))
    with film("record"):
        thread.start()
        inside.wait(20)
    over.set()
    thread.join()
    assert [1] == results and [] == film.lines


def forked():
    """
    ``os.fork()``, of which newer Pythons warn where there are threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_answers_and_does_not_write(film):
    """
    A child is answered from the tape that was open, and the file is the parent's.
    """

    @tiered_cache
    def f(x):
        return os.getpid()

    with film("record"):
        f(1)
        pid = forked()
        if pid == 0:
            f(2)
            os._exit(0)
        os.waitpid(pid, 0)
    assert 1 == len(film.lines)

    with film():
        pid = forked()
        if pid == 0:
            os._exit(f(1) != film.lines[0]["result"])
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- the environment -----------------------------------------------------------------------

PROGRAM = """
    import sys
    from memotier import get_cache, tiered_cache
    from memotier.testing import isolated_cache

    ran = []

    @tiered_cache
    def f(x):
        ran.append(x)
        return x, "of " + sys.argv[1]

    print(f(1))
    with isolated_cache():
        print(f(int(sys.argv[2])))
    print(f(1), ran)
"""


@pytest.fixture
def program(tmp_path):
    """
    Runs a program with its tape in the environment: exit code, what it printed, its errors.
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))

    def run(*arguments, folder=tmp_path, **variables):
        path_ = folder / "program.py"
        path_.write_text(textwrap.dedent(PROGRAM))
        done = subprocess.run(
            [sys.executable, str(path_), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout, done.stderr

    return run


def test_the_environment_opens_one_for_any_program(program, tmp_path):
    """
    ``MEMOTIER_CASSETTE``: recorded in one run, answered in the next, also from another folder.
    """
    first = program("one", "2", MEMOTIER_CASSETTE="a/tape.jsonl", MEMOTIER_CASSETTE_MODE="record")
    assert ("(1, 'of one')\n(2, 'of one')\n(1, 'of one') [1, 2]\n", "") == first
    assert 3 == len((tmp_path / "a" / "tape.jsonl").read_text().splitlines())

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = program("two", "2", folder=elsewhere, MEMOTIER_CASSETTE="a/tape.jsonl")
    assert ("(1, 'of one')\n(2, 'of one')\n(1, 'of one') []\n", "") == again

    out, errors = program("two", "3", MEMOTIER_CASSETTE="a/tape.jsonl")
    assert "CassetteMiss: f(x=3) is not on the cassette" in errors and "[]" not in out

    out, errors = program("two", "3", MEMOTIER_CASSETTE="nowhere.jsonl")
    assert "there is no cassette" in errors and "" == out


def test_blocks_within_that_of_the_environment(program, tmp_path, monkeypatch):
    """
    ``MEMOTIER_CASSETTE_MODE`` is for cassettes that do not say their mode.
    """
    monkeypatch.setenv("MEMOTIER_CASSETTE_MODE", "record")

    @tiered_cache
    def f(x):
        return x

    with cassette("one.jsonl") as tape:
        f(1)
    assert "record" == tape.mode
    with cassette("one.jsonl", mode="replay-strict"):
        assert 1 == f(1)
    monkeypatch.setenv("MEMOTIER_CASSETTE_MODE", "again")
    with pytest.raises(ConfigError, match="MEMOTIER_CASSETTE_MODE = 'again'"):
        cassette("one.jsonl").__enter__()


def test_the_block_of_the_environment_is_the_outermost(tmp_path):
    """
    Also where the first call is made within an isolated block: what comes after that is not
    written to the caches of the program.
    """
    code = """
        from memotier import MultiLevelCache, tiered_cache
        from memotier.testing import isolated_cache

        cache = MultiLevelCache(directory="disk")

        @tiered_cache(cache=cache, name="f")
        def f(x):
            return x

        with isolated_cache():
            f(1)
        f(2)
        cache.sync.set("k", 3)
        print(cache.get_stats()["l2"]["size"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MEMOTIER_CASSETTE": "tape.jsonl",
            "MEMOTIER_CASSETTE_MODE": "record",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ("0\n", "") == (done.stdout, done.stderr)
    assert 3 == len((tmp_path / "tape.jsonl").read_text().splitlines())
