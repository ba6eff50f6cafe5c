"""
``isolated_cache``: caches of a test's own, for functions that were decorated long before it.

While a block is open every cache of the process, named or not, has a stand-in for its engine: in
memory alone, empty, with the same bounds and times. Decorated functions are attached to that at
their next call. When the block ends everything is as it was, with all that it holds.

The hit path knows nothing of this. The engines of before are *set aside* (engine/modes.py): what
was generated for them, also in a bound method that somebody keeps, goes the slow way, and that
asks the function for its present engine.

What must never happen: a call inside that reads or writes what is outside, or the reverse. It
holds for the whole process, not for a thread: tests that run in threads beside each other share
a block. A cache that is made inside a block with ``MultiLevelCache(...)`` is what its arguments
say; an invalidator or a warmer that was made before it stays with the engine of before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .. import registry
from ..cache import MultiLevelCache
from ..clock import SYSTEM, Clock
from ..engine import lifecycle, modes
from ..engine.drive import drive
from ..engine.engine import Engine
from ..keyed import Keyed
from ..memo import Memo, memos
from ..tapes import open_from_environment
from ..types import Store
from ..wiring import Wiring

#: Entries of a stand-in for a cache without a memory tier.
ROOM = 1000

#: The time of the blocks that are open, the innermost last.
_clocks: list[Clock] = []


@contextmanager
def isolated_cache(
    *, clock: Clock = SYSTEM, open_store: Callable[[], Store] | None = None
) -> Iterator[MultiLevelCache]:
    """
    Give every decorated function, and every cache, an empty memory of its own for a block.

    What ``configure()`` says inside ends with the block. Blocks may be nested. For the whole
    process: not for two threads that test different things.

    Args:
        clock: The time, such as a ``FakeClock``.

        open_store: Makes a second tier for each cache, such as ``FaultyStore``. None: memory alone.

    Returns:
        The cache named "default".
    """
    open_from_environment()  # a cassette of the whole process lies around all blocks
    engines = _StandIns(clock, open_store)
    with ExitStack() as stack:
        _clocks.append(clock)
        stack.callback(_clocks.pop)
        # Last of all: nobody is attached to them any more.
        stack.callback(engines.close)
        stack.enter_context(_other_functions(engines))
        stack.enter_context(_other_engines(engines))
        stack.enter_context(_other_names(engines))
        yield registry.cache_named("default")


def time_inside() -> Clock:
    """
    The time of the innermost block; the system's outside of all.
    """
    return _clocks[-1] if _clocks else SYSTEM


class _StandIns:
    """
    The engines of one block.
    """

    def __init__(self, clock: Clock, open_store: Callable[[], Store] | None) -> None:
        self._clock = clock
        self._open_store = open_store
        self.engines: list[Engine] = []

    def make(self, wiring: Wiring) -> MultiLevelCache:
        """
        A stand-in for the cache with this wiring.
        """
        store = None if self._open_store is None else self._open_store()
        cache = MultiLevelCache._of(_in_memory(wiring, store), self._clock)
        self.engines.append(cache._keyed.engine)
        return cache

    def close(self) -> None:
        for engine in self.engines:
            drive(lifecycle.close(engine))


def _in_memory(wiring: Wiring, store: Store | None) -> Wiring:
    """
    What *wiring* says, without what lies outside of this process: directory, server, history.
    """
    options = replace(wiring.options, write_policy="write_through", mode="on")
    if options.l1_max_size == 0:
        options = replace(options, l1_max_size=ROOM)
    return replace(
        wiring,
        options=options,
        l2_kind=None if store is None else "own",
        store=store,
        directory=None,
        redis=None,
        mode="on",
        records=False,
    )


@contextmanager
def _other_names(engines: _StandIns) -> Iterator[None]:
    """
    Named caches that are made inside are stand-ins, and forgotten afterwards.
    """
    with registry._lock:
        before = registry._make, registry._caches, registry._overrides
        registry._make = engines.make
        registry._caches = dict(registry._caches)
    try:
        yield
    finally:
        with registry._lock:
            registry._make, registry._caches, registry._overrides = before


@contextmanager
def _other_engines(engines: _StandIns) -> Iterator[None]:
    """
    Every cache that is open gets another engine.
    """
    before = [(keyed, dict(vars(keyed))) for keyed in list(Keyed.live) if not keyed.engine.closed]
    aside = [keyed.engine for keyed, _ in before]
    modes.set_aside(aside)
    try:
        for keyed, _ in before:
            # In place: whoever holds the cache, or its ``sync``, goes on with it.
            vars(keyed).update(vars(engines.make(keyed.wiring)._keyed))
        yield
    finally:
        for keyed, state in before:
            vars(keyed).update(state)
        modes.take_back(aside)


@dataclass(frozen=True, slots=True)
class _Attachment:
    """
    What a function has of the engine it is attached to.
    """

    engine: Engine | None
    shelf: Any
    dependent: Any
    recording: Any
    off: bool

    @classmethod
    def of(cls, memo: Memo) -> _Attachment:
        return cls(memo.engine, memo.shelf, memo.dependent, memo.recording, memo.off)

    def give_to(self, memo: Memo) -> None:
        memo.shelf, memo.dependent = self.shelf, self.dependent
        memo.recording, memo.off = self.recording, self.off
        # Last: who finds it set takes everything else for done.
        memo.engine = self.engine


_FRESH = _Attachment(None, None, None, None, False)


@contextmanager
def _other_functions(engines: _StandIns) -> Iterator[None]:
    """
    Functions are attached anew inside, and to what they had before afterwards.
    """
    before = {memo: _Attachment.of(memo) for memo in memos() if memo.engine is not None}
    for memo in before:
        with memo._lock:
            _FRESH.give_to(memo)
    try:
        yield
    finally:
        for memo in memos():
            with memo._lock:
                if memo.engine is None or memo.engine in engines.engines:
                    _give_back(memo, before.get(memo, _FRESH))


def _give_back(memo: Memo, kept: _Attachment) -> None:
    was_called = memo.engine is not None
    if was_called and kept.engine is not None and not kept.off:
        # It has the hit path of the stand-in now; who was not called has its own still.
        call = memo._hit_path(kept.engine, kept.shelf)
        for told in memo.on_attach:
            told(call)
    kept.give_to(memo)
