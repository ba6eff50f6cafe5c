"""
Residents without a tier around them, and sequences of what may happen to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from math import inf
from typing import Any

from hypothesis import strategies as st

from memotier.entry import Resident
from memotier.policies import clock2q, fifo, rising

PLACE = object()


def resident(key: Any, now: float = 0.0, fresh_until: float = inf) -> Resident:
    one = Resident()
    one.key, one.place, one.value = key, PLACE, key
    one.hits, one.used, one.fresh_until, one.node = 0, now, fresh_until, None
    return one


def residents(count: int) -> list[Resident]:
    return [resident(key, float(key)) for key in range(count)]


def fill(policy: Any, newcomers: Iterable[Resident]) -> None:
    for newcomer in newcomers:
        policy.add(newcomer)


def hit(one: Resident, now: float) -> None:
    """What the hit path does."""
    one.hits += 1
    one.used = now


def drain(policy: Any, count: int) -> list[Any]:
    return [policy.victim().key for _ in range(count)]


def noted(policy: Any) -> int:
    """How many residents, living or dead, a policy still refers to."""
    if isinstance(policy, fifo.FIFO):
        return len(policy._queue)
    if isinstance(policy, clock2q.Clock2Q):
        return len(policy._new) + len(policy._main)
    order = policy._order
    return len(order._front) + sum(map(len, order._shelves))


@contextmanager
def small_limits(shelf: int = 3, slack: int = 2):
    """Short shelves and little patience with the dead, so that short sequences meet both."""
    before = rising.SHELF, rising.SLACK, fifo.SLACK, clock2q.SLACK
    rising.SHELF, rising.SLACK, fifo.SLACK, clock2q.SLACK = shelf, slack, slack, slack
    try:
        yield
    finally:
        rising.SHELF, rising.SLACK, fifo.SLACK, clock2q.SLACK = before


#: What happens, to which of the living (a number, wrapped around), and how far time goes on.
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "hit", "hit", "extend", "remove", "victim", "victim"]),
        st.integers(0, 40),
        st.sampled_from([0.0, 0.0, 1.0, 2.0]),
    ),
    max_size=150,
)
