"""
What all commands have in common: how help looks, ``--debug``, ``--json``, ``--cache``.

A command is a function decorated with ``as_command``. It prints to ``sys.stdout``, returns its exit
code, and raises whatever goes wrong: run.py makes one line of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, Final

import click

Function = Callable[..., Any]


class _Help:
    """
    The explanation is printed as it was written, and options carry no types.
    """

    def format_help_text(self: Any, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        text = textwrap.dedent(self.help or "").strip()
        formatter.write(f"\n{text[:1].upper()}{text[1:]}\n")


class Command(_Help, click.Command):
    """
    A command with our help and ``--debug``.
    """


class Group(_Help, click.Group):
    """
    A command whose first word says what to do.
    """

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added, not by the alphabet."""
        return list(self.commands)


def as_command(name: str, summary: str, text: str | None = None) -> Callable[[Function], Command]:
    """
    Make a command of a function.

    Args:
        summary: One line for the list of commands.

        text: The explanation in its own help; by default the summary.
    """
    return lambda function: debug_option(
        click.command(name, cls=Command, short_help=summary, help=text or summary, **_SETTINGS)(
            function
        )
    )


def as_group(name: str, summary: str, text: str) -> Group:
    """
    A command with commands of its own, to be added with ``add_command``.
    """
    made = Group(
        name,
        short_help=summary,
        help=text,
        subcommand_metavar="ACTION ...",
        no_args_is_help=False,
        **_SETTINGS,
    )
    debug_option(made)
    return made


def debug_option(to: Any) -> Any:
    """
    Add ``--debug``, which may stand before or after the command's name.
    """

    def remember(ctx: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            ctx.find_root().meta[DEBUG] = True

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Print the traceback of an error.",
    )(to)


#: Under which a context remembers that tracebacks are wanted.
DEBUG: Final = "memotier.debug"
_SETTINGS: Final[dict[str, Any]] = {
    "context_settings": {"help_option_names": ["--help"], "max_content_width": 100}
}

option = click.option
argument = click.argument

cache_option: Final = option(
    "--cache", default="default", metavar="NAME", help="Of which cache (default: default)."
)


def namespace_option(what: str) -> Callable[[Any], Any]:
    """
    ``--namespace``; *what* it is for.
    """
    return option("--namespace", metavar="NS", help=what)


def dry_run_option(what: str) -> Callable[[Any], Any]:
    """
    ``--dry-run``, which every command has that changes or removes something.
    """
    return option("--dry-run", is_flag=True, help=what)


def json_option(units: str = "times in seconds, sizes in bytes") -> Callable[[Any], Any]:
    """
    ``--json``; *units* says what numbers are in.
    """
    return option("--json", "as_json", is_flag=True, help=f"For programs: {units}.")
