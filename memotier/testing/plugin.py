"""
The pytest plugin ``memotier``: fixtures, and the marker ``cassette``. Without them it costs their
names, and a look for the marker in each test.

Installed with memotier it is there by itself; ``-p no:memotier`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..cache import MultiLevelCache
    from .cassettes import Tape
    from .clock import FakeClock

#: In which mode cassettes of the marker are, whatever it says.
_OPTION = "--cassette-mode"
_MODES = ("record", "replay", "replay-strict", "live")
_tape = pytest.StashKey["Tape"]()
_recorded = pytest.StashKey["dict[str, str]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("memotier")
    group.addoption(
        _OPTION,
        choices=_MODES,
        help="the mode of all @pytest.mark.cassette, such as record to record them anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_recorded] = {}
    config.addinivalue_line(
        "markers",
        "cassette(name, *, mode, raises, redact_result, scopes, same_code): answer functions that "
        "are decorated with @tiered_cache from a file in cassettes/ next to the test; see "
        "memotier.testing.cassette",
    )


@pytest.fixture
def memotier_clock() -> FakeClock:
    """
    The time of ``memotier_cache``: it stands still until ``memotier_clock.advance(seconds)``.
    """
    from .clock import FakeClock

    return FakeClock()


@pytest.fixture
def memotier_cache(memotier_clock: FakeClock) -> Iterator[MultiLevelCache]:
    """
    Every decorated function and every cache has an empty memory of its own for this test, in the
    time of ``memotier_clock``. The value is the default cache.
    """
    from .isolation import isolated_cache

    with isolated_cache(clock=memotier_clock) as cache:
        yield cache


@pytest.fixture(autouse=True)
def memotier_tape(request: pytest.FixtureRequest) -> Iterator[Tape | None]:
    """
    The tape of the marker ``cassette`` of this test; None without one.
    """
    marker = request.node.get_closest_marker("cassette")
    if marker is None:
        yield None
        return
    from .cassettes.marked import tape_of
    from .cassettes.opening import opened

    config = request.config
    tape = tape_of(request.node, marker, config.getoption(_OPTION), config.stash[_recorded])
    with opened(tape):
        request.node.stash[_tape] = tape
        yield tape


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """
    A test fails by what its tape has refused, also where the code under test swallows that.
    """
    result = yield
    if _tape in item.stash:
        item.stash[_tape].check()
    return result
