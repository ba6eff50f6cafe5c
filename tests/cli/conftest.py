from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """
    What a command left behind.
    """

    code: int
    out: str
    err: str


class Shell:
    """
    Runs ``python -m memotier`` in a directory, as a user would.
    """

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self.root = _ROOT
        self.environ: dict[str, str] = {}

    def write(self, text: str) -> Path:
        """Write the project's settings."""
        path = self.cwd / "pyproject.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *words: str) -> Done:
        """Run one command to its end."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith("MEMOTIER_")}
        done = subprocess.run(
            [sys.executable, "-m", "memotier", *words],
            cwd=self.cwd,
            env=plain | {"PYTHONPATH": str(_ROOT), "COLUMNS": "80"} | self.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def memotier(tmp_path) -> Shell:
    """
    The command, in a directory that is the root of a repository.
    """
    cwd = tmp_path / "project"
    (cwd / ".git").mkdir(parents=True)
    return Shell(cwd)
