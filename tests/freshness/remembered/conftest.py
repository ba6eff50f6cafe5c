"""
Errors to remember, and how a test sees that one was raised.
"""

from __future__ import annotations

import pytest

from ..conftest import engine_of

TTL, FIRST, MOST = 100, 5, 20


class NotFound(Exception):
    pass


class Gone(NotFound):
    pass


class Other(Exception):
    pass


OPTIONS = {"name": "read", "ttl": TTL, "cache_exceptions": NotFound, "error_ttl_max": MOST}


@pytest.fixture
def read(tiers, call, source):
    return call.cached(cache=tiers, tags=["t"], **OPTIONS)(source.read)


@pytest.fixture
def fails(call):
    """
    ``fails(read, NotFound)``: the call raises that.
    """

    def check(function, kind=NotFound, *arguments):
        with pytest.raises(kind) as caught:
            call(function(*(arguments or (1,))))
        return caught.value

    return check


def failures_of(cache):
    return engine_of(cache).failures.known
