from __future__ import annotations

import pytest

from .conftest import commands, transcript


@pytest.mark.parametrize("example", ["api_client", "methods.py", "own_store"])
def test_prints_what_the_readme_shows(run, example):
    """
    Small examples print the same everywhere, to the letter.
    """
    ((command, shown),) = commands(transcript(example))

    assert shown == run(command)


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
