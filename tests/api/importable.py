"""
Decorated things that another process can import.
"""

from __future__ import annotations

from memotier import tiered_cache


@tiered_cache
def double(x: int) -> int:
    """Twice *x*."""
    return 2 * x


@tiered_cache
async def adouble(x: int) -> int:
    return 2 * x


def plain(x: int) -> int:
    return 3 * x


class Shop:
    """Holds what can be cached about a shop."""

    def __init__(self, rate: int = 1) -> None:
        self.rate = rate

    @tiered_cache
    def price(self, item: int) -> int:
        return item * self.rate

    @classmethod
    @tiered_cache
    def inner(cls, item: int) -> tuple[str, int]:
        return cls.__name__, item

    @tiered_cache
    @classmethod
    def outer(cls, item: int) -> tuple[str, int]:
        return cls.__name__, item

    @staticmethod
    @tiered_cache
    def below(item: int) -> int:
        return item + 1

    @tiered_cache
    @staticmethod
    def above(item: int) -> int:
        return item + 2


class Branch(Shop):
    """A subclass that shares every method."""


def report(function, *args):
    """What a worker process finds: the type it got, the result, and whether it was a hit."""
    function(*args)
    result = function(*args)
    info = function.cache_info()
    return type(function).__name__, result, info.hits
