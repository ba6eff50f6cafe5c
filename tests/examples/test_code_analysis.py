from __future__ import annotations

import re

import pytest

from .conftest import commands, transcript

RUNS = ("First run", "Second run", "Third run")


@pytest.fixture
def printed(run):
    ((command, _),) = commands(transcript("code_analysis"))
    return run(command)


def shape(text: str) -> list[str]:
    """
    Lines without the numbers and names that depend on the machine and its Python.
    """
    text = re.sub(r"^ +\d+  \S+, used in \d+ lines?$", "FUNCTION", text, flags=re.MULTILINE)
    text = re.sub(r"[\d.]*\d", "N", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def figures(text: str, run: str) -> dict[str, list[int]]:
    """
    The whole numbers of the table of *run*, by tool: calls, memory, disk, joined, computed.
    """
    part = text[text.index(run) :]
    rows = re.findall(r"^(\w+)((?: +\d+){5}) +[\d.]+ s$", part, flags=re.MULTILINE)[:6]
    return {name: [int(number) for number in numbers.split()] for name, numbers in rows}


@pytest.mark.slow
def test_three_runs_print_what_the_readme_shows(printed):
    """
    A cold run, one from disk and one after an edit, in the form that the README shows.
    """
    ((_, shown),) = commands(transcript("code_analysis"))

    assert shape(shown) == shape(printed)

    first, second, third = (figures(printed, run)["all"] for run in RUNS)
    calls, memory, disk, joined, computed = first
    assert (0, True) == (disk, computed > 100)
    assert calls == memory + joined + computed

    # The new process computes nothing: what was computed comes from disk.
    assert [calls, memory, computed, joined, 0] == second

    # Only what is about the edited file is computed again.
    assert [calls, memory, computed - third[4], joined] == third[:4]
    by_tool = figures(printed, RUNS[2])
    assert (1, 1, 2) == tuple(by_tool[tool][4] for tool in ("outline", "complexity", "grep"))
    assert 4 <= third[4] < 20


def test_the_readme_adds_up():
    """
    The table in the README was printed by one run: each line is the sum of its parts.
    """
    shown = transcript("code_analysis")
    for run in RUNS:
        table = figures(shown, run)
        assert table["all"] == [
            sum(column) for column in zip(*list(table.values())[:5], strict=True)
        ]
        for calls, *answers in table.values():
            assert calls == sum(answers)
