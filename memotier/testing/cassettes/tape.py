"""
One tape: the episodes of a file, which of them answers, and what is written.

A call may have several episodes, because it was computed several times: after an invalidation, or
when its ttl was over. They answer in their order; the last one answers whatever comes after it.

Who a call is for, and which instance it is made on, has a number in the order of first calls (see
``cast.py``), or the name that the test gives to a scope.

States: open, closed. A closed tape answers nothing and keeps nothing: who computes after its end
calls the function, as if it had never been.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ...codecs.classes import register_from_annotation
from ...engine.many import LEFT_OUT
from ...errors import (
    CassetteMiss,
    ConfigError,
    DecodeRefused,
    SerializationError,
    UnkeyableArgument,
)
from ...memo import Memo
from ...sharing import result_annotation
from . import raised, values
from .cast import Casting
from .episodes import HEAD, MOST_BYTES, MOST_LINE, Episode, place_of, read
from .misses import miss, missing_file
from .questions import Question, question_of

LIVE: Final = "live"
RECORD: Final = "record"
REPLAY: Final = "replay"
STRICT: Final = "replay-strict"
MODES: Final = (RECORD, REPLAY, STRICT, LIVE)


class Tape:
    """
    The cassette of a block.

    Attributes:
        path: The file.

        mode: ``"record"``, ``"replay"``, ``"replay-strict"`` or ``"live"``.

        replayed: How many computations were answered from it.

        recorded: How many were written to it, when the block ends.
    """

    def __init__(
        self,
        path: Path,
        mode: str,
        *,
        raises: tuple[type[Exception], ...] = (),
        redact_result: Callable[[str, Any], Any] | None = None,
        scopes: Casting | None = None,
        same_code: bool = False,
    ) -> None:
        self.path = path
        self.mode = mode
        self.replayed = 0
        #: What went wrong and was told to the caller, who may have swallowed it.
        self.problems: list[Exception] = []
        self._raises = raises
        self._redact_result = redact_result
        self._same_code = same_code
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._new: list[str] = []
        self._size = 0
        self._heads: dict[str, weakref.ref[Memo]] = {}
        self._closed = False
        self._was = _stamp(path)
        self._known = self._load()
        self._by_place: dict[Any, list[Episode]] = {}
        for one in self._known:
            self._size += len(one.text.encode()) + 1
            self._by_place.setdefault(one.place, []).append(one)
        self._asked = Counter[Any]()
        self._casting = scopes or Casting()
        self._casting.learn(self._known)

    def _load(self) -> list[Episode]:
        if self.mode in (LIVE, RECORD):
            return []
        try:
            return read(self.path)
        except FileNotFoundError:
            if self.mode == STRICT:
                raise missing_file(self.path) from None
            return []
        except OSError as error:
            raise ConfigError(
                f"the cassette {self.path} cannot be read ({error.strerror})"
            ) from error

    def __repr__(self) -> str:
        return f"<Tape {str(self.path)!r} {self.mode} replayed={self.replayed} new={self.recorded}>"

    @property
    def recorded(self) -> int:
        return len(self._new)

    @property
    def misses(self) -> int:
        """
        How many calls were refused because they are not on it.
        """
        return sum(type(one) is CassetteMiss for one in self.problems)

    @property
    def unused(self) -> list[str]:
        """
        Where the calls stand of which no result was asked for: ``file:line``.
        """
        return [one.where for one in self._known if not self._asked[one.place]]

    @property
    def is_open(self) -> bool:
        return not self._closed

    # -- asking --------------------------------------------------------------------------

    def ask(self, memo: Memo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Question:
        """
        What stands for a call of the function of *memo*.

        Raises:
            UnkeyableArgument: If an argument has no stable key.

            ConfigError: If another function has its name.
        """
        return self.ask_values(memo, memo.bind(*args, **kwargs))

    def ask_values(self, memo: Memo, call: tuple[Any, ...]) -> Question:
        """
        The same for the values of its parameters.
        """
        try:
            question = question_of(memo, call)
            self._check_name(memo, question)
        except (UnkeyableArgument, ConfigError) as error:
            raise self._noted(error) from error.__cause__
        return question

    def _check_name(self, memo: Memo, question: Question) -> None:
        name = question.function
        if name not in self._heads:
            # As a second tier does, which a block has not: no tape makes a class known.
            register_from_annotation(result_annotation(memo.function))
        with self._lock:
            known = self._heads.setdefault(name, weakref.ref(memo))
            other = known()
            if other is None:
                self._heads[name] = weakref.ref(memo)
        if other is not None and other is not memo:
            raise ConfigError(
                f"two functions are called {question.function} on the cassette {self.path}, and "
                "one would get the results of the other: give each a name="
            )

    def answer(self, question: Question) -> Episode | None:
        """
        The episode that answers; None: the function is called.

        Raises:
            CassetteMiss: If there is none and no other call is allowed.
        """
        with self._lock:
            # Also while recording: who comes first is number 1.
            try:
                place = self._place(question)
            except ConfigError as error:
                raise self._noted(error) from None
            episodes = self._by_place.get(place)
            if episodes is not None:
                self._asked[place] += 1
                found = episodes[min(self._asked[place], len(episodes)) - 1]
                self.replayed += 1
        if episodes is None:
            if self.mode == STRICT:
                raise self._noted(miss(question, self._known, self.path))
            return None
        if self._same_code and found.version != question.memo.version:
            raise self._noted(
                CassetteMiss(
                    f"{question.function} has other code than when {found.where} was recorded: "
                    'record anew with mode="record", or leave out same_code='
                )
            )
        return found

    def value_of(self, episode: Episode, *, may_lack: bool = False) -> Any:
        """
        The result in *episode*; its error is raised.

        Args:
            may_lack: Whether there may be none: then it is LEFT_OUT.
        """
        try:
            if episode.is_stream or (episode.is_left_out and not may_lack):
                raise DecodeRefused(f"{episode.where}: this is no result; record anew")
            error = episode.error(self._raises)
            if error is None:
                return LEFT_OUT if episode.is_left_out else episode.value()
        except DecodeRefused as trouble:
            raise self._noted(trouble) from trouble.__cause__
        raise error

    def stream_of(self, episode: Episode) -> tuple[list[Any], Any, Exception | None]:
        """
        The items in *episode*, what the stream returned, and its error.
        """
        try:
            pair = episode.value() if episode.is_stream else None
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not list:
                raise DecodeRefused(f"{episode.where}: this is no stream; record anew")
            return *pair, episode.error(self._raises)
        except DecodeRefused as trouble:
            raise self._noted(trouble) from trouble.__cause__

    def _place(self, question: Question) -> tuple[Any, ...]:
        """
        Called under the lock.
        """
        cast = self._casting.of(question.actors, question.function, question.key)
        return place_of(question.function, question.key, cast)

    # -- keeping -------------------------------------------------------------------------

    def keep(self, question: Question, result: Any) -> None:
        """
        Write down what was computed.

        Raises:
            SerializationError: If that cannot be on a tape.
        """
        self._keep(question, lambda: self._outcome(question, result))

    def keep_error(self, question: Question, error: Exception) -> None:
        """
        Write down what was raised.
        """
        self._keep(question, lambda: {"raises": raised.write(error, question.secrets)})

    def keep_stream(
        self, question: Question, items: list[Any], returned: Any, error: Exception | None
    ) -> None:
        """
        Write down a stream that has ended.
        """

        def outcome() -> dict[str, Any]:
            shown = list(self._redacted(question, items))
            made = {"stream": True, **self._written(question, [shown, returned])}
            if error is not None:
                made["raises"] = raised.write(error, question.secrets)
            return made

        self._keep(question, outcome)

    def _outcome(self, question: Question, result: Any) -> dict[str, Any]:
        if result is LEFT_OUT:
            return {"left_out": True}
        return self._written(question, self._redacted(question, result))

    def _redacted(self, question: Question, result: Any) -> Any:
        hook = self._redact_result
        return result if hook is None else hook(question.function, result)

    def _written(self, question: Question, value: Any) -> dict[str, Any]:
        return values.write(question.memo.label, value, question.secrets)

    def _keep(self, question: Question, outcome: Callable[[], dict[str, Any]]) -> None:
        if self._closed or self._pid != os.getpid():
            return  # (a forked process has no part in the file)
        try:
            made = outcome()
            version = question.memo.version
        except Exception as error:  # also of the user's redact_result=
            raise self._noted(error) from error.__cause__
        with self._lock:
            cast = self._casting.of(question.actors, question.function, question.key)
            written = {
                "function": question.function,
                **cast,
                "arguments": question.arguments,
                **made,
                "key": question.key,
                "version": version,
            }
            text = values.dump(written)
            size = len(text.encode())
            self._size += size + 1
            if self._size > MOST_BYTES or size > MOST_LINE:
                raise self._noted(
                    SerializationError(
                        f"{question.memo.label}() cannot be recorded: with its result the cassette "
                        f"{self.path} would be too large to be read"
                    )
                )
            self._new.append(text)
            self._casting.wrote(question.function, question.key, cast)

    def renew_lock(self) -> None:
        """
        In a forked process: whoever held the lock is not there to release it.
        """
        self._lock = threading.Lock()

    def _noted(self, error: Exception) -> Exception:
        self.problems.append(error)
        return error

    # -- the end --------------------------------------------------------------------------

    def close(self) -> None:
        """
        Write the file, if there is anything to write.

        Raises:
            ConfigError: If somebody else has written it meanwhile, or it cannot be written.
        """
        is_mine = not self._closed and self._pid == os.getpid()
        self._closed = True
        if is_mine and (self.mode == RECORD or (self.mode == REPLAY and self._new)):
            lines = [values.dump(HEAD), *(one.text for one in self._known), *self._new]
            try:
                self._write("\n".join([*lines, ""]).encode())
            except OSError as error:
                raise ConfigError(
                    f"the cassette {self.path} cannot be written ({error.strerror})"
                ) from error

    def _write(self, data: bytes) -> None:
        if _stamp(self.path) != self._was:
            raise ConfigError(
                f"the cassette {self.path} was written by somebody else while it was open, so "
                "nothing was written: give each test a cassette of its own"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}-{id(self):x}")
        try:
            beside.write_bytes(data)
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def check(self) -> None:
        """
        Raise what a caller was told and may have swallowed: agents hand errors of their tools on.

        Raises:
            CassetteMiss: If a call was refused.

            MemotierError: If a call could not be read or recorded, or will not be found again.
        """
        if self.problems:
            raise self.problems[0]
        if self._new:
            self._casting.check()


def _stamp(path: Path) -> tuple[int, ...] | None:
    """
    What changes when somebody writes the file.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
