"""
The command needs two packages that the library does not.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from memotier.cli import main


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_packages_the_command_says_how_to_get_them(monkeypatch, capsys, missing):
    """
    One line instead of a traceback, whichever of the two is missing.
    """
    monkeypatch.setitem(sys.modules, missing, None)

    assert 1 == main(["config"])
    assert (
        "",
        "memotier: the command needs click and rich: pip install 'memotier[cli]'\n",
    ) == capsys.readouterr()


def test_the_library_loads_neither():
    """
    Nor does a cache that is used, with its figures.
    """
    code = (
        "import sys, memotier\n"
        "from memotier.analytics import snapshot\n"
        "cache = memotier.get_cache()\n"
        "cache.sync.set('a', 1); snapshot(cache)\n"
        "assert not {'click', 'rich'} & set(sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)
