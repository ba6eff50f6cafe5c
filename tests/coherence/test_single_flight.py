"""
One computation per key on one machine, whatever happens to the process that leads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from memotier import MultiLevelCache, WritePolicy, tiered_cache
from memotier.stores.claims import Claims

from ..engine.worlds import Background, Gate, in_threads

SCRIPT = textwrap.dedent(
    """
    import asyncio, os, pathlib, sys, time
    from memotier import MultiLevelCache, tiered_cache
    directory, log, mode = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    cache = MultiLevelCache(directory=directory, default_ttl="1h")

    def say(text):
        with open(log, "a") as file:
            file.write(f"{text} {os.getpid()}\\n")

    def work(x):
        say(f"began-{x}")
        if mode == "hang" and x == 1:
            time.sleep(60)
        time.sleep(0.2)
        if mode == "raise":
            raise ValueError(x)
        if mode == "unstorable":
            return lambda: x
        return x * 10

    @tiered_cache(namespace="sf", cache=cache, name="f", copy=False)
    def f(x):
        return work(x)

    @tiered_cache(namespace="sf", cache=cache, name="g")
    async def g(x):
        return work(x)

    print("ready", flush=True)
    sys.stdin.readline()
    if mode == "async":
        print(asyncio.run(g(1)))
    else:
        try:
            print(f(1))
        except ValueError as error:
            print("raised", error)
    """
)


class Starter:
    """
    Processes that begin to call at the same time.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.directory, self.log = tmp_path / "c", tmp_path / "log"
        self.log.touch()
        self._children: list[subprocess.Popen[str]] = []

    def add(self, mode: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(self.directory), str(self.log), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        self._children.append(child)
        return child

    def go(self, *children: subprocess.Popen[str]) -> None:
        for child in children or self._children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()

    def answers(self, *children: subprocess.Popen[str]) -> list[str]:
        return [child.communicate(timeout=30)[0].strip() for child in children or self._children]

    def runs(self) -> int:
        return len(self.log.read_text().splitlines())

    def wait_for_runs(self, number: int) -> None:
        until = time.monotonic() + 20
        while self.runs() < number:
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_one_computation_for_many_processes(tmp_path: Path, mode: str) -> None:
    """
    Six processes ask for one cold key: one of them computes, all get its value.
    """
    start = Starter(tmp_path)
    for _ in range(6):
        start.add(mode)
    start.go()
    assert ["10"] * 6 == start.answers()
    assert 1 == start.runs()


@pytest.mark.slow
def test_fault_36_a_killed_leader_is_replaced_by_one_waiter(tmp_path: Path) -> None:
    """
    The kernel gives the claim back; of those who wait one computes, the others take that.
    """
    start = Starter(tmp_path)
    leader = start.add("hang")
    waiters = [start.add("sync") for _ in range(4)]
    start.go(leader)
    start.wait_for_runs(1)
    start.go(*waiters)
    time.sleep(0.3)  # they wait for real; that they do shows in the number of runs
    leader.kill()
    leader.communicate()
    assert ["10"] * 4 == start.answers(*waiters)
    assert 2 == start.runs()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["raise", "unstorable"])
def test_results_that_are_not_stored_are_computed_by_each(tmp_path: Path, mode: str) -> None:
    """
    An exception or a result for memory alone is nobody else's: each process has its own.
    """
    start = Starter(tmp_path)
    for _ in range(3):
        start.add(mode)
    start.go()
    answers = start.answers()
    assert all(answers)
    assert 3 == start.runs()


def test_two_caches_of_one_process_claim_from_each_other(tmp_path: Path) -> None:
    """
    As two processes would.
    """
    gate, runs = Gate(), []
    functions = []
    caches = [MultiLevelCache(directory=tmp_path, default_ttl="1h") for _ in range(2)]
    for cache in caches:

        @tiered_cache(namespace="sf", cache=cache, name="f")
        def f(x: int) -> int:
            runs.append(x)
            gate.wait()
            return x

        functions.append(f)
    first = Background(lambda: functions[0](1))
    gate.entered.wait(10)
    second = Background(lambda: functions[1](1))
    gate.open()
    assert 1 == first.result() == second.result()
    assert [1] == runs
    for cache in caches:
        cache.sync.close()


def test_computations_that_need_each_other_do_not_wait(tmp_path: Path) -> None:
    """
    Inside a computation nobody waits for another process, so two never wait for each other.
    """
    gate = Gate()

    def functions_of(cache: MultiLevelCache, *, waits: bool) -> tuple[Any, Any]:
        @tiered_cache(namespace="sf", cache=cache, name="a")
        def a(x: int) -> int:
            return b(x) + 1

        @tiered_cache(namespace="sf", cache=cache, name="b")
        def b(x: int) -> int:
            if waits:
                gate.wait()
            return 7

        return a, b

    caches = [MultiLevelCache(directory=tmp_path, default_ttl="1h") for _ in range(2)]
    a, _ = functions_of(caches[0], waits=False)
    _, b = functions_of(caches[1], waits=True)
    holds_b = Background(lambda: b(1))
    gate.entered.wait(10)
    assert [8] == in_threads(lambda: a(1))  # holds a(1), and b(1) is claimed
    gate.open()
    assert 7 == holds_b.result()
    for cache in caches:
        cache.sync.close()


