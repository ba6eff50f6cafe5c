"""
The example with the bad server: its facts, never its times, which are the machine's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .conftest import commands, transcript

#: Ways in which there is always an old result to serve.
CALM = ("stale_if_error", "soft_timeout", "all together")
#: Runs the example as if matplotlib were not installed.
BLOCKED = """
import runpy, sys
sys.modules["matplotlib"] = None
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture
def fonts(tmp_path_factory, monkeypatch):
    """
    What matplotlib does once for each user, and says if it takes long, is done before the run.
    """
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
    words = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(words, env=os.environ, capture_output=True, timeout=120, check=True)


def rows(printed: str) -> dict[str, tuple[int, int, int]]:
    """
    The whole numbers of the table, by way: requests, burst, errors.
    """
    found = re.findall(
        r"^(\S[\w ]*?) +(\d+) +(\d+) +(\d+)(?: +[\d.]+){4}$", printed, flags=re.MULTILINE
    )
    return {name: (int(asked), int(burst), int(errors)) for name, asked, burst, errors in found}


def check_facts(printed: str) -> None:
    """
    What holds on every machine, however busy.
    """
    table = rows(printed)
    (calls,) = map(int, re.findall(r"called (\d+) times in each way", printed))

    assert calls == table["no cache"][0]
    assert all(asked < calls for name, (asked, _, _) in table.items() if name != "no cache")
    assert [0] * len(CALM) == [table[name][2] for name in CALM]

    # The sentences say what the table says.
    said = " ".join(printed.split())
    (calm,) = re.findall(r"nobody did with: ([\w, ]+)\.", said)
    cached = list(table)[2:]
    assert [name for name in cached if table[name][2] == 0] == calm.split(", ")
    assert f"With a ttl alone {table['ttl alone'][2]} callers saw an error" in said
    fewest = min(table[name][0] for name in cached)
    assert f"{calls} calls were {calls} requests without a cache, " in said
    assert re.search(rf"and {fewest} with [\w ]+\.", said)


def shape(printed: str) -> list[str]:
    """
    The lines above the sentences, without numbers and spaces: they depend on the machine.
    """
    head = re.split(r"^\d+ calls were ", printed, flags=re.MULTILINE)[0]
    return [" ".join(re.sub(r"[\d.]*\d", "N", line).split()) for line in head.splitlines()]


@pytest.mark.slow
@pytest.mark.extras
def test_draws_its_picture(fonts, run, tmp_path):
    """
    With matplotlib, the timeline is a picture at the place that the last line names.
    """
    printed = run("python examples/flaky_api --quick --picture seen.png")

    check_facts(printed)
    assert "The timeline as a picture: seen.png" == printed.splitlines()[-1]
    assert b"\x89PNG" == (tmp_path / "seen.png").read_bytes()[:4]


@pytest.mark.slow
def test_says_how_to_get_the_picture(run, tmp_path):
    """
    Without matplotlib there is all the rest, as the README shows it, and one line says the way out.
    """
    ((_, shown),) = commands(transcript("flaky_api"))
    (tmp_path / "blocked.py").write_text(BLOCKED, encoding="utf-8")
    printed = run("python blocked.py examples/flaky_api --quick")

    check_facts(printed)
    assert 'pip install "memotier[examples]"' in printed.splitlines()[-1]
    assert not list(tmp_path.glob("*.png"))
    assert shape(shown) == shape(printed)


def test_the_readme_shows_one_run():
    """
    The facts hold for what the README shows, too.
    """
    ((_, shown),) = commands(transcript("flaky_api"))

    check_facts(shown)
