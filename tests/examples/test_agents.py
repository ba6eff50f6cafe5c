"""
The agents of the example, without a framework; those with one run in frameworks/.
"""

from __future__ import annotations

import pytest

from .agents import check, run_agents
from .conftest import commands, transcript


@pytest.mark.slow
def test_two_users_and_their_tools(tmp_path):
    """
    Each is told of his own notes and of no others, and of those that were just written.
    """
    check(run_agents(tmp_path, "plain"), "plain")


def test_what_the_readme_shows_holds():
    """
    The same facts, for all frameworks.
    """
    ((command, printed),) = commands(transcript("examples/agents"))

    assert "python examples/agents" == command
    check(printed, "plain", "pydantic_ai", "openai_agents", "langchain")
