"""
A document that some may read, and a cache in front of it that asks who may have a hit.
"""

from __future__ import annotations

import contextvars

import pytest

from ..freshness.conftest import settle

__all__ = ["settle"]

user = contextvars.ContextVar("user")


def as_user(name, ask):
    """
    What *ask* returns in a context of its own, in which *name* is the user.
    """

    def run():
        user.set(name)
        return ask()

    return contextvars.copy_context().run(run)


class Archive:
    """
    A source that checks for itself who asks, and the same check for hits.
    """

    def __init__(self) -> None:
        self.readers = {"alice"}
        #: Who was let in to compute, or turned away there; and what the check of hits was given.
        self.read_by = []
        self.asked = []
        self.error = None

    def read(self, page):
        self.read_by.append(user.get())
        if user.get() not in self.readers:
            raise PermissionError(user.get())
        if self.error is not None:
            raise self.error
        return [page]

    def authorize(self, entry, scope):
        self.asked.append((entry, scope))
        return user.get() in self.readers


@pytest.fixture
def archive():
    return Archive()
