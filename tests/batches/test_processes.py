"""
Processes with batches that overlap: nobody waits for ever, and each id is computed once.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter

import pytest

SCRIPT = textwrap.dedent(
    """
    import asyncio, sys, threading, time
    from memotier import MultiLevelCache, tiered_cache
    directory, log, kind = sys.argv[1:4]
    ids = [int(one) for one in sys.argv[4].split(",")]
    cache = MultiLevelCache(directory=directory, default_ttl="1h")

    def work(ids):
        time.sleep(0.1)
        with open(log, "a") as file:
            file.write("".join(f"{one}\\n" for one in ids))
        if kind == "dies":
            print("inside", flush=True)
            time.sleep(60)
        return {one: one * 10 for one in ids}

    @tiered_cache.many(namespace="b", cache=cache, name="f", max_batch=2)
    def f(ids):
        return work(ids)

    @tiered_cache.many(namespace="b", cache=cache, name="g", max_batch=2)
    async def g(ids):
        return work(ids)

    @tiered_cache(namespace="b", cache=cache, name="h")
    def h(one):
        return work([one])[one]

    print("ready", flush=True)
    sys.stdin.readline()
    if kind == "async":
        answer = asyncio.run(g(ids))
    elif kind == "map":
        answer = dict(zip(ids, h.map(ids)))
    else:
        answer = f(ids)
    assert answer == {one: one * 10 for one in ids}, answer
    print("done")
    """
)


class Processes:
    def __init__(self, tmp_path):
        self.log = tmp_path / "log"
        self.log.touch()
        self._directory = tmp_path / "c"

    def start(self, kind, ids):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                self._directory,
                self.log,
                kind,
                ",".join(map(str, ids)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "ready\n" == child.stdout.readline()
        return child

    def go(self, *children):
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()

    def computed(self):
        return Counter(map(int, self.log.read_text().split()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sync", "async", "map"])
def test_overlapping_batches_end_and_compute_each_id_once(tmp_path, kind):
    """
    Three processes want the same ids in different orders: what one has claimed the others wait
    for, and none waits while it has a claim.
    """
    processes = Processes(tmp_path)
    ids = [*range(8)]
    children = [processes.start(kind, order) for order in (ids, ids[::-1], ids[3:] + ids[:3])]
    processes.go(*children)
    assert ["done\n"] * 3 == [child.communicate(timeout=60)[0] for child in children]
    assert dict.fromkeys(ids, 1) == processes.computed()


@pytest.mark.slow
def test_a_killed_process_is_replaced(tmp_path):
    """
    Ids that a process was computing when it was killed are computed by who waits for them.
    """
    processes = Processes(tmp_path)
    dies, lives = processes.start("dies", [1, 2]), processes.start("sync", [2, 3, 4])
    processes.go(dies)
    assert "inside\n" == dies.stdout.readline()
    processes.go(lives)
    while 3 not in processes.computed():
        assert lives.poll() is None
    dies.kill()
    dies.communicate()
    assert "done\n" == lives.communicate(timeout=60)[0]
    assert {1: 1, 2: 2, 3: 1, 4: 1} == processes.computed()
