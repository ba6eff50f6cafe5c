"""
Values that say by their type that they are secret, such as pydantic's ``SecretStr``: they carry a
mark in the canonical bytes of a call, wherever in an argument they are, so that the digests of
such a call can be keyed (digest.py).

A text that happens to hold the mark makes a call look secret that is not. That costs nothing but
the keyed digest, and is the same in every process.
"""

from __future__ import annotations

from typing import Final

from .containers import Opened, Opener
from .naming import bare_name, mro
from .wire import framed

#: By name: nothing is imported to find out.
SECRET_TYPES: Final = frozenset(("SecretStr", "SecretBytes", "Secret"))
#: What no class can be called in keys; see ``class_name``.
MARK: Final = b"$" + framed(b"\0memotier.secret")


def says_secret(kind: type) -> bool:
    """
    Whether *kind*, or a class that it is made from, is called like one for secrets.
    """
    return any(bare_name(cls) in SECRET_TYPES for cls in mro(kind))


def marked(opener: Opener) -> Opener:
    """
    *opener*, with the mark before what it gives.
    """

    def open_marked(value: object) -> Opened:
        head, children, places = opener(value)
        return MARK + head, children, places

    return open_marked


def holds_secret(canonical: bytes) -> bool:
    """
    Whether a marked value is in these bytes.
    """
    return MARK in canonical
