"""
How pydantic's own value types are opened: secrets and URLs.
"""

from __future__ import annotations

import sys
from typing import Any

from .containers import Opened, Opener
from .naming import class_name, mro
from .wire import framed


def of_pydantic(kind: type) -> Opener | None:
    """
    The opener of *kind* if it is one of pydantic's secrets or URLs, or made from one.
    """
    for module, base, opener in _BASES:
        loaded = sys.modules.get(module)
        if loaded is not None and vars(loaded).get(base) in mro(kind):
            head = b"$" + framed(class_name(kind))
            return opener(head)
    return None


def _secret(head: bytes) -> Opener:
    return lambda value: (head, (_content(value, "_secret_value"),), ("get_secret_value()",))


def _url(head: bytes) -> Opener:
    return lambda value: (head, (str(_content(value, "_url")),), ("str()",))


def _core_url(head: bytes) -> Opener:
    def open_url(value: Any) -> Opened:
        return head, (str(value),), ("str()",)

    return open_url


def _content(value: Any, field: str) -> Any:
    return object.__getattribute__(value, field)


_BASES = (
    ("pydantic.types", "_SecretBase", _secret),
    ("pydantic.networks", "_BaseUrl", _url),
    ("pydantic.networks", "_BaseMultiHostUrl", _url),
    ("pydantic_core", "Url", _core_url),
    ("pydantic_core", "MultiHostUrl", _core_url),
)
