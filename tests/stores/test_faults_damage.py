"""
Files that are damaged: set aside once, and all goes on in an empty one.
"""

from __future__ import annotations

import os

import pytest

from memotier.errors import StoreError

from .support import (
    database,
    finished,
    process,
    put,
    read,
    tampering,
)


def aside(place) -> list:
    return [
        path
        for path in database(place).parent.glob("cache.db.corrupt-*")
        if not path.name.endswith(("-wal", "-shm"))
    ]


def damage(path, how) -> None:
    data = bytearray(path.read_bytes())
    size = len(data)
    if how == "random":
        data[:] = os.urandom(size)
    elif how == "header":
        data[:16] = bytes(16)
    elif how == "half":
        del data[size // 2 :]
    elif how == "first page":
        data[100:4096] = os.urandom(3996)
    elif how == "text":
        data[:] = b"this is not a database " * 100
    elif how == "empty":
        del data[:]
    elif how == "middle":
        data[8192:] = os.urandom(size - 8192)
    path.write_bytes(data)


DAMAGES = ["random", "header", "half", "first page", "text", "empty", "middle"]


@pytest.mark.parametrize("how", DAMAGES)
def test_fault_33_damaged_before_opening(on_disk, place, how, caplog):
    """
    Set aside once, with one warning, and all goes on in an empty database.
    """
    first = on_disk()
    put(first, *map(str, range(200)), record=bytes(2000))
    first.close()
    damage(database(place), how)

    store = on_disk()
    outcomes, messages = [], []
    for n in range(200):
        try:
            outcomes.append(read(store, str(n))[0])
        except StoreError as error:
            messages.append(str(error))
    assert {*outcomes} <= {None, bytes(2000)}
    assert all("corrupt" in message for message in messages)
    for _ in range(3):
        try:
            put(store, *(f"new {n}" for n in range(100)))
        except StoreError:
            pass

    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")
    assert len(aside(place)) == (0 if how == "empty" else 1)
    assert len(caplog.records) == len(aside(place))


@pytest.mark.parametrize("how", ["random", "header", "half", "middle"])
def test_fault_33_damaged_while_running(on_disk, place, how, time, events):
    """
    The call that meets the damage fails, the next one works.
    """
    store = on_disk()
    put(store, *map(str, range(300)), record=bytes(2000))
    with tampering(place) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(database(place), how)
    failures = 0
    for round_ in range(3):
        for n in range(0, 300, 10):
            try:
                read(store, str(n))
                put(store, f"new {round_} {n}")
            except StoreError:
                failures += 1

    assert failures <= 4
    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")
    assert ["store_quarantined"] * len(aside(place)) == [event for event, _ in events]


def test_fault_33_garbage_log_is_ignored(on_disk, place):
    """
    A write-ahead log of nonsense costs nothing.
    """
    first = on_disk()
    put(first, "a")
    first.close()
    wal = database(place).with_name("cache.db-wal")
    wal.write_bytes(os.urandom(50_000))
    wal.chmod(0o600)

    assert [b"record"] == read(on_disk(), "a")
    assert [] == aside(place)


def test_fault_33_only_the_newest_is_kept(on_disk, place):
    """
    Damage that comes back does not fill the disk.
    """
    for _ in range(3):
        store = on_disk()
        put(store, "a")
        store.close()
        damage(database(place), "random")
    assert [None] == read(on_disk(), "a")

    assert 1 == len(aside(place))


CRASHED = """
store = disk(directory)
outcomes = set()
until = time.monotonic() + 10
while time.monotonic() < until:
    try:
        put(store, f"p{sys.argv[2]}")
        if read(store, f"p{sys.argv[2]}") == [b"record"]:
            outcomes.add("ok")
            break
    except StoreError:
        outcomes.add("failed")
print("ok" in outcomes)
store.close()
"""


@pytest.mark.slow
def test_fault_33_eight_processes_set_it_aside_once(on_disk, place):
    """
    All open the damaged file at once: one renames it, all go on in the new one.
    """
    first = on_disk()
    put(first, "a")
    first.close()
    damage(database(place), "random")

    children = [process(CRASHED, place, n) for n in range(8)]

    assert ["True"] * 8 == [finished(child).strip() for child in children]
    assert 1 == len(aside(place))
    assert [b"record"] * 8 == read(on_disk(), *(f"p{n}" for n in range(8)))


def test_fault_34_truncated_and_flipped_records_come_back_as_they_are(on_disk, place):
    """
    A store does not look into records; whatever bytes lie in the row, no call fails.
    """
    store = on_disk()
    record = bytes(range(200))
    put(store, "a", record=record)
    damaged = [record[:n] for n in range(200)]
    damaged += [bytes([*record[:n], record[n] ^ 1 << n % 8, *record[n + 1 :]]) for n in range(200)]
    with tampering(place) as connection:
        for bytes_ in damaged:
            connection.execute("UPDATE Cache SET value = ?", (bytes_,))
            assert [bytes_] == read(store, "a")
