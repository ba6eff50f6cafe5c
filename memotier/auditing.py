"""
``memotier.audit()``: what functions do besides what their ``effects=`` declares.

While a block is open, or where the settings say ``audit = "report"``, functions are watched while
they are computed (watched.py): on a miss, never on a hit. Otherwise a miss pays one look for it
(tapes.py).

It reports and prevents nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from . import tapes
from .durations import short
from .engine.events import logger
from .errors import ConfigError
from .watched import KINDS, WORDS, Watch, install, watched

if TYPE_CHECKING:
    from types import TracebackType

    from .memo import Memo

#: Lines of code that one audit remembers.
MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Undeclared:
    """
    Something that a function did while it was computed, and had not declared.
    """

    function: str
    #: What ``effects=`` of the function says; None: nothing.
    declared: str | None
    #: One of ``"file_read"``, ``"file_written"``, ``"file_changed"``, ``"process"``, ``"socket"``,
    #: ``"database"``, ``"environment"``.
    kind: str
    #: As CPython calls it: ``"open"``, ``"subprocess.Popen"``.
    event: str
    #: The line of code that did it, as ``"/path/tools.py:42"``.
    at: str
    #: How often; at least, if several threads did it at the same moment.
    count: int = 1

    def __str__(self) -> str:
        says = "no effects=" if self.declared is None else f'effects="{self.declared}"'
        often = "" if self.count == 1 else f", {self.count} times"
        return (
            f"{self.function} ({says}) {WORDS[self.kind]} while it was computed: {self.event} at "
            f"{self.at}{often}"
        )


class Audit:
    """
    What one audit has found so far; ``for one in audit`` and ``len(audit)`` are about ``found``.
    """

    def __init__(self, ignore: Iterable[str] = ()) -> None:
        self._ignored = _check_ignore(ignore)
        self._counts: dict[tuple[str, str | None, str, str, str], int] = {}
        self._said: set[tuple[str, str]] = set()
        self._is_open = False
        #: How much more there was than an audit remembers.
        self.left_out = 0

    @property
    def found(self) -> tuple[Undeclared, ...]:
        """
        Each line of code that did something which its function had not declared.
        """
        return tuple(
            Undeclared(function, declared, kind, event, at, count)
            for (function, declared, kind, event, at), count in list(self._counts.items())
        )

    def __iter__(self) -> Iterator[Undeclared]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self._counts)

    def __str__(self) -> str:
        return "\n".join(map(str, self.found)) or "nothing undeclared"

    def __repr__(self) -> str:
        state = "open" if self._is_open else "over"
        return f"<memotier.Audit {state} found={len(self)}>"

    def __enter__(self) -> Audit:
        with _lock:
            install()
            self._is_open = True
            audits.open = (*audits.open, self)
            tapes.watching = called
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with _lock:
            self._is_open = False
            audits.open = tuple(one for one in audits.open if one is not self)
            if not audits.open and audits.standing is None:
                tapes.watching = None
        self.say()

    def note(self, label: str, declared: str | None, kind: str, event: str, at: str) -> None:
        """
        Called in the middle of whatever the function does: it neither waits nor tells anybody.
        """
        if not self._is_open or kind in self._ignored:
            return
        one, counts = (label, declared, kind, event, at), self._counts
        if one in counts or len(counts) < MOST:
            counts[one] = counts.get(one, 0) + 1
        else:
            self.left_out += 1

    def say(self) -> None:
        """
        One line in the log for each function and kind that was not told yet.
        """
        for one in self.found:
            if (one.function, one.kind) not in self._said:
                self._said.add((one.function, one.kind))
                logger.warning("%s", one)


def audit(*, ignore: Iterable[str] = ()) -> Audit:
    """
    A context manager: while it lasts, it notes what functions of this process, in whatever thread,
    do while they are computed and have not declared with ``effects=``. See docs/guide/audit.md.

    Args:
        ignore: Kinds of things that are not to be noted, such as ``["socket"]``.

    Raises:
        ConfigError: If there is no such kind.
    """
    return Audit(ignore)


def _check_ignore(ignore: Any) -> frozenset[str]:
    known = ", ".join(map(repr, KINDS))
    if isinstance(ignore, str):
        raise ConfigError(f"ignore={short(ignore)} cannot be used: write ignore=[{ignore!r}]")
    try:
        kinds = tuple(ignore)
    except TypeError:
        raise ConfigError(
            f"ignore={short(ignore)} cannot be used: give a list; there are: {known}"
        ) from None
    for kind in kinds:
        if type(kind) is not str or kind not in KINDS:
            raise ConfigError(f"ignore={short(kind)} cannot be used; there are: {known}")
    return frozenset(kinds)


class _Audits:
    __slots__ = ("open", "standing")

    def __init__(self) -> None:
        #: Those of ``with`` blocks.
        self.open: tuple[Audit, ...] = ()
        #: The one of functions whose settings ask for it; None as long as there are none.
        self.standing: Audit | None = None


audits: Final = _Audits()
_lock = threading.Lock()


def stand() -> Audit:
    """
    The audit of the settings, which has no end.
    """
    with _lock:
        install()
        if audits.standing is None:
            audits.standing = Audit()
            audits.standing._is_open = True
            tapes.watching = called
        return audits.standing


def called(memo: Memo) -> Callable[..., Any]:
    """
    The function of *memo* as it is called for a result: watched, while somebody wants to know.
    """
    if not audits.open and memo.audit is None:
        return memo.function
    told = audits.open if memo.audit is None else (*audits.open, memo.audit)

    def begin() -> Watch:
        return Watch(memo.label, memo.options.effects, told)

    def end(watch: Watch) -> None:
        engine, shelf = memo.engine, memo.shelf
        if engine is not None and shelf is not None and not watch.is_counted:
            watch.is_counted = True
            with engine.lock:
                shelf.undeclared += 1
        for one in told:
            one.say()

    return watched(
        memo.function, begin, end, is_async=memo.is_async, is_stream=memo.returns_generator
    )


def _after_fork_in_child() -> None:
    # Whoever had it is not here to give it back.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
