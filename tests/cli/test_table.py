from __future__ import annotations

import io

import pytest

from memotier.cli.table import Row, Section, has_colour, lines, short_path

_SECTIONS = [
    Section("[one]", [Row(("a", "1", "here")), Row(("long", "22", "default"), quiet=True)], "x"),
    Section("[two]", [Row(("b", "", ""))]),
]


def test_columns_align_over_sections():
    """
    No space at the ends of lines, one empty line between sections.
    """
    assert [
        "[one]  x",
        "  a      1    here",
        "  long   22   default",
        "",
        "[two]",
        "  b",
    ] == lines(_SECTIONS)


def test_colour_lifts_titles_and_lowers_defaults():
    """
    What somebody decided stands out; what nobody did steps back.
    """
    found = lines(_SECTIONS, colour=True)

    assert "\x1b[1m[one]\x1b[0m  \x1b[2mx\x1b[0m" == found[0]
    assert "  a      1    here" == found[1]
    assert "\x1b[2m  long   22   default\x1b[0m" == found[2]


def test_nothing_makes_no_lines():
    """
    A section without rows is its title.
    """
    assert [] == lines([])
    assert ["[none]"] == lines([Section("[none]", [])])


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("out", "environ", "expected"),
    [
        (_Terminal(), {"TERM": "xterm"}, True),
        (_Terminal(), {"NO_COLOR": "1"}, False),
        (_Terminal(), {"NO_COLOR": ""}, True),
        (_Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_whose_user_wants_it(out, environ, expected):
    """
    Pipes, NO_COLOR and dumb terminals get plain text.
    """
    assert expected is has_colour(out, environ)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ada/p/x.toml", "x.toml"),
        ("/home/ada/p/.cache/m", ".cache/m"),
        ("/home/ada/other/x", "~/other/x"),
        ("/home/ada", "/home/ada"),
        ("/home/adam/x", "/home/adam/x"),
        ("/etc/x", "/etc/x"),
    ],
)
def test_paths_are_shown_from_where_the_reader_is(path, expected):
    """
    Below the working directory, else below the home directory, else in full.
    """
    assert expected == short_path(path, "/home/ada/p", "/home/ada")
    assert path == short_path(path, "/nowhere", "/")
