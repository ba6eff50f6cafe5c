from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import click
import pytest

from memotier.cli import config, main, run
from memotier.cli.run import COMMANDS, top


def _commands() -> list[tuple[str, click.Command]]:
    """
    All commands, and those below them, by what a user types.
    """
    context = click.Context(top)
    found: list[tuple[str, click.Command]] = [("memotier", top)]
    for name in COMMANDS:
        one = top.get_command(context, name)
        found.append((name, one))
        if isinstance(one, click.Group):
            found += [(f"{name} {sub}", below) for sub, below in one.commands.items()]
    return found


@pytest.mark.parametrize(("words", "one"), _commands(), ids=lambda p: p if type(p) is str else "")
def test_every_command_and_every_option_has_help(words, one):
    """
    The reference is generated from the help.
    """
    options = [p for p in one.params if isinstance(p, click.Option)]

    assert one.help
    assert words == "memotier" or one.short_help
    assert [] == [option.name for option in options if not option.help]


def test_every_command_is_listed_in_the_help(memotier):
    """
    With one line that says what it does.
    """
    done = memotier("--help")

    assert 0 == done.code
    found = dict(_commands())
    assert [] == [
        name
        for name in COMMANDS
        if not re.search(rf"^  {name} +{re.escape(found[name].short_help)}$", done.out, re.M)
    ]


def test_help_of_a_command_keeps_its_lines(memotier):
    """
    The explanation is printed as it was written.
    """
    done = memotier("config", "--help")

    assert "where the value came from.\n\nA value comes from the defaults" in done.out
    assert "--namespace NS" in done.out
    assert 0 == done.code


def test_no_command_prints_the_help_and_fails(memotier):
    """
    A script that lost its command should stop.
    """
    done = memotier()

    assert (2, "") == done[:2]
    assert "Usage: memotier" in done.err
    assert "config" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["conifg"], "'conifg'"),
        (["config", "--jsn"], "--jsn"),
        (["config", "--js"], "--js"),
        (["config", "--namespace"], "--namespace"),
        (["config", "more"], "more"),
        (["history"], "missing command"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(memotier, words, told):
    """
    What was wrong and where the help is.
    """
    done = memotier(*words)

    assert (2, "") == done[:2]
    assert re.fullmatch(r"memotier: .*; try: memotier( config| history)? --help\n", done.err)
    assert told in done.err


def test_version_of_an_installed_package(monkeypatch, capsys):
    """
    What the package's metadata says.
    """
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"9.8 of {name}")

    assert 0 == main(["--version"])
    assert "memotier 9.8 of memotier\n" == capsys.readouterr().out


def test_version_of_a_source_tree_is_told_to_be_unknown(monkeypatch, capsys):
    """
    Without an installation there is no version that would be true.
    """

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)

    assert 0 == main(["--version"])
    assert "version unknown" in capsys.readouterr().out


def _failing(error):
    def fail(*_):
        raise error

    return fail


def test_an_unexpected_error_is_one_line_too(monkeypatch, capsys):
    """
    A fault of ours asks for a report instead of filling the screen.
    """
    monkeypatch.setattr(config, "read", _failing(KeyError("a\nb")))

    assert 1 == main(["config"])
    assert (
        "memotier: unexpected KeyError: 'a\\nb' "
        "(run again with --debug for a traceback to report)\n"
    ) == capsys.readouterr().err


def test_an_error_of_the_system_names_the_file(monkeypatch, capsys):
    """
    What the system says is enough, on one line.
    """
    monkeypatch.setattr(config, "read", _failing(PermissionError(13, "Permission denied", "/x")))

    assert 1 == main(["config"])
    assert "memotier: [Errno 13] Permission denied: '/x'\n" == capsys.readouterr().err


def test_interruption_is_silent(monkeypatch, capsys):
    """
    Ctrl-C ends the command as shells expect it.
    """
    monkeypatch.setattr(config, "read", _failing(KeyboardInterrupt()))

    assert 130 == main(["config"])
    assert ("", "") == capsys.readouterr()


def test_a_reader_that_leaves_early_is_no_error(memotier):
    """
    `memotier config | head` prints no traceback.
    """
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "memotier", "config"],
            cwd=memotier.cwd,
            env={"PYTHONPATH": str(Path(run.__file__).parents[2])},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(write)

    assert (1, "") == (done.returncode, done.stderr)


def test_a_new_key_is_one_that_the_variable_takes(memotier):
    """
    ``memotier key`` prints one line, another one each time, and keeps none of them.
    """
    from memotier.codecs.secrets import load_keys

    done, again = memotier("key"), memotier("key")
    [key] = load_keys({"MEMOTIER_KEY": done.out.strip()})

    assert 0 == done.code and "" == done.err
    assert 1 == done.out.count("\n") and 32 == len(key)
    assert done.out != again.out
