"""
A tape in the test's own directory, and what stands on it.
"""

from __future__ import annotations

import json

import pytest

from memotier.testing import cassette


class Film:
    """
    One cassette: ``with film("record") as tape``, and its lines afterwards.
    """

    def __init__(self, path):
        self.path = path

    def __call__(self, mode=None, **options):
        return cassette(self.path, mode=mode, **options)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict]:
        head, *lines = map(json.loads, self.text.splitlines())
        assert {"memotier": "cassette", "format": 1} == head
        return lines

    def write(self, *lines) -> None:
        texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
        head = json.dumps({"memotier": "cassette", "format": 1})
        self.path.write_text("\n".join([head, *texts, ""]), encoding="utf-8")


@pytest.fixture
def film(tmp_path) -> Film:
    return Film(tmp_path / "films" / "one.jsonl")


@pytest.fixture
def runs() -> list:
    """
    What the functions of a test were called with.
    """
    return []
