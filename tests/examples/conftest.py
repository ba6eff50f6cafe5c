from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "examples" / "README.md"


def transcript(word: str) -> str:
    """
    The console block of the README whose commands mention *word*.
    """
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if word in block.partition("\n")[0]]
    return found


def commands(block: str) -> list[tuple[str, str]]:
    """
    The commands of a console block, each with what is printed below it.
    """
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture
def run(tmp_path):
    """
    Run a ``python ...`` command in a copy of the examples; returns what it printed.
    """
    shutil.copytree(
        ROOT / "examples",
        tmp_path / "examples",
        ignore=shutil.ignore_patterns("__pycache__", ".cache"),
    )
    (tmp_path / ".git").mkdir()
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MEMOTIER_")}
    environ = plain | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDEVMODE": "1",
        "PYTHONWARNINGS": "error",
        "HOME": str(tmp_path),
        # Those of this environment are not the example's, which names its own.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }

    def call(command: str, below: str = "") -> str:
        python, *words = shlex.split(command)
        assert "python" == python
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path / below,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    return call
