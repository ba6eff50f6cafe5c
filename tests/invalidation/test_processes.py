"""
Real processes on one directory: tags and dependencies that one of them adds, the others find.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

WORKER = textwrap.dedent(
    """
    import sys
    from memotier import CacheInvalidator, MultiLevelCache
    cache = MultiLevelCache(directory=sys.argv[1], default_ttl="1h")
    invalidator = CacheInvalidator(cache)
    one = invalidator.sync
    acts = {
        "set": lambda *_: cache.sync.set("k", "v", namespace="n"),
        "get": lambda *_: cache.sync.get("k", "n"),
        "tag": lambda *_: one.tag("k", "n", ["t"]),
        "depend": lambda *_: one.add_dependency("k", "n", "/r"),
        "forget": lambda *_: cache.sync.invalidate_tags("t"),
        "invalidate": lambda *_: one.invalidate_tag("t"),
        "change": lambda *_: one.invalidate_dependents("/r"),
    }
    for line in sys.stdin:
        print(acts[line.strip()](), flush=True)
    """
)


class Process:
    """
    A process that does what it is told.
    """

    def __init__(self, directory):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, act):
        print(act, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def processes(tmp_path):
    made = [Process(tmp_path / "cache") for _ in range(3)]
    yield made
    for process in made:
        process.end()


@pytest.mark.slow
@pytest.mark.parametrize("how", [("tag", "forget"), ("tag", "invalidate"), ("depend", "change")])
def test_what_one_adds_another_finds(processes, how):
    """
    One stores, another adds, a third invalidates; all three held the entry in memory, none
    serves it again.
    """
    add, forget = how
    first, second, third = processes
    for _ in range(3):
        assert "None" == first("set")
        assert ["v"] * 6 == [process("get") for process in [*processes, *processes]]
        assert "True" == second(add)
        assert ["v"] * 3 == [process("get") for process in processes]
        third(forget)
        assert ["None"] * 3 == [process("get") for process in processes]
