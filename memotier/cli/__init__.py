"""
The ``memotier`` command: one module per subcommand, named in ``run.COMMANDS``.

click and rich are loaded here and nowhere else, and only once a command is run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

__all__ = ["main"]

_NEEDED: Final = ("click", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command in *argv* (those of the process if None); the exit code.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        print(
            "memotier: the command needs click and rich: pip install 'memotier[cli]'",
            file=sys.stderr,
        )
        return 1

    from .run import main as run

    return run(argv)
