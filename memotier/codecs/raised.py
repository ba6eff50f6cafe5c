"""
Copies of exceptions: what was raised once, to be raised again for somebody else.

An exception that is raised collects a traceback, a context and notes, and with the traceback
the frames, arguments and locals of whoever raised it. So nobody is given the exception that is
kept, nor is the one kept that was given to somebody: both are copies, without a traceback.

No code of the class runs to make one. ``copy.copy`` and pickle call it with ``args``, which is
not what its ``__init__`` may want. Here the object is made by the builtin exception that it
is, and is given what the other has: ``args``, attributes, slots. What holds more than that,
such as exceptions written in C or Rust, cannot be copied: ``NotIsolated``.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from ..errors import NotIsolated

#: Exceptions that one may consist of: causes, members of groups, those among its arguments.
MOST: Final = 32
#: What belongs to one raising, or is set by hand below.
_APART: Final = frozenset(
    {
        "__cause__",
        "__context__",
        "__dict__",
        "__suppress_context__",
        "__traceback__",
        "__weakref__",
        "args",
    }
)
# Through the type and not through the object, whose class may have a __setattr__ of its own.
_ARGS: Final[Any] = vars(BaseException)["args"]
_CAUSE: Final[Any] = vars(BaseException)["__cause__"]
_DICT: Final[Any] = vars(BaseException)["__dict__"]
_SUPPRESS: Final[Any] = vars(BaseException)["__suppress_context__"]


def copy_raised(error: BaseException) -> BaseException:
    """
    An exception like *error* that was never raised.

    Its cause (``raise ... from``), and exceptions among its arguments, attributes and members
    are copies as well; the context, which nobody named, is left out. Other attributes are
    shared.

    Raises:
        NotIsolated: If there can be no faithful copy.
    """
    try:
        return _copy(error, {})
    except NotIsolated:
        raise
    except Exception as trouble:
        raise _refusal(error, type(trouble).__name__) from None


def _refusal(error: BaseException, why: str) -> NotIsolated:
    kind = type(error)
    return NotIsolated(
        f"a {kind.__module__}.{kind.__qualname__} cannot be copied ({why}), so callers would "
        "share it, and its traceback"
    )


def _copy(error: BaseException, made: dict[int, BaseException]) -> BaseException:
    """
    Args:
        made: The copies so far, by the id of what they are copies of: a circle stays one.
    """
    if id(error) in made:
        return made[id(error)]
    if len(made) >= MOST:
        raise _refusal(error, "it consists of too many others")
    base, kind = _builtin_base(error), type(error)
    if isinstance(error, BaseExceptionGroup):
        message, members = BaseExceptionGroup.message, BaseExceptionGroup.exceptions
        copies = [_copy(one, made) for one in members.__get__(error)]
        new = base.__new__(kind, message.__get__(error), copies)
    else:
        new = base.__new__(kind)
    if type(new) is not kind:
        raise _refusal(error, "it is made as another type")
    made[id(error)] = new

    _ARGS.__set__(new, tuple([_part(one, made) for one in _ARGS.__get__(error)]))
    for descriptor in _state(kind):
        try:
            value = descriptor.__get__(error)
        except AttributeError:
            continue  # a slot that is empty
        # To a builtin exception, a field that is None and one that was never set are not the same.
        if value is not None or not _is_builtin(descriptor.__objclass__):
            descriptor.__set__(new, _part(value, made))
    attributes = {name: _part(value, made) for name, value in _DICT.__get__(error).items()}
    notes = attributes.get("__notes__")
    if type(notes) is list:
        attributes["__notes__"] = notes.copy()  # add_note() changes it
    if attributes:
        _DICT.__set__(new, attributes)

    cause = _CAUSE.__get__(error)
    if cause is not None:
        _CAUSE.__set__(new, _copy(cause, made))
    _SUPPRESS.__set__(new, _SUPPRESS.__get__(error))
    return new


def _part(value: Any, made: dict[int, BaseException]) -> Any:
    return _copy(value, made) if isinstance(value, BaseException) else value


def _builtin_base(error: BaseException) -> type[BaseException]:
    """
    The builtin exception that *error* is, if everything below it was written in Python.
    """
    for kind in type(error).__mro__:
        if _is_builtin(kind):
            return kind
        own = vars(kind)
        for name in ("__new__", "__init__"):
            written = own.get(name, _refusal)
            if isinstance(written, staticmethod):
                written = written.__func__
            if not isinstance(written, FunctionType):
                raise _refusal(error, f"{kind.__qualname__} is not written in Python")
    raise _refusal(error, "it is no exception")


def _is_builtin(kind: type) -> bool:
    return vars(builtins).get(kind.__name__) is kind


def _state(kind: type) -> Iterator[Any]:
    """
    What holds state outside of ``__dict__``: slots, and the fields of builtin exceptions.
    """
    for one in kind.__mro__:
        if one is BaseException:
            return
        if one in (BaseExceptionGroup, ExceptionGroup):
            continue  # said when it is made, and for good
        for name, descriptor in vars(one).items():
            if name not in _APART and isinstance(
                descriptor, (MemberDescriptorType, GetSetDescriptorType)
            ):
                yield descriptor
