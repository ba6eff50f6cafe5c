"""
Analyse the standard library, then again in a new process, then after one file has changed.

    python examples/code_analysis [--directory DIR]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import memotier

CHANGED = "json.decoder"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument(
        "--directory", type=Path, help="where results are kept (default: temporary)"
    )
    parser.add_argument("--run", choices=("plain", "changed"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run_session(given.directory, changed=given.run == "changed")
    elif given.directory:
        compare(given.directory)
    else:
        with tempfile.TemporaryDirectory(prefix="code-analysis-") as directory:
            compare(Path(directory) / "cache")


def compare(directory: Path) -> None:
    """
    Run the session in three processes of its own, one after the other.
    """
    known = "what was found out before" if directory.exists() else "nothing"
    first, answer = in_new_process(f"First run: {known} is known", directory, "plain")
    print("\nThe five functions with the highest complexity:")
    print(answer)
    title = "Second run: a new process, the same directory"
    second, again = in_new_process(title, directory, "plain")
    title = f"Third run: {CHANGED} was edited, so its tag was invalidated"
    third, after = in_new_process(title, directory, "changed")
    assert answer == again == after, "the answers must not depend on who computed them"
    print()
    times = f"first run {first:.2f} s, second {second:.2f} s, third {third:.2f} s"
    print(f"{times}, each with the start of Python.")
    print(f"The answers were the same; the second run took {second / first:.0%} of the time.")


def in_new_process(title: str, directory: Path, run: str) -> tuple[float, str]:
    """
    Wall seconds of one session with the start of its interpreter, and its answer.
    """
    print(f"\n{title}\n", flush=True)
    words = [sys.executable, __file__, "--directory", str(directory), "--run", run]
    began = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - began
    answer, _, table = done.stdout.partition("\f\n")
    print(table, end="")
    return seconds, answer


def run_session(directory: Path, *, changed: bool) -> None:
    """
    One session, in this process.
    """
    memotier.configure(
        # The library of another Python has other files: it gets a directory of its own.
        directory=directory / str(sys.implementation.cache_tag),
        l1={"max_size": 5000},
        namespaces={"tool": {"ttl": "1d"}},
    )
    # The tools are decorated when their module is imported, but nothing is read from settings
    # or disk before the first call.
    import report
    import session

    if changed:
        session.forget(CHANGED)
    answer = session.work()
    print(f"{answer}\f\n{report.table()}")


if __name__ == "__main__":
    main()
