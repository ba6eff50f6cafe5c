"""
Errors as they stand on a tape, and back.

Of an error there is its type's name, its arguments and its text. What is raised again is the
builtin exception of that name, or one of the types that the test allows with ``raises=``; every
other is a ``ReplayedError``. A name on a tape is looked up in those two places and nowhere else:
nothing is imported, and of an allowed type no ``__init__`` runs.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ...errors import ConfigError, DecodeRefused, MemotierError, ReplayedError
from ...recording.signature import names_secret
from ...shown import HIDDEN, scrubbed
from . import values

#: Letters of the text of an error that are written.
_LONGEST: Final = 10_000
_ARGS: Final[Any] = vars(BaseException)["args"]

_BUILTIN: Final[dict[str, type[Exception]]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, (BaseExceptionGroup, StopIteration, StopAsyncIteration))
}


def check_raises(raises: Any) -> tuple[type[Exception], ...]:
    """
    The types that may be raised again.

    Raises:
        ConfigError: If they are not types of exceptions.
    """
    kinds = tuple(raises) if isinstance(raises, (list, tuple, set, frozenset)) else (raises,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise ConfigError(
                f"cassette(): raises= holds {kind!r}, which is no type of exception: give those "
                "that functions raise besides the builtin ones, as raises=(MyError,)"
            )
    return kinds


def write(error: Exception, secrets: Sequence[str]) -> dict[str, Any]:
    """
    *error* as it stands on a tape; *secrets* are texts that must not stand there.
    """

    def clean(text: str) -> str:
        for one in secrets:
            text = text.replace(one, HIDDEN)
        return scrubbed(text[:_LONGEST]).encode("utf-8", "replace").decode()

    name = name_of(type(error))
    try:
        text = str(error)
    except Exception:  # whatever its class does
        text = ""
    written: dict[str, Any] = {"type": name, "text": clean(text)}
    args = _args(error)
    if all(type(one) is str for one in args):
        written["args"] = [clean(one) for one in args]
    elif name in _BUILTIN or values.is_json(list(args)):
        try:
            written["args"] = values.write(name, list(args), secrets)
        except MemotierError:
            written["args"] = [written["text"]]
    attributes = {
        key: clean(one) if type(one) is str else one
        for key, one in vars(error).items()
        if name not in _BUILTIN and not key.startswith("__") and values.is_json(one)
    }
    shown = {key: one for key, one in attributes.items() if not names_secret(key)}
    if shown and not any(values.dump(one)[1:-1] in values.dump(shown) for one in secrets):
        written["attributes"] = shown
    return written


def _args(error: Exception) -> tuple[Any, ...]:
    args: tuple[Any, ...] = _ARGS.__get__(error)
    if type(error).__name__ in _BUILTIN and isinstance(error, OSError) and len(args) == 2:
        # The file is no part of the arguments that it was made with.
        return (*args, error.filename) if type(error.filename) is str else args
    return args


def name_of(kind: type) -> str:
    """
    ``ValueError``, or ``module.qualname``.
    """
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def check(written: Any) -> None:
    """
    Whether it is an error of the form that ``write`` gives it.

    Raises:
        DecodeRefused: If not.
    """
    if type(written) is not dict or any(
        type(written.get(one)) is not str for one in ("type", "text")
    ):
        raise DecodeRefused('its "raises" is not {"type": ..., "text": ..., "args": ...}')
    args = written.get("args", [])
    if type(args) is dict:
        values.check(args)
    elif type(args) is not list or any(type(one) is not str for one in args):
        raise DecodeRefused('its "args" are neither texts nor a value')
    if type(written.get("attributes", {})) is not dict:
        raise DecodeRefused('its "attributes" are no object')


def read(written: dict[str, Any], raises: tuple[type[Exception], ...]) -> Exception:
    """
    The error to be raised.

    Raises:
        DecodeRefused: If its arguments cannot be read.
    """
    name, text = written["type"], written["text"]
    args = written.get("args")
    if type(args) is dict:
        args = values.read(args)
    made = None if args is None else _made(name, tuple(args), written, raises)
    return ReplayedError(name, text) if made is None else made


def _made(
    name: str, args: tuple[Any, ...], written: dict[str, Any], raises: tuple[type[Exception], ...]
) -> Exception | None:
    kind = _BUILTIN.get(name)
    try:
        if kind is not None:
            error = kind(*args)
            return error if type(error) is kind else None
        kind = next((one for one in _with_subclasses(raises) if name_of(one) == name), None)
        if kind is None:
            return None
        # By the builtin that it is: its own __init__ may want something else than these arguments.
        base = next(one for one in kind.__mro__ if _BUILTIN.get(one.__name__) is one)
        error = base.__new__(kind)
        _ARGS.__set__(error, args)
        vars(error).update(written.get("attributes", {}))
        return error
    except Exception:  # no such error ever had these arguments
        return None


def _with_subclasses(raises: Iterable[type[Exception]]) -> Iterator[type[Exception]]:
    todo, seen = list(raises), set[type[Exception]]()
    while todo:
        kind = todo.pop()
        if kind not in seen:
            seen.add(kind)
            todo.extend(type.__subclasses__(kind))
            yield kind
