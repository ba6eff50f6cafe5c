"""
Memory of one process and invalidations of another: real processes, one server.
"""

from __future__ import annotations

import statistics
import threading
import time

import pytest

from memotier import tiered_cache
from memotier.stores.board import SLOTS, moved_cells, slot_on_board
from memotier.stores.redis.board import LocalBoard
from memotier.stores.redis.watch import Watch, slots_in

from ..stores.support import NAME, address, put
from .support import Worker, soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]


@pytest.mark.parametrize("way", ["tag t", "key k"])
def test_fault_18_another_process_sees_what_one_invalidates(server, name, way):
    """
    Both share a result; soon after one has invalidated it, the other has another one.
    """
    seen = []
    with Worker(server, name) as one, Worker(server, name) as two:
        for _ in range(20):
            old = one("get k")
            assert old == two("get k") == two("get k")
            one(way)
            began = time.monotonic()
            new = soon(lambda old=old: (answer := two("get k")) != old and answer)
            seen.append(time.monotonic() - began)
            assert new == one("get k")

    assert statistics.median(seen) < 1.0  # the bound without messages is 30 s


BOTH = ("evalsha", "ping")


def test_a_hit_in_memory_asks_no_server(server, name):
    """
    The second look at a result is answered by memory, although other processes may invalidate.
    """
    with Worker(server, name) as one:
        one("get k")

        def questions():
            found = server.run("INFO", "commandstats")
            calls = {what: found.get(f"cmdstat_{what}", {}).get("calls", 0) for what in BOTH}
            return calls["evalsha"] - calls["ping"]  # a beat is one of both

        before = questions()
        for _ in range(50):
            one("get k")
        assert "50" == one("info l1_hits")

        assert questions() - before < 5  # a beat may be half done


def test_fault_45_a_subscriber_that_was_cut_off_trusts_nothing(server, stores):
    """
    All is marked when it subscribes again, and messages arrive as before.
    """
    store, other = stores(server), stores(server)
    put(store, "a")
    put(other, "a")
    first = bytes(store.board.cells)
    server.run("CLIENT", "KILL", "TYPE", "pubsub")

    soon(lambda: SLOTS == len(moved_cells(first, bytes(store.board.cells))))
    soon(lambda: other.watch.is_subscribed and other.watch.resets)
    before = bytes(store.board.cells)
    other.bump([NAME])
    moved = soon(lambda: moved_cells(before, bytes(store.board.cells)))
    assert [slot_on_board(NAME)] == moved


def test_fault_45_a_process_that_was_cut_off_sees_what_it_missed(own_server, name):
    """
    It was invalidated while nobody could tell it.
    """
    with Worker(own_server, name) as one, Worker(own_server, name) as two:
        for _ in range(5):
            old = one("get k")
            assert old == two("get k")
            own_server.run("CLIENT", "KILL", "TYPE", "pubsub")
            one("tag t")
            assert soon(lambda old=old: two("get k") != old)


@pytest.mark.parametrize("loss", ["flush", "restart"])
def test_fault_17_a_server_that_lost_everything(own_server, name, loss):
    """
    What was stored before is a miss, in the memory of other processes too.
    """
    with Worker(own_server, name) as one, Worker(own_server, name) as two:
        old = one("get k")
        assert old == two("get k")
        if loss == "flush":
            own_server.run("FLUSHALL")
        else:
            own_server.stop()
            own_server.start()
        # Nobody invalidated it, so memory may go on with it until one of them asks the server.
        one("get other")
        new = soon(lambda: (answer := two("get k")) != old and answer)
        soon(lambda: one("get other") and new == one("get k"))


def test_own_invalidations_are_not_heard_of_again(server, stores):
    """
    The engine that made one has acted on it already; only others have to.
    """
    store, other = stores(server), stores(server)
    put(store, "a")
    put(other, "a")
    mine, yours = bytes(store.board.cells), bytes(other.board.cells)
    store.bump([NAME])
    store.delete([address("a")])
    store.expire([address("b")])

    wanted = {slot_on_board(NAME), slot_on_board(address("a")), slot_on_board(address("b"))}
    soon(lambda: wanted == set(moved_cells(yours, bytes(other.board.cells))))
    assert mine == bytes(store.board.cells)


def test_relabelling_is_told(server, stores):
    """
    Who holds the record in memory has to look again; a refused one is told to nobody.
    """
    from ..stores.support import item, noted

    store, other = stores(server), stores(server)
    put(store, "a", record=b"old")
    put(other, "c")
    before = bytes(other.board.cells)
    guard = noted(store)._replace(instead_of=b"old")
    assert [True] == store.set([item(store, record=b"new", guard=guard)])
    assert [False] == store.set([item(store, record=b"late", guard=guard)])
    store.bump([b"x" * 16])

    wanted = {slot_on_board(address("a")), slot_on_board(b"x" * 16)}
    soon(lambda: wanted == set(moved_cells(before, bytes(other.board.cells))))
    assert 2 == int(server.run("HGET", store._keys.tokens, "serial")) - 1  # one began it


# -- the thread, on messages that a test makes -------------------------------------------


class Line:
    """
    A subscription whose messages are given.
    """

    def __init__(self, *messages):
        self.messages = [{"type": "subscribe", "data": 1}, *messages]

    def subscribe(self, channel):
        pass

    def ping(self):
        self.messages.insert(0, {"type": "pong", "data": b""})

    def get_message(self, timeout):
        if not self.messages:
            raise ConnectionError("over")
        return self.messages.pop(0)

    def close(self):
        pass


