"""
Event loops: their tasks ask the server themselves, on one connection per loop. Whoever is
cancelled leaves nothing behind, and an invalidation that was asked for is made.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from memotier import InvalidationNotDurable, MultiLevelCache, tiered_cache
from memotier.clock import Clock
from memotier.engine.effects import operation
from memotier.engine.inline import is_small
from memotier.errors import StoreError, StoreUnavailable
from memotier.settings.urls import RedisUrl
from memotier.stores.offload import Offload
from memotier.stores.redis import loops
from memotier.stores.redis.store import SMALL, RedisStore
from memotier.stores.wrap import CLOSED, OPEN, Breaker, Guarded

from ..stores.support import NAME, ROOT, Time, address, item, noted, put, read
from .support import soon

pytestmark = pytest.mark.extras


def named(server, name):
    """
    The URL of *server* for connections that can be counted.
    """
    return f"{server.url}{'&' if '?' in server.url else '?'}client_name={name}"


def connections(server, name) -> int:
    """
    How many of those there are.
    """
    with server.client() as client:
        return sum(one["name"] == name for one in client.client_list())


def line_of(store):
    return store._server.loops._lines[asyncio.get_running_loop()]


def store_of(cache):
    return cache._keyed.engine.store.store


# -- no threads ----------------------------------------------------------------------------


async def test_tasks_ask_without_threads(server, caches):
    """
    Hits, misses and invalidations of a coroutine function leave the threads for I/O unused.
    """
    cache = caches(server, l1_maxsize=0)
    runs = []

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    async def f(x):
        runs.append(x)
        return {"x": x}

    await f(0)
    for _ in range(2):
        assert [{"x": x} for x in range(20)] == await asyncio.gather(*map(f, range(20)))
    assert list(range(20)) == sorted(runs)
    assert await f.invalidate(3)
    await cache.invalidate_tags("t")
    await f(3)

    assert 21 == len(runs)
    assert [] == cache._keyed.engine.offload._crew._threads


async def test_one_connection_for_all_tasks_of_a_loop(server, name):
    """
    A thousand readings at once open one, and each gets its own record.
    """
    store = RedisStore(RedisUrl(named(server, name)), name=name)
    texts = [f"text {number}" for number in range(200)]
    await store.aset([item(store, one, record=one.encode()) for one in texts])
    before = connections(server, name)

    found = await asyncio.gather(*(store.aget([address(one)]) for one in texts * 5))

    assert [one.encode() for one in texts * 5] == [reading.records[0] for reading in found]
    assert before == connections(server, name)
    store.close()


@pytest.mark.parametrize("size", [SMALL - 10, SMALL + 10, 3_000_000])
async def test_what_is_large_is_left_to_a_thread(server, stores, size):
    """
    It arrives all the same, alone and among small ones.
    """
    store = stores(server)
    record = os.urandom(size)
    assert [True, True] == await store.aset([item(store, "a", record=record), item(store, "b")])

    assert [record] == (await store.aget([address("a")])).records
    assert [b"record", record, None] == (
        await store.aget([address("b"), address("a"), address("c")])
    ).records
    assert bool(store._offload._crew._threads) or size < SMALL


class Odd:
    pass


def test_what_an_event_loop_encodes_itself_is_small_and_plain():
    """
    Everything else is for a thread: much of it, large numbers, other types.
    """
    assert is_small({"a": [1, 2.0, None, True, (b"x", "y")], "b": {"c": set()}})
    assert not is_small("x" * 2 * SMALL)
    assert not is_small(list(range(1000)))
    assert not is_small([[1] * 20] * 20)
    assert not is_small(10 ** (20 * SMALL))
    assert not is_small([Odd()])
    loop = []
    loop.append(loop)
    assert not is_small(loop)


# -- cancelling ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
async def test_fault_13_cancel_storm(server, stores, seed):
    """
    Readings, writings and invalidations that are cancelled at any moment: whoever is not gets his
    own answer, during the storm and after it.
    """
    chance = random.Random(seed)
    store = stores(server)
    texts = [f"{seed} {number}" for number in range(50)]
    await store.aset([item(store, one, record=one.encode()) for one in texts])
    answers = []

    async def asks(text):
        what = chance.randrange(4)
        if what == 0:
            await store.aset([item(store, "other " + text, record=b"x" * chance.randrange(5000))])
        elif what == 1:
            await store.abump([NAME[:-2] + bytes(chance.randbytes(2))])
        reading = await store.aget([address(text), address("none")])
        answers.append(([text.encode(), None], reading.records))

    for _ in range(30):
        tasks = [asyncio.create_task(asks(chance.choice(texts))) for _ in range(20)]
        for task in chance.sample(tasks, 15):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            task.cancel()
        if chance.random() < 0.3:  # everything at all, also what reads for the others
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [
            one
            for one in done
            if isinstance(one, BaseException)
            and not isinstance(one, (asyncio.CancelledError, StoreUnavailable))
        ]
        for _ in range(3):
            await asks(chance.choice(texts))

    assert len(answers) > 90
    assert all(wanted == got for wanted, got in answers)


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_who_was_not_cancelled_is_not_if_the_reader_is(server, stores, steps):
    """
    Somebody cancels every task but its own: others hear of a store that fails, and the next works.
    """
    store = stores(server)
    put(store, "a")
    await store.aget([address("a")])
    mine = asyncio.ensure_future(store.aget([address("a")]))
    while line_of(store)._task is None:
        await asyncio.sleep(0)
    reader = line_of(store)._task
    for _ in range(steps):
        await asyncio.sleep(0)
    reader.cancel()

    with pytest.raises(StoreUnavailable, match="event loop"):
        await mine
    assert [b"record"] == (await store.aget([address("a")])).records


WAYS = {
    "key": lambda cache, f: f.invalidate("k"),
    "tag": lambda cache, f: cache.invalidate_tags("t"),
    "softly": lambda cache, f: cache.invalidate_tags("t", soft=True),
    "everything": lambda cache, f: cache.clear(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6])
async def test_an_invalidation_that_was_asked_for_and_cancelled_is_made(server, caches, way, steps):
    """
    At whatever point: another process has to compute anew.
    """
    options = {"namespace": "n", "name": "f", "version": 1, "ttl": 3600, "tags": ["t"]}
    cache, other = caches(server), caches(server)

    @tiered_cache(cache=cache, **options)
    async def f(x):
        return "old"

    theirs = tiered_cache(cache=other, **options)(lambda x: "new")
    assert "old" == await f("k")
    asked = asyncio.ensure_future(WAYS[way](cache, f))
    for _ in range(steps):
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    async with asyncio.timeout(20):
        while theirs("k") != "new":
            await asyncio.sleep(0.002)
    assert "new" == theirs("k")


class Stuck:
    """
    A store whose twins never answer.
    """

    has_twins = True

    def __init__(self):
        self.done, self.offload = threading.Event(), Offload()
        self.store = self

    def bump(self, names):
        self.done.set()

    async def abump(self, names):
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("lasting", [True, False])
def test_what_lasts_is_done_by_a_thread_if_its_event_loop_ends(lasting):
    """
    And only that: what was asked for a caller alone ends with him.
    """
    stuck, asked = Stuck(), []

    async def main():
        asked.append(
            asyncio.ensure_future(operation(stuck, "bump", [NAME], lasting=lasting).later())
        )
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(main())
    stuck.offload.close()

    assert lasting is stuck.done.is_set()


# -- loops ---------------------------------------------------------------------------------


def test_fault_50_an_event_loop_in_each_of_several_threads(server, caches, name):
    """
    All ask at once for the same keys: every result is right, nothing is an error, and their
    connections are closed when the loops end.
    """
    cache = MultiLevelCache(redis_url=named(server, name), name=name, l1_maxsize=0)
    runs, wrong = [], []

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    async def f(x):
        runs.append(x)
        await asyncio.sleep(0)
        return [x]

    async def main(number):
        for turn in range(10):
            found = await asyncio.gather(*(f((turn, x)) for x in range(10)))
            if found != [[(turn, x)] for x in range(10)]:
                wrong.append(found)
            if number == turn % 4:
                await f.invalidate((turn, 0))

    threads = [threading.Thread(target=asyncio.run, args=(main(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not wrong
    assert 100 <= len(runs) <= 400
    assert 0 == cache.get_stats()["l2"]["errors"]
    store = store_of(cache)
    assert {} == store._server.loops._lines
    idle = len(store._server.lines._idle) + 1  # and the one that listens
    soon(lambda: connections(server, name) <= idle)
    cache.sync.close()


def run(code: str, *arguments: str, **environ: str) -> str:
    """
    What a Python says that warns of everything.
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MEMOTIER_KEY": "a2V5" * 16, **environ},
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    said = (done.stdout + done.stderr).splitlines(keepends=True)
    # That a busy machine was slow is none of it.
    return "".join(line for line in said if not line.startswith("Executing <"))


