"""
What is raised again: everyone's own exception, which keeps nothing else alive.
"""

from __future__ import annotations

import gc
import logging
import weakref

import pytest

from memotier import tiered_cache

from ...engine.worlds import Background, Gate, in_threads
from .conftest import OPTIONS, NotFound, Other, failures_of


def test_everyone_gets_an_exception_of_his_own(read, fails, source):
    """
    Raised again and again it grows no traceback, context or notes, and nobody shares it.
    """
    source.error = NotFound("x", {"a": 1})
    source.error.code = 404
    first = fails(read)
    assert first is source.error, "who asked gets the very exception"
    depths = set()
    for _ in range(5):
        try:
            raise Other
        except Other:
            again = fails(read)
        assert (first.args, 404) == (again.args, again.code)
        assert again is not first
        depth, step = 0, again.__traceback__
        while step is not None:
            depth, step = depth + 1, step.tb_next
        depths.add(depth)
        again.add_note("mine")
        again.code = 500
    assert 1 == len(depths)
    assert not hasattr(fails(read), "__notes__")
    assert not hasattr(first, "__notes__")


def test_a_remembered_error_keeps_no_frames_alive(cache, call, source):
    """
    What the failed call held, and what those held who got the error, goes with them.
    """

    class Held:
        pass

    argument, local = [Held()], []

    @call.cached(cache=cache, key=lambda x: 1, cache_exceptions=NotFound)
    def read(x):
        mine = Held()
        local.append(weakref.ref(mine))
        try:
            raise Other
        except Other as error:
            raise NotFound from error

    def caller():
        mine = Held()
        local.append(weakref.ref(mine))
        call(read(argument[0]))

    for _ in range(3):
        with pytest.raises(NotFound) as caught:
            caller()
        assert type(caught.value.__cause__) is Other
        del caught
    gone = weakref.ref(argument.pop())
    gc.collect()

    assert 1 == len(failures_of(cache))
    assert gone() is None
    assert [None] * 4 == [one() for one in local]


def test_many_threads_get_it_at_once(cache):
    """
    Each a traceback that ends in his own frames.
    """

    @tiered_cache(cache=cache, cache_exceptions=NotFound)
    def read():
        raise NotFound

    def caller():
        found = set()
        for _ in range(200):
            try:
                read()
            except NotFound as error:
                depth, step = 0, error.__traceback__
                while step is not None:
                    depth, step = depth + 1, step.tb_next
                found.add((depth, error.__traceback__.tb_frame.f_code.co_name))
        return found

    with pytest.raises(NotFound):
        read()
    answers = in_threads(*[caller] * 4)

    assert all({"caller"} == {name for _, name in answer} for answer in answers)
    assert 20 > max(depth for answer in answers for depth, _ in answer)
    assert 1 == read.cache_info().misses


def test_who_waits_for_a_failing_call_gets_its_error(tiers):
    """
    One computation, one failure, for everyone.
    """
    gate, asked = Gate(), []

    @tiered_cache(cache=tiers, **OPTIONS)
    def read():
        asked.append(1)
        gate.wait()
        raise NotFound("once")

    first = Background(read)
    assert gate.entered.wait(10)
    others = [Background(read) for _ in range(3)]
    gate.open()
    for caller in [first, *others]:
        with pytest.raises(NotFound, match="once"):
            caller.result()

    assert 1 == len(asked)
    with pytest.raises(NotFound, match="once"):
        read()
    assert 1 == len(asked)


class Picky(Exception):
    def __init__(self, *, code):
        super().__init__("picky")
        if code != 7:
            raise RuntimeError
        self.code = code


def test_no_code_of_the_class_runs_for_a_copy(read, fails, source):
    """
    An ``__init__`` that takes something else than ``args`` is never called.
    """

    class Missing(NotFound, Picky):
        pass

    source.error = Missing(code=7)
    fails(read)
    again = fails(read)

    assert (Missing, 7, ("picky",)) == (type(again), again.code, again.args)
    assert 1 == source.asked


def test_what_cannot_be_copied_is_not_remembered(tiers, call, fails, caplog):
    """
    The function is called again, and the log says so once, without the text.
    """
    asked = []

    def body(_):
        asked.append(1)
        error = NotFound("secret")
        error.parts = None
        for _ in range(40):
            outer = NotFound("secret")
            outer.parts = error
            error = outer
        raise error

    read = call.cached(cache=tiers, **OPTIONS)(body)
    with caplog.at_level(logging.WARNING, "memotier"):
        fails(read), fails(read)

    assert 2 == len(asked)
    (record,) = caplog.records
    assert "NotFound cannot be copied" in record.getMessage()
    assert "not remembered" in record.getMessage()
    assert "secret" not in caplog.text
