"""
A tier that fails costs a computation, never a wrong value, an exception, or a hang.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
import time as systime
from pathlib import Path
from typing import Any

import pytest

from memotier import (
    CacheLevelConfig,
    InvalidationNotDurable,
    MultiLevelCache,
    WritePolicy,
    tiered_cache,
)

from .worlds import Background, Faulty, Gate, HandClock, database_of


@pytest.fixture
def broken(time: HandClock) -> tuple[MultiLevelCache, Faulty]:
    cache = MultiLevelCache(l2_config=CacheLevelConfig(max_size=1000), clock=time.clock)
    engine = cache._keyed.engine
    faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
    return cache, faulty


def counted(cache: MultiLevelCache, **options: Any) -> tuple[Any, list[int]]:
    runs: list[int] = []

    @tiered_cache(namespace="fail", cache=cache, name="f", **options)
    def f(x: int) -> int:
        runs.append(x)
        return x * 10

    return f, runs


@pytest.mark.parametrize("operation", ["get", "versions", "set", "delete", "bump", "discard"])
def test_each_operation_of_the_second_tier_may_fail(
    broken: tuple[MultiLevelCache, Faulty], operation: str
) -> None:
    """
    The caller gets the computed value, and memory goes on answering.
    """
    cache, faulty = broken
    f, runs = counted(cache)
    faulty.failing = {operation}
    assert [10, 10, 20] == [f(1), f(1), f(2)]
    assert [1, 2] == runs


def test_every_operation_may_fail_at_once(broken: tuple[MultiLevelCache, Faulty]) -> None:
    """
    Without a second tier the cache is a memory cache, and says in its stats that it is.
    """
    cache, faulty = broken
    f, runs = counted(cache, tags=["t"])
    faulty.failing = {"get", "versions", "set", "delete", "bump", "usage", "clear", "clear_group"}
    assert [10, 10] == [f(1), f(1)]
    cache.sync.set("k", 5)
    assert 5 == cache.sync.get("k")
    assert cache.get_stats()["l2"]["errors"] > 0
    assert [1] == runs


@pytest.mark.parametrize(
    ("how", "operation"),
    [("call", "delete"), ("tag", "bump"), ("namespace", "bump"), ("function", "bump")],
)
def test_fault_32_an_invalidation_that_cannot_be_written_fails_closed(
    broken: tuple[MultiLevelCache, Faulty], time: HandClock, how: str, operation: str
) -> None:
    """
    The caller hears of it, this process never shows the old value again, and when the second
    tier is back it is told before it is believed.
    """
    cache, faulty = broken
    f, runs = counted(cache, tags=["t"])
    f(1)
    faulty.failing = {operation}
    with pytest.raises(InvalidationNotDurable):
        {
            "call": lambda: f.invalidate(1),
            "tag": lambda: cache.sync.invalidate_tags("t"),
            "namespace": lambda: cache.sync.clear_namespace("fail"),
            "function": f.cache_clear,
        }[how]()

    f(1)
    assert [1, 1] == runs
    assert 0 == cache.get_stats()["l2"]["hits"]

    faulty.failing = set()
    time.turn(2)
    f(2)  # the next use of the second tier settles what is pending
    assert operation in faulty.calls[-8:]
    assert not cache._keyed.engine.versions.pending
    assert not cache._keyed.engine.versions.pending_keys
    f(1)
    assert [1, 1, 2] == runs[:3]


def test_fault_31_a_read_only_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    As another user who may not write: right values, no exception, one warning.
    """
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    script = textwrap.dedent(
        """
        import logging, os, sys
        from memotier import MultiLevelCache, tiered_cache
        def use(directory):
            cache = MultiLevelCache(directory=directory)
            @tiered_cache(namespace="ro", cache=cache, name="f")
            def f(x): return x
            return [f(n % 5) for n in range(20)]
        use(sys.argv[1] + "/mine")  # what is imported on the way may not be readable later
        logging.basicConfig(stream=sys.stdout, format="LOG %(levelname)s %(message)s")
        os.setgid(65534); os.setuid(65534)
        print(use(sys.argv[1] + "/cache"))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, home],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert str([n % 5 for n in range(20)]) in done.stdout
    assert 1 == done.stdout.count("LOG WARNING"), done.stdout


def test_fault_32_a_full_disk(tmp_path: Path) -> None:
    """
    Where no file may grow any more, values are returned and what was stored is still read.
    """
    script = textwrap.dedent(
        """
        import resource, signal, sys
        from memotier import MultiLevelCache, InvalidationNotDurable
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        cache = MultiLevelCache(directory=sys.argv[1], l1_maxsize=0)
        cache.sync.set("early", "stored")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        values = [cache.sync.get_or_compute(f"k{n}", lambda: bytes(20_000)) for n in range(40)]
        assert values == [bytes(20_000)] * 40
        assert cache.sync.get("early") == "stored"
        print("errors", cache.get_stats()["l2"]["errors"])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "cache"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert int(done.stdout.split()[-1]) > 0


@pytest.mark.parametrize("damage", ["whole", "header", "middle", "half", "zero", "wal"])
def test_fault_33_a_damaged_database(tmp_path: Path, damage: str) -> None:
    """
    Found damaged at the next start: right values, and a working second tier afterwards.
    """
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        cache.sync.set_many({f"k{n}": "x" * 500 for n in range(200)})
    database = next((tmp_path / "c").rglob("cache.db"))
    _damage(database, damage)

    for _ in range(2):
        with MultiLevelCache(directory=tmp_path / "c") as cache:
            f, _ = counted(cache)
            assert 10 == f(1)
            for number in range(200):
                assert cache.sync.get(f"k{number}") in (None, "x" * 500)
            cache.sync.set("after", 1)
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        assert 1 == cache.sync.get("after")


def _damage(database: Path, damage: str) -> None:
    data = bytearray(database.read_bytes())
    noise = os.urandom(4096)
    if damage == "whole":
        data = bytearray(os.urandom(len(data)))
    elif damage == "header":
        data[:100] = noise[:100]
    elif damage == "middle":
        half = len(data) // 2
        data[half : half + 4096] = noise
    elif damage == "half":
        data = data[: len(data) // 2]
    elif damage == "zero":
        data = bytearray()
    else:
        Path(f"{database}-wal").write_bytes(noise)
        Path(f"{database}-wal").chmod(0o600)
        return
    database.write_bytes(data)


def test_fault_20_a_pickle_in_a_row_is_a_miss_and_is_removed(tmp_path: Path) -> None:
    """
    What somebody else put into the database is not executed, whatever it is.
    """
    marker = tmp_path / "executed"
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        f, runs = counted(cache)
        f(1)
        evil = b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
        with database_of(tmp_path) as connection:
            connection.execute("UPDATE Cache SET value = ?", (evil,))
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        f, runs = counted(cache)
        assert 10 == f(1)
        assert [1] == runs
        assert 1 == cache.get_stats()["l2"]["refused"]
    assert not marker.exists()


def test_fault_12_a_record_moved_to_another_key_is_a_miss(tmp_path: Path) -> None:
    """
    A row that somebody swapped does not answer for the wrong call.
    """
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        f, _ = counted(cache)
        f(1), f(2)
        with database_of(tmp_path) as connection:
            rows = connection.execute("SELECT rowid, value FROM Cache ORDER BY rowid").fetchall()
            (one, first), (two, second) = rows
            connection.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (second, one))
            connection.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (first, two))
    with MultiLevelCache(directory=tmp_path / "c") as cache:
        f, runs = counted(cache)
        assert [10, 20] == [f(1), f(2)]
        assert [1, 2] == runs


