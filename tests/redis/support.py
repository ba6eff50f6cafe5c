"""
Waiting for what another thread or process does, and processes that use one cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from ..stores.support import ROOT

#: A process that obeys one line after the other: "get KEY" answers the time at which the result
#: was computed, and who did.
WORKER = """
import logging, os, sys, time
logging.basicConfig(stream=sys.stderr)
from memotier import MultiLevelCache, InvalidationNotDurable, tiered_cache
spill = os.environ.pop("MEMOTIER_TEST_SPILL", None)
if spill is not None:
    from memotier.stores import spill as module
    at_once = module.Spilling
    module.Spilling = lambda *a, **options: at_once(*a, **{**options, "patience": 0.0})
cache = MultiLevelCache(
    redis_url=sys.argv[1],
    name=sys.argv[2],
    max_l1_age=sys.argv[3],
    spill_directory=spill,
    spill_max_age=3600,
)
@tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=3600, tags=["t"])
def f(x):
    return f"{os.getpid()}-{time.time_ns()}"
for line in sys.stdin:
    what, *rest = line.split()
    try:
        if what == "get":
            answer = f(*rest)
        elif what == "info":
            answer = getattr(f.cache_info(), rest[0])
        elif what == "tag":
            answer = cache.sync.invalidate_tags(*rest)
        else:
            answer = f.invalidate(*rest)
    except InvalidationNotDurable:
        answer = "not-durable"
    print(answer, flush=True)
cache.sync.close()
"""


class Worker:
    """
    Another process with the same cache and the same function; *run* says how to run a command
    where it lives, if that is elsewhere.
    """

    def __init__(
        self, server, name: str, *, age: str = "30s", run=lambda *words: list(words), **environ: str
    ) -> None:
        self.child = subprocess.Popen(
            run(sys.executable, "-c", WORKER, server.url, name, age),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        )

    def __call__(self, line: str) -> str:
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.end()

    def kill(self) -> None:
        """As the kernel would, in the middle of whatever it does."""
        self.child.kill()
        self.child.wait(30)
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            pipe.close()

    def end(self) -> str:
        """What it logged."""
        if self.child.stdin.closed:
            return self.logged
        self.child.stdin.close()
        try:
            assert 0 == self.child.wait(30)
        finally:
            self.child.kill()
            self.logged = self.child.stderr.read()
            self.child.stdout.close()
            self.child.stderr.close()
        return self.logged


def soon(condition, seconds: float = 20.0):
    """
    What *condition* answers once that is true; for what nobody can be asked to tell.
    """
    until = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.002)
    return answer


def is_reached(watch) -> bool:
    return watch.is_subscribed
