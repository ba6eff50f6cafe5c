"""
Several processes and threads at once, and death at any moment.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sqlite3
import threading
import warnings

import pytest

from memotier.stores.offload import Offload

from ..effort import examples
from .support import (
    MISS,
    address,
    database,
    disk,
    finished,
    item,
    kill,
    noted,
    process,
    put,
    read,
    tampering,
)

WRITER = """
store = disk(directory, max_size=None, max_bytes=2**30)
guard = noted(store, names=())
n = 0
while True:
    text = f"{sys.argv[2]}.{n}"
    one = item(store, text, record=text.encode() * 20, guard=guard._replace(mark=MISS))
    try:
        stored = store.set([one])
    except StoreError:
        continue  # Not acknowledged, so not missed.
    assert [True] == stored
    print(n, flush=True)
    n += 1
"""


@pytest.mark.slow
def test_fault_35_kill_9_of_four_writers(place):
    """
    Thirty-two times: every record that was acknowledged is there, whole, and no other file is.
    """
    acknowledged = 0
    for round_ in range(8):
        children = [process(WRITER, place, f"{round_}.{n}") for n in range(4)]
        for child in children:
            for _ in range(20 + 7 * round_):
                child.stdout.readline()
        for child in children:
            child.kill()
        store = disk(place, max_size=None, max_bytes=2**30)
        for n, child in enumerate(children):
            lines = 20 + 7 * round_ + len(child.communicate()[0].split("\n")) - 1
            texts = [f"{round_}.{n}.{i}" for i in range(lines)]
            assert [text.encode() * 20 for text in texts] == read(store, *texts)
            acknowledged += lines
        store.close()

    with tampering(place) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    assert acknowledged > 1000
    files = {path.name for path in database(place).parent.iterdir()}
    assert {"cache.db", "cache.db-board", "cache.db-lock"} == files


OPERATIONS = 1500 if examples(1) == 1 else 10_000
MIXED = """
import random
random.seed(int(sys.argv[2]))
store = disk(directory, max_size=500)
dropped = wrong = invalid = 0
slowest = []
guards = {}
for i in range(int(sys.argv[3])):
    text = str(random.randrange(1000))
    kind = random.random()
    try:
        if kind < 0.5:
            began = time.perf_counter()
            [found] = read(store, text)
            slowest.append(time.perf_counter() - began)
            wrong += found not in (None, text.encode() * 10)
        elif kind < 0.95:
            put(store, text, record=text.encode() * 10, expire=random.choice([None, 0.01, 60.0]))
        elif kind < 0.98:
            store.delete([address(text)])
        else:
            store.bump([NAME])
    except StoreError as error:
        if "locked" not in str(error):
            raise
        dropped += 1
        invalid += kind >= 0.95
