"""
From the words on the command line to an exit code.

0: done. 1: it could not be done, and one line on stderr says why and what to try.
2: the words themselves are wrong. A traceback is printed with ``--debug`` only.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from ..errors import MemotierError
from .frame import DEBUG, Group, debug_option

#: Each is a module here, whose ``command`` is imported when it is run or listed.
COMMANDS: Final[tuple[str, ...]] = (
    *("stats", "top", "report", "inspect", "explain", "doctor", "simulate"),
    *("invalidate", "clear", "warm", "history", "config", "key"),
)

_INTERRUPTED: Final = 130


class _Commands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """All there are."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of this name."""
        if name not in COMMANDS:
            return None
        found: click.Command = import_module(f".{name}", __package__).command
        return found


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    # Looked up only now, as that costs as much as all the rest.
    if wanted:
        click.echo(f"memotier {_version()}")
        ctx.exit()


@debug_option
@click.group(
    "memotier",
    cls=_Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND ...",
    help="Look after the caches of memotier: memory and disk, one decorator.",
    context_settings={"max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def top(ctx: click.Context) -> int:
    """
    All commands.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return 2
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command in *argv* (those of the process if None); the exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    meta: dict[str, Any] = {}
    try:
        with top.make_context("memotier", words) as ctx:
            meta = ctx.meta
            code = top.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        return _misused(error)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is still buffered would fail
        # once more, and loudly, when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except Exception as error:
        return _failed(error, debug=meta.get(DEBUG, False))
    return int(code or 0)


def _misused(error: click.UsageError) -> int:
    """One line, as for every other error; the usage is one ``--help`` away."""
    text = " ".join(error.format_message().split()).rstrip(".")
    text = re.sub(r"\.? Did you mean (.*)\?$", r" (did you mean \1?)", text)
    where = error.ctx.command_path if error.ctx is not None else "memotier"
    print(f"memotier: {text[:1].lower()}{text[1:]}; try: {where} --help", file=sys.stderr)
    return 2


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split("\n")) or type(error).__name__
    if isinstance(error, click.ClickException):
        text = error.format_message()
    elif not isinstance(error, (MemotierError, OSError)):
        text = f"unexpected {type(error).__name__}: {text}"
        text += "" if debug else " (run again with --debug for a traceback to report)"
    print(f"memotier: {text}", file=sys.stderr)
    return 1


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("memotier")
    except PackageNotFoundError:
        return "(version unknown: run from a source tree that is not installed)"
