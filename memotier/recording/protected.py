"""
How the rows of a history are protected: signed (records.py), or encrypted with the cache's keys.

As in codecs/sealed.py it follows from the configuration which of the two it is, and a row of the
other kind is refused. An encrypted row hides the call altogether: its place, too, is a keyed
digest, as a plain one would let whoever reads the file try which arguments it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

from ..codecs.sealed import Box
from ..errors import DecodeRefused
from .records import LARGEST_ROW, Recorded, payload_of, read_row, recorded_in, write_row
from .signature import Signature

_PURPOSE: Final = b"memotier-histenc"


class Rows(Protocol):
    """
    Recorded calls to rows and back; the first key writes, all are believed.
    """

    def places(self, signature: Signature) -> tuple[bytes, ...]:
        """Where a call may lie: first where it is written, then where former keys have put it."""

    def write(self, recorded: Recorded) -> bytes:
        """The row; ``ValueTooLarge`` if it is longer than a row may be."""

    def read(self, place: bytes, row: bytes) -> Recorded:
        """The call in *row*; ``DecodeRefused`` if it is none that was written to this place."""


class SignedRows:
    """
    Rows that whoever may read the file can read.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    def places(self, signature: Signature) -> tuple[bytes, ...]:
        """See ``Rows``."""
        return (signature.identity,)

    def write(self, recorded: Recorded) -> bytes:
        """See ``Rows``."""
        return write_row(recorded, self._keys[0])

    def read(self, place: bytes, row: bytes) -> Recorded:
        """See ``Rows``."""
        return read_row(place, row, self._keys)


class EncryptedRows:
    """
    Rows that only holders of a key can read.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._box = Box(keys, _PURPOSE)
        self._keys = [blake2b(key, digest_size=32, person=_PURPOSE).digest() for key in keys]

    def places(self, signature: Signature) -> tuple[bytes, ...]:
        """See ``Rows``."""
        identity = signature.identity
        return tuple(blake2b(identity, key=one, digest_size=16).digest() for one in self._keys)

    def write(self, recorded: Recorded) -> bytes:
        """See ``Rows``."""
        place = self.places(recorded.signature)[0]
        return self._box.lock(payload_of(recorded), "", place)

    def read(self, place: bytes, row: bytes) -> Recorded:
        """See ``Rows``."""
        if len(row) > LARGEST_ROW:
            raise DecodeRefused(f"a recorded call of {len(row):,} bytes")
        recorded = recorded_in(self._box.open(row, "", place))
        if place not in self.places(recorded.signature):
            raise DecodeRefused("a recorded call under another's name")
        return recorded
