"""
The frame around a stored payload: what it is, for which call, and proof that it is whole.

::

    magic, format version (4) | check (16) | flags (1) | header length (3)
    header: msgpack list | zeros up to a multiple of 16 | payload

What all results of a function have in common (codec, names, tokens, tags, writer) is one packed
field of the header: equal bytes are parsed once, which is most of what reading a record costs.

Format 2 has one field more in the header, the *world* the result was computed in; a record
without one is written as format 1. A version that cannot compare worlds reads no format 2.
Format 3 has two: that world, or none, and the *price* that the function's ``cost=`` said.

The check covers everything else in the record, and the address and namespace where it
lies, so a record that was moved is as invalid as one that was changed. It is compared
before anything is parsed. Without keys it is xxh3-128, which finds damage; with keys a
keyed BLAKE2b, which also finds forgery. Which one it is follows from the configuration,
never from the record.
"""

from __future__ import annotations

import hmac
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any, NamedTuple

import ormsgpack
from xxhash import xxh3_128

from ..errors import DecodeRefused, SerializationError
from ..tokens import SIZES as _TOKEN_SIZES
from ..types import Address, Name, Seconds, Token
from .survey import MAX_BYTES

MAGIC = b"\x89mt"
#: The newest format.
VERSION = 3

_LEAD = MAGIC + bytes((1,))
_LEAD_OF_WORLDS = MAGIC + bytes((2,))
_LEAD_OF_PRICES = MAGIC + bytes((VERSION,))
#: What an encrypted record begins with; see sealed.py.
LEAD_OF_SEALED = b"\x89me" + bytes((1,))
_FIXED = struct.Struct("<4s16sI")
_CHECKED_FROM = len(_LEAD) + 16
_ALIGNMENT = 16
_COMPRESSED = 1
_NAME, _FINGERPRINT = 16, 20
#: Bytes of a header's shared part up to which it is remembered: few tags, not many.
_REMEMBERED = 4096

#: The types of a header's fields: with and without an end of freshness.
_HEADERS = {(int, float, fresh, float, bytes, int, bytes) for fresh in (float, type(None))}
_HEADERS_OF_WORLDS = {(*header, bytes) for header in _HEADERS}
_HEADERS_OF_PRICES = {
    (*header, world, float) for header in _HEADERS for world in (bytes, type(None))
}
_HEADERS_BY_LEAD: dict[bytes, set[Any]] = {
    _LEAD: _HEADERS,
    _LEAD_OF_WORLDS: _HEADERS_OF_WORLDS,
    _LEAD_OF_PRICES: _HEADERS_OF_PRICES,
}
_SHARED = (str, bytes, list, list, str)
_TEXT = frozenset({str})
_TOKENS = frozenset({bytes, type(None)})

# Below this nothing is worth the time; a gain of less than a tenth is not either.
_COMPRESS_FROM = 2048
_SAMPLE = 4096
# What unpacks to more than this, or to more than so many times its own size, is not written, and
# refused unread: somebody wants to fill memory.
_MOST_EXPANDED = 32 << 20
_MOST_GAIN = 200


class Record(NamedTuple):
    """
    One stored result. Times are seconds: *created* since 1970, *fresh* and *cost* durations.

    *fresh* is how long from *created* on the entry is fresh, None for ever. *names* are the
    versions it depends on, *tokens* what they were before it was computed. *flags* are eight
    bits for the engine. *world* is what the files and variables it depends on were before it was
    computed, as digests (world.py). *price* is what it cost, by ``cost=`` of its function. After
    ``unseal`` the payload is a view of the record's bytes.
    """

    codec: str
    flags: int
    created: Seconds
    fresh: Seconds | None
    cost: Seconds
    fingerprint: bytes
    names: tuple[Name, ...]
    tokens: tuple[Token, ...]
    tags: tuple[str, ...]
    writer: str
    payload: bytes | memoryview
    world: bytes | None = None
    price: float | None = None


