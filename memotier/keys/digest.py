"""
From the canonical bytes of a call to its address and its fingerprint.

The *address* says where an entry lies. It is xxHash, fast and easily forged: whoever chooses
arguments can make two calls share one. The *fingerprint* says whose the entry is, by BLAKE2b; it
is written into the entry and compared before anything of it is used.
"""

from __future__ import annotations

from hashlib import blake2b

from xxhash import xxh3_128_digest

from ..errors import ConfigError
from ..types import Address
from .wire import VERSION, name

FINGERPRINT_SIZE = 20  # bytes
_PERSON = b"memotier-key"


class Digester:
    """
    Addresses and fingerprints of the calls of one function.

    Both are taken over namespace, identity and version of the function, each behind its length,
    and then the canonical bytes: what comes first cannot run into what follows.
    """

    __slots__ = ("_prefix", "_started")

    def __init__(
        self, namespace: str, identity: str, version: str, secret: bytes | None = None
    ) -> None:
        """
        Args:
            secret: Makes fingerprints that nobody without it can foresee; each namespace gets
                a key of its own, derived from it.
        """
        self._prefix = VERSION + name(namespace) + name(identity) + name(version)
        key = b"" if secret is None else _key_of(namespace, secret)
        self._started = blake2b(self._prefix, digest_size=FINGERPRINT_SIZE, person=_PERSON, key=key)

    def address(self, canonical: bytes) -> Address:
        """
        16 bytes: where the entry of this call lies.
        """
        return xxh3_128_digest(self._prefix + canonical)

    def fingerprint(self, canonical: bytes) -> bytes:
        """
        20 bytes: whose entry it is. Compare with ``hmac.compare_digest``.
        """
        state = self._started.copy()
        state.update(canonical)
        return state.digest()


def _key_of(namespace: str, secret: bytes) -> bytes:
    if not secret:
        raise ConfigError("secret is empty: give some 32 random bytes, or None for no secret")
    root = blake2b(secret, person=b"memotier-root", digest_size=32).digest()
    return blake2b(name(namespace), key=root, person=_PERSON, digest_size=32).digest()
