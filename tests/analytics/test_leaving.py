"""
What a process leaves of its figures, when, and what is found there by others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memotier import CacheAnalytics, MultiLevelCache, snapshots, tiered_cache
from memotier.analytics import collect, figures, merge, snapshot
from memotier.analytics.believing import believed
from memotier.analytics.fitting import OTHERS, fitted
from memotier.analytics.leaving import LEAVE, RENEW, REST, Leaving
from memotier.errors import StoreError
from memotier.stores.notices import LARGEST, LIFE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def by_hand(monkeypatch):
    """
    No thread, nor one that an earlier test has started: rounds are made by the test.
    """
    monkeypatch.setattr(snapshots.Rounds, "_start", lambda self: None)
    monkeypatch.setattr(snapshots, "rounds", snapshots.Rounds())


@pytest.fixture(params=["disk", pytest.param("redis", marks=pytest.mark.extras)])
def other(request, make_cache, by_hand):
    """
    A function to make caches of one second tier, as processes would.
    """
    return lambda **arguments: make_cache(request.param, **arguments)


@pytest.fixture
def cache(make_cache, by_hand):
    return make_cache("disk")


def _used(cache, calls=10):
    @tiered_cache(cache=cache, namespace="tool.i", ttl="1h", name="app.double")
    def double(x):
        return 2 * x

    for _ in range(calls):
        double(1)
    return double


class Spy:
    """
    Notices in a list.
    """

    def __init__(self, leaving):
        self.left = []
        self.fails = False
        leaving._notices = self

    def leave(self, name, data):
        if self.fails:
            raise StoreError("no room")
        self.left.append(json.loads(data))


def test_another_process_sees_the_figures(other):
    """
    All of them, as the process itself sees them.
    """
    used, looks = other(), other()
    _used(used)

    assert Leaving(used._keyed).round()

    (seen,) = collect(looks)
    assert not seen["ended"]
    assert (9, 1) == (figures.total(seen)["hits"], figures.total(seen)["misses"])
    assert snapshot(used)["functions"][0]["counters"] == seen["functions"][0]["counters"]
    assert {"size": 1} == {"size": seen["tiers"]["l2"]["size"]}  # asked now, by who looks


def test_all_processes_are_added_up(other):
    """
    Those of others and one's own.
    """
    first, second = other(), other()
    for cache in (first, second):
        _used(cache)
    Leaving(first._keyed).round()

    found = collect(second)

    assert 2 == len(found)
    assert 20 == figures.accesses(figures.total(merge(found)))


def test_own_figures_are_not_seen_twice(other):
    """
    Once as they are now, not once more as they were left.
    """
    cache = other()
    _used(cache)
    Leaving(cache._keyed).round()

    assert 1 == len(collect(cache))


def test_windows_go_back_to_the_first_use(cache, clock):
    """
    What happened before the first round is in the last minute, too; later it is not.
    """
    snapshots._used(_ref(cache))
    _used(cache)
    clock.advance(1)
    Leaving(cache._keyed).round()

    looks = MultiLevelCache(directory=cache._keyed.wiring.directory, clock=clock)
    assert 10 == figures.accesses(figures.total(collect(looks)[0], window="1m"))

    clock.advance(61)
    (seen,) = collect(looks)
    assert 0 == figures.accesses(figures.total(seen, window="1m"))
    assert 10 == figures.accesses(figures.total(seen, window="1h"))
    looks.sync.close()


def _ref(cache):
    import weakref

    return weakref.ref(cache._keyed)


def test_nothing_is_written_when_nothing_changed(cache, clock):
    """
    Not at every round; but once in a while, as a sign of life.
    """
    double = _used(cache)
    leaving = Leaving(cache._keyed)
    spy = Spy(leaving)

    for _ in range(3):
        leaving.round()
        clock.advance(2)
    assert 1 == len(spy.left)

    double(1)
    leaving.round()
    assert 2 == len(spy.left)

    assert RENEW < LIFE / 2
    clock.advance(RENEW)
    leaving.round()
    assert 3 == len(spy.left)


def test_a_cache_that_was_only_looked_at_leaves_nothing(cache):
    """
    A command that invalidates is no process that uses the cache.
    """
    cache.sync.invalidate_tags("a")
    leaving = Leaving(cache._keyed)
    spy = Spy(leaving)

    leaving.round()
    leaving.end()

    assert [] == spy.left


def test_what_cannot_be_left_is_counted_and_tried_later(cache, clock, caplog):
    """
    No error, no log line, and not at every round.
    """
    _used(cache)
    leaving = Leaving(cache._keyed)
    spy = Spy(leaving)
    spy.fails = True

    assert leaving.round()
    assert leaving.round()
    assert {LEAVE: 1} == snapshot(cache)["failures"]

    spy.fails = False
    clock.advance(REST)
    assert leaving.round()
    assert [{LEAVE: 1}] == [one["failures"] for one in spy.left]
    assert [] == caplog.records


def test_a_store_that_rests_is_not_asked(cache):
    """
    Nor is whoever closes it kept waiting for it.
    """
    _used(cache)
    leaving = Leaving(cache._keyed)
    spy = Spy(leaving)
    cache._keyed.engine.store.writing._failed(StoreError("away"))

    assert leaving.round()
    leaving.end()

    assert [] == spy.left


def test_the_last_one_says_so(cache):
    """
    When the cache is closed, and when nobody has it any more.
    """
    _used(cache)
    leaving = Leaving(cache._keyed)
    spy = Spy(leaving)
    leaving.round()
    leaving.end()

    assert [False, True] == [one["ended"] for one in spy.left]


def test_closing_leaves_the_last_figures(make_cache, by_hand, tmp_path):
    """
    Also if no round was ever made.
    """
    used, looks = make_cache("disk"), make_cache("disk")
    _used(used)
    used.sync.close()

    (seen,) = collect(looks)
    assert seen["ended"]
    assert 10 == figures.accesses(figures.total(seen))


@pytest.mark.parametrize("tiers", ["memory", "disk"])
def test_who_does_not_want_it_leaves_nothing(make_cache, tmp_path, tiers):
    """
    With snapshots=False, and in a cache that has no second tier.
    """
    cache = make_cache(tiers, snapshots=False) if tiers == "disk" else make_cache()
    _used(cache)
    cache.sync.close()

    assert cache._keyed.engine.meter.starter is None
    assert not list(tmp_path.rglob("snapshots-v1"))


def test_a_hit_in_memory_wakes_nobody(cache):
    """
    Only what asks the second tier looks whether there is a thread.
    """
    double = _used(cache)
    woken = []
    cache._keyed.engine.meter.starter = lambda: woken.append(1)
    cache._keyed.engine.meter.due = 0.0

    for _ in range(100):
        double(1)
    assert [] == woken

    double(2)
    assert woken


def _woken(cache):
    woken = []
    cache._keyed.engine.meter.starter = lambda: woken.append(1)
    return woken


@pytest.mark.parametrize("asks", ["made", "asked", "monitored"])
def test_who_asks_for_figures_first_does_not_delay_them(cache, asks):
    """
    The first miss wakes who leaves them, also if analytics looked at the cache before it.
    """
    analytics = CacheAnalytics(cache)
    if asks == "asked":
        analytics.get_comprehensive_stats()
    if asks == "monitored":
        analytics._state.check()
    woken = _woken(cache)

    _used(cache, calls=1)

    assert [1] == woken


def test_who_asks_for_figures_after_a_fork_does_not_delay_them(cache):
    """
    Nor in a child, in which somebody looks before its first miss.
    """
    double = _used(cache)
    leaving = Leaving(cache._keyed)
    leaving.after_fork()
    leaving.look_soon()
    snapshot(cache)
    woken = _woken(cache)

    double(2)

    assert [1] == woken


def test_later_only_who_is_due_is_told(cache, clock):
    """
    Once it was told, it is not told at each miss.
    """
    CacheAnalytics(cache)
    woken = _woken(cache)
    double = _used(cache, calls=1)
    for x in range(10, 20):
        double(x)

    assert [1] == woken
    clock.advance(5)
    double(3)
    assert [1, 1] == woken


# -- how much --------------------------------------------------------------------------------


def _many(cache, functions):
    for number in range(functions):
        for _ in range(1 + number % 3):
            cache.sync.get_or_compute("k", lambda: 1, namespace=f"tool.n{number:05}")


def test_a_snapshot_of_many_functions_is_bounded_and_its_totals_are_whole(cache):
    """
    The least used are one row.
    """
    _many(cache, 400)
    whole = snapshot(cache)

    data = fitted(whole, LARGEST)

    assert len(data) <= LARGEST < len(json.dumps(whole))
    seen = believed(data)
    assert OTHERS in [one["namespace"] for one in seen["functions"]]
    assert figures.total(whole) == pytest.approx(figures.total(seen))
    assert figures.total(whole, window="1h") == pytest.approx(figures.total(seen, window="1h"))


def test_what_does_not_fit_at_all_is_not_left(cache):
    """
    Rather nothing than half of it.
    """
    _used(cache)

    assert None is fitted(snapshot(cache), 100)


# -- whom to believe ---------------------------------------------------------------------------


def _damaged(value):
    """
    *value* with each of its parts in turn something else.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            yield {k: v for k, v in value.items() if k != name}
            for other in _damaged(part):
                yield {**value, name: other}
    elif isinstance(value, list):
        for at, part in enumerate(value[:2]):
            for other in _damaged(part):
                yield [*value[:at], other, *value[at + 1 :]]
    yield from (None, "x", -1, 1e300, True, [], {}, [[]], "\x1b[2J", 10**400)


