"""
The grammar of keys: tags, lengths, limits.

A *code* is the encoding of one value. Its first byte, the tag, says how it goes on:

* a fixed number of bytes (None, floats, dates), or
* a length as a varint and that many bytes (text, bytes, integers, large leaves), or
* a count as a varint and that many codes (containers, objects).

So a reader always knows where a code ends: no code is the beginning of another one, codes
that follow each other can be told apart without separators, and two different sequences of
codes are different bytes. Nothing that an argument contains can look like structure. Sorting
``key + value`` sorts by key for the same reason.

A leaf above ``MAX_LEAF`` bytes is replaced by its tag, its length and its 32-byte BLAKE2b,
under a tag of its own; different leaves then differ unless BLAKE2b is broken.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

#: The first byte of every key. Change it when any code changes its bytes.
VERSION = b"\x01"

MAX_DEPTH = 64  # containers inside containers
MAX_NODES = 100_000  # values in one call; one that must be opened in its turn counts twice
MAX_BYTES = 1 << 20  # bytes of one key, large leaves replaced
MAX_LEAF = 1 << 16  # bytes above which a leaf is replaced by its hash
MAX_TEXT = 32 << 20  # bytes of text, bytes and integers in one call: some 40 ms of hashing
MAX_ARRAY = 1 << 30  # bytes of arrays and frames in one call: they are large by nature

LARGE = b"\xff"


class Refusal(Exception):
    """
    A value has no key. *why* completes "argument 'x' is a T, which ..." ; *kind* is T.
    """

    def __init__(self, why: str, kind: type | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.kind = kind


class Budget:
    """
    What one call has used of the limits so far. Class attributes, so that making one is cheap.
    """

    nodes = 0
    size = 0
    text = 0
    array = 0

    def spend_nodes(self, count: int) -> None:
        self.nodes += count
        if self.nodes > MAX_NODES:
            raise Refusal(f"brings the call above {MAX_NODES:,} values")

    def spend_size(self, size: int) -> None:
        self.size += size
        if self.size > MAX_BYTES:
            raise Refusal(f"brings the key above {MAX_BYTES >> 20} MiB")

    def spend_text(self, size: int) -> None:
        self.text += size
        if self.text > MAX_TEXT:
            raise Refusal(f"brings the text in the call above {MAX_TEXT >> 20} MiB")

    def spend_array(self, size: int) -> None:
        self.array += size
        if self.array > MAX_ARRAY:
            raise Refusal(f"brings the arrays in the call above {MAX_ARRAY >> 20} MiB")


class Raw:
    """
    The contents of an array on their way into a key: any object with contiguous memory.
    """

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data


def varint(number: int) -> bytes:
    """
    Seven bits per byte, low ones first; the high bit says that more follow.
    """
    if number < 128:
        return SHORT[number]

    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


SHORT = [bytes((number,)) for number in range(128)]


def framed(raw: bytes) -> bytes:
    """
    *raw* behind its length.
    """
    return varint(len(raw)) + raw


def name(text: str) -> bytes:
    """
    A name out of the source (a field, a class, a zone), behind its length.
    """
    return framed(text.encode("utf-8", "surrogatepass"))


def leaf(tag: bytes, raw: Any, size: int, budget: Budget) -> bytes:
    """
    The code of a leaf of *size* bytes: itself, or its hash if it is large.
    """
    if size <= MAX_LEAF:
        budget.spend_size(size)
        return b"".join((tag, varint(size), raw))

    digest = blake2b(raw, digest_size=32, person=b"memotier-leaf").digest()
    return LARGE + tag + varint(size) + digest
