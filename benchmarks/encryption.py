"""
What signing and encrypting records cost: a miss that is stored, and a hit in the second tier.

    python benchmarks/encryption.py [--quick]

On disk, in processor time of the calling thread where a result is stored (the disk itself is not
what is compared), with results of three sizes. Needs ``memotier[crypto]``; without it only signing
is measured.
"""

from __future__ import annotations

import base64
import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import Row, Table, compare, installed, main

from memotier import MultiLevelCache, tiered_cache

COMMAND = "python benchmarks/encryption.py"
PLAIN, SIGNED, ENCRYPTED = "neither", "MEMOTIER_KEY", "encrypt=True"
SIZES = {"100 B": 100, "10 kB": 10_000, "1 MB": 1_000_000}
KEY = base64.b64encode(bytes(range(32))).decode()


def function_of(kind: str, folder: Path, size: int) -> tuple[MultiLevelCache, Any]:
    os.environ.pop("MEMOTIER_KEY", None)
    if kind != PLAIN:
        os.environ["MEMOTIER_KEY"] = KEY
    cache = MultiLevelCache(directory=folder, l1_maxsize=0, encrypt=kind == ENCRYPTED)

    def make(x: int) -> bytes:
        return bytes(size)

    return cache, tiered_cache(cache=cache, name="make", version=1, ttl=3600)(make)


def row(function: Any, calls: int, *, is_hit: bool) -> Row:
    numbers = itertools.count(10)

    def run() -> float:
        keys = [1] * calls if is_hit else list(itertools.islice(numbers, calls))
        begin = time.thread_time_ns()
        for key in keys:
            function(key)
        return (time.thread_time_ns() - begin) / calls

    return run


def tables(quick: bool) -> list[Table]:
    kinds = [PLAIN, SIGNED, *([ENCRYPTED] if installed("cryptography") else [])]
    found = []
    with tempfile.TemporaryDirectory(prefix="encryption") as place:
        for says, size in SIZES.items():
            calls = 20 if size > 100_000 else 200
            made = {
                kind: function_of(kind, Path(place, f"{size}-{at}"), size)
                for at, kind in enumerate(kinds)
            }
            for what, is_hit in (("Hit in the second tier", True), ("Miss and store", False)):
                rows = {}
                for kind, (_, function) in made.items():
                    function(1)
                    rows[kind] = row(function, calls if is_hit else calls // 10, is_hit=is_hit)
                rounds = 3 if quick else 41
                title = f"{what}, {says}"
                found.append(compare(title, COMMAND, rows, PLAIN, rounds=rounds, unit="us"))
            for cache, _ in made.values():
                cache.sync.close()
    return found


if __name__ == "__main__":
    main(__doc__, tables)
