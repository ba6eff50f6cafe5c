"""
Import time, in fresh interpreters.

    python benchmarks/imports.py [--quick]

The byte code is warm. ``import memotier`` loads next to nothing; what it is good for is loaded
when it is used, so the rows below show a decorated function and its first call as well.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time

from measure import Row, Table, compare, main

COMMAND = "python benchmarks/imports.py"
DECORATED = "from memotier import tiered_cache\n@tiered_cache(name='f')\ndef f(x): return x\n"
ON_DISK = (
    "import tempfile, memotier\nhome = tempfile.TemporaryDirectory()\n"
    "memotier.configure(directory=home.name)\n"
)
STATEMENTS = {
    "Python alone": "pass",
    "import asyncio": "import asyncio",
    "import sqlite3": "import sqlite3",
    "import memotier": "import memotier",
    "... and decorate a function": DECORATED,
    "... and call it": DECORATED + "f(1)",
    "... with a directory": ON_DISK + DECORATED + "f(1)",
}
PEERS = ("wrapt", "cachetools", "cachebox", "diskcache", "joblib")


def starts(code: str) -> Row:
    def run() -> float:
        begin = time.perf_counter_ns()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter_ns() - begin

    run()
    return run


def tables(quick: bool) -> list[Table]:
    statements = dict(STATEMENTS)
    for name in PEERS:
        if importlib.util.find_spec(name):
            statements[f"import {name}"] = f"import {name}"
    rows = {name: starts(code) for name, code in statements.items()}
    title = "Start of a process"
    rounds = 3 if quick else 21
    return [
        compare(
            title, COMMAND, rows, "Python alone", rounds=rounds, unit="ms", best=statistics.median
        )
    ]


if __name__ == "__main__":
    main(__doc__, tables)
