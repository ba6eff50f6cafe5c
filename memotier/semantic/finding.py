"""
The plans of a semantic cache: put, find, forget.

    find: exact text? ── in the engine ── hit
             └─ embed ── nearest of the group ── guards ── verify ── in the engine? ── hit

The engine is asked last, after everything that takes time: an entry that was invalidated, expired
or evicted by then is not served, however near it is. A near hit stores nothing and changes no clock
of the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine import names as naming
from ..engine.calls import Call
from ..engine.drive import Plan
from ..engine.flights import Flight
from ..keyed import Keyed, Ttl, check_tags
from .asking import Asked
from .catalogue import Catalogue
from .deciding import Judge
from .hits import NearMatch, SemanticHit, Tally
from .index import Candidate, VectorIndex

_FORMAT = "semantic-1"


@dataclass(slots=True)
class Finder:
    """
    What the methods of a ``SemanticCache`` share. The engine is that of *keyed_of()*.
    """

    keyed_of: Callable[[], Keyed]
    namespace: str
    judge: Judge
    max_size: int
    ttl: Ttl
    exact_first: bool
    index: VectorIndex = field(init=False)
    catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        self.index = VectorIndex(self.max_size)
        self.catalogue = Catalogue(self.index, self.namespace, self._take)

    # -- looking ----------------------------------------------------------------------

    def find(self, asked: Sequence[Asked], threshold: float, *, near: bool) -> Plan:
        """
        For each what answers it, or None.
        """
        keyed = self.keyed_of()
        found: list[SemanticHit | None] = [None] * len(asked)
        if is_off(keyed):
            return found
        if self.exact_first or not near:
            records = yield from keyed.get_many([one.key for one in asked], self.namespace)
            for at, one in enumerate(asked):
                found[at] = self._exact(keyed, one, records.get(one.key))
        if near:
            yield from self._find_near(keyed, asked, threshold, found)
        for hit in found:
            self.tally.count("misses" if hit is None else f"{hit.kind}_hits")
        return found

    def _exact(self, keyed: Keyed, asked: Asked, record: Any) -> SemanticHit | None:
        if not _is_record(record) or record[2] != asked.text:
            return None
        self.index.touch(asked.key)
        return self._hit(keyed, record, 1.0, exact=True)

    def _find_near(
        self,
        keyed: Keyed,
        asked: Sequence[Asked],
        threshold: float,
        found: list[SemanticHit | None],
    ) -> Plan:
        if shares(keyed):
            yield from self.catalogue.catch_up(keyed)
        left = [at for at, hit in enumerate(found) if hit is None]
        if not left or not len(self.index):
            return
        rows = yield from self.judge.vectors(keyed.engine, [asked[at].text for at in left])
        for at, row in zip(left, rows, strict=True):
            if row is not None:
                found[at] = yield from self._nearest(keyed, asked[at], row, threshold)

    @property
    def tally(self) -> Tally:
        return self.judge.tally

    def _nearest(self, keyed: Keyed, asked: Asked, row: Any, threshold: float) -> Plan:
        for candidate in self.index.search(row, asked.group, threshold):
            if not (yield from self.judge.allows(keyed.engine, asked.text, candidate)):
                continue
            record = yield from self._read(keyed, candidate)
            if record is None:
                continue
            if self.judge.shadow:
                would_be = NearMatch(
                    query=asked.text, matched=candidate.text, score=candidate.score
                )
                self.tally.would_serve(asked.key, would_be, record[1])
                return None
            self.index.touch(candidate.key)
            return self._hit(keyed, record, candidate.score, exact=False)
        return None

    def _read(self, keyed: Keyed, candidate: Candidate) -> Plan:
        """
        The record of *candidate*, if the engine has it and says that it is valid.
        """
        errors = keyed.engine.l2_errors
        record = (yield from keyed.get_many([candidate.key], self.namespace)).get(candidate.key)
        if _is_record(record) and record[2] == candidate.text:
            return record
        if keyed.engine.l2_errors == errors and not is_off(keyed):  # else it may be there again
            self.index.drop(candidate.key, candidate.turn)
            self.catalogue.note_gone(candidate.key)
        return None

    def _hit(self, keyed: Keyed, record: Any, score: float, *, exact: bool) -> SemanticHit:
        _, value, text, _, _, created = record
        return SemanticHit(
            value=value,
            score=score,
            kind="exact" if exact else "semantic",
            matched=text,
            created=created,
            age=max(0.0, keyed.engine.clock.wall() - created),
            embedder="" if exact else self.judge.embedding.identity,
        )

    # -- keeping ----------------------------------------------------------------------

    def put(self, items: Sequence[tuple[Asked, Any]], ttl: Ttl, tags: Iterable[str]) -> Plan:
        """
        Store answers.
        """
        keyed, own = self.keyed_of(), check_tags(tags)
        for one, value in items:
            self.tally.computed(one.key, value, self.judge.equal)
        if is_off(keyed):
            return
        calls = [keyed.call(one.key, self.namespace) for one, _ in items]
        since = _epoch(keyed)
        rows = yield from self.judge.vectors(keyed.engine, [one.text for one, _ in items])
        created, pairs, kept = keyed.engine.clock.wall(), [], []
        carries = shares(keyed)
        for (one, value), row, call in zip(items, rows, calls, strict=True):
            if _is_overtaken(keyed, call, since, own):
                continue  # invalidated while it was embedded
            data = row.astype("<f4").tobytes() if carries and row is not None else b""
            pairs.append((one.key, (_FORMAT, value, one.text, one.group, data, created)))
            kept.append((one, row))
        yield from keyed.set(pairs, self.namespace, self.ttl if ttl is None else ttl, own)
        self._index(kept)
        if carries:
            self.catalogue.note([one.key for one, row in kept if row is not None])
            yield from self.catalogue.catch_up(keyed)

    def _index(self, kept: Iterable[tuple[Asked, Any]]) -> None:
        for one, row in kept:
            if row is None:
                self.index.drop(one.key)
            elif not self.index.add(one.key, one.text, one.group, row):
                self.tally.count("embedder_errors")  # of another dimension than before

    def _take(self, key: str, record: Any) -> bool:
        """
        Take an entry of another process into the index.
        """
        if not _is_record(record) or not record[4]:
            return False
        _, _, text, group, data, _ = record
        vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
        return self.index.add(key, text, group, vector)

    # -- forgetting -------------------------------------------------------------------

    def delete(self, asked: Asked) -> Plan:
        self.index.drop(asked.key)
        self.catalogue.note_gone(asked.key)
        return (yield from self.keyed_of().delete(asked.key, self.namespace, soft=False))

    def clear(self) -> Plan:
        count = yield from self.keyed_of().clear(self.namespace, soft=False)
        self.index.clear()
        self.catalogue.forget()
        self.tally.forget()
        return count

    def save(self) -> Plan:
        keyed = self.keyed_of()
        if shares(keyed) and not is_off(keyed):
            yield from self.catalogue.catch_up(keyed, at_end=True)


def is_off(keyed: Keyed) -> bool:
    return keyed._is_off()


def shares(keyed: Keyed) -> bool:
    """
    Whether another process can find what this one keeps.
    """
    return keyed.engine.store is not None and keyed.wiring.l2_kind != "local"


def _is_record(record: Any) -> bool:
    return type(record) is tuple and len(record) == 6 and record[0] == _FORMAT


def _epoch(keyed: Keyed) -> int:
    engine = keyed.engine
    with engine.lock:
        engine.look()
        return engine.versions.epoch


def _is_overtaken(keyed: Keyed, call: Call, since: int, tags: tuple[str, ...]) -> bool:
    engine = keyed.engine
    flight = Flight(call.flight_key, since)
    names = (*call.names, *map(naming.tag, tags))
    with engine.lock:
        return engine.is_outdated(call, flight, names)
