"""
Which pages there are.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The pages whose code is executed.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md"))),
)