slowest.sort()
print(wrong, invalid, dropped, slowest[int(len(slowest) * 0.99)])
store.close()
"""


@pytest.mark.slow
def test_fault_41_eight_processes(place):
    """
    Eight processes at once: no exception but "locked", no wrong value, no lost invalidation.
    10,000 operations each with ``tox -e soak``.
    """
    children = [process(MIXED, place, n, OPERATIONS) for n in range(8)]
    lines = [finished(child, 80 * OPERATIONS / 1500).split() for child in children]

    assert ["0"] * 8 == [line[0] for line in lines]
    assert ["0"] * 8 == [line[1] for line in lines]
    assert sum(int(line[2]) for line in lines) < 12 * OPERATIONS / 1500
    # 5 ms on a machine with a core for each; here they take turns on what there is.
    assert sorted(float(line[3]) for line in lines)[3] < 0.1
    with tampering(place) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
        [[rows]] = connection.execute("SELECT count(*) FROM Cache")
        [[noted_rows]] = connection.execute("SELECT value FROM Settings WHERE key = 'count'")
    assert rows == noted_rows <= 500


async def test_fault_42_event_loop_goes_on_while_another_holds_the_lock(on_disk, place):
    """
    The write waits in a thread; in the meantime the loop turns, and reads are answered.
    """
    store, offload = on_disk(timeout=5), Offload()
    put(store, "a")
    late = item(store, "b")
    with tampering(place) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = offload.run(store.set, [late])
        turns = 0
        for _ in range(20):
            reading = await offload.run(store.get, [address("a")])
            assert [b"record"] == reading.records
            turns += 1
        assert not writing.done()
        other.execute("ROLLBACK")
        assert [True] == await writing

    assert 20 == turns
    offload.close()


def test_fault_53_idle_reader_does_not_grow_the_log_for_ever(on_disk, place):
    """
    While someone reads, the log grows; when he is gone it shrinks to its limit.
    """
    store = on_disk()
    put(store, "a")
    wal = database(place).with_name("cache.db-wal")
    with tampering(place) as idle:
        idle.execute("BEGIN")
        idle.execute("SELECT count(*) FROM Cache").fetchall()
        for n in range(60):
            put(store, str(n % 5), record=os.urandom(200_000))
        grown = wal.stat().st_size
    for n in range(60):
        put(store, str(n % 5), record=os.urandom(200_000))

    assert grown > 8 * 2**20
    assert wal.stat().st_size <= 6 * 2**20


def test_fault_53_copy_during_use_is_a_database(on_disk, place, tmp_path):
    """
    A backup with cp is at worst set aside when it is opened; it never hangs or crashes.
    """
    store = on_disk()
    put(store, *map(str, range(50)))
    shutil.copytree(place, tmp_path / "copy")
    copy = disk(tmp_path / "copy")

    assert set(read(copy, *map(str, range(50)))) <= {b"record", None}
    assert [True] == put(copy, "a")
    copy.close()


def test_fault_47_du_stays_below_the_limit(on_disk, place):
    """
    The files as the system counts them, log included.
    """
    store = on_disk(max_size=None, max_bytes=4 * 2**20)
    guard = noted(store, names=())._replace(mark=MISS)
    for n in range(3000):
        store.set([item(store, str(n), record=os.urandom(5000), guard=guard)])

    used = sum(path.stat().st_blocks * 512 for path in database(place).parent.iterdir())
    assert used <= 4 * 2**20 + 8 * 2**20
    assert store.usage()["evictions"] > 1000


def test_few_connections_for_many_threads(on_disk):
    """
    Two connections, however many threads have come and gone.
    """
    store = on_disk()
    put(store, "a")
    threads = [threading.Thread(target=put, args=(store, str(n))) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            pass
    mine = [link for link in links if str(store.directory) in link]
    # Twice the database, twice the log, once the index of the log, once the board.
    assert len(mine) <= 6


def test_forgotten_store_is_closed_quietly(place):
    """
    Without close(): no warning, no file left open.
    """
    store = disk(place)
    put(store, "a")
    session = store._access.connections.ready()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del store
        gc.collect()

    assert [] == [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    with pytest.raises(sqlite3.ProgrammingError):
        session.reader.execute("SELECT 1")


EXIT = """
import threading, warnings
warnings.simplefilter("error")
store = disk(directory)
put(store, "a")

def forever():
    while True:
        try:
            put(store, "b")
        except BaseException:
            return

threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
"""


def test_exit_with_a_busy_daemon_thread_does_not_hang(place):
    """
    The interpreter ends, and says nothing.
    """
    child = process(EXIT, place)
    out, err = child.communicate(timeout=20)

    assert (0, "", "") == (child.returncode, out, err)


def test_killed_in_a_transaction(place):
    """
    What was not committed is not there, and nobody has to wait for the dead.
    """
    script = """
        store = disk(directory)
        put(store, "a")
        writer = store._access.connections.ready().writer
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE Cache SET value = x'00'")
        print("ready", flush=True)
        time.sleep(60)
    """
    child = process(script, place)
    assert "ready\n" == child.stdout.readline()
    kill(child)
    store = disk(place)

    assert [b"record"] == read(store, "a")
    assert [True] == put(store, "b")
    store.close()


def test_many_processes_create_one_directory(place):
    """
    All open a directory that is not there yet, at once.
    """
    script = "store = disk(directory, timeout=20); print(put(store, sys.argv[2])); store.close()"
    children = [process(script, place, n) for n in range(6)]

    assert ["[True]"] * 6 == [finished(child).strip() for child in children]
    store = disk(place)
    assert 6 == store.count()
    store.close()


def test_loops_of_several_threads_share_an_offload(on_disk):
    """
    Each future belongs to the loop that asked.
    """
    store, offload = on_disk(), Offload()
    put(store, "a")

    async def ask():
        answers = await asyncio.gather(*(offload.run(read, store, "a") for _ in range(20)))
        return [answer for [answer] in answers]

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(asyncio.run(ask()))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [[b"record"] * 20] * 4 == results
    offload.close()
