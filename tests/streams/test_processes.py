"""
Real processes: one that is killed in the middle of a stream leaves nothing that looks complete.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import asyncio, sys
from memotier import MultiLevelCache, tiered_cache

policy = "write_around" if "around" in sys.argv else "write_through"
cache = MultiLevelCache(directory=sys.argv[1], write_policy=policy)
cached = tiered_cache(name="f", namespace="kill", version=1, cache=cache)
ends = "ends" in sys.argv

def numbers():
    print("computes", flush=True)
    for i in range(5):
        if i == 3 and not ends:
            print("middle", flush=True)
            sys.stdin.read()
        yield [i]

async def anumbers():
    for item in numbers():
        yield item

async def listed():
    return [x async for x in cached(anumbers)()]

answer = asyncio.run(listed()) if "async" in sys.argv else list(cached(numbers)())
print(answer, flush=True)
cache.sync.close()
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("policy", ["through", "around"])
def test_killed_in_the_middle(tmp_path, kind, policy):
    """
    kill -9 after three of five items: the next process computes all, the one after it nothing.
    """
    script = tmp_path / "script.py"
    script.write_text(CODE, encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path / "cache"), kind, policy]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        assert "computes\n" == victim.stdout.readline()
        assert "middle\n" == victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
    right = "[[0], [1], [2], [3], [4]]\n"
    for expected in (f"computes\n{right}", right):
        done = subprocess.run(
            [*command, "ends"], capture_output=True, text=True, timeout=60, check=True
        )
        assert (expected, "") == (done.stdout, done.stderr)