BEGIN = """
    import asyncio, gc, os, sys
    from memotier import MultiLevelCache, tiered_cache
    cache = MultiLevelCache(redis_url=sys.argv[1], name=sys.argv[2], l1_maxsize=0)
    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
    async def f(x):
        return [x]
    async def main():
        assert [[1], [2]] == await asyncio.gather(f(1), f(2))
        assert [1] == await f(1)
        await cache.invalidate_tags("t")
    """


ENDS = {
    "asyncio.run": "asyncio.run(main())",
    # asyncio says something of it, in a process that nobody reads.
    "abruptly": "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()",
}


@pytest.mark.parametrize("ends", ENDS)
def test_an_invalidation_whose_event_loop_ends_is_made(server, caches, name, ends):
    """
    A thread makes it then, or the next call that looks.
    """
    options = {"namespace": "n", "name": "f", "version": 1, "ttl": 3600, "tags": ["t"]}
    theirs = tiered_cache(cache=caches(server), **options)(lambda x: [x, "new"])
    run(
        BEGIN
        + f"""
    async def main():
        assert [1] == await f(1)
        loops = cache._keyed.engine.store.store._server.loops
        loops.here().hang_up()  # so that nothing is sent at once
        asyncio.ensure_future(cache.invalidate_tags("t"))
        for _ in range(4):
            await asyncio.sleep(0)
    {ENDS[ends]}
    cache.sync.get("whatever")
    """,
        server.url,
        name,
    )

    soon(lambda: theirs(1) == [1, "new"])


