"""
HTML that is safe by the way it is made: whatever is not ``Html`` already is escaped.

Nobody else writes a ``<``. Names of functions, namespaces, tags and keys may come from another
process, and are text here, whatever they hold.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

#: What stands between a number and its unit.
NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
#: Elements without content and end.
_VOID: Final = frozenset({"meta", "rect", "line", "path", "circle"})


class Html(str):
    """
    Text that is HTML, not to be escaped.
    """

    __slots__ = ()


def safe(content: Any) -> Html:
    """
    *content* as HTML: text is escaped, a list is joined, None is nothing.
    """
    if isinstance(content, Html):
        return content
    if content is None:
        return Html()
    if isinstance(content, (list, tuple)):
        return Html("".join(map(safe, content)))
    return Html(escape(_printable(str(content))))


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """
    An element. ``class_`` is ``class``, ``data_hits`` is ``data-hits``; None leaves one out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not content:
        return Html(f"<{name}{shown}/>")
    return Html(f"<{name}{shown}>{safe(content)}</{name}>")


def _printable(text: str) -> str:
    """
    Without what turns the direction of text, or is no text: it could make a name look like another.
    """
    return "".join(
        one if one.isprintable() or one == NARROW else "\N{REPLACEMENT CHARACTER}" for one in text
    )
