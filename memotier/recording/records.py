"""
One row of the history: a signature with its pattern, authenticated.

    16 bytes  BLAKE2b of the row's identity and everything below, under the user's key
    payload   safe codec: [format, namespace, function, user, redacted, arguments, pattern]

A row that does not verify is not decoded. Nothing in it names anything that is imported.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from ..codecs.values import SafeCodec
from ..errors import DecodeRefused, MemotierError
from .pattern import Pattern
from .signature import LARGEST, Signature

FORMAT: Final = 1
MAC: Final = 16
#: Bytes of a whole row.
LARGEST_ROW: Final = LARGEST + 4096

_codec: Final = SafeCodec(max_bytes=LARGEST_ROW)


class Recorded(NamedTuple):
    """
    A call and how it was used.
    """

    signature: Signature
    pattern: Pattern


def write_row(recorded: Recorded, key: bytes) -> bytes:
    """
    Raises:
        ValueTooLarge: If it is longer than a row may be.
    """
    payload = payload_of(recorded)
    return _mac(recorded.signature.identity, payload, key) + payload


def payload_of(recorded: Recorded) -> bytes:
    """
    What stands in a row; raises as ``write_row``.
    """
    signature, pattern = recorded
    return _codec.encode(
        [
            FORMAT,
            signature.namespace,
            signature.function,
            signature.user,
            list(signature.redacted),
            signature.payload,
            pattern.as_list(),
        ]
    )


def read_row(identity: bytes, row: bytes, keys: Sequence[bytes]) -> Recorded:
    """
    Raises:
        DecodeRefused: If it was not written by us, under this identity, with one of *keys*.
    """
    if not MAC < len(row) <= LARGEST_ROW:
        raise DecodeRefused(f"a recorded call of {len(row):,} bytes")
    mac, payload = row[:MAC], row[MAC:]
    if not any(hmac.compare_digest(mac, _mac(identity, payload, key)) for key in keys):
        raise DecodeRefused("a recorded call that does not verify")
    recorded = recorded_in(payload)
    if recorded.signature.identity != identity:
        raise DecodeRefused("a recorded call under another's name")
    return recorded


def recorded_in(payload: bytes) -> Recorded:
    """
    What ``payload_of`` was made of; only for what was verified.

    Raises:
        DecodeRefused: If it is of another format.
    """
    try:
        return _recorded(_codec.decode(payload))
    except MemotierError:
        raise
    except Exception as error:
        raise DecodeRefused(f"a recorded call with {type(error).__name__} inside") from None


def _recorded(found: Any) -> Recorded:
    form, namespace, function, user, redacted, arguments, pattern = found
    texts = (namespace, function, user, *redacted)
    if form != FORMAT or type(arguments) is not bytes or not all(type(t) is str for t in texts):
        raise DecodeRefused("a recorded call of another format")
    signature = Signature(namespace, function, arguments, user, tuple(redacted))
    return Recorded(signature, Pattern.of_list(pattern))


def _mac(identity: bytes, payload: bytes, key: bytes) -> bytes:
    return blake2b(
        identity + payload, digest_size=MAC, key=key[:64], person=b"memotier-hist"
    ).digest()