def test_whatever_was_found_is_refused_or_can_be_shown(cache, clock):
    """
    Each part of a snapshot replaced by each of many things: nobody who shows it fails.
    """
    from memotier.cli.figuring import figured
    from memotier.dashboard import report

    CacheAnalytics(cache, track_hot_keys=False)
    _used(cache)
    taken = json.loads(json.dumps({**snapshot(cache), "ended": False}))
    taken["functions"][0]["latency"] = dict(
        list(taken["functions"][0]["latency"].items())[:1],
    )
    refused = shown = 0
    for damaged in _damaged(taken):
        try:
            data = json.dumps(damaged).encode()
        except ValueError:  # too large a number to be written
            continue
        found = believed(data)
        if found is None:
            refused += 1
            continue
        shown += 1
        text = json.dumps(figured([found]), allow_nan=False)
        assert "\\u001b" not in text
        if found["arguments"] != taken["arguments"]:
            assert report(found)

    assert refused > 500
    assert shown > 10


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"format": 2}', b'{"format": 1}'),
        *(b"[" * 100_000, b'{"format": NaN}', b'{"a":' * 50_000, b"9" * 100_000),
    ],
)
def test_what_is_no_snapshot_is_none(data):
    """
    However deep or long.
    """
    assert None is believed(data)