def message(number, slots=b"\x00\x07", sender=b"somebody"):
    return {"type": "message", "data": b"%d:" % number + sender + slots}


def heard(*messages, last=0, mine=b"m" * 8):
    """
    How often all was marked after *messages*, and which slots moved.
    """
    board = LocalBoard()
    watch = Watch(
        board,
        channel="c",
        sender=mine,
        subscription=lambda: Line(*messages),
        last_number=lambda: (b"born", last),
        renew=lambda birth: None,
        tracked="tokens",
        max_age=30,
        place="here",
    )
    first = bytes(board.cells)
    with pytest.raises(ConnectionError, match="over"):
        watch._listen()
    return watch.resets, moved_cells(first, bytes(board.cells))


def test_messages_in_order_mark_their_slots_only():
    """
    One after the other, whatever the first number is.
    """
    assert (0, [7]) == heard()[:0] + heard(message(5), message(6), last=4)
    assert (0, []) == heard(message(5, sender=b"m" * 8), message(6, sender=b"m" * 8), last=4)


@pytest.mark.parametrize(
    "messages",
    [
        (message(5), message(7)),
        (message(5), message(5)),
        (message(5), message(1)),
        (message(5, b"*"),),
        (message(5, b"\x00\x01\x02"),),
        ({"type": "message", "data": b"of somebody else"},),
        ({"type": "message", "data": b"x:" + b"somebody"},),
        ({"type": "message", "data": b""},),
        ({"type": "subscribe", "data": 1},),
    ],
)
def test_whatever_may_mean_that_one_is_missing_marks_all(messages):
    """
    A gap, a number again or a lower one, a message that is none, a silent new subscription.
    """
    resets, moved = heard(*messages, last=4)

    assert 1 <= resets
    assert SLOTS == len(moved)


def test_a_beat_finds_what_did_not_arrive():
    """
    The server has sent more than came before the answer to the ping.
    """
    board, last = LocalBoard(), [4]
    watch = Watch(
        board,
        channel="c",
        sender=b"m" * 8,
        subscription=lambda: Line(),
        last_number=lambda: (b"born", last[0]),
        renew=lambda birth: None,
        tracked="tokens",
        max_age=30,
        place="here",
    )
    line = Line()
    watch._take(line, 0)
    watch._check(line)
    assert (0, 4) == (watch.resets, watch.numbers._number)
    watch._check(line)
    assert 0 == watch.resets
    last[0] = 5
    watch._check(line)
    assert (1, 5) == (watch.resets, watch.numbers._number)
    last[0] = 2  # another server, or an emptied one
    watch._check(line)
    assert 2 == watch.resets


def test_without_a_subscription_memory_is_believed_for_a_while_only():
    """
    All is marked again and again, every *max_age* seconds.
    """
    board = LocalBoard()

    def away():
        raise ConnectionError

    watch = Watch(
        board,
        channel="c",
        sender=b"m" * 8,
        subscription=away,
        last_number=lambda: (None, 0),
        renew=lambda birth: None,
        tracked="tokens",
        max_age=0.05,
        place="here",
    )
    watch.start(1.0)
    soon(lambda: watch.resets >= 3)
    watch.stop()
    assert not watch.is_subscribed


def test_slots_that_no_board_has_are_left_out():
    """
    A message of somebody else cannot write beside the board, or to its epoch.
    """
    packed = b"".join(slot.to_bytes(2, "big") for slot in (0, 1, SLOTS, SLOTS + 1, 65535))
    assert [1, SLOTS] == slots_in(packed)


@pytest.mark.parametrize("reads", ["nobody", "somebody"])
def test_a_call_does_not_wait_until_nobody_invalidates(server, caches, reads):
    """
    Others invalidate other things in every moment in which a call asks for its tokens, and
    somebody else of its process reads that: it asks once all the same.
    """
    mine, other = caches(server), caches(server)

    @tiered_cache(namespace="n", cache=mine, name="f", version=1, ttl=3600, tags=["t{x}"])
    def f(x):
        return x

    f(1)
    store, asked = mine._keyed.engine.store.store, []
    versions, board = store.versions, store.board

    def invalidate():
        before = board.cells[0]
        other.sync.invalidate_tags("x")
        soon(lambda: board.cells[0] != before)

    def in_a_storm(names):
        asked.append(names)
        assert len(asked) < 10
        invalidate()
        answer = versions(names)
        if reads == "somebody":
            invalidate()
            thread = threading.Thread(target=mine.sync.get, args=("nothing",))
            thread.start()
            thread.join()
        return answer

    store.versions = in_a_storm
    assert 2 == f(2)
    assert 1 == len(asked)
    del store.versions

    assert 2 == f(2)
    assert 1 == f.cache_info().hits


def test_a_call_whose_own_tag_is_invalidated_all_the_time_returns(server, caches):
    """
    Whatever it hears of its tokens is outdated when it hears it: it computes, and keeps nothing.
    """
    mine, other = caches(server), caches(server)

    @tiered_cache(namespace="n", cache=mine, name="f", version=1, ttl=3600, tags=["t"])
    def f(x):
        return x

    store, asked = mine._keyed.engine.store.store, []
    versions, board = store.versions, store.board

    def overtaken(names):
        asked.append(names)
        assert len(asked) < 100
        answer, before = versions(names), board.cells[0]
        other.sync.invalidate_tags("t")
        soon(lambda: board.cells[0] != before)
        return answer

    store.versions = overtaken
    assert 1 == f(1)
    del store.versions
    assert not f.peek(1)