@pytest.mark.parametrize("single_flight", ["process", None])
def test_who_does_not_want_it_does_not_wait(tmp_path: Path, single_flight: str | None) -> None:
    """
    With ``single_flight="process"`` another process computes for itself.
    """
    with MultiLevelCache(directory=tmp_path) as cache:
        f = tiered_cache(cache=cache, name="f", single_flight=single_flight)(lambda x: x)  # type: ignore[call-overload]
        f(0)
        claims = Claims(next(tmp_path.rglob("cache.db")).with_name("cache.db-claims"), 0o600)
        call = f._self_memo.locate((1,))
        assert claims.take(call.address)
        assert [1] == in_threads(lambda: f(1))
        claims.close()


def test_write_back_does_not_wait(tmp_path: Path) -> None:
    """
    What others compute would not be there yet.
    """
    with MultiLevelCache(directory=tmp_path, write_policy=WritePolicy.WRITE_BACK) as cache:
        f = tiered_cache(cache=cache, name="f")(lambda x: x)
        f(0)
        claims = Claims(next(tmp_path.rglob("cache.db")).with_name("cache.db-claims"), 0o600)
        assert claims.take(f._self_memo.locate((1,)).address)
        assert [1] == in_threads(lambda: f(1))
        claims.close()


def test_fault_40_claims_stay_with_the_parent(tmp_path: Path) -> None:
    """
    A child that outlives its parent does not hold what the parent had claimed.
    """
    mine, other = (Claims(tmp_path / "claims", 0o600) for _ in range(2))
    address = bytes(16)
    assert mine.take(address)
    (hearing, saying), (waiting, ending) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.write(saying, b"here")
        os.close(ending)
        os.read(waiting, 1)
        os._exit(0)
    assert b"here" == os.read(hearing, 4)
    assert other.take(address) is False
    mine.close()
    assert other.take(address) is True
    os.close(ending)
    os.waitpid(child, 0)
    for end in (hearing, saying, waiting):
        os.close(end)
    other.close()


def test_claims_that_cannot_be_had_cost_nothing(tmp_path: Path) -> None:
    """
    Where the file cannot be made, everybody computes.
    """
    claims = Claims(tmp_path / "missing" / "claims", 0o600)
    assert claims.take(bytes(16)) is None
    claims.release(bytes(16))
    claims.close()


def test_a_claim_is_never_given_back_in_another_file(tmp_path, monkeypatch):
    """
    The store is closed while a claim is given back, and the number of its file is somebody else's
    at once: nothing is written there, and nothing is opened again.
    """
    claims = Claims(tmp_path / "claims", 0o600)
    assert claims.take(bytes(16))
    victim = tmp_path / "database"
    victim.write_bytes(b"x" * 65536)
    opened = []
    random = os.urandom

    def late(number):
        if not opened:
            claims.close()
            opened.append(os.open(victim, os.O_RDWR))
        return random(number)

    monkeypatch.setattr(os, "urandom", late)
    claims.release(bytes(16))
    claims.release(bytes(16))
    os.close(opened[0])
    assert b"x" * 65536 == victim.read_bytes()
    assert claims._file is None


def test_what_was_computed_between_the_look_and_the_claim_is_found(tmp_path, monkeypatch):
    """
    Another process stores its result just after we looked, and gives its claim back just before
    we claim: it is not computed again.
    """
    from memotier.stores import claims

    computed = []

    def cached(cache):
        @tiered_cache(cache=cache, name="f", namespace="t")
        def f(x):
            computed.append(x)
            return x

        return f

    with (
        MultiLevelCache(directory=tmp_path / "c") as mine,
        MultiLevelCache(directory=tmp_path / "c") as others,
    ):
        ours, theirs = cached(mine), cached(others)
        assert (0, 0) == (ours(0), theirs(0))  # both have opened their stores
        take = claims.Claims.take

        def late(self, address):
            monkeypatch.setattr(claims.Claims, "take", take)
            theirs(1)
            return take(self, address)

        monkeypatch.setattr(claims.Claims, "take", late)
        assert 1 == ours(1)
        monkeypatch.setattr(claims.Claims, "take", late)
        assert [1, 1] == ours.map([1, 1])

    assert 1 == computed.count(1)


@pytest.mark.parametrize("is_many", [False, True], ids=["single", "many"])
@pytest.mark.parametrize("why", ["the store is away", "no codec can carry it"])
def test_what_is_in_memory_alone_hears_of_other_processes(make_cache, why, is_many):
    """
    A result that could not be written is invalidated by its key from another process, too.
    """
    from ..engine.worlds import Faulty

    ours, theirs = make_cache("disk"), make_cache("disk")
    ran = []

    def compute(x):
        ran.append(x)
        return print if why == "no codec can carry it" else x

    def cached(cache):
        if not is_many:
            return tiered_cache(cache=cache, name="f", namespace="t")(compute)
        return tiered_cache.many(cache=cache, name="f", namespace="t")(
            lambda ids: {one: compute(one) for one in ids}
        )

    f, other = cached(ours), cached(theirs)
    ask = (lambda x: f([x])[x]) if is_many else f
    ask(0), other.invalidate(0)  # both have opened their stores
    engine = ours._keyed.engine
    engine.store = Faulty(engine.store)
    if why == "the store is away":
        engine.store.failing.add("set")
    ask(1), ask(1)
    assert 1 == ran.count(1)
    engine.store.failing.clear()
    other.invalidate(1)
    ask(1)
    assert 2 == ran.count(1)
