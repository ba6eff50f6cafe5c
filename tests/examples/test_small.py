from __future__ import annotations

import pytest

from .conftest import commands, transcript


@pytest.mark.parametrize("example", ["api_client", "examples/cassette", "methods.py", "own_store"])
def test_prints_what_the_readme_shows(run, example):
    """
    Small examples print the same everywhere, to the letter.
    """
    ((command, shown),) = commands(transcript(example))

    assert shown == run(command)


def test_the_cassette_is_replayed_by_pytest(run):
    """
    The session is a test as well, which needs no server either.
    """
    plugins = "-p memotier.testing.plugin -p no:asyncio -p no:cacheprovider"

    assert "1 passed" in run(f"python -m pytest -q -c /dev/null {plugins} examples/cassette")


def test_the_cassette_can_be_recorded_anew(run, tmp_path):
    """
    Against the server of the example the same lines are written.
    """
    tape = tmp_path / "examples" / "cassette" / "cassettes" / "session.jsonl"
    before = tape.read_text(encoding="utf-8")
    tape.unlink()

    assert "asked of the server  4" in run("python examples/cassette --record")
    assert before == tape.read_text(encoding="utf-8")


@pytest.mark.extras
def test_questions_in_other_words(run):
    """
    What is served, refused and would have been wrong is as the README shows it.
    """
    ((command, shown),) = commands(transcript("semantic_faq"))

    assert shown == run(command)


@pytest.mark.extras
def test_the_project_is_configured_by_its_pyproject(run):
    """
    Two runs of the project and its settings, as the README shows them.
    """
    (enter, _), *steps = commands(transcript("project"))
    below = enter.removeprefix("cd ")

    assert "examples/project" == below
    assert [shown for _, shown in steps] == [run(command, below) for command, _ in steps]
