"""
Rotation of keys: a record that was signed with a former key is signed with the present one when
it is found, so that the former key can be dropped without losing what is used.

The same record is written with the tokens and times that it has, only if that very record is still
there and nothing was deleted meanwhile (``Guard.instead_of``). So what must never happen cannot: an
entry that was invalidated is as invalid as before, one that was replaced or removed does not come
back, and none lives longer. One that was expired by its key is left alone, as a record in its place
would not be.

A store that cannot be written to is a fault of the tier like any other; the result is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..codecs.pickled import PickleCodec
from ..codecs.records import Record
from ..errors import StoreError
from ..types import Guard, Item, Token
from .calls import Call
from .drive import Plan
from .effects import Io
from .engine import Engine

if TYPE_CHECKING:
    from .tier2 import Found


class Former(NamedTuple):
    """
    What lies in the store, and what is to lie there.
    """

    data: bytes
    record: Record


def former(call: Call, record: Record, data: bytes) -> Former | None:
    """
    What to write in place of *data*, if it was signed with another key than the present one:
    whoever signs makes the fingerprint with the same key.
    """
    present = call.fingerprint
    if record.fingerprint == present:
        return None
    codec, payload = call.shelf.codec, record.payload
    if isinstance(codec, PickleCodec):
        payload = codec.resigned(payload)
    return Former(data, record._replace(fingerprint=present, payload=payload))


def sign_again(engine: Engine, calls: Sequence[Call], found: Sequence[Found], epoch: Token) -> Plan:
    """
    Sign those of *found* again that need it, in one round trip.
    """
    some = [
        (call, one.former, Guard(epoch, (), (), one.mark, one.former.data))
        for call, one in zip(calls, found, strict=True)
        if one.former is not None and one.is_hit
    ]
    if some:
        answer = yield Io(engine.offload, _write, engine, some)
        if isinstance(answer, StoreError):
            engine.fault(answer)


def _write(engine: Engine, some: Sequence[tuple[Call, Former, Guard]]) -> None:
    items = []
    for call, (_, record), guard in some:
        address, group, left = call.address, call.shelf.namespace, life_left(engine, call, record)
        if left <= 0:
            continue
        assert address is not None
        data = engine.options.sealing.seal(record, address=address, group=group)
        guard = guard._replace(names=record.names, tokens=record.tokens)
        items.append(Item(address, data, group, None if left == math.inf else left, guard))
    if items:
        assert engine.store is not None
        engine.store.set(items)


def life_left(engine: Engine, call: Call, record: Record) -> float:
    """
    Seconds for which the record may be of use, by its own clocks.
    """
    if record.fresh is None:
        return math.inf
    windows = call.shelf.windows
    beyond = 0.0 if windows is None else windows.longest
    age = max(0.0, engine.clock.wall() - record.created)
    return record.fresh + beyond - age
