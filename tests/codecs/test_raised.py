"""
Copies of exceptions: all that they are, and nothing of who raised them.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from memotier.codecs.raised import MOST, copy_raised
from memotier.errors import NotIsolated


class Keyword(Exception):
    __slots__ = ("__own", "code", "unset")

    def __init__(self, *, code):
        self.code = code
        self.__own = None

    def own(self):
        return self.__own


class Coded(OSError):
    def __init__(self, code):
        super().__init__(5, "five", "file")
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int


class Grouped(ExceptionGroup):
    def __new__(cls, errors, extra):
        made = super().__new__(cls, "grouped", errors)
        made.extra = extra
        return made

    def __init__(self, *_):
        pass


class Hooked(Exception):
    def __setattr__(self, name, value):
        raise AssertionError("no code of the class runs")

    def __copy__(self):
        raise AssertionError("no code of the class runs")

    def __reduce__(self):
        raise AssertionError("no code of the class runs")


EXAMPLES = [
    ValueError("a", 1),
    KeyError("k"),
    OSError(2, "none", "file"),
    OSError(2, "none", "one", None, "two"),
    OSError("plain"),
    BlockingIOError(11, "later", 5),
    UnicodeDecodeError("utf-8", b"a", 0, 1, "why"),
    UnicodeEncodeError("utf-8", "a", 0, 1, "why"),
    ImportError("m", name="n", path="p"),
    AttributeError("a", name="n", obj=3),
    NameError("n", name="n"),
    StopIteration(4),
    SyntaxError("m", ("f", 1, 2, "text")),
    json.JSONDecodeError("m", "doc", 1),
    Keyword(code=4),
    Coded(9),
    Frozen(3),
    Grouped([ValueError(3)], 5),
    ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [KeyError(2)])]),
    Hooked("x"),
]


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_copy_is_like_the_original(error):
    """
    Type, text, arguments, attributes and the fields of builtin exceptions; no traceback.
    """
    error = raised(error)
    new = copy_raised(error)

    assert new is not error
    assert (type(error), str(error), repr(error)) == (type(new), str(new), repr(new))
    assert vars(error) == vars(new)
    assert (None, None) == (new.__traceback__, new.__context__)
    for name in ("errno", "strerror", "filename", "filename2", "characters_written", "name"):
        assert getattr(error, name, "none") == getattr(new, name, "none")
    for name in ("path", "obj", "value", "encoding", "object", "start", "end", "reason", "lineno"):
        assert getattr(error, name, "none") == getattr(new, name, "none")


def test_slots_are_copied_also_those_that_are_none_or_empty():
    """
    What is None stays None, what was never set stays so.
    """
    new = copy_raised(Keyword(code=4))

    assert (4, None) == (new.code, new.own())
    assert not hasattr(new, "unset")


def test_exceptions_inside_are_copied_too():
    """
    Cause, arguments, attributes, members of a group: all without their tracebacks.
    """
    inner, cause, member = raised(KeyError("i")), raised(OSError(2, "c")), raised(ValueError("m"))
    error = raised(ExceptionGroup("g", [member]))
    error.reason, error.__cause__ = inner, cause
    outer = raised(RuntimeError("r", error))
    new = copy_raised(outer).args[1]

    for one, other in ((inner, new.reason), (cause, new.__cause__), (member, new.exceptions[0])):
        assert one is not other
        assert (type(one), one.args, None) == (type(other), other.args, other.__traceback__)


@pytest.mark.parametrize("suppressed", [True, False])
def test_the_context_is_left_out(suppressed):
    """
    Nobody named it; whether it was to be shown is kept.
    """
    try:
        try:
            raise KeyError
        except KeyError:
            if suppressed:
                raise ValueError from None
            raise ValueError
    except ValueError as error:
        new = copy_raised(error)

    assert (None, suppressed) == (new.__context__, new.__suppress_context__)


def test_notes_are_of_one_copy():
    """
    ``add_note()`` on one does not show on another.
    """
    error = ValueError()
    error.add_note("first")
    new = copy_raised(error)
    new.add_note("second")

    assert (["first"], ["first", "second"]) == (error.__notes__, new.__notes__)


def test_a_circle_stays_one():
    """
    An exception that refers to itself, and two that do to each other.
    """
    one, two = ValueError(), KeyError()
    one.me, one.__cause__, two.__cause__ = one, two, one
    new = copy_raised(one)

    assert new.me is new
    assert new.__cause__.__cause__ is new
    assert new is not one


def test_too_many_are_refused():
    """
    A long chain is not followed for ever.
    """
    error = ValueError("secret")
    for _ in range(MOST):
        outer = ValueError("secret")
        outer.__cause__ = error
        error = outer

    with pytest.raises(NotIsolated, match="consists of too many") as caught:
        copy_raised(error)
    assert "secret" not in str(caught.value)
    assert error.__cause__ is not None
    assert copy_raised(error.__cause__).args == ("secret",)


@pytest.mark.extras
def test_exceptions_not_written_in_python_are_refused():
    """
    Nobody knows what they hold.
    """
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(int).validate_python("x")

    with pytest.raises(NotIsolated, match="ValidationError cannot be copied"):
        copy_raised(caught.value)
