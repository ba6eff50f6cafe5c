"""
``memotier report``: the page of all processes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.extras

_APP = """
import sys
from memotier import tiered_cache
@tiered_cache(namespace="tool.i", name="app.weather")
def weather(city): return [city]
for _ in range(9): weather("NYC")
print("ready", flush=True)
sys.stdin.readline()
"""
_SETTINGS = '[tool.memotier]\ndirectory = "cache"\n'


@pytest.fixture
def running(memotier):
    """
    A process that uses the cache of the project, until the end of the test.
    """
    memotier.write(_SETTINGS)
    script = memotier.cwd / "app.py"
    script.write_text(_APP, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=memotier.cwd,
        env={**os.environ, "PYTHONPATH": str(memotier.root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "ready\n" == process.stdout.readline()
    yield process
    process.communicate("\n", timeout=60)


def _value(page, name):
    return float(re.search(rf'data-name="{name}" data-value="([^"]+)"', page)[1])


@pytest.mark.slow
def test_a_page_of_a_running_process(memotier, running):
    """
    Its figures are on the page, and the command says where that is.
    """
    for _ in range(30):  # it leaves its figures every 2 seconds, and a command takes one
        done = memotier("report", "-o", "r.html")
        assert (0, "") == (done.code, done.err)
        page = (memotier.cwd / "r.html").read_text(encoding="utf-8")
        if 'data-function="app.weather"' in page:
            break

    assert done.out.startswith("r.html: ") and "1 process\n" in done.out
    assert 8 / 9 == pytest.approx(_value(page, "hit_rate"))
    assert 9 == _value(page, "accesses")
    assert "NYC" not in page
    assert len(page) > 5000 and "http://" not in page
    assert {"r.html"} == {path.name for path in memotier.cwd.glob("*r.html*")}
    assert 0o600 & (memotier.cwd / "r.html").stat().st_mode


def test_to_stdout(memotier):
    """
    - prints the page, also of a cache that nobody used yet.
    """
    memotier.write(_SETTINGS)
    done = memotier("report", "-o", "-")

    assert (0, "") == (done.code, done.err)
    assert done.out.startswith("<!doctype html>") and done.out.endswith("</html>\n")


def test_a_place_that_cannot_be_written(memotier):
    """
    One line that names it, and exit code 1.
    """
    memotier.write(_SETTINGS)
    done = memotier("report", "-o", "nowhere/r.html")

    assert (1, "") == (done.code, done.out)
    assert 1 == len(done.err.splitlines()) and "nowhere" in done.err
