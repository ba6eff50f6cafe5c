"""
The ways to invalidate softly and hard, and the function that the tests of them use.
"""

from __future__ import annotations

import pytest

TTL, WINDOW, BACKOFF = 100, 20, 3

#: Every way to invalidate softly what ``read(1)`` is.
SOFT = {
    "call": lambda cache, read: read.expire(1),
    "function": lambda cache, read: read.cache_expire(),
    "tag": lambda cache, read: cache.sync.invalidate_tags("t", soft=True),
    "namespace": lambda cache, read: cache.sync.clear_namespace("soft", soft=True),
    "namespace above": lambda cache, read: cache.sync.clear_namespace("soft.deep", soft=True),
    "everything": lambda cache, read: cache.sync.clear(soft=True),
}
HARD = {
    "call": lambda cache, read: read.invalidate(1),
    "function": lambda cache, read: read.cache_clear(),
    "tag": lambda cache, read: cache.sync.invalidate_tags("t"),
    "namespace": lambda cache, read: cache.sync.clear_namespace("soft"),
    "everything": lambda cache, read: cache.sync.clear(),
}
WINDOWS = {
    "while_revalidate": {"stale_while_revalidate": WINDOW, "error_backoff": BACKOFF},
    "if_error": {"stale_if_error": WINDOW, "error_backoff": BACKOFF},
}
each_way = pytest.mark.parametrize("way", SOFT)


class Down(Exception):
    pass


def told(call, answer):
    """
    The answer of a way: those of the function are awaited where it is a coroutine function.
    """
    return call(answer) if hasattr(answer, "__await__") else answer


def defined(cache, call, source, **options):
    options = {"ttl": TTL, "tags": ["t"], "namespace": "soft.deep", **options}
    return call.cached(cache=cache, name="read", version=1, **options)(source.read)