@pytest.mark.parametrize(
    "end",
    [
        "asyncio.run(main()); asyncio.run(main()); cache.sync.close()",
        "asyncio.run(main())",
        """
    async def closes():
        await main()
        await cache.close()
    asyncio.run(closes())
    """,
        """
    async def forgets():
        global cache, f, main
        await main()
        del cache, f, main
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.01)
    asyncio.run(forgets())
    """,
    ],
    ids=["twice", "not closed", "closed in the loop", "forgotten in the loop"],
)
def test_a_loop_that_ends_leaves_nothing_to_complain_of(server, name, end):
    """
    No pending task, no unclosed connection or transport, no "Event loop is closed".
    """
    assert "" == run(BEGIN + "\n" + textwrap.indent(textwrap.dedent(end), "    "), server.url, name)


def test_a_loop_that_is_closed_without_its_generators(server, name):
    """
    Its connection goes with the next loop, and nothing but asyncio itself says anything.
    """
    said = run(
        BEGIN
        + """
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    async def last():
        await main()
        gc.collect()
        lines = cache._keyed.engine.store.store._server.loops._lines
        print(len(lines), "line")
    asyncio.run(last())
    cache.sync.close()
    """,
        server.url,
        name,
    )

    assert "1 line" in said
    assert "Error" not in said and "Traceback" not in said and "Task" not in said


