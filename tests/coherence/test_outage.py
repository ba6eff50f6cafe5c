"""
The second tier comes back after an outage, while very many wait for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

WORKER = textwrap.dedent(
    """
    import collections, json, sys, threading, time
    from memotier import Clock, MultiLevelCache, tiered_cache
    from memotier.errors import StoreError

    later = 0.0
    clock = Clock(monotonic=lambda: time.monotonic() + later, wall=time.time)
    cache = MultiLevelCache(directory=sys.argv[1], clock=clock)
    runs = collections.Counter()
    seen = {"get": 0, "set": 0, "together": 0}
    lock, inside, is_down = threading.Lock(), collections.Counter(), False

    class Flaky:
        # The store itself, below the breaker.
        def __init__(self, store):
            self.store = store
        def __getattr__(self, name):
            return getattr(self.store, name)
        def _run(self, name, *arguments):
            with lock:
                seen[name] += 1
                inside[name] += 1
                if guarded.reading.state == "open" and name == "get":
                    seen["together"] = max(seen["together"], inside[name])
            try:
                time.sleep(0.005)
                if is_down:
                    raise StoreError("nobody is there")
                return getattr(self.store, name)(*arguments)
            finally:
                with lock:
                    inside[name] -= 1
        def get(self, addresses):
            return self._run("get", addresses)
        def set(self, items):
            return self._run("set", items)

    guarded = cache._keyed.engine.store
    guarded.store = Flaky(guarded.store)

    @tiered_cache(namespace="o", cache=cache, name="f", version=1)
    def f(x):
        with lock:
            runs[x] += 1
        time.sleep(0.002)
        return f"value {x}"

    def callers(batch):
        wrong, start = [], threading.Barrier(200)
        def call(at):
            start.wait()
            for n in range(50):
                key = f"{batch} {(n + at) % 50}"
                try:
                    if f(key) != f"value {key}":
                        wrong.append(key)
                except BaseException as error:
                    wrong.append(repr(error))
        threads = [threading.Thread(target=call, args=(at,)) for at in range(200)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        return wrong

    for line in sys.stdin:
        act, _, batch = line.strip().partition(" ")
        seen.update(get=0, set=0, together=0)
        wrong = []
        if act in ("down", "up"):
            is_down = act == "down"
        elif act == "wait":
            later += 31
        else:
            wrong = callers(batch)
        most = max(runs.values(), default=0)
        print(json.dumps({"wrong": wrong, "runs": most, **seen}), flush=True)
    """
)


class Worker:
    def __init__(self, directory: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, act: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(act + "\n")
        self.child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, "the process has ended"
        return dict(json.loads(line))

    def end(self) -> None:
        self.child.communicate(timeout=30)


@pytest.mark.slow
def test_fault_44_two_hundred_callers_meet_a_store_that_comes_back(tmp_path: Path) -> None:
    """
    In two processes, 200 callers of 50 keys each: no key is computed twice in a process, whether
    the store is away, still away when it is tried again, or back; and it is tried by one caller
    at a time.
    """
    both = [Worker(tmp_path / "c"), Worker(tmp_path / "c")]

    def do(act: str) -> list[dict[str, Any]]:
        for worker in both:
            worker.ask(act)
        answers = [worker.answer() for worker in both]
        assert [[], []] == [one["wrong"] for one in answers]
        assert all(one["runs"] <= 1 for one in answers), "a key was computed twice"
        return answers

    do("call before")
    do("down")
    do("call while it fails")
    do("wait")
    for one in do("call while it is tried again"):
        assert (1, 1) == (one["get"], one["together"])
        assert one["set"] <= 1
    do("up")
    for one in do("call before it is tried again"):
        assert (0, 0) == (one["get"], one["set"])
    do("wait")
    for one in do("call when it is back"):
        assert 1 == one["together"]
    for one in do("call afterwards"):
        assert one["get"] >= 50
    for worker in both:
        worker.end()