# -- real processes ----------------------------------------------------------------------------

_PROGRAM = """
import os, signal, sys, time
import memotier, memotier.snapshots
memotier.snapshots.FIRST, memotier.snapshots.EVERY = 0.05, 0.05
from memotier import tiered_cache

@tiered_cache(namespace="tool.i", ttl="1h", name="app.double")
def double(x):
    return 2 * x

def seen(wanted):
    from memotier.analytics import collect, figures
    looks = memotier.MultiLevelCache(directory="cache", snapshots=False)
    for _ in range(1000):
        found = collect(looks)
        if wanted(found):
            return found
        time.sleep(0.01)
    raise SystemExit(f"never seen: {[(one['ended'], figures.total(one)) for one in found]}")

for _ in range(10):
    double(1)
"""


def _run(project, code, program=_PROGRAM):
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program + code],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MEMOTIER_DIRECTORY": "cache"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "" == done.stderr
    return done


def test_a_running_process_is_seen_by_its_own_thread(tmp_path):
    """
    There is one, whatever the number of caches, and it is a daemon.
    """
    _run(
        tmp_path,
        "import threading\n"
        "others = [memotier.MultiLevelCache(directory=f'c{n}') for n in range(3)]\n"
        "for one in others: one.sync.set('a', 1)\n"
        "seen(lambda found: len(found) == 1 and not found[0]['ended'] and found[0]['functions'])\n"
        "mine = [t for t in threading.enumerate() if t.name == 'memotier-snapshots']\n"
        "assert 1 == len(mine) and mine[0].daemon\n",
    )