def test_fault_01_two_calls_with_one_address_get_two_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The fingerprint tells them apart, the collision is counted and said once.
    """
    from memotier.keys.digest import Digester

    monkeypatch.setattr(Digester, "address", lambda self, canonical, **_: b"\0" * 16)
    with MultiLevelCache(directory=tmp_path, l1_maxsize=0) as cache:
        f, runs = counted(cache)
        assert [10, 20, 10] == [f(1), f(2), f(1)]
        assert [1, 2, 1] == runs
        assert 2 == cache.get_stats()["l2"]["key_collisions"]
    assert 1 == sum("one address" in record.message for record in caplog.records)


@pytest.mark.slow
def test_fault_42_the_event_loop_does_not_wait_for_a_locked_database(tmp_path: Path) -> None:
    """
    While another process holds the write lock, the loop goes on and values come.
    """
    cache = MultiLevelCache(directory=tmp_path)
    cache.sync.set("warm", 1)
    database = next(tmp_path.rglob("cache.db"))
    gaps = []

    async def watch() -> None:
        while True:
            before = systime.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(systime.perf_counter() - before)

    async def main() -> None:
        watcher = asyncio.create_task(watch())
        locker = sqlite3.connect(database, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        values = await asyncio.gather(
            *(cache.get_or_compute(f"k{n}", lambda: "v") for n in range(20))
        )
        assert ["v"] * 20 == values
        await cache.get("warm")
        locker.execute("ROLLBACK")
        locker.close()
        watcher.cancel()
        await cache.close()

    asyncio.run(main())
    # Far from the second that the lock was waited for: the loop never waited for it.
    assert sorted(gaps)[-1] < 0.5


def test_a_warning_is_logged_once_and_names_the_function(
    time: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A result that cannot be kept is said once per function, not once per call.
    """
    with (
        caplog.at_level(logging.WARNING, "memotier"),
        MultiLevelCache(l2_config=CacheLevelConfig(max_size=10), clock=time.clock) as cache,
    ):

        @tiered_cache(namespace="w", cache=cache, name="f")
        def gives_a_generator(x: int) -> Any:
            return (n for n in range(x))

        assert [0, 1] == list(gives_a_generator(2))
        assert [0, 1] == list(gives_a_generator(2))
    said = [r.message for r in caplog.records if "kept in memory" in r.message]
    assert 1 == len(said)
    assert "gives_a_generator" in said[0]


