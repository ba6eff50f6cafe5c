"""
Recording what is asked: what is in a trace, what is not, and that nothing is left of it.
"""

from __future__ import annotations

import json
import lzma
import math
import os
import stat
import threading
from array import array
from contextlib import suppress
from multiprocessing import get_context

import pytest

from memotier import CacheAnalytics, CacheLevelConfig, ConfigError, tiered_cache
from memotier.analytics import read_trace, record_trace, simulate, write_trace
from memotier.analytics.simulation import recorded_setup
from memotier.analytics.traces import ELSEWHERE, HIT, MISS, plain

from .habits import habit


def same(one, other):
    names = ("cache", "rate", "accesses", "functions", "l1", "function_of", "sizes", "keys")
    return all(getattr(one, name) == getattr(other, name) for name in (*names, "kinds"))


def test_each_access_is_in_it(call, tiers):
    """
    Hits in memory one by one, misses, and what the second tier answered, in both colours.
    """

    @call.cached(cache=tiers, name="double", namespace="a", version=1)
    def double(x):
        return 2 * x

    call(double(1))
    with record_trace(tiers) as recording:
        for x in (1, 2, 1, 2, 3):
            call(double(x))
        tiers.sync.set("key", 1, namespace="b")
        tiers.sync.get("key", namespace="b")
        tiers.sync.get("none", namespace="b")
        trace = recording.trace()

    assert bytes([HIT, MISS, HIT, HIT, MISS, HIT, MISS]) == trace.kinds
    assert [0, 1, 0, 1, 2, 3, 4] == list(trace.keys)
    assert 7 == trace.accesses
    assert [("a", "double"), ("b", "")] == [one[:2] for one in trace.functions]


def test_what_the_second_tier_has_is_no_miss(make_cache):
    """
    It is told apart: memory could not answer, and nothing was computed.
    """
    cache = make_cache("disk", l1_maxsize=1)

    @tiered_cache(cache=cache, name="double", version=1)
    def double(x):
        return 2 * x

    with record_trace(cache) as recording:
        for x in (1, 2, 1):
            double(x)
        trace = recording.trace()

    assert bytes([MISS, MISS, ELSEWHERE]) == trace.kinds


def test_recording_changes_no_answer_and_no_count_and_ends(call, tiers):
    """
    Hits are hits while it runs; afterwards they take the fast way again.
    """

    @call.cached(cache=tiers, name="double", version=1)
    def double(x):
        return 2 * x

    with record_trace(tiers):
        assert [2, 2, 4] == [call(double(x)) for x in (1, 1, 2)]
    engine = tiers._keyed.engine

    assert (1, 2) == (double.cache_info().hits, double.cache_info().misses)
    assert engine.versions.cells[0] == engine.versions.epoch
    assert 2 == call(double(1))
    assert 2 == double.cache_info().hits


def test_a_file_holds_no_arguments_and_is_private(cache, tmp_path):
    """
    Only its owner may read it, and none of what was asked for is in it in any form.
    """

    @tiered_cache(cache=cache)
    def greet(name):
        return name

    path = tmp_path / "calls.mttrace"
    with record_trace(cache, path) as recording:
        greet("confidential")
        greet("confidential")
        now = recording.trace()
    found = read_trace(path)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.glob("*.mttrace*"))
    assert same(now, found)
    assert [0, 0] == list(found.keys)
    assert b"confidential" not in path.read_bytes() + bytes(found.kinds)


def test_what_is_written_is_what_is_read(cache, tmp_path):
    """
    With endless ttls, bounds that are none, and times to the millisecond.
    """
    trace = plain([7, 7, 9, 7])
    write_trace(trace, tmp_path / "t")
    found = read_trace(tmp_path / "t")

    assert [0, 0, 1, 0] == list(found.keys)
    assert list(trace.times) == list(found.times)
    assert [math.inf, math.inf] == list(found.ttls)
    assert found.measured_hit_rate is None


@pytest.mark.parametrize("packed", [False, True])
def test_plain_traces_are_read(tmp_path, packed):
    """
    One 32-bit number per access, compressed or not.
    """
    data = array("I", [5, 6, 5]).tobytes()
    path = tmp_path / ("t.u32.xz" if packed else "t.u32")
    path.write_bytes(lzma.compress(data) if packed else data)

    assert [0, 1, 0] == list(read_trace(path).keys)


def test_what_is_no_trace_is_refused(cache, tmp_path):
    """
    Any byte of a trace may be another, and it may be cut anywhere: one error, never another one,
    and no more room than the file says it needs.
    """
    path = tmp_path / "t"
    write_trace(plain(list(range(50)) * 2), path)
    good = path.read_bytes()
    for at in range(0, len(good), 3):
        for bad in (good[:at], good[:at] + bytes([good[at] ^ 0x15]) + good[at + 1 :]):
            path.write_bytes(bad)
            with suppress(ConfigError):
                read_trace(path)
    head = json.dumps({"keys": 10**12, "events": 1}).encode()
    for bad in (b"", b"mttrace1", b"mttrace1\xff\xff\xff\xff", b"mttrace1" + bytes(3) + head):
        path.write_bytes(bad)
        with pytest.raises(ConfigError, match="no trace"):
            read_trace(path)


