"""
Memory, disk and a real server that goes away and comes back: what callers of functions get.
"""

from __future__ import annotations

import logging
import os
import uuid

import pytest

from memotier import ConfigError, InvalidationNotDurable, WritePolicy, tiered_cache, wiring
from memotier.stores import spill

from .support import Worker, soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

SPILLING = spill.Spilling


def patient(monkeypatch, seconds: float) -> None:
    """
    A cache waits so long before it spills, however long it believes what is in memory.
    """
    monkeypatch.setattr(
        spill, "Spilling", lambda *a, **options: SPILLING(*a, **{**options, "patience": seconds})
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """
    Nobody waits half a minute before results are spilled.
    """
    patient(monkeypatch, 0.0)


@pytest.fixture
def spilling(caches, tmp_path):
    """
    A function that makes a cached function as another process of the machine would have it.
    """

    def make(server, **options):
        settings = {"spill_directory": tmp_path / "spill", "spill_max_age": 3600, **options}
        cache = caches(server, **settings)
        runs = []

        @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
        def f(x):
            runs.append(x)
            return (x, uuid.uuid4().hex)

        f.runs, f.cache, f.store = runs, cache, cache._keyed.engine.store
        return f

    return make


def test_while_the_server_is_away_processes_share_what_they_compute(own_server, spilling):
    """
    Also one that is started meanwhile, and has never seen the server.
    """
    one, two = spilling(own_server), spilling(own_server)
    one(0), two(0)
    own_server.stop()
    one(9), two(9)
    assert one(1) == two(1)
    new = spilling(own_server)
    assert one(1) == new(1)
    assert [] == new.runs


def test_what_was_there_before_is_not_taken_for_what_is_spilled(own_server, spilling):
    """
    Results of before are computed anew: nobody knows whether they still hold.
    """
    one = spilling(own_server)
    before = one(1)
    own_server.stop()
    one(2)
    assert before != one(1)
    assert [1, 2, 1] == one.runs


@pytest.mark.parametrize("what", ["key", "tag", "all"])
def test_an_invalidation_meanwhile_holds_on_this_machine(own_server, spilling, what):
    """
    It is told as not durable, and nobody here is given the old result: not this process, not
    another one, not one that is started afterwards.
    """
    one = spilling(own_server)
    one(0)
    own_server.stop()
    old = one(1)
    tell = {
        "key": lambda: one.invalidate(1),
        "tag": lambda: one.cache.sync.invalidate_tags("t"),
        "all": lambda: one.cache.sync.clear(),
    }[what]
    assert old == spilling(own_server)(1)
    with pytest.raises(InvalidationNotDurable):
        tell()
    assert old != one(1)
    assert old != spilling(own_server)(1)


def test_when_the_server_is_back_nothing_that_was_spilled_is_served(
    own_server, spilling, monkeypatch
):
    """
    Not from memory either, although nobody asks the server for anything; each key is computed
    once, and what one computes is what the other has.
    """
    patient(monkeypatch, 1.0)
    monkeypatch.setattr(wiring, "REDIS_REST", 0.01)
    one, two = spilling(own_server), spilling(own_server)
    one(0), two(0)
    own_server.stop()
    for each in (one, two):
        assert soon(lambda each=each: each(uuid.uuid4().hex) and each.store.is_spilling)
    old = [one(n) for n in range(5)]
    assert old == [two(n) for n in range(5)]

    own_server.start()
    assert soon(lambda: one(0) != old[0])
    assert soon(lambda: two(0) != old[0])
    soon(lambda: share(one, two))
    one.runs.clear(), two.runs.clear()
    new = [one(n) for n in range(1, 5)]
    assert new == [two(n) for n in range(1, 5)] == [one(n) for n in range(1, 5)]
    assert not set(new) & set(old)
    assert ([1, 2, 3, 4], []) == (one.runs, two.runs)


def test_what_the_server_must_still_be_told_is_not_told_to_the_spill_again(own_server, spilling):
    """
    Others spill what they compute after an invalidation, and that stays.
    """
    one, two = spilling(own_server), spilling(own_server)
    one(0), two(0)
    own_server.stop()
    one(9), two(9)
    with pytest.raises(InvalidationNotDurable):
        one.cache.sync.invalidate_tags("t")
    kept = two(1)
    one.cache._keyed.engine.versions.retry_at = 0.0
    one(2)
    new = spilling(own_server)
    assert kept == new(1)


def share(one, two):
    new = uuid.uuid4().hex
    return one(new) == two(new)


def test_a_killed_worker_leaves_its_results_and_its_invalidations(own_server, name, tmp_path):
    """
    One process computes, one invalidates and is killed; the next one is given what is valid, and
    nothing of it when the server is back.
    """
    environ = {"MEMOTIER_TEST_SPILL": str(tmp_path / "spill")}
    own_server.stop()
    with Worker(own_server, name, **environ) as one:
        kept, lost = one("get a"), one("get b")
        victim = Worker(own_server, name, **environ)
        assert (kept, lost) == (victim("get a"), victim("get b"))
        assert "not-durable" == victim("invalidate b")
        victim.kill()
        with Worker(own_server, name, **environ) as two:
            assert kept == two("get a")
            assert lost != two("get b")
            own_server.start()
            assert soon(lambda: two("get a") != kept)
            assert soon(lambda: one("get a") == two("get a"))
            assert lost not in (one("get b"), two("get b"))


def test_what_is_spilled_is_no_use_to_who_may_not_write(own_server, caches, tmp_path):
    """
    A readonly cache makes no spill.
    """
    caches(own_server)
    own_server.stop()
    cache = caches(own_server, spill_directory=tmp_path / "spill", mode="readonly")
    assert 1 == cache.sync.get_or_compute("k", lambda: 1)
    assert not (tmp_path / "spill").exists()


def test_it_is_said_when_it_begins(own_server, spilling, caplog):
    """
    One warning per process, with the place.
    """
    caplog.set_level(logging.WARNING)
    one = spilling(own_server)
    own_server.stop()
    one(1), one(2)
    said = [line for line in caplog.messages if "results are kept in" in line]
    assert 1 == len(said)
    assert f"{os.sep}spill" in said[0]


def test_misuse(caches, server, tmp_path):
    """
    A spill needs a server to be away, and write-back has a place for what is owed already.
    """
    with pytest.raises(ConfigError, match="WRITE_BACK"):
        caches(server, spill_directory=tmp_path, write_policy=WritePolicy.WRITE_BACK)
    with pytest.raises(ConfigError, match="spill_max_age"):
        caches(server, spill_directory=tmp_path, spill_max_age="soon")
