"""
Which pages there are.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]

#: The pages whose code is executed.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md"))),
)
SYBIL = Sybil(parsers=[PythonCodeBlockParser()], path=str(ROOT))


def run(page: str, monkeypatch) -> None:
    """
    Run the python blocks of *page* from top to bottom, as one program.
    """
    document = SYBIL.parse(ROOT / page)
    # A module, so that the functions and classes of the page have a name that can be found.
    module = types.ModuleType("page_" + re.sub(r"\W", "_", page))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    document.namespace = module.__dict__
    for example in document.examples():
        example.evaluate()
