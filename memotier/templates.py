"""
Texts made of the arguments of a call: ``"user:{user_id}"``.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .errors import ConfigError, UnkeyableArgument

#: What may stand in a tag: types whose text is the same wherever it is made.
TAGGABLE = (
    str,
    int,
    float,
    bool,
    type(None),
    bytes,
    Decimal,
    UUID,
    PurePath,
    date,
    time,
    timedelta,
)

_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_template(
    label: str, what: str, template: str, signature: inspect.Signature, instead: str
) -> tuple[str, ...]:
    """
    The parameters that *template* names.

    Args:
        what: What is made of it, such as a tag.

        instead: What to write for anything that a template cannot say.

    Raises:
        ConfigError: If it is no template, or names something else.
    """
    single = [n for n, p in signature.parameters.items() if p.kind not in _COLLECTING]
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{label}: {what} {template!r} is not a template: {error}") from None
    fields = [part for part in parts if part[1] is not None]
    for _, field, spec, conversion in fields:
        if field not in single or spec or conversion:
            known = ", ".join(f"{{{one}}}" for one in single) or "none"
            raise ConfigError(
                f"{label}: {what} {template!r} names {{{field}}}, which is not one parameter; "
                f"there are: {known}. For anything else {instead}"
            )
    return tuple(str(field) for _, field, _, _ in fields)


def fill(
    label: str,
    template: str,
    values: Mapping[str, Any],
    *,
    what: str = "tag",
    instead: str = "Use a callable for tags=, which makes a text of it",
) -> str:
    """
    The text that *template* makes of the arguments.

    Raises:
        UnkeyableArgument: If an argument has no text that is the same everywhere.
    """
    filled = []
    for text, field, _, _ in string.Formatter().parse(template):
        filled.append(text)
        if field is None:
            continue
        value = values[field]
        if isinstance(value, Enum):
            value = value.value
        if type(value) not in TAGGABLE and not isinstance(value, (PurePath, UUID)):
            raise UnkeyableArgument(
                f"{label}: {what} {template!r} cannot be made: argument {field!r} is a "
                f"{type(value).__qualname__}. {instead}"
            )
        filled.append(str(value))
    return "".join(filled)
