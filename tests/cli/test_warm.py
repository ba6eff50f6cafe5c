"""
``memotier warm`` and ``memotier history``, as a user runs them.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from memotier.cli.progress import Bar

pytestmark = pytest.mark.extras

_PROJECT = """
[tool.memotier]
directory = "cache"
[tool.memotier.warming]
record = true
"""

_TOOLS = """
from memotier import tiered_cache
@tiered_cache(namespace="tool.search", ttl="1h", record_user="user")
def search(q, user="", password=None):
    with open("log", "a") as log:
        log.write(f"{q}\\n")
    if q == "bad":
        raise LookupError(q)
    return q
@tiered_cache(namespace="tool.page", ttl="1h")
async def page(n):
    return n
"""

_USE = """
import asyncio, tools, memotier
for n in range(5):
    for _ in range(5 - n):
        tools.search(f"q{n}", user="ann" if n % 2 else "bob")
tools.search("secret", password="CANARY")
asyncio.run(tools.page(1))
memotier.get_cache().sync.close()
memotier.get_cache().sync.clear()
memotier.get_cache().sync.close()
"""


@pytest.fixture
def project(memotier):
    """
    A project that was used, and then lost its cache.
    """
    memotier.write(_PROJECT)
    (memotier.cwd / "tools.py").write_text(_TOOLS)

    def python(code):
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=memotier.cwd,
            check=True,
            timeout=60,
            env={"PYTHONPATH": f"{memotier.root}:{memotier.cwd}", "HOME": str(memotier.cwd)},
        )
        (memotier.cwd / "log").unlink(missing_ok=True)

    memotier.environ["HOME"] = str(memotier.cwd)
    python(_USE)
    memotier.python = python
    return memotier


def log(project):
    path = project.cwd / "log"
    return path.read_text().split() if path.exists() else []


def test_warm_prints_a_table_of_what_it_did(project):
    """
    By function, with what was saved, and in a sentence what was left out.
    """
    done = project("warm", "tools", "--top", "3", "--concurrency", "1", "--strategy", "frequency")

    assert (0, "") == (done.code, done.err)
    assert ["q0", "q1", "q2"] == log(project)
    head, columns, search, every = done.out.splitlines()[:4]
    assert head.startswith("Warmed in ")
    assert ["function", "replayed", "skipped", "failed", "left", "seconds", "saved"] == (
        columns.split()
    )
    assert ["search", "3", "0", "0", "0"] == search.split()[:5]
    assert ["all", "3", "0", "0", "0"] == every.split()[:5]


def test_warm_for_programs(project):
    """
    Everything that is known, in seconds; secrets were not replayed, and that is told.
    """
    done = project("warm", "tools", "--json")
    report = json.loads(done.out)

    assert (6, 6, 1, 0) == tuple(report[k] for k in ("planned", "replayed", "redacted", "failed"))
    assert {"search", "page"} == set(report["functions"])
    assert "CANARY" not in done.out + done.err


def test_a_dry_run_calls_nothing(project):
    """
    It says what it would do and what that takes.
    """
    done = project("warm", "tools", "--dry-run", "--namespace", "tool.search")

    assert "Would warm 5 calls, hybrid first" in done.out
    assert "1 recorded calls have a secret argument, which was not recorded." in done.out
    assert [] == log(project)


def test_only_what_is_named_is_imported(project):
    """
    Without a module nothing can be called.
    """
    done = project("warm")

    assert "7 recorded calls are of functions that these modules do not have." in done.out
    assert [] == log(project)


def test_a_users_calls(project):
    """
    ``--user`` chooses.
    """
    project("warm", "tools", "--user", "ann")

    assert ["q1", "q3"] == sorted(log(project))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["warm", "no_such"], "'no_such' cannot be imported"),
        (["warm", "--limit", "x"], "limit='x' cannot be used"),
        (["warm", "--cache", "other"], "there is no cache 'other'"),
        (["warm", "--hour", "25"], "hour=25"),
        (["history", "forget"], "say what to forget"),
        (["history", "forget", "--all", "--user", "x"], "leave the other conditions out"),
        (["history", "forget", "--before", "soon"], "--before 'soon' cannot be used"),
        (["history", "forget", "--user", ""], "--user is empty"),
        (["history", "forget", "--function", "", "--all"], "--function is empty"),
        (["history", "show", "--top", "0"], "--top 0 cannot be used"),
        (["history", "show", "--calls", "--top", "-5"], "--top -5 cannot be used"),
        (["history", "import", "nothing.jsonl"], "nothing.jsonl"),
    ],
)
def test_mistakes_are_one_line(project, words, told):
    """
    What was wrong and what to try, without a traceback.
    """
    done = project(*words)

    assert 1 == done.code
    assert told in done.err and 1 == done.err.count("\n")


def test_where_nothing_was_recorded_it_says_how(memotier):
    """
    The first thing that somebody tries.
    """
    assert "record=True" in memotier("warm").out
    assert "No calls are recorded for this cache.\n" == memotier("history", "show").out


def test_all_calls_failing_is_a_failure(project):
    """
    So that a deployment script notices.
    """
    tools = project.cwd / "tools.py"
    tools.write_text(_TOOLS.replace('if q == "bad"', "if True"))
    done = project("warm", "tools", "--namespace", "tool.search")

    assert 1 == done.code
    assert "5 raised LookupError." in done.out


def test_history_shows_functions_and_only_if_asked_arguments(project):
    """
    Secrets never.
    """
    functions = project("history", "show").out
    calls = project("history", "show", "--calls").out
    data = json.loads(project("history", "show", "--json").out)

    assert "tools.search" in functions and "q1" not in functions
    assert '{"q": "q0", "user": "bob", "password": null}' in calls
    assert "CANARY" not in functions + calls
    assert {("tools.search", 6, 16), ("tools.page", 1, 1)} == {
        (one["function"], one["calls"], one["hits"] + one["misses"]) for one in data
    }


def test_a_history_can_be_taken_elsewhere(project):
    """
    Exported as JSON lines, imported by another machine with another key, and replayed there.
    """
    lines = project("history", "export").out
    assert 6 == len(lines.splitlines()) and "CANARY" not in lines
    (project.cwd / "calls.jsonl").write_text(lines)
    assert "7 calls forgotten\n" == project("history", "forget", "--all").out

    assert (
        "6 calls would be added\n" == project("history", "import", "calls.jsonl", "--dry-run").out
    )
    assert "6 calls added\n" == project("history", "import", "calls.jsonl").out
    assert 6 == json.loads(project("warm", "tools", "--json").out)["replayed"]


def test_a_damaged_line_imports_nothing(project):
    """
    It is named by its number.
    """
    lines = project("history", "export").out
    (project.cwd / "calls.jsonl").write_text(lines + '{"namespace": 1}\n')
    project("history", "forget", "--all")
    done = project("history", "import", "calls.jsonl")

    assert "line 7 is no recorded call" in done.err
    assert "No calls are recorded" in project("history", "show").out


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--user", "ann"], 2),
        (["--function", "tools.page"], 1),
        (["--namespace", "tool"], 7),
        (["--before", "1h"], 0),
        (["--before", "2999-01-31"], 7),
        (["--user", "ann", "--function", "tools.page"], 0),
        (["--all"], 7),
    ],
)
def test_calls_can_be_forgotten(project, words, count):
    """
    All conditions must hold; a dry run only counts.
    """
    assert f"{count} calls would be forgotten\n" == (
        project("history", "forget", *words, "--dry-run").out
    )
    assert f"{count} calls forgotten\n" == project("history", "forget", *words).out


def test_a_name_from_elsewhere_steers_no_terminal(project):
    """
    What is imported may have been made up.
    """
    line = json.loads(project("history", "export").out.splitlines()[0])
    (project.cwd / "calls.jsonl").write_text(json.dumps(line | {"function": "\x1b]0;x\x07"}))
    project("history", "import", "calls.jsonl")

    for words in (["--calls"], []):
        shown = project("history", "show", *words).out
        assert "?]0;x?" in shown and "\x1b" not in shown


@pytest.mark.parametrize("line", [b"\xff\xfe\xfd", b"[" * 100_000], ids=["bytes", "deep"])
def test_what_is_no_line_at_all_is_said(project, line):
    """
    With its number, as for every other one.
    """
    (project.cwd / "calls.jsonl").write_bytes(b"\n" + line)
    done = project("history", "import", "calls.jsonl")

    assert "line 2 is no recorded call" in done.err and 1 == done.err.count("\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_for_terminals():
    """
    It fills, and leaves nothing behind; in a log there is no bar.
    """
    screen, log = Terminal(), io.StringIO()
    for out in (screen, log):
        bar = Bar(out)
        bar.show(1, 2)
        bar.show(2, 2)
        bar.clear()

    assert "" == log.getvalue()
    assert f"[{'#' * 15}{'.' * 15}] 1/2" in screen.getvalue()
    assert f"[{'#' * 30}] 2/2" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
