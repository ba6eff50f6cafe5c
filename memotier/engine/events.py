"""
Telling people: one log line per kind of trouble, and whoever listens.

Values and arguments never appear here; a function is called by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..types import Listener

logger = logging.getLogger("memotier")
logger.addHandler(logging.NullHandler())


def kind_and_place(error: BaseException) -> str:
    """
    The type of *error* and the line that raised it; not its text, which may show data.
    """
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
    return f"{type(error).__qualname__}{where}"


class Events:
    """
    The listeners of one engine.

    Events: ``fault`` (a tier failed), ``refused`` (a stored record was not accepted),
    ``unstored`` (a result could not be kept, with the reason), ``unpriced`` (``cost=`` did not
    say what a result cost), ``differed`` (a result that was served is not what the function returns
    now, with its age in seconds), ``invalidated``, ``closed``.
    """

    __slots__ = ("listeners", "said")

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.said: set[tuple[str, str]] = set()

    def emit(self, event: str, detail: Mapping[str, Any]) -> None:
        for listener in list(self.listeners):
            try:
                listener(event, detail)
            except Exception as error:
                logger.error("a listener failed at %r: %s", event, kind_and_place(error))

    def say_once(self, about: str, kind: str, text: str) -> None:
        """
        Log *text* as a warning, the first time for this pair of *about* and *kind*.
        """
        if (about, kind) not in self.said:
            self.said.add((about, kind))
            logger.warning(text)
