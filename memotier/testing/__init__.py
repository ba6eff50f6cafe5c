"""
What tests of other people need: time that a test moves, caches kept apart, calls that are counted
or recorded and replayed, a store that fails on demand, and the contract that every store fulfils.

    from memotier.testing import FakeClock, isolated_cache, assert_hit, StoreContract

Nothing is imported before it is used. Only ``StoreContract`` and the plugin need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calls import assert_computed, assert_computed_once, assert_hit, assert_miss
    from .cassettes import CassetteMiss, ReplayedError, Tape, cassette
    from .clock import FakeClock
    from .contract import StoreContract
    from .faulty import FaultyStore
    from .isolation import isolated_cache

_HOMES = {
    "CassetteMiss": "cassettes",
    "FakeClock": "clock",
    "FaultyStore": "faulty",
    "ReplayedError": "cassettes",
    "StoreContract": "contract",
    "Tape": "cassettes",
    "assert_computed": "calls",
    "assert_computed_once": "calls",
    "assert_hit": "calls",
    "assert_miss": "calls",
    "cassette": "cassettes",
    "isolated_cache": "isolation",
}

__all__ = [
    "CassetteMiss",
    "FakeClock",
    "FaultyStore",
    "ReplayedError",
    "StoreContract",
    "Tape",
    "assert_computed",
    "assert_computed_once",
    "assert_hit",
    "assert_miss",
    "cassette",
    "isolated_cache",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'memotier.testing' has no attribute {name!r}")

    from importlib import import_module

    found = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
