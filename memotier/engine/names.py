"""
What an invalidation can name, as 16 opaque bytes.

Everything, each level of a namespace, a function, a tag, an epoch of the user's: an entry is
valid while the tokens of all its names are what they were before it was computed. Names are
digests, so that no text of a user ever becomes a key of a store.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from ..types import Name


@lru_cache(maxsize=4096)
def _name(kind: bytes, text: str) -> Name:
    payload = text.encode("utf-8", "surrogatepass")
    return blake2b(payload, digest_size=16, person=b"mt-" + kind).digest()


EVERYTHING: Name = _name(b"all", "")


def space(namespace: str) -> Name:
    return _name(b"space", namespace)


def levels(namespace: str) -> tuple[Name, ...]:
    """
    The names of *namespace* and of every namespace above it, the widest first.
    """
    parts = namespace.split(".")
    return tuple(space(".".join(parts[: n + 1])) for n in range(len(parts)))


def function(namespace: str, identity: str) -> Name:
    return _name(b"function", f"{namespace}\0{identity}")


def tag(text: str) -> Name:
    return _name(b"tag", text)


def epoch(text: str) -> Name:
    return _name(b"epoch", text)


def any_epoch(text: str) -> Name:
    """
    The same epoch of no scope in particular: what is everybody's has this, and hears with it when
    the epoch is bumped for one scope.
    """
    return _name(b"any-epoch", text)


@lru_cache(maxsize=4096)
def scope(canonical: bytes, key: bytes = b"", function: Name = b"") -> Name:
    """
    All entries of one scope; of one function, or those that depend on one epoch, if *function*,
    the name of that, is given.

    Args:
        key: Of the cache, if it has one: then nobody without it can tell whose name it is.
    """
    secret = blake2b(key, digest_size=32, person=b"mt-scope-key").digest() if key else b""
    person = b"mt-scope-of" if function else b"mt-scope"
    return blake2b(function + canonical, digest_size=16, person=person, key=secret).digest()


def code(namespace: str, identity: str, version: str) -> Name:
    """
    A function as it is written now. Nobody ever invalidates it; that an entry has another one
    tells that it was made with other code.
    """
    return _name(b"code", "\0".join((namespace, identity, version)))