def test_a_forked_child_has_connections_of_its_own(server, name):
    """
    Parent and child go on, each with its own answers.
    """
    said = run(
        BEGIN
        + """
    asyncio.run(main())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    child = os.fork()
    if child == 0:
        assert loop not in cache._keyed.engine.store.store._server.loops._lines
        async def storm():
            for x in range(50):
                assert [[x], [x + 1]] == await asyncio.gather(f(x), f(x + 1))
        asyncio.run(storm())
        os._exit(0)
    async def storm():
        for x in range(100, 150):
            assert [[x], [x + 1]] == await asyncio.gather(f(x), f(x + 1))
    loop.run_until_complete(storm())
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    loop.run_until_complete(storm())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    cache.sync.close()
    """,
        server.url,
        name,
    )

    assert "" == "\n".join(line for line in said.splitlines() if "fork" not in line)


# -- outages -------------------------------------------------------------------------------


async def test_fault_43_many_tasks_wait_for_a_frozen_server_at_once(own_server, caches):
    """
    They wait together, not one after the other; then nobody waits.
    """
    cache = caches(own_server, l1_maxsize=0)

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600)
    async def f(x):
        return [x]

    await f(0)
    with own_server.frozen():
        began = time.monotonic()
        found = await asyncio.gather(*(f(x) for x in range(300)))
        took = time.monotonic() - began
        began = time.monotonic()
        assert [7] == await f(7)
        later = time.monotonic() - began

    assert [[x] for x in range(300)] == found
    assert took < 3.0  # 300 quarters of a second would be 75
    assert later < 0.2


