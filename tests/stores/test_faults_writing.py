"""
A directory that is read-only, full or locked by someone else.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading

import pytest

from memotier.errors import StoreError
from memotier.stores.faults import StoreBusy

from .support import (
    NAME,
    address,
    database,
    disk,
    finished,
    item,
    noted,
    process,
    put,
    read,
    run,
    tampering,
)


def aside(place) -> list:
    return [
        path
        for path in database(place).parent.glob("cache.db.corrupt-*")
        if not path.name.endswith(("-wal", "-shm"))
    ]


AS_OTHER = """
os.setgroups([]); os.setgid(54321); os.setuid(54321)
store = disk(directory)
for call in (lambda: read(store, "a"), lambda: put(store, "a"), lambda: store.bump([NAME])):
    try:
        call()
    except StoreError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become someone else")
def test_fault_31_read_only_directory(tmp_path):
    """
    As another user: each call fails at once, with a sentence that names the directory.
    """
    tmp_path.chmod(0o755)
    for above in list(tmp_path.parents)[:2]:
        above.chmod(0o755)
    place = tmp_path / "cache"
    place.mkdir()
    os.chown(place, 54321, 54321)
    place.chmod(0o500)

    lines = run(AS_OTHER, place).splitlines()

    assert 3 == len(lines)
    assert all("cannot be used" in line and str(place) in line for line in lines)


REMOUNT = """
import subprocess
mount = lambda *a: subprocess.run(["mount", *a], check=True)
mount("-t", "tmpfs", "-o", "size=16m,mode=0700", "none", directory)
seen = []
store = disk(os.path.join(directory, "cache"), on_event=lambda *e: seen.append(e))
assert put(store, "a") == [True]
late = item(store, "b")
store.close()
mount("-o", "remount,ro", directory)
store = disk(os.path.join(directory, "cache"))
for call in (lambda: store.set([late]), lambda: store.bump([NAME])):
    try:
        call()
    except StoreError as error:
        print("read-only" in str(error), "corrupt" in str(error))
mount("-o", "remount,rw", directory)
print(put(store, "c"), read(store, "a", "c"))
store.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_fault_31_remounted_read_only_while_running(tmp_path):
    """
    Writes fail, saying why; when the file system is writable again all goes on.
    """
    child = unshared(REMOUNT, tmp_path)

    assert "True False\nTrue False\n[True] [b'record', b'record']" == finished(child).strip()


def unshared(script, place):
    """A process with mounts of its own."""
    script = "import ctypes\nassert ctypes.CDLL(None).unshare(0x20000) == 0\n" + (
        "import subprocess as s; s.run(['mount', '--make-rprivate', '/'], check=True)\n" + script
    )
    return process(script, place)


FULL = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "none", directory], check=True)
store = disk(os.path.join(directory, "cache"))
assert put(store, "first") == [True]
problem = None
for n in range(400):
    try:
        put(store, f"text {n}", record=os.urandom(30_000))
    except StoreError as error:
        problem = error
        break
print("the disk is full" in str(problem), read(store, "first") == [b"record"])
filler = os.open(os.path.join(directory, "filler"), os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(filler, b"x" * 4096)
except OSError:
    pass
try:
    for _ in range(2000):
        store.bump([os.urandom(16) for _ in range(100)])
except StoreError as error:
    print("the disk is full" in str(error))
print(read(store, "first") == [b"record"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_fault_32_disk_full(tmp_path):
    """
    Writes and invalidations say so; reading goes on.
    """
    assert "True True\nTrue\nTrue" == finished(unshared(FULL, tmp_path)).strip()


LIMITED = """
import resource
store = disk(directory)
put(store, "first")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
problem = None
for n in range(100):
    try:
        put(store, f"text {n}", record=os.urandom(30_000))
    except StoreError as error:
        problem = error
        break
print(problem is not None, read(store, "first") == [b"record"])
"""


def test_fault_32_file_size_limit(place):
    """
    A quota looks like an I/O error; what is there can still be read, and nothing is set aside.
    """
    assert "True True" == run(LIMITED, place).strip()
    assert [] == aside(place)


def test_set_gives_up_when_another_holds_the_lock(on_disk, place):
    """
    "Locked" is an error of its own kind; reading does not wait at all, opening neither.
    """
    store = on_disk(timeout=0.05)
    put(store, "a")
    late = item(store, "b")
    with tampering(place) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked"):
            store.set([late])
        assert [b"record"] == read(store, "a")
        assert [b"record"] == read(on_disk(timeout=0.05), "a")
        other.execute("ROLLBACK")

    assert [True] == store.set([late])


def test_invalidation_waits_longer_than_a_set(on_disk, place):
    """
    A delete is worth more patience than a record.
    """
    store = on_disk(timeout=0.01)
    put(store, "a")
    with tampering(place) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=store.delete, args=([address("a")],))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        other.execute("ROLLBACK")
        waiting.join(10)

    assert [None] == read(store, "a")


def test_other_threads_count_as_others(on_disk):
    """
    A thread that writes for long makes a set of another one give up, not wait for ever.
    """
    store = on_disk(timeout=0.02)
    late = item(store)
    with store._access.connections.writing, pytest.raises(StoreBusy, match="other threads"):
        store.set([late])

    assert [True] == store.set([late])


def test_lock_file_held_by_another(on_disk, place):
    """
    Opening waits for the lock file only so long.
    """
    first = on_disk()
    put(first, "a")
    store = on_disk(timeout=0.02)
    with open(database(place).with_name("cache.db-lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy, match="lock file"):
            read(store, "a")

    assert [b"record"] == read(store, "a")


def test_write_that_fails_is_rolled_back(on_disk, monkeypatch):
    """
    An error in the middle of a batch leaves nothing of it, and the connection usable.
    """
    store = on_disk()
    good = item(store, "a")
    bad = item(store, "b")._replace(group=object())

    with pytest.raises(StoreError):
        store.set([good, bad])
    assert [None, None] == read(store, "a", "b")
    assert [True] == store.set([good])


def test_listener_that_fails_is_logged(place, caplog):
    """
    A fault in a listener is not a fault of the store.
    """

    def listener(event, details):
        raise RuntimeError("listener")

    store = disk(place, on_event=listener, max_record_bytes=10)

    assert [False, True] == store.set(
        [item(store, "a", record=bytes(11)), item(store, "b", record=bytes(10))]
    )
    assert "record_too_large" in caplog.text
    store.close()


def test_record_that_is_too_large_replaces_nothing(on_disk, events):
    """
    It is not stored and evicts nobody; the caller hears False, the listener why.
    """
    store = on_disk(max_bytes=64 * 1000)
    put(store, "a", "b")

    assert [False] == store.set([item(store, "a", record=bytes(1001), guard=noted(store))])
    assert [b"record", b"record"] == read(store, "a", "b")
    assert [("record_too_large", {"size": 1001, "limit": 1000})] == events


def test_a_transaction_that_ran_out_of_stack_is_rolled_back(on_disk):
    """
    After a RecursionError in the middle of a write the next ones work, invalidations included.
    """
    store = on_disk()
    put(store, "a")

    def deeper(levels):
        return deeper(levels - 1) if levels else put(store, "a")

    failures = 0
    for levels in range(sys.getrecursionlimit()):
        try:
            deeper(levels)
        except RecursionError:
            failures += 1
    assert failures

    store.bump([NAME])
    assert put(store, "b")
    assert read(store, "b") is not None
