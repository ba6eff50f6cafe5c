"""
A headless Chromium: what it makes of a page, and what the page looks like.
"""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Elements that have no end.
_VOID = {"meta", "br", "img", "link", "input", "hr"}


def found() -> str:
    """
    The browser's command; a test without one fails, it is not skipped.
    """
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    pytest.fail("there is no Chromium to open the page in: apt-get install chromium")


class Browser:
    """
    Opens pages, each in a profile of its own.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._command = found()

    def _run(self, *words: str) -> bytes:
        done = subprocess.run(
            [
                self._command,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--no-first-run", "--disable-extensions", "--disable-dev-shm-usage"),
                f"--user-data-dir={self._work / 'profile'}",
                *words,
            ],
            capture_output=True,
            timeout=120,
        )
        assert 0 == done.returncode, done.stderr.decode()
        return done.stdout

    def write(self, html: str) -> Path:
        path = self._work / "page.html"
        path.write_text(html, encoding="utf-8")
        return path

    def open(self, page: Path) -> Dom:
        """
        The document as the browser has it.
        """
        return Dom(self._run("--dump-dom", page.as_uri()).decode())

    def look(self, page: Path, *, dark: bool, wide: int = 900):
        """
        A picture, as an array of rows, columns and colours from 0 to 1.
        """
        from matplotlib.image import imread

        path = self._work / "page.png"
        self._run(
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--window-size={wide},1200",
            f"--screenshot={path}",
            page.as_uri(),
        )
        return imread(path)


class Dom(HTMLParser):
    """
    The elements of a document: their names, attributes and text, with the attributes of all that
    they stand in.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[dict] = []
        self._open: list[dict] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        around = {} if not self._open else self._open[-1]["all"]
        own = dict(attributes)
        element = {"tag": tag, "own": own, "all": {**around, **own}, "text": ""}
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def tags(self) -> set[str]:
        return {element["tag"] for element in self.elements}

    def numbers(self, **around: str) -> dict[str, float]:
        """
        The figures by their name, of the element that says *around*: ``data_function="f"``.
        """
        wanted = {key.replace("_", "-"): value for key, value in around.items()}
        return {
            element["own"]["data-name"]: float(element["own"]["data-value"])
            for element in self.elements
            if "data-value" in element["own"]
            and "data-name" in element["own"]
            and wanted.items() <= element["all"].items()
        }

    def texts(self, **own: str) -> list[str]:
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in own.items()}
        return [one["text"] for one in self.elements if wanted.items() <= one["own"].items()]
