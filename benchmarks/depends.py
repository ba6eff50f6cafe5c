"""
What a hit costs that looks at the world: a file, a variable; and what an epoch costs.

    python benchmarks/depends.py [--quick]

The file was written long ago, as most files that are read are.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hit import hits_of_a_coroutine, hits_of_one
from measure import Table, compare, main

from memotier import MultiLevelCache, env, epoch, file, tiered_cache, world

COMMAND = "python benchmarks/depends.py"
PLAIN = "no depends_on"


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
        for title, hits in (
            ("A hit that depends on something, f(int)", hits_of_one),
            ("The same, async f(int)", hits_of_a_coroutine),
        ):
            rows = {
                name: hits(tiered_cache(name=name, cache=cache, depends_on=needs))
                for name, needs in ways(path).items()
            }
            found.append(compare(title, COMMAND, rows, PLAIN, rounds=rounds))
    return found


if __name__ == "__main__":
    main(__doc__, tables)
