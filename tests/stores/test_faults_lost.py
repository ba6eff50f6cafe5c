"""
Races with other processes, and files that are removed or replaced under a running one.
"""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from .support import (
    NAME,
    address,
    database,
    disk,
    item,
    put,
    read,
    run,
)


def test_fault_05_bump_between_noting_and_storing(on_disk, place):
    """
    Another process bumps the name after this one noted it: the store is refused.
    """
    store = on_disk()
    late = item(store)
    run("disk(directory).bump([NAME])", place)

    assert [False] == store.set([late])
    assert [None] == read(store, "a")


def test_fault_05_no_gap_between_comparing_and_storing(on_disk, place):
    """
    A bump that begins while the tokens are compared waits until the record is stored; so
    whoever reads its new epoch reads a record older than the bump, never the other way round.
    """
    store, other = on_disk(), on_disk()
    one = item(store)
    read(other, "a")
    writer = store._access.connections.ready().writer
    entered, go_on = threading.Event(), threading.Event()

    def hold(statement):
        if statement.startswith("INSERT INTO Cache"):
            entered.set()
            go_on.wait(10)

    writer.set_trace_callback(hold)
    storing = threading.Thread(target=store.set, args=([one],))
    bumping = threading.Thread(target=other.bump, args=([NAME],))
    storing.start()
    assert entered.wait(10)
    bumping.start()
    bumping.join(0.05)
    assert bumping.is_alive()
    go_on.set()
    storing.join(10)
    bumping.join(10)
    writer.set_trace_callback(None)

    assert [b"record"] == read(store, "a")
    assert one.guard.epoch != store.versions([])[1]


def test_fault_17_guard_of_a_lost_database_never_holds(on_disk, place, time):
    """
    In a new database all names are "never bumped" again; what was noted in the old one
    before a bump must not be stored.
    """
    store = on_disk()
    late = item(store)
    store.bump([NAME])
    shutil.rmtree(place)
    time.pass_(2)

    assert [None] == store.versions([NAME])[0]
    assert [False] == store.set([late])
    assert [True] == store.set([item(store)])


@pytest.mark.parametrize("how", ["remove file", "remove directory", "move another there"])
def test_fault_19_replaced_database_is_opened_again(on_disk, place, time, events, how):
    """
    Within a second everyone is in the new file, with another epoch, and it is reported.
    """
    store = on_disk()
    put(store, "a")
    epoch = store.versions([])[1]
    if how == "remove file":
        database(place).unlink()
    elif how == "remove directory":
        shutil.rmtree(place)
    else:
        other = disk(place.parent / "other")
        put(other, "b")
        other.close()
        for suffix in ("-wal", "-shm"):
            os.unlink(f"{database(place)}{suffix}")
        os.replace(database(place.parent / "other"), database(place))
    time.pass_(1.0)

    assert [None] == read(store, "a")
    assert epoch != store.versions([])[1]
    assert ["store_replaced"] == [event for event, _ in events]
    assert [b"record" if how == "move another there" else None] == read(store, "b")


def test_fault_19_noticed_after_a_thousand_calls_too(on_disk, place):
    """
    Even while the clock stands still.
    """
    store = on_disk()
    put(store, "a")
    database(place).unlink()

    found = [read(store, "a") for _ in range(1001)]

    assert [b"record"] == found[0]
    assert [None] == found[-1]


@pytest.mark.parametrize("how", ["bump", "delete"])
def test_fault_19_invalidation_is_not_lost_in_a_removed_file(on_disk, place, how):
    """
    The others already use the new file: an invalidation reaches it at once.
    """
    store = on_disk()
    put(store, "a")
    database(place).unlink()
    run("put(disk(directory), 'a', record=b'theirs')", place)

    if how == "bump":
        store.bump([NAME])
        script = "print(disk(directory).versions([NAME])[0] != [None])"
    else:
        assert [True] == store.delete([address("a")])
        script = "print(read(disk(directory), 'a') == [None])"
    assert "True" == run(script, place).strip()
