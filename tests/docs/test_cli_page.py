"""
The page of the command line is made from ``--help``.

``MEMOTIER_WRITE_HELP=1 python -m pytest tests/docs/test_cli_page.py`` writes it anew.
"""

from __future__ import annotations

import os
import re

import click
import pytest

from memotier.cli.run import COMMANDS, top

from .pages import ROOT

PAGE = ROOT / "docs" / "guide" / "cli.md"
WRITES = os.environ.get("MEMOTIER_WRITE_HELP") == "1"


def _help(name):
    context = click.Context(top, info_name="memotier")
    command = top.get_command(context, name)
    own = click.Context(command, info_name=name, parent=context, max_content_width=100)
    own.terminal_width = 100
    return command.get_help(own)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_section_with_its_help(name):
    """
    Word for word what ``memotier NAME --help`` prints on a terminal of 100 columns.
    """
    page = PAGE.read_text(encoding="utf-8")
    block = f"### {name}\n\n```text\n$ memotier {name} --help\n{_help(name)}\n```\n"
    if WRITES:
        old = rf"### {name}\n\n```text\n.*?\n```\n"
        PAGE.write_text(re.sub(old, lambda _: block, page, flags=re.DOTALL), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")

    assert block in page


def test_no_section_is_of_a_command_that_is_gone():
    """
    The sections are the commands, in their order.
    """
    page = PAGE.read_text(encoding="utf-8")

    assert list(COMMANDS) == re.findall(r"^### (\w+)$", page, re.MULTILINE)