class _Odd:
    """
    A codec that somebody wrote, and that raises what it likes.
    """

    name = "odd"

    def __init__(self) -> None:
        self.encodes = self.decodes = True

    def encode(self, value: Any) -> bytes:
        if not self.encodes:
            raise LookupError("CANARY")
        return repr(value).encode()

    def decode(self, data: bytes | memoryview) -> Any:
        if not self.decodes:
            raise LookupError("CANARY")
        return int(bytes(data))


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_a_codec_may_raise_anything(
    tmp_path: Path, policy: WritePolicy, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The caller gets the value, the others of the same batch are stored, and no log shows data.
    """
    odd = _Odd()
    with MultiLevelCache(directory=tmp_path, write_policy=policy, flush_interval="1h") as cache:
        f, runs = counted(cache, codec=odd)
        g, _ = counted(cache, version="other")
        assert [10, 20] == [f(1), g(2)]
        cache.sync.flush()
        odd.encodes = False
        assert 20 == f(2)
        cache.sync.flush()
    with MultiLevelCache(directory=tmp_path, write_policy=policy) as cache:
        f, runs = counted(cache, codec=odd)
        g, others = counted(cache, version="other")
        odd.decodes = False
        assert [10, 20] == [f(1), g(2)]
        assert ([1], []) == (runs, others)
    assert "LookupError" in caplog.text
    assert "CANARY" not in caplog.text


class _Fragile:
    """
    A value whose copies fail from some moment on.
    """

    breaks = False

    def __deepcopy__(self, memo: Any) -> Any:
        if self.breaks:
            raise LookupError("CANARY")
        return type(self)()


def test_a_value_that_cannot_be_copied_for_a_caller_is_computed_anew(
    cache: MultiLevelCache, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A hit never makes a call fail.
    """

    class Mine(_Fragile):
        pass

    runs = []

    @tiered_cache(namespace="fail", cache=cache, name="f")
    def make() -> Mine:
        runs.append(1)
        return Mine()

    make(), make()
    cache.sync.get_or_compute("k", Mine)
    assert [1] == runs
    Mine.breaks = True
    assert isinstance(make(), Mine)
    assert [1, 1] == runs
    assert isinstance(cache.sync.get_or_compute("k", Mine), Mine)
    assert cache.sync.get("k") is None
    assert {} == cache.sync.get_many(["k"])
    assert "CANARY" not in caplog.text


def test_an_error_keeps_its_context_whoever_raises_it(cache: MultiLevelCache) -> None:
    """
    An exception that goes to several callers is not changed by where each of them calls.
    """
    gate = Gate()

    @tiered_cache(namespace="fail", cache=cache, name="f")
    def f() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            gate.wait()
            raise ValueError("second")

    def inside_an_except() -> None:
        try:
            raise OSError("of the caller")
        except OSError:
            f()

    leader = Background(f)
    gate.entered.wait(10)
    follower = Background(inside_an_except)
    engine = cache._keyed.engine
    while not any(flight.future for flight in engine.flights.table.values()):
        systime.sleep(0.001)
    gate.open()
    for caller in (leader, follower):
        with pytest.raises(ValueError, match="second") as caught:
            caller.result()
        assert isinstance(caught.value.__context__, KeyError)
