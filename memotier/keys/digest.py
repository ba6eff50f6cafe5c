"""
From the canonical bytes of a call to its address and its fingerprint.

The *address* says where an entry lies. It is xxHash, fast and easily forged: whoever chooses
arguments can make two calls share one. The *fingerprint* says whose the entry is, by BLAKE2b; it
is written into the entry and compared before anything of it is used.

Who can read a store can try which arguments an address fits. So a call that *hides* something (a
secret, or for whom it is) has an address that is keyed: with the secret that keys are derived from,
or, where there is none, with a salt that does not lie in the store. Where there is neither it is as
any other.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from xxhash import xxh3_128_digest

from ..errors import ConfigError
from ..types import Address, Name
from .wire import VERSION, name

FINGERPRINT_SIZE = 20  # bytes
_PERSON = b"memotier-key"
_HIDING = b"memotier-hiding"
_NAMING = b"memotier-hidden"


class Digester:
    """
    Addresses and fingerprints of the calls of one function.

    Both are taken over namespace, identity and version of the function, each behind its length,
    and then the canonical bytes: what comes first cannot run into what follows.
    """

    __slots__ = ("_hiding", "_namespace", "_prefix", "_salt", "_started", "is_keyed", "is_saltable")

    def __init__(
        self,
        namespace: str,
        identity: str,
        version: str,
        secret: bytes | None = None,
        salt: Callable[[], bytes | None] | None = None,
    ) -> None:
        """
        Args:
            secret: Makes fingerprints that nobody without it can foresee; each namespace gets
                a key of its own, derived from it.

            salt: Where there is no secret, gives what stands in for it in calls that hide
                something, or None. May do I/O; asked by ``prepare``.
        """
        self._namespace = namespace
        self._salt = salt
        #: Whether it has a secret, which may be rotated.
        self.is_keyed = secret is not None
        #: Whether there is no secret, and some who share the store may have the salt, some not.
        self.is_saltable = salt is not None
        #: The key for calls that hide something.
        self._hiding = None if secret is None else _key_of(namespace, secret, _HIDING)
        self._prefix = VERSION + name(namespace) + name(identity) + name(version)
        key = b"" if secret is None else _key_of(namespace, secret)
        self._started = blake2b(self._prefix, digest_size=FINGERPRINT_SIZE, person=_PERSON, key=key)

    def prepare(self) -> bool:
        """
        Get ready for calls that hide something, once, before the first of them is looked up;
        whether their digests are keyed.
        """
        salt = self._salt
        if salt is not None:
            found = salt()
            if found is not None:
                self._hiding = _key_of(self._namespace, found, _HIDING)
            # Last: who finds it gone takes the rest for done.
            self._salt = None
        return self._hiding is not None

    def address(self, canonical: bytes, *, hides: bool = False) -> Address:
        """
        16 bytes: where the entry of this call lies.
        """
        if hides and self._hiding is not None:
            data = self._prefix + canonical
            return blake2b(data, key=self._hiding, digest_size=16, person=_PERSON).digest()
        return xxh3_128_digest(self._prefix + canonical)

    def fingerprint(self, canonical: bytes, *, hides: bool = False) -> bytes:
        """
        20 bytes: whose entry it is. Compare with ``hmac.compare_digest``.
        """
        if hides and not self.is_keyed and self._hiding is not None:
            data, size = self._prefix + canonical, FINGERPRINT_SIZE
            return blake2b(data, key=self._hiding, digest_size=size, person=_PERSON).digest()
        state = self._started.copy()
        state.update(canonical)
        return state.digest()

    def addresses(self, canonical: bytes) -> tuple[Address, ...]:
        """
        Where a call that hides something may lie: the address, and that of who has no salt.
        """
        mine = self.address(canonical, hides=True)
        return (mine, self.address(canonical)) if self.is_salted else (mine,)

    @property
    def is_salted(self) -> bool:
        return not self.is_keyed and self._hiding is not None

    @property
    def kin(self) -> Name:
        """
        What all salted entries of the function are called, in invalidations by who has no salt.
        """
        return blake2b(self._prefix, digest_size=16, person=_NAMING).digest()

    def name(self, canonical: bytes) -> Name:
        """
        What the entry of a call that hides something is called in invalidations, by who has this
        key and another address for it.
        """
        assert self._hiding is not None
        data = self._prefix + canonical
        return blake2b(data, key=self._hiding, digest_size=16, person=_NAMING).digest()


def _key_of(namespace: str, secret: bytes, person: bytes = _PERSON) -> bytes:
    if not secret:
        raise ConfigError("secret is empty: give some 32 random bytes, or None for no secret")
    root = blake2b(secret, person=b"memotier-root", digest_size=32).digest()
    return blake2b(name(namespace), key=root, person=person, digest_size=32).digest()
