"""
From the words on the command line to an exit code.

0: done. 1: it could not be done, and one line on stderr says why and what to try.
2: the words themselves are wrong. A traceback is printed with ``--debug`` only.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Final, NoReturn

from ..errors import MemotierError
from . import config, history, key, warm

#: Each has ``NAME``, ``HELP``, ``arguments(parser)`` and ``run(arguments, out) -> int``.
COMMANDS: Final[tuple[ModuleType, ...]] = (warm, history, config, key)

_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for every other error; the usage is one ``--help`` away."""
        self.exit(2, f"memotier: {message}; try: {self.prog} --help\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the version; looked up only now, as that costs as much as all the rest."""
        print(f"memotier {_version()}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """
    The parser of all commands.
    """
    top = _Parser(
        prog="memotier",
        description="Look after the caches of memotier: memory and disk, one decorator.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version")
    _add_debug(top, default=False)
    commands = top.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", parser_class=_Parser
    )
    for command in COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.arguments(sub)
        _add_debug(sub, default=argparse.SUPPRESS)
        sub.set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command in *argv* (those of the process if None); the exit code.
    """
    words = parser()
    arguments = words.parse_args(argv)
    if arguments.command is None:
        words.print_help(sys.stderr)
        return 2

    try:
        code: int = arguments.run(arguments, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is still buffered would fail
        # once more, and loudly, when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        return _failed(error, debug=arguments.debug)
    return code


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split("\n")) or type(error).__name__
    if not isinstance(error, (MemotierError, OSError)):
        text = f"unexpected {type(error).__name__}: {text}"
        text += "" if debug else " (run again with --debug for a traceback to report)"
    print(f"memotier: {text}", file=sys.stderr)
    return 1


def _add_debug(to: argparse.ArgumentParser, *, default: object) -> None:
    to.add_argument(
        "--debug", action="store_true", default=default, help="print the traceback of an error"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("memotier")
    except PackageNotFoundError:
        return "(version unknown: run from a source tree that is not installed)"
