"""
Tables on the pages that repeat what the code says: they must say the same.

``python -m tests.docs.test_tables`` writes the table of settings anew.
"""

from __future__ import annotations

import inspect
import re

from memotier import CacheInfo, decorator, tiered
from memotier.settings.schema import NAMESPACE_OPTIONS, OPTIONS

from .pages import ROOT

SETTINGS = ROOT / "docs" / "guide" / "settings.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def table() -> str:
    """
    The reference of all settings, as Markdown.
    """
    rows = ["| setting | variable | default | what it does |", "|---|---|---|---|"]
    rows += [row(o, f"`{o.env}`", o.kind.shown(o.default)) for o in OPTIONS.values()]
    for option in NAMESPACE_OPTIONS.values():
        default = "not set" if option.default is None else option.kind.shown(option.default)
        rows.append(row(option, "", default, "namespaces.NAME."))
    return "\n".join(rows) + "\n"


def row(option, variable: str, default: str, prefix: str = "") -> str:
    cells = (
        f"`{prefix}{option.key}`",
        variable,
        default,
        f"{option.help} Takes {option.kind.forms}.",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def test_the_table_of_settings_is_that_of_the_schema():
    """
    Run this file to write it anew.
    """
    text = SETTINGS.read_text(encoding="utf-8")
    _, _, rest = text.partition(BEGIN)

    assert table() == rest.partition(END)[0]


def first_cells(page: str, title: str) -> list[str]:
    """
    The names in the first column of the table under *title*.
    """
    text = (ROOT / page).read_text(encoding="utf-8").split(title, 1)[1]
    rows = re.findall(r"^\|(.*?)\|", text.split("\n## ")[0], flags=re.MULTILINE)[2:]
    return [name for row in rows for name in re.findall(r"`(\w+)", row)]


def test_every_option_of_the_decorator_is_documented():
    """
    The guide and the README list the options that the decorator takes, in its order.
    """
    signature = inspect.signature(decorator.tiered_cache)
    options = [name for name in signature.parameters if name != "function"]

    assert options == first_cells("docs/guide/decorator.md", "## Options")
    assert options == first_cells("README.md", "## Options")


def test_every_attribute_is_documented():
    """
    The guide lists what a decorated function has.
    """
    attributes = {*tiered.OF_A_CALL, *tiered.OF_ALL, "seed", "__wrapped__"}

    assert attributes == set(first_cells("docs/guide/decorator.md", "## Attributes"))


def test_every_count_of_cache_info_is_documented():
    """
    The guide names the fields of ``cache_info()`` in their order.
    """
    assert list(CacheInfo._fields) == first_cells("docs/guide/decorator.md", "## Counts")


if __name__ == "__main__":
    old = SETTINGS.read_text(encoding="utf-8")
    head, tail = old.partition(BEGIN)[0], old.partition(END)[2]
    SETTINGS.write_text(f"{head}{BEGIN}{table()}{END}{tail}", encoding="utf-8")
