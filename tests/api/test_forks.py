"""
Fault 40: a fork while another thread is in the middle of something.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from typing import NamedTuple

import pytest

import memotier
from memotier import registry, tiered_cache
from memotier.codecs import classes
from memotier.engine import modes
from memotier.keys import version


def in_child(work) -> int:
    """
    What became of a forked child that did *work*: 0 if it could, a signal if it hung.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        signal.alarm(20)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


class Elsewhere:
    """
    Another thread that holds something from entering the block until its end.
    """

    def __init__(self, hold):
        self.holding, self.done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(hold,))

    def _run(self, hold):
        with hold:
            self.holding.set()
            self.done.wait(60)

    def __enter__(self):
        self._thread.start()
        assert self.holding.wait(10)
        return self

    def __exit__(self, *_):
        self.done.set()
        self._thread.join()


class Point(NamedTuple):
    x: int


def use_everything():
    """
    Make a cache, decorate, call, disable, configure: whatever takes a lock.
    """
    memotier.configure(directory="cache")
    f = tiered_cache(name="f")(lambda x: [x])
    with memotier.disabled():
        assert f(1) == [1]
    assert f(1) == [1] == f(1)
    version._parse("1")
    classes._by_class.pop(Point, None)
    memotier.register(Point)


@pytest.mark.parametrize(
    "lock", [(registry, "_lock"), (modes, "_lock"), (classes, "_lock"), (version, "_parsing")],
    ids=lambda one: one[0].__name__,
)  # fmt: skip
def test_fault_40_a_lock_is_held_elsewhere(lock):
    """
    Fault 40: a lock that a thread of the parent held is free in the child.
    """
    with Elsewhere(getattr(*lock)):
        assert 0 == in_child(use_everything)
    use_everything()


def test_fault_40_a_function_is_being_attached_elsewhere(make_cache):
    """
    Fault 40: the first call of a function was under way in another thread; the child makes
    it its own first call, on the fast way.
    """
    parent, inside, go = os.getpid(), threading.Event(), threading.Event()

    def annotated():
        # Looked up while the function is connected with its cache.
        if os.getpid() == parent:
            inside.set()
            go.wait(60)
        return list

    def f(x):
        return [x]

    f.__annotations__["return"] = "annotated()"
    f.__globals__["annotated"] = annotated
    cached = tiered_cache(cache=make_cache("disk"), name="f")(f)
    thread = threading.Thread(target=cached, args=(1,))
    thread.start()
    try:
        assert inside.wait(10)

        def work():
            assert cached(2) == [2] == cached(2)
            assert cached.cache_info().hits == 1
            assert "hit path" in cached._self_call.__code__.co_filename

        assert 0 == in_child(work)
    finally:
        go.set()
        thread.join()
        del f.__globals__["annotated"]
    assert [1] == cached(1)


def test_fault_40_caching_is_disabled_elsewhere(cache):
    """
    Fault 40: the block of another thread does not exist in the child, that of the forking
    thread does.
    """
    f = tiered_cache(cache=cache)(lambda x: [x])
    f(1)

    def hits_are_fast():
        assert cache._keyed.engine.versions.cells[0] >= 0
        f(1)
        assert f.cache_info().hits == 1

    def goes_on():
        f(1)
        assert f.cache_info().hits == 0

    with Elsewhere(memotier.disabled()):
        assert 0 == in_child(hits_are_fast)
    with memotier.disabled():
        assert 0 == in_child(goes_on)
    hits_are_fast()
