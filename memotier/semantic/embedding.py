"""
The user's functions, called from plans: the embedder and ``verify=``.

Either may be a plain or a coroutine function. A plain one is called in a thread when a task waits
for it. What it raises, and an answer of the wrong shape, never reaches the caller: there is no near
match then, a counter says so, and the log does once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..durations import short
from ..engine.drive import Plan
from ..engine.engine import Engine
from ..engine.events import kind_and_place
from ..engine.flights import Failed
from ..errors import ConfigError
from ..keys.identity import identify, source_stamp, source_version


class Ask:
    """
    Effect: call a function of the user's. The answer is its result, or ``Failed``.
    """

    __slots__ = ("_arguments", "_function", "_offload", "_what")

    def __init__(self, offload: Any, what: str, function: Any, *arguments: Any) -> None:
        self._offload = offload
        self._what = what
        self._function = function
        self._arguments = arguments

    def now(self) -> Any:
        result = self._call()
        if not inspect.isawaitable(result):
            return result
        if inspect.iscoroutine(result):
            result.close()
        raise ConfigError(
            f"{self._what}={short(self._function)} is to be awaited, which .sync and plain "
            "functions cannot do; use the methods without .sync, or give a plain function"
        )

    async def later(self) -> Any:
        if is_async(self._function):
            result = self._call()
        else:
            result = await self._offload.run(self._call)
        if not inspect.isawaitable(result):
            return result
        try:
            return await result
        except Exception as error:
            return Failed(error)

    def _call(self) -> Any:
        try:
            return self._function(*self._arguments)
        except Exception as error:
            return Failed(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """
    An embedder, what it is called, and how many texts it is given at once.
    """

    function: Callable[..., Any]
    identity: str
    is_stable: bool
    batch_size: int

    @classmethod
    def of(cls, embedder: Any, model: Any, batch_size: Any) -> Embedding:
        """
        Check what the user gave.
        """
        if not callable(embedder) or isinstance(embedder, type):
            hint = "give an instance" if isinstance(embedder, type) else "a callable"
            raise ConfigError(
                f"embedder={short(embedder)} cannot be used: {hint}, which is given a list of "
                "texts and returns a float32 array of shape (len(texts), dim)"
            )
        if model is not None and (type(model) is not str or not model):
            raise ConfigError(f"embedding_model={short(model)} cannot be used: give a name")
        if type(batch_size) is not int or batch_size < 1:
            raise ConfigError(f"batch_size={short(batch_size)} cannot be used: a number of texts")
        own = getattr(embedder, "identity", None)
        if type(own) is str and own:
            identity, is_stable = own if model is None else f"{model}:{own}", True
        else:
            named = identify(embedder, model)
            identity = named.name if model is not None else f"{named.name}:{_code(embedder)}"
            is_stable = named.stable
        return cls(function=embedder, identity=identity, is_stable=is_stable, batch_size=batch_size)

    def vectors(self, engine: Engine, texts: Sequence[str], failed: Callable[[], None]) -> Plan:
        """
        A row of length 1 for each text; None for those that have none.
        """
        rows: list[Any] = []
        for start in range(0, len(texts), self.batch_size):
            some = list(texts[start : start + self.batch_size])
            answer = yield Ask(engine.offload, "embedder", self.function, some)
            try:
                rows += _normal(answer, len(some))
            except Exception as error:
                rows += [None] * len(some)
                failed()
                engine.events.say_once(
                    self.identity,
                    "embedder",
                    f"no near matches: the embedder failed: {_why(error)}",
                )
        return rows


def is_async(function: Any) -> bool:
    """
    Whether *function* is a coroutine function, or an object that is called like one.
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object that is called like one
    )


class _Wrong(Exception):
    """
    An embedder's answer that cannot be used.
    """


def _normal(answer: Any, count: int) -> list[Any]:
    if answer.__class__ is Failed:
        raise answer.error
    matrix = np.asarray(answer, dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) != count:
        raise _Wrong(f"its answer for {count} texts has the shape {matrix.shape}")
    lengths = np.linalg.norm(matrix, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    return [
        matrix[at] / lengths[at] if usable[at] else None  # "" has no direction
        for at in range(count)
    ]


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, _Wrong) else kind_and_place(error)


def _code(embedder: Any) -> str:
    """
    A fingerprint of a plain function's source: vectors of an edited one are not compared.
    """
    if not inspect.isfunction(embedder):
        return ""
    return source_version(embedder, source_stamp(embedder))