async def test_a_loop_that_is_kept_busy_does_not_blame_the_server(server, name):
    """
    The answer has arrived meanwhile; that nobody read it is not the server's fault.
    """
    store = RedisStore(
        RedisUrl(server.url.replace("socket_timeout=20", "socket_timeout=0.1")), name=name
    )
    put(store, "a")
    await store.aget([address("a")])
    for _ in range(3):
        mine = asyncio.ensure_future(store.aget([address("a")]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.3)  # what a coroutine should not do
        assert [b"record"] == (await mine).records
    line_of(store).hang_up()  # connecting takes several turns of the loop
    mine = asyncio.ensure_future(store.aget([address("a")]))
    while not mine.done():
        time.sleep(0.06)
        await asyncio.sleep(0)
    assert [b"record"] == mine.result().records
    store.close()


async def test_a_silent_server_is_left_after_its_time(own_server, name):
    """
    What waits fails, the connection is dropped, and the next request is answered.
    """
    store = RedisStore(RedisUrl(own_server.url + "?socket_timeout=0.1"), name=name)
    put(store, "a")
    await store.aget([address("a")])
    with own_server.frozen():
        failed = await asyncio.gather(
            *(store.aget([address("a")]) for _ in range(20)), return_exceptions=True
        )
    assert {"it did not answer in time"} == {str(one).rpartition(": ")[2] for one in failed}
    assert {StoreUnavailable} == set(map(type, failed))
    assert [b"record"] == (await store.aget([address("a")])).records
    store.close()


async def test_a_connection_of_a_loop_that_the_server_has_closed_is_not_used(
    own_server, stores, monkeypatch
):
    """
    One that rested is looked at first.
    """
    monkeypatch.setattr(loops, "RESTED", 0.0)
    store = stores(own_server)
    put(store, "a")
    await store.aget([address("a")])
    own_server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(0.01)  # the loop hears of it

    assert [b"record"] == (await store.aget([address("a")])).records


async def test_an_invalidation_that_cannot_be_sent_is_said_and_replayed(own_server, caches):
    """
    As in threads: the caller hears of it, and the server does when it is back.
    """
    cache, other = caches(own_server), caches(own_server)
    options = {"namespace": "n", "name": "f", "version": 1, "ttl": 3600, "tags": ["t"]}

    @tiered_cache(cache=cache, **options)
    async def f(x):
        return "old"

    theirs = tiered_cache(cache=other, **options)(lambda x: "new")
    assert "old" == await f("k")
    with own_server.frozen(), pytest.raises(InvalidationNotDurable):
        await cache.invalidate_tags("t")
    async with asyncio.timeout(30):
        while theirs("k") != "new":
            await asyncio.sleep(0.01)


# -- the breaker ---------------------------------------------------------------------------


class Door:
    """
    What a breaker guards: each call waits until it is told how to end.
    """

    def __init__(self):
        self.inside = []

    async def __call__(self):
        waits = asyncio.get_running_loop().create_future()
        self.inside.append(waits)
        return await waits


@pytest.fixture
def time_():
    return Time()


@pytest.fixture
def breaker(time_):
    clock = Clock(monotonic=lambda: time_.now, wall=lambda: time_.now)
    return Breaker("read", "redis", clock, 5.0, None)


async def ask(breaker, door, **options):
    task = asyncio.ensure_future(breaker.acall(door, **options))
    await asyncio.sleep(0)
    return task


async def opened(breaker, door, time_):
    """
    *breaker* after a failure and its rest.
    """
    task = await ask(breaker, door)
    door.inside.pop().set_exception(StoreError("broken"))
    with pytest.raises(StoreError, match="broken"):
        await task
    assert OPEN == breaker.state
    time_.pass_(5.0)


async def test_of_many_tasks_one_probes(breaker, time_):
    """
    The others are told at once; if it succeeds, all come through.
    """
    door = Door()
    await opened(breaker, door, time_)
    tasks = [await ask(breaker, door) for _ in range(10)]

    assert 1 == len(door.inside)
    door.inside.pop().set_result("there")
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert ["there"] == [one for one in done if not isinstance(one, StoreUnavailable)]
    assert CLOSED == breaker.state


async def test_a_probe_that_is_cancelled_is_given_back(breaker, time_):
    """
    The next one may probe; nobody else before.
    """
    door = Door()
    await opened(breaker, door, time_)
    probe = await ask(breaker, door)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert OPEN == breaker.state
    door.inside.clear()

    probe = await ask(breaker, door)
    assert 1 == len(door.inside)
    door.inside.pop().set_result("there")
    assert "there" == await probe


@pytest.mark.parametrize("how", ["cancelled", "fails"])
async def test_who_began_before_does_not_give_the_probe_of_another_back(breaker, time_, how):
    """
    A call from before the failure ends while somebody probes: no second probe.
    """
    door = Door()
    early = await ask(breaker, door)
    waits = door.inside.pop()
    await opened(breaker, door, time_)
    probe = await ask(breaker, door)
    if how == "cancelled":
        early.cancel()
    else:
        waits.set_exception(StoreError("late"))
        time_.pass_(0)
    await asyncio.gather(early, return_exceptions=True)
    time_.pass_(5.0)

    with pytest.raises(StoreUnavailable):
        await breaker.acall(door)
    assert 1 == len(door.inside)
    door.inside.pop().set_result("there")
    assert "there" == await probe


def test_every_method_has_its_twin(server, stores):
    """
    The store's and the guarded store's, with the same parameters.
    """
    import inspect

    store = stores(server)
    guarded = Guarded(store)
    assert store.has_twins and guarded.has_twins
    twins = [name[1:] for name in dir(RedisStore) if hasattr(RedisStore, name[1:] or "-")]
    names = [name for name in twins if not name.startswith("_")]
    assert 11 == len(names)
    for name in names:
        for one in (store, guarded):
            twin = getattr(one, f"a{name}")
            assert inspect.iscoroutinefunction(twin)
            wanted = inspect.signature(getattr(one, name)).parameters
            assert list(wanted.values()) == list(inspect.signature(twin).parameters.values())


async def test_both_ways_are_one_store(server, stores):
    """
    What a task stores a thread reads, and the other way round.
    """
    store = stores(server)
    assert [True] == await store.aset([item(store, "a", guard=noted(store))])
    assert [b"record"] == read(store, "a")
    put(store, "b")
    assert [b"record"] == (await store.aget([address("b")])).records
    assert [True] == await store.adelete([address("b")])
    assert [None] == read(store, "b")
