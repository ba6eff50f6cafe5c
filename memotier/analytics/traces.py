"""
Traces: which keys were asked for, in which order. No arguments, no values, no digests: keys are
numbers, counted from 0 in the order in which they were first asked for.

The file, everything little-endian::

    8 bytes   b"mttrace1"
    4 bytes   length of the header
    header    JSON: {"cache", "began", "rate", "accesses", "keys", "events",
                     "functions": [[namespace, function, label], ...],
                     "l1": {"max_size", "max_bytes", "policy", "ttl"}}
    rest      zlib, in it one column after the other;
              of each key:    function u16, size u32, seconds f32, ttl f32
              of each event:  milliseconds since the one before u32, key u32, what it was u8

*size* is in bytes, with what memory needs for the entry; *seconds* is what computing took; *ttl*
is how long memory takes it for fresh, infinite for ever, NaN if nobody knows (its result was not
kept). What an event was: MISS, HIT in memory, or ELSEWHERE, answered by the second tier or by
somebody who computed the same; UNKNOWN if nobody noted it. *rate* is the share of keys that is in
the trace (tracing.py), and *accesses* how many there were of all keys. In *l1* null is no bound.

A plain trace, ``NAME.u32`` or ``NAME.u32.xz``, is one key per access as an unsigned 32-bit
little-endian integer; every entry has one size, takes one second and is fresh for ever.

What is read may come from anywhere: sizes and numbers are checked before they are used.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from ..errors import ConfigError

MISS: Final = 0
HIT: Final = 1
ELSEWHERE: Final = 2
UNKNOWN: Final = 3

_MAGIC: Final = b"mttrace1"
_LONGEST_HEADER: Final = 4 << 20
#: Accesses, and keys, that a trace may have.
MOST: Final = 50_000_000
_LONGEST_GAP: Final = (1 << 32) - 1  # milliseconds
_LARGEST: Final = (1 << 32) - 1  # bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """
    What was asked of one cache. *functions* are ``(namespace, function, label)``; times are
    seconds since the first access; *l1* says how memory was bounded: ``max_size``, ``max_bytes``,
    ``policy``, ``ttl``.
    """

    cache: str = ""
    #: Seconds since 1970.
    began: float = 0.0
    rate: float = 1.0
    accesses: int = 0
    functions: tuple[tuple[str, str, str], ...] = (("", "", ""),)
    l1: Mapping[str, Any] = field(default_factory=dict)
    #: By key.
    function_of: array[int]
    sizes: array[int]
    seconds: array[float]
    ttls: array[float]
    #: By event.
    times: array[float]
    keys: array[int]
    kinds: bytes

    def __repr__(self) -> str:
        return (
            f"<Trace of {self.cache!r}: {len(self.keys):,} accesses to {len(self.sizes):,} keys"
            + (f", {self.rate:.3g} of all keys" if self.rate < 1 else "")
            + ">"
        )

    @property
    def lasted(self) -> float:
        """
        Seconds from the first access to the last.
        """
        return self.times[-1] if self.times else 0.0

    @property
    def measured_hit_rate(self) -> float | None:
        """
        Of the accesses in it those that memory answered when they were recorded; None for a plain
        trace, which does not know.
        """
        known = len(self.kinds) - self.kinds.count(UNKNOWN)
        return self.kinds.count(HIT) / known if known else None


def write_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """
    Write *trace* to *path*, readable for its owner only, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    header = json.dumps(
        {
            "cache": trace.cache,
            "began": trace.began,
            "rate": trace.rate,
            "accesses": trace.accesses,
            "keys": len(trace.sizes),
            "events": len(trace.keys),
            "functions": trace.functions,
            "l1": {name: None if one == math.inf else one for name, one in trace.l1.items()},
        }
    ).encode()
    gaps, before = array("I"), 0
    for time in trace.times:
        now = max(before, round(time * 1000))
        gaps.append(min(now - before, _LONGEST_GAP))
        before = now
    columns: list[array[Any]] = [trace.function_of, trace.sizes, trace.seconds, trace.ttls]
    columns += [gaps, trace.keys]
    body = zlib.compress(b"".join([*map(_little, columns), _kinds(trace)]), 6)
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + len(header).to_bytes(4, "little") + header + body)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """
    The trace in *path*, one of ours or a plain one.

    Raises:
        ConfigError: If it is none.

        OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            length = int.from_bytes(file.read(4), "little")
            if length > _LONGEST_HEADER:
                _refuse(path, "its header is too long")
            return _ours(path, file.read(length), file.read())
    name = os.fspath(path)
    if not name.endswith((".u32", ".u32.xz")):
        _refuse(path, "it begins like none, and is not called .u32 or .u32.xz")
    return plain(_plain_keys(path, Path(path).read_bytes(), packed=name.endswith(".xz")))


def plain(keys: array[int] | list[int]) -> Trace:
    """
    A trace of nothing but keys: one access each second, every result takes one second.
    """
    numbers: dict[int, int] = {}
    numbered = array("I", [numbers.setdefault(key, len(numbers)) for key in keys])
    count = len(numbers)
    return Trace(
        accesses=len(numbered),
        function_of=array("H", bytes(2 * count)),
        sizes=array("I", bytes(4 * count)),
        seconds=array("f", [1.0]) * count,
        ttls=array("f", [math.inf]) * count,
        times=array("d", range(len(numbered))),
        keys=numbered,
        kinds=b"",
    )


def _plain_keys(path: Any, data: bytes, *, packed: bool) -> array[int]:
    if packed:
        import lzma  # not every Python has it

        unpack = lzma.LZMADecompressor()
        try:
            data = unpack.decompress(data, 4 * MOST + 1)
        except lzma.LZMAError as error:
            _refuse(path, str(error))
        if not unpack.eof:
            _refuse(path, "it is cut off or too long")
    if len(data) % 4 or len(data) > 4 * MOST:
        _refuse(path, "its length is that of no list of 32-bit numbers, or it is too long")
    return _column("I", data)


def _ours(path: Any, head: bytes, body: bytes) -> Trace:
    try:
        header = json.loads(head)
        known, events = header["keys"], header["events"]
        if not (type(known) is type(events) is int and 0 <= known <= MOST and 0 <= events <= MOST):
            _refuse(path, "its counts cannot be right")
        functions = tuple((str(a), str(b), str(c)) for a, b, c in header["functions"])
        rate, accesses, l1 = header["rate"], header["accesses"], _bounds(header["l1"])
        if not (0 < rate <= 1) or type(accesses) is not int or not 0 <= accesses < 1 << 53:
            _refuse(path, "its counts cannot be right")
        began, cache = float(header["began"]), str(header["cache"])
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        if isinstance(error, ConfigError):
            raise
        _refuse(path, "its header cannot be read")
    widths = [("H", known), ("I", known), ("f", known), ("f", known), ("I", events), ("I", events)]
    expected = sum(array(code).itemsize * count for code, count in widths) + events
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(body, expected + 1)
    except zlib.error:
        _refuse(path, "it is damaged")
    if len(data) != expected:
        _refuse(path, "it is cut off or damaged")
    columns, at = [], 0
    for code, count in widths:
        end = at + array(code).itemsize * count
        columns.append(_column(code, data[at:end]))
        at = end
    function_of, sizes, seconds, ttls, gaps, keys = columns
    if max(keys, default=-1) >= known or max(function_of, default=-1) >= len(functions):
        _refuse(path, "it names what is not in it")
    return Trace(
        cache=cache,
        began=began,
        rate=float(rate),
        accesses=accesses,
        functions=functions,
        l1=l1,
        function_of=function_of,
        sizes=sizes,
        seconds=array("f", [one if 0 <= one < 1e9 else 0.0 for one in seconds]),
        ttls=array("f", [one if one >= 0 else math.nan for one in ttls]),
        times=_added_up(gaps),
        keys=keys,
        kinds=data[at:],
    )


def _kinds(trace: Trace) -> bytes:
    # Of a plain trace nobody knows what happened.
    return trace.kinds or bytes([UNKNOWN]) * len(trace.keys)


def _bounds(l1: Any) -> dict[str, Any]:
    if not l1:
        return {}
    found = {name: l1[name] for name in ("max_size", "max_bytes", "policy", "ttl")}
    for name in ("max_size", "max_bytes"):
        if found[name] is not None and (type(found[name]) is not int or found[name] < 0):
            raise ValueError(name)
    ttl = found["ttl"]
    found["ttl"], found["policy"] = math.inf if ttl is None else float(ttl), str(found["policy"])
    return found


def _added_up(gaps: array[int]) -> array[float]:
    times, now = array("d"), 0
    for gap in gaps:
        now += gap
        times.append(now / 1000)
    return times


def _little(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _column(code: str, data: bytes) -> array[Any]:
    column: array[Any] = array(code, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _refuse(path: Any, why: str) -> NoReturn:
    raise ConfigError(f"{os.fspath(path)} is no trace that can be read: {why}")
