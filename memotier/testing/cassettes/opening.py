"""
``cassette``: the block in which a tape is open, and how it is chosen.

States of the process: no cassette is open; one is, and perhaps others inside of it, of which the
innermost alone is asked. They hold for the whole process, as ``isolated_cache`` does, and so for
its threads and tasks. A block is inside of another if its context is; anybody else who opens one
meanwhile would be given the results of the other's test, and is refused.

What must never happen: a call inside of a block that reads or writes the caches outside, or one
that runs a function while ``replay-strict`` holds.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ... import tapes
from ...durations import short
from ...errors import ConfigError
from ...tapes import MODE_VARIABLE, PATH_VARIABLE
from ..isolation import isolated_cache, time_inside
from .cast import check_scopes
from .raised import check_raises
from .standins import stand_in
from .tape import LIVE, MODES, STRICT, Tape

_lock = threading.RLock()
#: The tapes that are open, the innermost last.
_open: list[Tape] = []
#: The innermost tape of a context; None: it has opened none.
_mine: ContextVar[Tape | None] = ContextVar("memotier_cassette", default=None)


@contextmanager
def cassette(
    path: str | os.PathLike[str],
    *,
    mode: str | None = None,
    raises: Any = (),
    redact_result: Callable[[str, Any], Any] | None = None,
    scopes: Mapping[Any, str] | None = None,
    same_code: bool = False,
) -> Iterator[Tape]:
    """
    Answer decorated functions from a file in this block, or write down what they return.

    Every cache has an empty memory of its own meanwhile, as in ``isolated_cache()``. It holds for
    the whole process.

    Args:
        path: The file, a JSON object on each line. Its directory is made if there is none.

        mode: ``"record"``: functions run, and what they return is written, over what was there.
            ``"replay"``: what is not on the tape runs and is added. ``"replay-strict"``: it
            raises ``CassetteMiss``. ``"live"``: functions run, and nothing is read or written.
            None: what ``MEMOTIER_CASSETTE_MODE`` says, else ``"replay-strict"``.

        raises: Types of exceptions that may be raised again, with their subclasses; the builtin
            ones always may. Others are raised as ``ReplayedError``.

        redact_result: Is given the function's name and its result, and returns what is written
            in its place, without what nobody is to read.

        scopes: What scopes are called on the tape, as ``{"u-17": "alice"}``; others are numbers.

        same_code: Whether a result is refused that was recorded by another version of its
            function's code.

    Returns:
        A context manager; its value is the ``Tape``.

    Raises:
        ConfigError: If an argument cannot be used, another cassette is open elsewhere in the
            process, or the file is not there, or cannot be written.

        CassetteMiss: By a call that is not on the tape; and at the end of the block, if it was
            raised and somebody swallowed it.

        DecodeRefused: If the file is damaged; the message begins with the file and the line.
    """
    tape = tape_for(
        path,
        mode=mode,
        raises=raises,
        redact_result=redact_result,
        scopes=scopes,
        same_code=same_code,
    )
    with opened(tape):
        yield tape
        tape.check()


def tape_for(
    path: Any,
    *,
    mode: Any = None,
    raises: Any = (),
    redact_result: Any = None,
    scopes: Any = None,
    same_code: Any = False,
) -> Tape:
    """
    The tape that the arguments of ``cassette`` describe, which nobody is asked for yet.

    Raises:
        ConfigError: If they cannot be used.

        DecodeRefused: If the file is damaged.
    """
    return Tape(
        _path(path),
        _mode(mode),
        raises=check_raises(raises),
        redact_result=_hook(redact_result),
        scopes=check_scopes(scopes),
        same_code=_flag(same_code),
    )


@contextmanager
def opened(tape: Tape) -> Iterator[None]:
    """
    A block in which *tape* is asked; it is written at its end, however that comes.
    """
    with ExitStack() as stack:
        outer = _take_place(tape)
        stack.callback(_leave_place, tape)
        stack.enter_context(isolated_cache(clock=time_inside()))
        stack.callback(tape.close)
        _ask(tape)
        # Before it is closed: the others of an outer block go on with that.
        stack.callback(_ask, outer)
        yield


def _take_place(tape: Tape) -> Tape | None:
    """
    Make *tape* the innermost; the one that was it until now.
    """
    with _lock:
        # (Anybody's block is inside of the one of the process.)
        others = [one for one in _open if one is not _of_process]
        if others and _mine.get() is not others[-1]:
            raise ConfigError(
                f"the cassette {tape.path} cannot be opened while {others[-1].path} is, by another "
                "thread or task: a cassette holds for the whole process, so run tests one after "
                "the other, or in processes (pytest-xdist)"
            )
        outer = _open[-1] if _open else None
        _open.append(tape)
    _mine.set(tape)
    return outer


def _leave_place(tape: Tape) -> None:
    with _lock:
        _open.remove(tape)
        outer = _open[-1] if _open else None
    _mine.set(outer)


def _ask(tape: Tape | None) -> None:
    if tape is None or tape.mode == LIVE:
        tapes.stand_in = None
    else:
        tapes.stand_in = lambda memo: stand_in(tape, memo)


# -- the environment -----------------------------------------------------------------------

#: The tape that the environment has opened.
_of_process: Tape | None = None


def open_for_the_process() -> None:
    """
    Open the cassette of ``MEMOTIER_CASSETTE`` until the process ends; once.

    Raises:
        ConfigError: If it cannot be opened.
    """
    global _of_process
    with _lock:
        if _of_process is not None:
            return
        tape = Tape(_path(os.environ[PATH_VARIABLE]), _mode(None))
        # First: to open it opens a block, which asks for this.
        _of_process = tape
        stack = ExitStack()
        stack.enter_context(opened(tape))
        atexit.register(_close_for_the_process, tape, stack)


def _close_for_the_process(tape: Tape, stack: ExitStack) -> None:
    stack.close()
    tape.check()


# -- arguments -----------------------------------------------------------------------------


def _path(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)) or str(path) == "" or "\0" in str(path):
        raise ConfigError(
            f"cassette({short(path)}): the path cannot be used: give the file as a text or a "
            "pathlib.Path"
        )
    return Path(path).absolute()


def _mode(mode: Any) -> str:
    what = "cassette(): mode"
    if mode is None:
        what, mode = MODE_VARIABLE, os.environ.get(MODE_VARIABLE) or STRICT
    if mode not in MODES:
        known = ", ".join(repr(one) for one in MODES)
        raise ConfigError(f"{what} = {short(mode)} cannot be used: give one of {known}")
    return str(mode)


def _hook(hook: Any) -> Any:
    if hook is not None and not callable(hook):
        raise ConfigError(
            f"cassette(): redact_result={short(hook)} cannot be used: give a callable that takes "
            "the function's name and its result, and returns what is written"
        )
    return hook


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ConfigError(f"cassette(): same_code={short(value)} cannot be used: True or False")
    return value


def _after_fork_in_child() -> None:
    # The thread that held it is not here to release it.
    global _lock
    _lock = threading.RLock()
    for tape in _open:
        tape.renew_lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
