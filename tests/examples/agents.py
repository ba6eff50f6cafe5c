"""
How the example with agents is run and checked, here and where the frameworks are installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: By tool: calls, and how often it ran; the rest is answered by memory or by another's call.
EXPECTED = {"search_code": (6, 1), "price": (10, 3), "notes": (6, 4), "all": (22, 8)}
ASKED = "The world was asked: api 3x, code searched 1x, notes read 4x, notes written 2x."


def run_agents(home: Path, *frameworks: str) -> str:
    """
    What ``python examples/agents`` prints.
    """
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MEMOTIER_")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "agents"), *frameworks],
        cwd=home,
        env=plain | {"PYTHONPATH": str(ROOT), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def check(printed: str, *frameworks: str) -> None:
    """
    The table of each framework: every call is answered, and each tool ran as seldom as it may.
    """
    parts = re.split(r"^(\w+): two users at once", printed, flags=re.MULTILINE)
    assert list(frameworks) == parts[1::2]
    for part in parts[2::2]:
        rows = re.findall(r"^(\w+)((?: +\d+){4}) +([\d.]+) s$", part, flags=re.MULTILINE)
        found = {}
        for name, numbers, _ in rows:
            calls, memory, joined, computed = map(int, numbers.split())
            assert calls == memory + joined + computed
            found[name] = calls, computed
        assert EXPECTED == found
        assert ASKED in part
    assert len(frameworks) == 1 or f"told the same in all {len(frameworks)}." in printed
