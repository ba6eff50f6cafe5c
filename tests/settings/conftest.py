from __future__ import annotations

from pathlib import Path

import pytest

from memotier.errors import ConfigError
from memotier.settings import load, read


class Project:
    """
    A repository in a temporary directory, and a process in it with its own environment.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cwd = root
        self.environ: dict[str, str] = {}
        self.overrides: dict[str, object] = {}
        (root / ".git").mkdir(parents=True)

    def write(self, text: str, name: str = "pyproject.toml") -> Path:
        """Write a settings file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self):
        """All settings, as this process would see them."""
        return read(environ=self.environ, cwd=self.cwd, overrides=self.overrides)

    def load(self, name="default"):
        """The settings of one cache."""
        return load(name, environ=self.environ, cwd=self.cwd, overrides=self.overrides)

    def error(self, name="default") -> str:
        """What the user is told."""
        with pytest.raises(ConfigError) as caught:
            self.load(name)
        message = str(caught.value)
        assert "\n" not in message
        return message


@pytest.fixture
def project(tmp_path) -> Project:
    """
    An empty project.
    """
    return Project(tmp_path / "project")
