"""
What all tests share: time that stands still, caches in it, and one body for two colours.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import re
import uuid
from contextvars import copy_context
from pathlib import Path

import pytest

from memotier import MultiLevelCache, registry, tiered_cache
from memotier.testing import FakeClock

#: Packages that memotier works with and does not need.
EXTRAS = (
    *("attrs", "click", "cloudpickle", "cryptography", "msgspec", "numpy", "pandas", "polars"),
    *("opentelemetry", "prometheus_client", "pyarrow", "pydantic", "redis", "rich", "simloom"),
    *("valkey", "watchfiles"),
)
#: A server for the tests of the Redis tier, if there is one; read before tests hide it.
REDIS_URL = os.environ.get("MEMOTIER_TEST_REDIS_URL")
_USES_EXTRAS = re.compile(
    rf"^(?:import|from) (?:{'|'.join(EXTRAS)})\b|^from \. import .*\bmodels\b|^from \.same\b"
    r"|^from memotier(?:\.\w+)* import .*\b(?:Semantic|NgramEmbedder)",
    re.MULTILINE,
)


def pytest_addoption(parser):
    parser.addoption(
        "--bare",
        action="store_true",
        help="leave out the tests that need packages which are not dependencies",
    )


def pytest_ignore_collect(collection_path, config):
    """
    With ``--bare``, and only then, files that use optional packages are not looked at; and tests
    of a framework only by who asks for that.
    """
    if collection_path.parent.name == "frameworks" and collection_path.is_dir():
        asked = (Path(one.partition("::")[0]).resolve() for one in config.args)
        return not any(one.is_relative_to(collection_path) for one in asked)
    if config.getoption("--bare") and collection_path.suffix == ".py":
        return bool(_USES_EXTRAS.search(collection_path.read_text(encoding="utf-8"))) or None
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--bare"):
        left_out = [item for item in items if item.get_closest_marker("extras")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def stable(value) -> str:
    """
    *value* in the name of a test: the same in every process, so without addresses.
    """
    return re.sub(r" at 0x\w+", "", repr(value))


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """
    Every test begins without settings, without caches, and in a directory of its own.
    """
    for name in os.environ:
        if name.startswith("MEMOTIER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    work = tmp_path / "work"
    (work / ".git").mkdir(parents=True)
    monkeypatch.chdir(work)
    yield
    caches = list(registry._caches.values())
    registry._caches.clear()
    registry._overrides.clear()
    for cache in caches:
        cache.sync.close()


@pytest.fixture(scope="session")
def redis_server():
    """
    A real Redis or Valkey; see redis/server.py. It fails if there is none.
    """
    from .redis.server import shared

    server = shared(REDIS_URL)
    yield server
    server.stop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_cache(clock, tmp_path, request):
    """
    A function that makes caches in the test's time, which are closed at the end.

    With ``tiers="disk"`` they have a second tier in one directory, as another process would; with
    ``"redis"`` at one server, under one name.
    """
    made, name = [], uuid.uuid4().hex

    def make(tiers="memory", **arguments):
        if tiers == "disk":
            arguments.setdefault("directory", tmp_path / "cache")
        if tiers == "redis":
            arguments.setdefault("redis_url", request.getfixturevalue("redis_server").url)
            arguments.setdefault("name", name)
        cache = MultiLevelCache(**{"clock": clock, **arguments})
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.sync.close()


@pytest.fixture
def cache(make_cache):
    """
    Memory only, in the test's time.
    """
    return make_cache()


@pytest.fixture(params=["memory", "disk", pytest.param("redis", marks=pytest.mark.extras)])
def tiers(request, make_cache):
    """
    A cache of one tier and of two, of either kind; every test using this proves all.
    """
    return make_cache(request.param)


class Colour:
    """
    Runs one test body for functions and for coroutine functions.
    """

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async
        self._runner = asyncio.Runner() if is_async else None

    def __repr__(self) -> str:
        return "async" if self.is_async else "sync"

    def define(self, function):
        """*function* as it is, or the coroutine function that does the same."""
        if not self.is_async:
            return function

        @functools.wraps(function)
        async def twin(*args, **kwargs):
            return function(*args, **kwargs)

        return twin

    def cached(self, **options):
        """``tiered_cache(**options)`` for a function of this colour."""
        return lambda function: tiered_cache(**options)(self.define(function))

    def __call__(self, answer):
        """What a call gave: in async code it was awaited, in sync code it must not need to be."""
        assert inspect.isawaitable(answer) is self.is_async
        return (
            answer
            if self._runner is None
            else self._runner.run(_awaited(answer), context=copy_context())
        )

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


async def _awaited(answer):
    return await answer


@pytest.fixture(params=["sync", "async"])
def call(request):
    """
    One body, both colours: ``call.cached()`` decorates, ``call(f(1))`` is the result.
    """
    colour = Colour(request.param == "async")
    yield colour
    colour.close()
