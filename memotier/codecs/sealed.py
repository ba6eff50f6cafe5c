"""
How the records of a cache are protected: signed, or encrypted and signed in one.

Which of the two it is follows from the configuration, never from the record: a cache that encrypts
refuses what is not encrypted, and one that does not refuses what is.

An encrypted record hides everything but its length::

    lead (4) | salt (24) | AES-256-GCM of the record as records.py frames it, with its tag (16)

Inside lie payload, tags, writer, fingerprint of the call, tokens and times. The tag covers all of
that, and the address and namespace where the record lies, so what is true of a signed record is
true of an encrypted one, and a second signature would prove nothing more. The check inside is the
one without a key; it is there because records.py has one format.

Nonces: GCM breaks if a nonce is used twice with one key, and 96 random bits are too few for a key
that encrypts without end. So each record has a key of its own, derived by keyed BLAKE2b from the
namespace's key and 192 random bits, and its nonce is zero. Two records of 2^64 share a salt with a
chance of less than 2^-64, and no key encrypts a second record. That random bits repeat is a fault
of the system then, which ``os.urandom`` does not have after a fork.

Callers: the engine, once for each record that goes to the second tier or comes from it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Protocol

from ..errors import ConfigError, DecodeRefused, MissingExtra
from ..types import Address
from .records import LEAD_OF_SEALED, Record, seal, unseal, where
from .secrets import VARIABLE

_SALT: Final = 24
_TAG: Final = 16
_START: Final = len(LEAD_OF_SEALED) + _SALT
_NONCE: Final = bytes(12)


class Sealing(Protocol):
    """
    Records to bytes and back. ``unseal`` raises ``DecodeRefused`` for what ``seal`` did not make
    for this address and namespace with one of the keys; the first key makes, all are believed.
    """

    def seal(self, record: Record, *, address: Address, group: str) -> bytes:
        """The bytes to store."""

    def unseal(self, data: bytes | memoryview, *, address: Address, group: str) -> Record:
        """The record in *data*."""


def sealing_of(keys: Sequence[bytes], encrypt: bool) -> Sealing:
    """
    What a cache with these *keys* does.

    Raises:
        ConfigError: If it is to encrypt and has no key.

        MissingExtra: If it is to encrypt and ``cryptography`` is not installed.
    """
    return Encrypted(keys) if encrypt else Signed(keys)


class Signed:
    """
    Records that everybody can read and, with a key, nobody else can write.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def seal(self, record: Record, *, address: Address, group: str) -> bytes:
        """See ``Sealing``."""
        return seal(record, address=address, group=group, keys=self._keys)

    def unseal(self, data: bytes | memoryview, *, address: Address, group: str) -> Record:
        """See ``Sealing``."""
        return unseal(data, address=address, group=group, keys=self._keys)


class Encrypted:
    """
    Records that nobody without a key can read or write.
    """

    __slots__ = ("_box",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._box = Box(keys, b"memotier-enc")

    def seal(self, record: Record, *, address: Address, group: str) -> bytes:
        """See ``Sealing``."""
        plain = seal(record, address=address, group=group)
        bound_to = where(address, group, LEAD_OF_SEALED)
        return LEAD_OF_SEALED + self._box.lock(plain, group, bound_to)

    def unseal(self, data: bytes | memoryview, *, address: Address, group: str) -> Record:
        """See ``Sealing``."""
        if data[: len(LEAD_OF_SEALED)] != LEAD_OF_SEALED:
            raise DecodeRefused("a record is not encrypted, as this cache's are, or not memotier's")
        bound_to = where(address, group, LEAD_OF_SEALED)
        plain = self._box.open(memoryview(data)[len(LEAD_OF_SEALED) :], group, bound_to)
        return unseal(plain, address=address, group=group)


class Box:
    """
    Bytes that only holders of a key can read or make: ``salt | ciphertext | tag``.

    Args:
        keys: The first locks, all open.

        purpose: At most 16 bytes; boxes of different ones do not open each other's.
    """

    __slots__ = ("_cipher", "_keys", "_purpose", "_wrong")

    def __init__(self, keys: Sequence[bytes], purpose: bytes) -> None:
        if not keys:
            raise ConfigError(
                f"encrypt = True needs a key: set {VARIABLE} to what `memotier key` prints"
            )
        self._cipher, self._wrong = _cipher()
        self._keys = tuple(keys)
        self._purpose = purpose

    def __repr__(self) -> str:
        return f"<Box keys={len(self._keys)}>"

    def lock(self, plain: bytes, group: str, bound_to: bytes) -> bytes:
        """
        *plain*, readable with a key of *group* only, and only together with *bound_to*.
        """
        salt = os.urandom(_SALT)
        key = _one_key(self._keys[0], group, self._purpose, salt)
        return salt + self._cipher(key).encrypt(_NONCE, plain, bound_to)  # type: ignore[no-any-return]

    def open(self, data: bytes | memoryview, group: str, bound_to: bytes) -> bytes:
        """
        What was locked.

        Raises:
            DecodeRefused: If it was changed, belongs elsewhere, or was locked with another key.
        """
        salt, locked = bytes(data[:_SALT]), data[_SALT:]
        for key in self._keys if len(locked) >= _TAG else ():
            cipher = self._cipher(_one_key(key, group, self._purpose, salt))
            try:
                return cipher.decrypt(_NONCE, locked, bound_to)  # type: ignore[no-any-return]
            except self._wrong:
                continue
        raise DecodeRefused(
            "a record is damaged, was moved, or was encrypted with a key that is not ours"
        )


def _one_key(key: bytes, group: str, purpose: bytes, salt: bytes) -> bytes:
    derived = _keyed(key, group, purpose).copy()
    derived.update(salt)
    return derived.digest()


@lru_cache(maxsize=256)
def _keyed(key: bytes, group: str, purpose: bytes) -> blake2b:
    """
    The digest to copy for every record of *group*: each namespace has a key of its own, which is
    none of those that sign.
    """
    short = key if len(key) <= blake2b.MAX_KEY_SIZE else blake2b(key).digest()
    own = blake2b(group.encode(), key=short, digest_size=32, person=purpose).digest()
    return blake2b(key=own, digest_size=32, person=b"memotier-once")


def _cipher() -> tuple[Any, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MissingExtra(
            "encrypt = True needs cryptography: pip install 'memotier[crypto]'"
        ) from None
    return AESGCM, InvalidTag
