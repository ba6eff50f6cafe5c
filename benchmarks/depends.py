"""
What a hit costs that looks at the world: a file, a variable; and what an epoch costs.

    python benchmarks/depends.py [--quick]

The file was written long ago, as most files that are read are.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from hit import KEYS, one, row_of
from measure import Row, Table, compare, main

from memotier import MultiLevelCache, env, epoch, file, tiered_cache, world

COMMAND = "python benchmarks/depends.py"
PLAIN = "no depends_on"


async def later(x: int) -> int:
    return x


def row_of_tasks(function: Any) -> Row:
    loop = asyncio.new_event_loop()

    async def run() -> float:
        begin = time.thread_time_ns()
        for key in KEYS:
            await function(key)
        return (time.thread_time_ns() - begin) / len(KEYS)

    loop.run_until_complete(run())
    return lambda: loop.run_until_complete(run())


def ways(path: Path) -> dict[str, list[Any]]:
    """
    What is depended on.
    """
    return {
        PLAIN: [],
        "epoch, by template": [epoch("session:{x}")],
        "env": [env("HOME")],
        "file": [file(path)],
        "file, content=True": [file(path, content=True)],
        "file, by template": [file(path.parent / "{x}")],
        "3 files and a variable": [*(file(path.with_name(n)) for n in "abc"), env("HOME")],
    }


def tables(quick: bool) -> list[Table]:
    rounds = 5 if quick else 101
    os.environ.setdefault("HOME", "/")
    real = world._wall
    world._wall = lambda: real() + 10  # type: ignore[assignment]
    found = []
    with tempfile.TemporaryDirectory() as directory, MultiLevelCache(l1_maxsize=20_000) as cache:
        path = Path(directory, "settings.toml")
        path.write_text("text " * 1000)
        for name in "abc":
            path.with_name(name).write_text(name)
        for title, function, row in (
            ("A hit that depends on something, f(int)", one, row_of),
            ("The same, async f(int)", later, row_of_tasks),
        ):
            rows = {
                name: row(tiered_cache(name=name, cache=cache, depends_on=needs)(function))
                for name, needs in ways(path).items()
            }
            found.append(compare(title, COMMAND, rows, PLAIN, rounds=rounds))
    return found


if __name__ == "__main__":
    main(__doc__, tables)
