"""
The codec for what the default one cannot carry: pickle, and only under a signature.

Unpickling runs whatever the bytes say. So a payload is a keyed digest and the pickle, and
the digest is compared before a single byte is interpreted.
"""

from __future__ import annotations

import hmac
import pickle
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from ..errors import ConfigError, DecodeRefused, SerializationError
from .secrets import MIN_BYTES, VARIABLE

_MAC_SIZE = 32
_PERSON = b"memotier-pickle"


class PickleCodec:
    """
    Values to signed pickles and back. The first key signs, all verify.
    """

    name = "pickle"

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ConfigError(
                f"codec='pickle' takes a key that signs what is stored; set {VARIABLE}"
            )
        if any(len(key) < MIN_BYTES for key in keys):
            raise ConfigError(f"a key for codec='pickle' has fewer than {MIN_BYTES} bytes")
        self._keys = tuple(blake2b(key, person=_PERSON).digest() for key in keys)

    def __repr__(self) -> str:
        return f"<PickleCodec keys={len(self._keys)}>"

    def encode(self, value: Any) -> bytes:
        """
        The signed pickle of *value*.

        Raises:
            SerializationError: If *value* cannot be pickled.
        """
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:
            kind = type(value)
            raise SerializationError(
                f"a {kind.__module__}.{kind.__qualname__} cannot be pickled "
                f"({type(error).__qualname__})"
            ) from error
        return _mac(self._keys[0], data) + data

    def decode(self, payload: bytes | memoryview) -> Any:
        """
        The value, if one of the keys signed *payload*.

        Raises:
            DecodeRefused: If none did, or it cannot be unpickled here.
        """
        view = memoryview(payload)
        mac, data = bytes(view[:_MAC_SIZE]), view[_MAC_SIZE:]
        # Every key is tried, so that the time does not tell which one it was.
        matches = [hmac.compare_digest(_mac(key, data), mac) for key in self._keys]
        if not any(matches):
            raise DecodeRefused("a pickle was not signed with a key of this process")
        try:
            return pickle.loads(data)  # noqa: S301  # signed, see above
        except Exception as error:
            raise DecodeRefused(f"a pickle cannot be read here: {type(error).__name__}") from error

    def resigned(self, payload: bytes | memoryview) -> bytes:
        """
        *payload*, which ``decode`` has accepted, signed with the first key.
        """
        data = memoryview(payload)[_MAC_SIZE:]
        return _mac(self._keys[0], data) + bytes(data)


def _mac(key: bytes, data: bytes | memoryview) -> bytes:
    return blake2b(data, key=key, digest_size=_MAC_SIZE, person=_PERSON).digest()
