from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, run

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    """
    The code blocks of *page*: language and text.
    """
    return FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def pages_with(wanted) -> list[str]:
    return [page for page in PAGES if any(wanted(*block) for block in blocks(page))]


def is_run_here(page: str) -> bool:
    """
    Pages about a framework run where that is installed: see frameworks/.
    """
    return not page.startswith("docs/frameworks/")


@pytest.mark.parametrize(
    "page", [*filter(is_run_here, pages_with(lambda language, _: language == "python"))]
)
def test_every_python_block_runs(page, monkeypatch, request):
    """
    The blocks of a page run from top to bottom, as one program.
    """
    if '"REDIS_URL"' in (ROOT / page).read_text(encoding="utf-8"):
        monkeypatch.setenv("REDIS_URL", request.getfixturevalue("redis_server").url)
    run(page, monkeypatch)


def is_config(language: str, text: str) -> bool:
    return language == "console" and text.startswith("$ python -m memotier config")


@pytest.mark.parametrize("page", pages_with(is_config))
def test_settings_are_shown_as_on_the_page(page):
    """
    What ``memotier config`` prints for the toml block above it.
    """
    for language, text in blocks(page):
        if language == "toml":
            Path("pyproject.toml").write_text(text, encoding="utf-8")
        if is_config(language, text):
            command, _, shown = text.partition("\n")
            words = [sys.executable, *command.removeprefix("$ ").split()[1:]]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)

            assert (shown, "") == (done.stdout, done.stderr)


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "examples/README.md"])
def test_links_lead_somewhere(page):
    """
    Every relative link names a file of this repository, and every anchor a title in it.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page

        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", [*PAGES, "examples/README.md"])
def test_commands_name_what_is_there(page):
    """
    Every ``python FILE`` of a page names a file or a program of this repository.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"python ((?:benchmarks|examples)/[\w./]+)", text):
        file = ROOT / target

        assert file.is_file() or (file / "__main__.py").is_file(), target


def anchors(text: str) -> set[str]:
    """
    The anchors that a renderer of Markdown makes of the titles.
    """
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_pages_open_with_one_sentence(page):
    """
    Title, then one line in quotes that says what the page is about.
    """
    title, empty, first, after, *_ = (ROOT / page).read_text(encoding="utf-8").splitlines()

    assert title.startswith("# ")
    assert ("", "") == (empty, after)
    assert re.fullmatch(r"> .*\.", first)


def test_the_two_commands_of_the_readme_stand_alone():
    """
    What installs and runs, and what tests, are lines of their own at the top of the README.
    """
    top = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:60])
    lines = [line for _, text in FENCE.findall(top) for line in text.splitlines()]

    assert "pip install . && python examples/code_analysis" in lines
    assert "pip install tox && tox" in lines
