"""
Results of one process, read by another.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.docs.pages import ROOT

PROGRAM = """
import asyncio, sys
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import FunctionToolset
from memotier import MultiLevelCache
from memotier.integrations.pydantic_ai import MemotierToolset
from tests.frameworks.pydantic_ai import of_module

with MultiLevelCache(directory=sys.argv[1]) as cache:
    toolset = MemotierToolset(
        FunctionToolset([of_module.picture]),
        scope="public",
        tools={"picture": {"effects": "pure"}},
        cache=cache,
    )
    done = asyncio.run(Agent(TestModel(), toolsets=[toolset]).run("go"))
parts = [part for message in done.all_messages() for part in message.parts]
print(len(of_module.RUNS))
print([p.content for p in parts if p.part_kind in ("tool-return", "user-prompt")])
"""


def test_a_process_that_never_made_such_a_result_reads_it(tmp_path):
    """
    ``ToolReturn`` and what is in it are known as soon as the adapter is imported.
    """
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "cache")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert 0 == done.returncode, done.stderr
        told.append(done.stdout.splitlines())

    assert ["1", "0"] == [runs for runs, _ in told]
    assert told[0][1] == told[1][1]
    assert "BinaryContent" in told[0][1]