def seal(
    record: Record,
    *,
    address: Address,
    group: str,
    keys: Sequence[bytes] = (),
    compress: bool = False,
) -> bytes:
    """
    The bytes to store for *record* at *address* in namespace *group*.

    Raises:
        SerializationError: If a field of *record* does not have its size or type.
    """
    payload, packed = record.payload, None
    if compress and len(payload) > _COMPRESS_FROM:
        packed = _compressed(payload)
    header = ormsgpack.packb(_header(record))
    if len(header) > 0xFFFFFF:
        raise SerializationError(f"the tags of one entry take {len(header):,} bytes; use fewer")

    start = _FIXED.size + len(header)
    lengths = struct.pack("<I", len(header) << 8 | (0 if packed is None else _COMPRESSED))
    front = b"".join((lengths, header, bytes(-start % _ALIGNMENT)))
    body = payload if packed is None else packed
    lead = _LEAD if record.world is None else _LEAD_OF_WORLDS
    if record.price is not None:
        lead = _LEAD_OF_PRICES
    check = _check((front, body), lead, address, group, keys[0] if keys else None)
    return b"".join((lead, check, front, body))


def unseal(
    data: bytes | memoryview, *, address: Address, group: str, keys: Sequence[bytes] = ()
) -> Record:
    """
    The record in *data*, if it is whole and was stored for this address.

    Raises:
        DecodeRefused: If it is damaged, foreign, forged, moved, or of another version.
    """
    if len(data) < _FIXED.size:
        raise DecodeRefused("a record was not written by memotier")
    lead, check, packed = _FIXED.unpack_from(data)
    if lead not in _HEADERS_BY_LEAD:
        if lead == LEAD_OF_SEALED:
            raise DecodeRefused("a record is encrypted, and this cache does not say encrypt=True")
        if lead[: len(MAGIC)] != MAGIC:
            raise DecodeRefused("a record was not written by memotier")
        raise DecodeRefused(f"a record has format {lead[-1]}, this version reads {VERSION}")
    view = memoryview(data)
    checked = (view[_CHECKED_FROM:],)
    for key in keys or (None,):
        if hmac.compare_digest(_check(checked, lead, address, group, key), check):
            break
    else:
        raise DecodeRefused(
            "a record is damaged, was moved, or was signed with a key that is not ours"
        )

    try:
        return _parse(view, packed >> 8, packed & 0xFF, _HEADERS_BY_LEAD[lead])
    except DecodeRefused:
        raise
    except Exception as error:
        raise DecodeRefused("the header of a record is malformed") from error


def _check(
    pieces: Sequence[bytes | memoryview],
    lead: bytes,
    address: Address,
    group: str,
    key: bytes | None,
) -> bytes:
    summed = xxh3_128() if key is None else _keyed(key, group).copy()
    summed.update(where(address, group, lead))
    for piece in pieces:
        summed.update(piece)
    return summed.digest()


def where(address: Address, group: str, lead: bytes = _LEAD) -> bytes:
    """
    What a record is bound to, besides what is in it.
    """
    # Lengths come first, so that no address can look like the end of a namespace.
    name = group.encode()
    return b"".join((lead, struct.pack("<HH", len(name), len(address)), name, address))


@lru_cache(maxsize=256)
def _keyed(key: bytes, group: str) -> blake2b:
    """
    The digest to copy for every record of *group*: each namespace has a key of its own.
    """
    short = key if len(key) <= blake2b.MAX_KEY_SIZE else blake2b(key).digest()
    own = blake2b(group.encode(), key=short, person=b"memotier-grp").digest()
    return blake2b(key=own, digest_size=16, person=b"memotier-rec")


def _header(record: Record) -> list[Any]:
    fresh = None if record.fresh is None else float(record.fresh)
    if (
        len(record.fingerprint) != _FINGERPRINT
        or not 0 <= record.flags <= 0xFF
        or len(record.payload) > MAX_BYTES
        or not (isfinite(record.created) and isfinite(record.cost))
        or not (fresh is None or isfinite(fresh))
        or not (record.price is None or isfinite(record.price))
    ):
        raise SerializationError(
            f"a record of codec {record.codec!r} cannot be framed: a field does not have its size"
        )
    return [
        record.flags,
        float(record.created),
        fresh,
        float(record.cost),
        record.fingerprint,
        len(record.payload),
        _packed(record.codec, record.names, record.tokens, record.tags, record.writer),
        *(() if record.world is None and record.price is None else (record.world,)),
        *(() if record.price is None else (float(record.price),)),
    ]


