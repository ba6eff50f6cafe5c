"""
The agents of the example in this framework.
"""

from __future__ import annotations

from tests.examples.agents import check, run_agents


def test_the_example_runs(tmp_path):
    """
    They are told what those without a framework are told, and the cache keeps as much from the
    tools.
    """
    check(run_agents(tmp_path, "plain", "langchain"), "plain", "langchain")
