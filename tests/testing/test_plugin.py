"""
The pytest plugin, as it is found when memotier is installed, and the kit without pytest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

USES = """
from memotier import get_cache, tiered_cache

runs = []

@tiered_cache(ttl="10m")
def f(x):
    runs.append(x)
    return x

def test_one(memotier_cache, memotier_clock):
    assert memotier_cache is get_cache()
    assert 1 == f(1) == f(1)
    assert [1] == runs
    memotier_clock.advance(600)
    f(1)
    assert [1, 1] == runs

def test_another(memotier_cache):
    f(1)
    assert [1, 1, 1] == runs
    assert 1 == memotier_cache.get_stats()["l1"]["size"]

def test_without():
    before = len(runs)
    f(1)
    f(1)
    assert before + 1 == len(runs)
"""


@pytest.fixture
def installed(tmp_path):
    """
    What an installation leaves beside the package: the entry point of pyproject.toml.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [(name, module)] = project["entry-points"]["pytest11"].items()
    info = tmp_path / "site" / "memotier-0.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memotier\nVersion: 0.0.0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    (info / "RECORD").write_text("memotier/__init__.py,,\n")
    return info.parent


@pytest.fixture
def run(installed, tmp_path):
    """
    Runs pytest on a file, in a process of its own; its exit status and what it printed.
    """

    def run(text, *arguments):
        (tmp_path / "test_it.py").write_text(textwrap.dedent(text), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null"]
        done = subprocess.run(
            [*command, "-q", "-W", "error", "-p", "no:asyncio", *arguments, "test_it.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_fixtures_keep_tests_apart(run):
    """
    Each test begins with an empty cache, time stands still, and who does not ask has his own.
    """
    status, text = run(USES)
    assert 0 == status, text
    assert "3 passed" in text


def test_it_can_be_left_out(run):
    """
    ``-p no:memotier``: the fixtures are not there, and everything else is as without it.
    """
    status, text = run(USES, "-p", "no:memotier")
    assert 1 == status
    assert 2 == text.count("fixture 'memotier_cache' not found") and "1 passed" in text


def test_it_loads_nothing_that_takes_long(run):
    """
    Whoever has it installed and does not use it pays for two small modules.
    """
    status, text = run(
        """
        import sys

        def test_it():
            loaded = {name for name in sys.modules if name.partition(".")[0] == "memotier"}
            assert {"memotier", "memotier.testing", "memotier.testing.plugin"} == loaded
            assert not {"wrapt", "diskcache", "sqlite3", "xxhash", "ormsgpack"} & set(sys.modules)
        """
    )
    assert 0 == status, text


@pytest.mark.parametrize("arguments", [(), ("-p", "no:memotier")], ids=["with", "without"])
def test_a_failing_contract_explains_itself(run, arguments):
    """
    With the values that were compared, as in any test, whether the plugin is there or not.
    """
    status, text = run(
        """
        from memotier.stores.local import LocalStore
        from memotier.testing import StoreContract

        class Forgetful(LocalStore):
            def get(self, addresses):
                reading = super().get(addresses)
                return reading._replace(records=[None] * len(addresses))

        class TestForgetful(StoreContract):
            is_shared = False

            def open_store(self, clock):
                return Forgetful(2000, clock=clock)
        """,
        *("-k", "what_was_set_is_read", *arguments),
    )
    assert 1 == status
    assert "assert [b'one'] == [None]" in text


def test_the_hook_has_to_be_defined(run):
    """
    Who forgets it is told so.
    """
    status, text = run(
        """
        from memotier.testing import StoreContract

        class TestNothing(StoreContract):
            pass
        """,
        *("-k", "what_was_set_is_read"),
    )
    assert 1 == status
    assert "TestNothing has to say how its store is opened" in text


def test_the_tests_of_the_guide_pass(run):
    """
    The first block of docs/guide/testing.md is a file of tests.
    """
    page = (ROOT / "docs" / "guide" / "testing.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1)
    status, text = run(block)
    assert 0 == status, text
    assert "2 passed" in text


def without_pytest(code):
    return subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.modules['pytest'] = None\n{code}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_only_the_contract_needs_pytest():
    """
    Clock, faults, isolation and assertions work under any test runner.
    """
    done = without_pytest(
        "from memotier import tiered_cache\n"
        "from memotier.testing import FakeClock, FaultyStore, assert_hit, assert_miss\n"
        "from memotier.testing import assert_computed_once, isolated_cache\n"
        "@tiered_cache\n"
        "def f(x): return x\n"
        "with isolated_cache(clock=FakeClock(), open_store=FaultyStore):\n"
        "    assert_miss(f, 1), assert_hit(f, 1)\n"
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_without_pytest_the_contract_says_what_is_missing():
    """
    An error of our own that is an ImportError, and names the extra.
    """
    done = without_pytest("from memotier.testing import StoreContract")
    assert 1 == done.returncode
    assert "MissingExtra" in done.stderr and "memotier[testing]" in done.stderr
