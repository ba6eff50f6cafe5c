"""
One computation per key of all processes that share a server, whatever happens to who leads.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter

import pytest

from .peers import Peers, let_pass
from .support import soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

#: Nobody who relies on looking from time to time is answered within a test.
NEVER = {"pauses": [600, 600], "life": 600.0}


@pytest.fixture
def peers(name, tmp_path):
    """
    A function that makes processes, which are killed at the end.
    """
    made = Peers(name, tmp_path)
    yield made
    made.end()


@contextlib.contextmanager
def outage(server, how):
    """
    The server is away; stopped, it comes back empty.
    """
    if how == "freeze":
        with server.frozen():
            yield
        return
    server.stop()
    yield
    server.start()


def lease_keys(server, name):
    return server.run("KEYS", f"mt1:{{{name}}}:lease:*")


@pytest.mark.parametrize("how", ["call", "async", "many", "get"])
def test_one_computation_for_many_processes(server, peers, how):
    """
    Four processes ask for one cold key: one of them computes, all get its value; those who wait are
    told so by a message, as looking would take ten minutes.
    """
    four = [peers.add(server, **NEVER) for _ in range(4)]
    four[0].say(f"{how} held")
    peers.wait_for_runs(1)
    for one in four[1:]:
        one.say(f"{how} held")
    peers.wait_for_waiting(3)
    peers.open("held")

    assert 1 == len({one.answer() for one in four})
    assert 1 == len(peers.runs())


def test_processes_that_begin_at_once(server, peers):
    """
    Whoever is first, and whatever they ask first, every key is computed once.
    """
    four = [peers.add(server) for _ in range(4)]
    for one in four:
        one.say("burst 5 20")
    assert ["done"] * 4 == [one.answer() for one in four]
    assert [1] * 20 == list(Counter(line for line in peers.log.read_text().split()[::2]).values())


def test_batches_that_overlap(server, peers):
    """
    Of two batches that share some keys each key is computed by one.
    """
    one, two = peers.add(server, **NEVER), peers.add(server, **NEVER)
    one.say("many a held b")
    peers.wait_for_runs(2)
    two.say("many b c a")
    peers.wait_for_runs(1, "c")
    peers.wait_for_waiting(1)
    peers.open("held")
    assert one.answer().split()[0] == two.answer().split()[2]
    assert 4 == len(peers.runs())


@pytest.mark.parametrize("how", ["call", "async", "many"])
def test_fault_36_a_killed_leader_is_replaced_by_one_waiter(server, peers, how):
    """
    Its lease ends, and one of those who wait computes; they know when it ends, as neither a
    message tells it nor would they look for ten minutes.
    """
    short = {**NEVER, "life": 2.0}
    leader, *waiters = [peers.add(server, **short) for _ in range(4)]
    leader.say(f"{how} held")
    peers.wait_for_runs(1)
    for one in waiters:
        one.say(f"{how} held")
    peers.wait_for_waiting(3)
    leader.kill()
    peers.wait_for_runs(2)
    peers.open("held")

    (answer,) = {one.answer() for one in waiters}
    assert 2 == len(peers.runs())
    assert answer == f"held-{peers.runs()[1]}"


def test_fault_36_a_stopped_leader_is_replaced_and_takes_nothing_away(server, peers, name):
    """
    What it computed is right, so its caller gets it; the lease that another one has by then stays.
    """
    leader, waiter, third = [peers.add(server, life=1.0) for _ in range(3)]
    leader.say("call held")
    peers.wait_for_runs(1)
    waiter.say("call held")
    peers.wait_for_waiting(1)
    os.kill(leader.pid, signal.SIGSTOP)
    peers.wait_for_runs(2)
    (key,) = lease_keys(server, name)
    owner = server.run("GET", key)
    os.kill(leader.pid, signal.SIGCONT)
    let_pass(0.8)  # it finds out
    assert owner == server.run("GET", key)
    third.say("call held")
    peers.wait_for_waiting(2)
    peers.open("held")

    assert f"held-{leader.pid}" == leader.answer()
    assert f"held-{waiter.pid}" == waiter.answer()
    assert third.answer() in (f"held-{leader.pid}", f"held-{waiter.pid}")
    assert 2 == len(peers.runs())


def test_fault_36_a_process_that_exits_leaves_no_lease(server, peers, name):
    """
    A thread that dies with the interpreter computes nothing any more: the others need not wait.
    """
    leader, waiter = (peers.add(server, **NEVER) for _ in range(2))
    leader.say("leave held")
    peers.wait_for_runs(1)
    waiter.say("call held")
    peers.wait_for_waiting(1)
    leader.say("go")
    peers.wait_for_runs(2)
    peers.open("held")
    assert f"held-{waiter.pid}" == waiter.answer()


def test_a_long_computation_keeps_its_lease(server, peers, name):
    """
    It takes several lives of a lease, which is renewed; nobody else computes.
    """
    leader, waiter = (peers.add(server, life=0.6, pauses=[0.05, 0.05]) for _ in range(2))
    leader.say("call held")
    peers.wait_for_runs(1)
    waiter.say("call held")
    peers.wait_for_waiting(1)
    let_pass(2.5)
    assert not waiter.has_answered()
    peers.open("held")
    assert leader.answer() == waiter.answer()
    assert 1 == len(peers.runs())


def test_a_message_that_is_lost(server, peers):
    """
    Who hears of nothing looks from time to time.
    """
    leader = peers.add(server)
    waiter = peers.add(server, deaf=True, pauses=[0.1, 0.2])
    leader.say("call held")
    peers.wait_for_runs(1)
    waiter.say("call held")
    peers.wait_for_waiting(1)
    let_pass(0.3)
    peers.open("held")
    assert leader.answer() == waiter.answer()
    assert 1 == len(peers.runs())


def test_results_that_are_not_stored_are_computed_in_turn(server, peers):
    """
    They are nobody else's: each process has its own, and none waits longer than for its turn.
    """
    three = [peers.add(server, **NEVER) for _ in range(3)]
    for one in three:
        one.say("call lambda")
    assert {f"lambda-{one.pid}" for one in three} == {one.answer() for one in three}


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_server_that_goes_away_keeps_nobody_waiting(own_server, peers, how):
    """
    Whoever waits for a lease computes when nobody can say any more whose it is.
    """
    leader, waiter = (peers.add(own_server) for _ in range(2))
    leader.say("call held")
    peers.wait_for_runs(1)
    waiter.say("call held")
    peers.wait_for_waiting(1)
    assert 1 == len(peers.runs())
    if how == "stop":
        own_server.stop()
        peers.wait_for_runs(2)
    else:
        with own_server.frozen():
            peers.wait_for_runs(2)
    peers.open("held")
    assert [f"held-{one.pid}" for one in (leader, waiter)] == [leader.answer(), waiter.answer()]


def test_a_server_that_is_away_is_not_asked_for_leases(own_server, peers):
    """
    Everybody computes at once, and the same is found by all when it is back.
    """
    one, two = (peers.add(own_server) for _ in range(2))
    assert one("call a") == two("call a")
    own_server.stop()
    assert [f"b-{one.pid}", f"b-{two.pid}"] == [one("call b"), two("call b")]
    own_server.start()
    assert soon(lambda: {"closed closed"} == {one("state"), two("state")})
    assert one("call c") == two("call c")


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_fault_44_a_herd_after_an_outage_computes_each_key_once(own_server, peers, how):
    """
    The server is back: of 200 callers in each of two processes, who all ask for 50 keys, one
    computes each. That the server answers was found by listening; no call had to be the first.
    """
    one, two = (peers.add(own_server, patient=how == "stop") for _ in range(2))
    assert one("call a") == two("call a")
    with outage(own_server, how):
        for peer in (one, two):
            for n in range(3):
                peer(f"call away{n}")
            assert "open" in peer("state")
    before = len(peers.runs())
    assert soon(lambda: {"closed closed"} == {one("state"), two("state")})
    one.say("burst 200 50")
    two.say("burst 200 50")
    assert ["done", "done"] == [one.answer(120), two.answer(120)]

    runs = Counter(line.split()[0] for line in peers.log.read_text().splitlines()[before:])
    assert {f"slow{n}": 1 for n in range(50)} == runs


@pytest.mark.parametrize(("reach", "number"), [("cluster", 1), ("machine", 1), ("process", 2)])
def test_how_far_it_reaches(server, peers, reach, number):
    """
    Two processes of one machine compute once, unless each is to compute for itself.
    """
    one, two = (peers.add(server, reach=reach) for _ in range(2))
    one.say("call held")
    peers.wait_for_runs(1)
    two.say("call held")
    if number == 2:
        peers.wait_for_runs(2)
    else:
        peers.wait_for_waiting(1)
    peers.open("held")
    assert number == len({one.answer(), two.answer()})
    assert number == len(peers.runs())