@lru_cache(maxsize=256)
def _packed(
    codec: str,
    names: tuple[Name, ...],
    tokens: tuple[Token, ...],
    tags: tuple[str, ...],
    writer: str,
) -> bytes:
    joined = b"".join(names)
    if len(joined) != _NAME * len(tokens) or not _TOKEN_SIZES.issuperset(
        map(len, filter(None, tokens))
    ):
        raise SerializationError(
            f"a record of codec {codec!r} cannot be framed: a field does not have its size"
        )
    return ormsgpack.packb([codec, joined, list(tokens), list(tags), writer])


def _parse(view: memoryview, length: int, frame_flags: int, headers: set[Any]) -> Record:
    end = _FIXED.size + length
    start = end + -end % _ALIGNMENT
    if frame_flags not in (0, _COMPRESSED) or start > len(view) or any(view[end:start]):
        raise DecodeRefused("the header of a record is malformed")
    header = ormsgpack.unpackb(view[_FIXED.size : end])
    flags, created, fresh, cost, fingerprint, size, shared, *more = header
    stored = view[start:].toreadonly()
    payload = _expanded(stored, size) if frame_flags else stored
    # A checksum proves that the header is whole, not that we wrote it.
    if (
        tuple(map(type, header)) not in headers
        or size != len(payload)
        or not 0 <= flags <= 0xFF
        or len(fingerprint) != _FINGERPRINT
        or not (isfinite(created) and isfinite(cost) and (fresh is None or isfinite(fresh)))
        or not all(isfinite(price) for price in more[1:])
    ):
        raise DecodeRefused("the header of a record is malformed")
    unpacked = _unpacked if len(shared) <= _REMEMBERED else _unpacked.__wrapped__
    codec, names, tokens, tags, writer = unpacked(shared)
    return Record(
        codec,
        flags,
        created,
        fresh,
        cost,
        fingerprint,
        names,
        tokens,
        tags,
        writer,
        payload,
        *more,
    )


@lru_cache(maxsize=256)
def _unpacked(
    shared: bytes,
) -> tuple[str, tuple[Name, ...], tuple[Token, ...], tuple[str, ...], str]:
    fields = ormsgpack.unpackb(shared)
    codec, joined, tokens, tags, writer = fields
    if (
        tuple(map(type, fields)) != _SHARED
        or len(joined) != _NAME * len(tokens)
        or not _TOKENS.issuperset(map(type, tokens))
        or not _TOKEN_SIZES.issuperset(map(len, filter(None, tokens)))
        or not _TEXT.issuperset(map(type, tags))
    ):
        raise DecodeRefused("the header of a record is malformed")
    names = tuple([joined[at : at + _NAME] for at in range(0, len(joined), _NAME)])
    return codec, names, tuple(tokens), tuple(tags), writer


def is_compressed(data: bytes) -> bool:
    """
    Whether reading the record *data* means to expand it, to whatever it says its size is.
    """
    return len(data) >= _FIXED.size and data[_FIXED.size - 4] != 0


def _compressed(payload: bytes | memoryview) -> bytes | None:
    """
    *payload* through zlib, None if that gains less than a tenth (of a sample, first), or more
    than would be read.
    """
    if len(payload) > _MOST_EXPANDED:
        return None
    sample = payload[:_SAMPLE]
    if len(zlib.compress(sample, 1)) > 0.9 * len(sample):
        return None
    packed = zlib.compress(payload, 1)
    return packed if len(payload) / _MOST_GAIN <= len(packed) <= 0.9 * len(payload) else None


def _expanded(packed: memoryview, size: Any) -> bytes:
    """
    The compressed payload, never more than *size* bytes however much it would unpack to.
    """
    most = min(_MOST_EXPANDED, _MOST_GAIN * len(packed))
    if type(size) is not int or not _COMPRESS_FROM < size <= most:
        raise DecodeRefused(f"a compressed payload states an impossible size of {size!r} bytes")
    stream = zlib.decompressobj()
    payload = stream.decompress(packed, size)
    if len(payload) != size or stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:
        raise DecodeRefused("a compressed payload does not have the size that its record states")
    if stream.unused_data:
        raise DecodeRefused("a compressed payload is followed by other bytes")
    return payload