def test_more_accesses_than_are_kept_leave_keys_out_not_accesses(cache):
    """
    Of the keys that are left every access is there, and how many there were of all.
    """

    @tiered_cache(cache=cache)
    def double(x):
        return 2 * x

    with record_trace(cache, most=1000) as recording:
        for at in range(6000):
            double(at % 500)
        trace = recording.trace()
    counts = [list(trace.keys).count(key) for key in range(len(trace.sizes))]

    assert 6000 == trace.accesses
    assert len(trace.keys) <= 1001
    assert trace.rate in (1 / 8, 1 / 16)
    assert {12} == set(counts)
    assert len(counts) == pytest.approx(500 * trace.rate, rel=0.5)


def test_only_one_records_a_cache(cache):
    """
    The second is refused, and can begin when the first has stopped.
    """
    first, second = record_trace(cache), record_trace(cache)
    first.start()
    with pytest.raises(ConfigError, match="already"):
        second.start()
    first.stop()
    second.start()
    second.stop()
    with pytest.raises(ConfigError, match="start"):
        second.stop()


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": 2}, {"most": 0}, {"path": 3}])
def test_misuse_is_said(cache, wrong):
    """
    With the value; a directory that is not there when it begins, not when it ends.
    """
    with pytest.raises(ConfigError, match="directory is not there"):
        record_trace(cache, "nowhere/t").start()
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        record_trace(cache, **wrong)


def test_threads_record_together(cache):
    """
    Nobody waits, nothing fails, and all are there.
    """

    @tiered_cache(cache=cache)
    def double(x):
        return 2 * x

    def work():
        for at in range(300):
            assert 2 * (at % 20) == double(at % 20)

    with record_trace(cache) as recording:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trace = recording.trace()

    assert 1200 == len(trace.keys)
    assert 20 == len(trace.sizes)


def _child(double, cache, recording, out):
    double(1)
    double(2)
    engine = cache._keyed.engine
    is_fast = engine.versions.cells[0] == engine.versions.epoch
    recording.stop()
    out.put(is_fast and engine.meter.watcher.trace.accesses == 1)


def test_a_forked_child_does_not_record(cache, tmp_path):
    """
    Its hits are fast, and the file is left to the parent.
    """

    @tiered_cache(cache=cache)
    def double(x):
        return 2 * x

    path = tmp_path / "t"
    fork = get_context("fork")
    out = fork.Queue()
    with record_trace(cache, path) as recording:
        double(1)
        child = fork.Process(target=_child, args=(double, cache, recording, out))
        child.start()
        child.join(30)
        assert not os.path.exists(path)
        double(1)

    assert out.get(timeout=10)
    assert 2 == len(read_trace(path).keys)


def test_recommendations_say_what_they_bring(clock, make_cache):
    """
    A memory that is too small: the size that is enough, and what it saves, tried on the trace.
    """
    cache = make_cache(l1_config=CacheLevelConfig(max_size=100, ttl=math.inf), name="small")
    analytics = CacheAnalytics(cache)

    @tiered_cache(cache=cache)
    def slow(x):
        clock.advance(2)
        return "x" * 1000

    with record_trace(cache):
        for at in range(2000):
            slow(at % 150)
            clock.advance(1)
    found = {one.kind: one for one in analytics.get_recommendations()}
    room, policy, evicts = map(found.get, ("more_room", "policy", "high_eviction_rate"))

    assert {"l1": {"max_size": 200}} == room.change
    assert room.title == "l1 max_size 100 → 200: hit rate of memory 0% → 92%"
    assert 0.925 == pytest.approx(room.predicted["hit_rate"])
    assert 2 * 1850 / 2000 * 3600 / 3 == pytest.approx(
        room.predicted["seconds_saved_per_hour"], rel=0.01
    )
    assert 50 * 1380 == pytest.approx(room.predicted["bytes"], rel=0.1)
    assert "of computing saved per hour" in room.expected_impact
    assert room.predicted == evicts.predicted
    assert policy.predicted["hit_rate"] > 0.1


def test_a_recording_that_begins_with_a_full_memory(cache):
    """
    What is hit before it was missed had been there: so it is when that is simulated.
    """

    @tiered_cache(cache=cache)
    def double(x):
        return 2 * x

    for x in range(50):
        double(x)
    with record_trace(cache) as recording:
        for x in range(60):
            double(x)
        trace = recording.trace()

    assert 50 / 60 == trace.measured_hit_rate == simulate(trace, recorded_setup(trace)).hit_rate


def test_stale_results_are_known_by_their_whole_ttl(call, clock, cache):
    """
    Of a function that refreshes ahead an entry is looked at long before its ttl ends.
    """

    @call.cached(cache=cache, ttl=100, refresh_ahead=0.5, stale_while_revalidate=50)
    def double(x):
        return 2 * x

    with record_trace(cache) as recording:
        call(double(1))
        trace = recording.trace()

    assert [100] == [round(ttl) for ttl in trace.ttls]


def test_what_was_invalidated_all_the_time_predicts_nothing(make_cache):
    """
    What a trace does not know makes its figures wrong, and then nobody is told them.
    """
    kinds = []
    for clears in (True, False):
        cache = make_cache(l1_maxsize=50, default_ttl=math.inf)

        @tiered_cache(cache=cache)
        def double(x):
            return 2 * x

        with record_trace(cache):
            for at, key in enumerate(habit("zipf", 1500)):
                double(key)
                if clears and at % 3 == 0:
                    double.cache_clear()
        kinds.append({one.kind for one in CacheAnalytics(cache).get_recommendations()})

    assert "more_room" not in kinds[0]
    assert "more_room" in kinds[1]