def test_a_process_that_ended_is_seen_as_ended(tmp_path):
    """
    Also one that lived shorter than to the first round.
    """
    _run(tmp_path, "memotier.snapshots.FIRST = 60\n")

    (seen,) = collect(_looks(tmp_path))
    assert seen["ended"]
    assert 10 == figures.accesses(figures.total(seen))


def test_a_killed_process_is_there_until_it_expires(tmp_path):
    """
    As it was last seen; nobody says that it has ended.
    """
    _run(
        tmp_path,
        "seen(lambda found: found and found[0]['functions'])\n"
        "sys.stderr.flush(); sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)\n",
    )

    (seen,) = collect(_looks(tmp_path))
    assert not seen["ended"]


def test_a_forked_process_counts_its_own_calls(tmp_path):
    """
    Not once more what its parent had counted, in totals, windows and latencies.
    """
    _run(
        tmp_path,
        "seen(lambda found: found and found[0]['functions'])\n"
        "if os.fork() == 0:\n"
        "    for _ in range(3): double(2)\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "seen(lambda found: len(found) == 2 and any(one['ended'] for one in found))\n",
    )

    parent, child = sorted(collect(_looks(tmp_path)), key=lambda one: one["since"])
    assert [10, 3] == [figures.accesses(figures.total(one)) for one in (parent, child)]
    assert 3 == figures.accesses(figures.total(child, window="1h"))
    assert [1, 1] == [figures.latency(one, "call.compute").count for one in (parent, child)]
    assert parent["processes"] != child["processes"]
    assert 3 == child["tiers"]["l1"]["hits"] + child["tiers"]["l1"]["misses"]


def test_a_forked_process_has_tags_and_keys_of_its_own(tmp_path):
    """
    In what it leaves, those that it used itself.
    """
    _run(
        tmp_path,
        "analytics = memotier.CacheAnalytics()\n"
        "@tiered_cache(namespace='tool.i', ttl='1h', name='app.tagged', tags=['t'])\n"
        "def tagged(x): return x\n"
        "for _ in range(10): tagged(1)\n"
        "seen(lambda found: found and found[0]['hot_keys'])\n"
        "if os.fork() == 0:\n"
        "    for _ in range(3): tagged(1), tagged(2)\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "seen(lambda found: len(found) == 2 and any(one['ended'] for one in found))\n",
    )

    _, child = sorted(collect(_looks(tmp_path)), key=lambda one: one["since"])
    assert [5] == [row["hits"] for row in child["tags"]]
    assert [3, 3] == [row["accesses"] for row in child["hot_keys"]]


def test_a_read_only_directory_costs_nothing_but_a_count(tmp_path):
    """
    The program works, and says nothing of it.
    """
    _run(
        tmp_path,
        "seen(lambda found: found and found[0]['functions'])\n"
        "import shutil\n"
        "shutil.rmtree('cache/snapshots-v1'); open('cache/snapshots-v1', 'w').close()\n"
        "from memotier.analytics import snapshot\n"
        "for n in range(1000):\n"
        "    assert 2 * n == double(n)\n"
        "    if snapshot()['failures']: break\n"
        "    time.sleep(0.01)\n"
        "assert 'l2.leave' in snapshot()['failures']\n",
    )


def test_no_caller_loads_analytics_for_it(tmp_path):
    """
    Only the thread does, which has not begun here.
    """
    code = _PROGRAM.replace("FIRST, memotier.snapshots.EVERY = 0.05", "FIRST, x = 60") + (
        "assert not [one for one in sys.modules if one.startswith('memotier.analytics')]\n"
        "assert memotier.snapshots.rounds._thread is not None\n"
    )
    _run(tmp_path, code, program="")


def _looks(project):
    return MultiLevelCache(directory=project / "cache", snapshots=False)


def test_no_thread_is_left_behind(make_cache, tmp_path):
    """
    The thread ends when there is no cache to look after.
    """
    code = (
        "import threading\n"
        "seen(lambda found: found and found[0]['functions'])\n"
        "memotier.get_cache().sync.close()\n"
        "for t in threading.enumerate():\n"
        "    if t.name == 'memotier-snapshots': t.join(10)\n"
        "assert 'memotier-snapshots' not in [t.name for t in threading.enumerate()]\n"
    )
    _run(tmp_path, code)
    assert threading.current_thread()
