from __future__ import annotations

import enum

import pytest

from memotier.durations import check_namespace
from memotier.errors import ConfigError


@pytest.mark.parametrize(
    "value", ["tool", "tool.search", "a", "A-b_c.0", "x" * 64, "tool.con", "console", "__main__"]
)
def test_good_namespaces_come_back_as_they_are(value):
    """
    Letters, digits, underscores and hyphens, in levels joined by dots.
    """
    assert value == check_namespace(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is empty"),
        (".", "has an empty level"),
        ("..", "has an empty level"),
        ("a..b", "has an empty level"),
        (".a", "has an empty level"),
        ("a.", "has an empty level"),
        ("../x", "holds '/' (U+002F)"),
        ("a/b", "holds '/' (U+002F)"),
        ("a\\b", "holds '\\\\' (U+005C)"),
        ("a\0b", "holds '\\x00' (U+0000)"),
        ("a\n", "holds '\\n' (U+000A)"),
        ("a b", "holds ' ' (U+0020)"),
        ("*", "holds '*' (U+002A)"),
        ("{x}", "holds '{' (U+007B)"),
        ("to\u043el", "holds '\\u043e' (U+043E)"),  # a Cyrillic o
        ("tool\uff0esearch", "holds '\\uff0e' (U+FF0E)"),  # a full-width dot
        ("tool\u0661", "holds '\\u0661' (U+0661)"),  # an Arabic digit
        ("\u212a", "holds '\\u212a' (U+212A)"),  # the Kelvin sign, which folds to k
        ("a\u200b", "holds '\\u200b' (U+200B)"),  # a space of no width
        ("\ud800", "holds '\\ud800' (U+D800)"),  # half a character
        ("x" * 65, "is too long"),
        ("x" * 300, "is too long"),
        ("CON", "is the name of a device"),
        ("nul", "is the name of a device"),
        ("Aux.log", "is the name of a device"),
        ("COM1", "is the name of a device"),
    ],
)
def test_fault_25_bad_namespaces_are_refused(value, reason):
    """
    The message shows the value so that look-alikes are seen, the reason and the rule.
    """
    with pytest.raises(ConfigError) as caught:
        check_namespace(value)

    message = str(caught.value)
    assert f"namespace {ascii(value)[:45]}" in message
    assert reason in message
    assert "1 to 64" in message
    assert '"tool.search"' in message
    assert message.isascii()
    assert 300 > len(message)


class _Name(str):
    pass


class _Enum(enum.StrEnum):
    TOOL = "tool"


@pytest.mark.parametrize("value", [_Name("tool"), _Enum.TOOL, b"tool", 5, None, ["x" * 300]])
def test_fault_25_only_an_exact_str_is_a_namespace(value):
    """
    A subclass may change what it compares and hashes as; ask for plain text.
    """
    with pytest.raises(ConfigError, match=f"of type {type(value).__name__}, not str"):
        check_namespace(value)
