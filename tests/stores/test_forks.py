"""
Forks, and the other ways to start a process.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings

import pytest

from .support import (
    disk,
    put,
    read,
    run,
)

WRITER = """
store = disk(directory, max_size=None, max_bytes=2**30)
guard = noted(store, names=())
n = 0
while True:
    text = f"{sys.argv[2]}.{n}"
    store.set([item(store, text, record=text.encode() * 20, guard=guard._replace(mark=MISS))])
    print(n, flush=True)
    n += 1
"""


FORKING = """
import threading
store = disk(directory)
put(store, "parent")
stop = threading.Event()

def write(n):
    i = 0
    while not stop.is_set():
        put(store, f"{n}.{i % 50}")
        read(store, f"{n}.{i % 50}")
        i += 1

threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
bad = 0
for n in range(30):
    child = os.fork()
    if not child:
        code = 1
        try:
            ok = put(store, f"child {n}") == [True]
            ok = ok and read(store, f"child {n}", "parent") == [b"record", b"record"]
            store.bump([NAME])
            code = 0 if ok else 2
        finally:
            os._exit(code)
    bad += os.waitpid(child, 0)[1] != 0
stop.set()
for thread in threads:
    thread.join()
print(bad, read(store, *(f"child {n}" for n in range(30))).count(b"record"))
store.close()
"""


@pytest.mark.slow
def test_fault_40_fork_while_three_threads_write(place):
    """
    Thirty forks: every child reads, writes and invalidates; the parent goes on.
    """
    assert "0 30" == run(FORKING, place).strip()


def child_of(place, queue):
    store = disk(place)
    put(store, f"child {os.getpid()}")
    queue.put((os.getpid(), read(store, "parent", f"child {os.getpid()}")))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_fault_40_multiprocessing(on_disk, place, method):
    """
    Each way to start a process.
    """
    store = on_disk()
    put(store, "parent")
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=child_of, args=(place, queue))
        child.start()
    pid, found = queue.get()
    child.join(20)

    assert 0 == child.exitcode
    assert [b"record", b"record"] == found
    assert [b"record", b"record"] == read(store, "parent", f"child {pid}")


def test_fault_40_no_connection_crosses_a_fork(on_disk, place):
    """
    Before the fork the files are closed; parent and child open them again. The board may cross:
    it has no lock and no state but its bytes.
    """
    store = on_disk()
    put(store, "a")
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                 if os.path.islink(f"/proc/self/fd/{fd}")]  # fmt: skip
        os.write(
            sending,
            str(sum(str(place) in link and "-board" not in link for link in links)).encode(),
        )
        os._exit(0)
    os.waitpid(child, 0)

    assert b"0" == os.read(receiving, 10)
    os.close(receiving)
    os.close(sending)
    assert [b"record"] == read(store, "a")


def test_fault_40_fork_that_nobody_announced(on_disk):
    """
    A server that forks in C calls only the hook in the child: the connection is left alone.
    """
    from memotier.stores import forks

    store = on_disk()
    put(store, "a")
    session = store._access.connections.ready()

    forks._after_in_child()

    assert store._access.connections.ready() is not session
    assert [b"record"] == read(store, "a")
    session.close()
