"""
Events by name, and who is called when one is triggered.

Handlers run one after the other, in the order in which they were registered. One that raises is
counted and logged by the type of its error; it does not stop the others, and whoever triggered
the event does not hear of it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..durations import short
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError

Handler = Callable[..., Any]


class Handlers:
    """
    The handlers of one invalidator.

    Args:
        count: Told of every handler that has returned (True) or raised (False).
    """

    def __init__(self, count: Callable[[bool], None]) -> None:
        # Replaced, never changed, so that a handler may register another one.
        self._by_name: dict[str, tuple[Handler, ...]] = {}
        self._count = count

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def register(self, name: Any, handler: Any) -> None:
        """
        Call *handler* whenever *name* is triggered.

        Raises:
            ConfigError: If *name* is no text, or *handler* cannot be called.
        """
        if type(name) is not str or not name:
            raise ConfigError(f"the name of an event is {short(name)}: give a text")
        if not callable(handler):
            raise ConfigError(
                f"the handler of event {short(name)} is a {type(handler).__qualname__}: give a "
                "function or a coroutine function"
            )
        self._by_name = {**self._by_name, name: (*self._by_name.get(name, ()), handler)}

    async def atrigger(self, name: str, values: Mapping[str, Any]) -> int:
        """
        Call and await the handlers of *name*; how many of them did what they were asked.
        """
        done = 0
        for handler in self._by_name.get(name, ()):
            try:
                answer = handler(**values)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:
                self._failed(name, error)
            else:
                self._count(True)
                done += 1
        return done

    def trigger(self, name: str, values: Mapping[str, Any]) -> int:
        """
        The same in a thread: what has to be awaited runs in an event loop of its own.
        """
        done = 0
        for handler in self._by_name.get(name, ()):
            try:
                answer = handler(**values)
                if inspect.isawaitable(answer):
                    _run(answer)
            except Exception as error:
                self._failed(name, error)
            else:
                self._count(True)
                done += 1
        return done

    def _failed(self, name: str, error: Exception) -> None:
        self._count(False)
        logger.error("a handler of event %r failed: %s", name, kind_and_place(error))


class LoopIsRunning(RuntimeError):
    """
    ``sync.trigger_event`` was called in an event loop, and a handler has to be awaited.
    """


def _run(answer: Awaitable[Any]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(_awaited(answer))
        return
    if inspect.iscoroutine(answer):
        answer.close()
    raise LoopIsRunning("await invalidator.trigger_event(...) instead")


async def _awaited(answer: Awaitable[Any]) -> None:
    await answer
