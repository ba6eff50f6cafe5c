"""
What is said of frameworks is executed, though not here: they are not installed.
"""

from __future__ import annotations

import configparser

from .pages import ROOT


def test_every_framework_has_a_page_that_is_run_and_an_environment():
    """
    ``docs/frameworks/x.md`` is run by ``tests/frameworks/x``, and that by ``tox -e x``.
    """
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    folders = {path.parent.name for path in ROOT.glob("tests/frameworks/*/__init__.py")}

    assert folders == {path.stem for path in ROOT.glob("docs/frameworks/*.md")}
    for folder in folders:
        page = ROOT / "tests" / "frameworks" / folder / "test_page.py"
        assert f"docs/frameworks/{folder}.md" in page.read_text(encoding="utf-8")
        assert f"tests/frameworks/{folder}" in tox[f"testenv:{folder}"]["commands"]
        assert folder in tox["tox"]["env_list"]
