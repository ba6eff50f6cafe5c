"""
The ``memotier`` command: one module per subcommand, listed in ``COMMANDS``.
"""

from __future__ import annotations

from .run import COMMANDS, main, parser

__all__ = ["COMMANDS", "main", "parser"]
