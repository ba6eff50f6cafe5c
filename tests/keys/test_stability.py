"""
Keys outlive the process: other processes, hash seeds and Pythons make the same bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())


def runs(python: str) -> bool:
    found = shutil.which(python)
    if found is None:
        return False
    ended = subprocess.run([found, "-c", ""], capture_output=True, check=False)
    return ended.returncode == 0


OTHERS = [python for python in ("python3.11", "python3.12", "python3.13") if runs(python)]


def test_this_python_makes_the_golden_bytes(monkeypatch):
    """
    The bytes are those that were written down when the format was made.
    """
    monkeypatch.syspath_prepend(str(HERE))
    samples = importlib.import_module("keysamples")

    assert GOLDEN == samples.codes()


@pytest.mark.parametrize("python", [sys.executable, *OTHERS])
@pytest.mark.parametrize("seed", ["0", "4711"])
def test_fault_07_other_processes_make_the_golden_bytes(python, seed):
    """
    Neither the hash seed nor the version of Python shows in a key.
    """
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent.parent))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = "import keysamples; print(keysamples.as_json())"
    ended = subprocess.run(
        [python, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert GOLDEN == json.loads(ended.stdout)


def test_importing_keys_imports_no_optional_package():
    """
    Numpy and friends are only looked at when the program has imported them itself.
    """
    script = (
        "import sys, memotier.keys.canonical as c; c.encode({'a': [1, object]});"
        "print(*{'numpy', 'pandas', 'polars', 'pyarrow', 'pydantic', 'attr', 'msgspec',"
        "'decimal', 'uuid', 'ipaddress', 'zoneinfo', 'asyncio'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert "" == ended.stdout.strip()
