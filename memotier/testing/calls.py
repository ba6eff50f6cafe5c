"""
Assertions about calls of decorated functions: was it answered, was it computed, how often.

What is counted are runs of the function itself, by a wrapper around it that is there as long as
somebody counts. So it does not matter how a call comes to run it: bypassed, refreshed, disabled,
in a batch, in another thread. A refresh in the background is told apart, because the call that
began it was answered without it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..engine.clocks import Renewal
from ..engine.flights import leading
from ..errors import ConfigError
from ..memo import Memo
from ..streams import StreamMemo


class Computations:
    """
    How often a function ran since counting began: for callers, and behind them.
    """

    __slots__ = ("_lock", "behind", "count", "function")

    def __init__(self, function: str) -> None:
        self.function = function
        #: Runs that a caller waited for.
        self.count = 0
        #: Refreshes in the background.
        self.behind = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{self.function} ran {self.count} times, and {self.behind} times behind>"

    def note(self, *, is_behind: bool) -> None:
        with self._lock:
            self.behind += is_behind
            self.count += not is_behind


def assert_hit(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """
    Call *function* and make sure that the cache answered: it did not run, except to be refreshed
    in the background.

    Returns:
        What the call returned; to be awaited for a coroutine function.

    Raises:
        AssertionError: If it ran.

        ConfigError: If *function* is not decorated with ``@tiered_cache``, or a stream.
    """
    return _call(function, args, kwargs, is_hit=True)


def assert_miss(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """
    Call *function* and make sure that it ran.

    Returns:
        What the call returned; to be awaited for a coroutine function.

    Raises:
        AssertionError: If the cache answered.

        ConfigError: If *function* is not decorated with ``@tiered_cache``, or a stream.
    """
    return _call(function, args, kwargs, is_hit=False)


def assert_computed_once(function: Any) -> Any:
    """
    A block at whose end *function* has run exactly once, however often it was called.

    Returns:
        A context manager; its value has ``count``, the runs so far, and ``behind``, the refreshes
        in the background, which do not count.
    """
    return assert_computed(function, times=1)


@contextmanager
def assert_computed(function: Any, *, times: int) -> Iterator[Computations]:
    """
    The same for any number of runs, 0 among them.

    Raises:
        AssertionError: If it ran more or less often.

        ConfigError: If *function* is not decorated with ``@tiered_cache``.
    """
    memo = _memo_of(function)
    with _counting(memo) as computations:
        yield computations
    if computations.count != times:
        raise AssertionError(
            f"{memo.label} was computed {_times(computations.count)}, not {_times(times)}"
        )


def _call(function: Any, args: Any, kwargs: Any, *, is_hit: bool) -> Any:
    memo = _memo_of(function)
    if isinstance(memo, StreamMemo):
        raise ConfigError(
            f"{memo.label} is a stream, which nobody can judge before it is read: use "
            "assert_computed(), and read it in the block"
        )
    if memo.is_async:
        return _awaited(memo, function, args, kwargs, is_hit)
    with _counting(memo) as computations:
        answer = function(*args, **kwargs)
    _judge(memo, computations, is_hit)
    return answer


async def _awaited(memo: Memo, function: Any, args: Any, kwargs: Any, is_hit: bool) -> Any:
    with _counting(memo) as computations:
        answer = await function(*args, **kwargs)
    _judge(memo, computations, is_hit)
    return answer


def _judge(memo: Memo, computations: Computations, is_hit: bool) -> None:
    # No arguments and no result: they may be secrets, and the line that calls shows the rest.
    if is_hit and computations.count:
        raise AssertionError(
            f"{memo.label} was computed, where its cache should have had the result"
        )
    if not is_hit and not computations.count:
        raise AssertionError(f"{memo.label} was not computed: its cache had the result")


def _times(number: int) -> str:
    return {0: "not at all", 1: "once"}.get(number, f"{number} times")


def _memo_of(function: Any) -> Memo:
    memo = getattr(function, "_self_memo", None)
    if not isinstance(memo, Memo):
        raise ConfigError(
            f"{getattr(function, '__qualname__', type(function).__qualname__)} is not decorated "
            "with @tiered_cache; give the decorated function"
        )
    return memo


# -- the wrapper ---------------------------------------------------------------------------

_lock = threading.Lock()
_counted: dict[Memo, tuple[Callable[..., Any], list[Computations]]] = {}


@contextmanager
def _counting(memo: Memo) -> Iterator[Computations]:
    computations = Computations(memo.label)
    memo.ready()  # connecting looks at the function
    with _lock:
        if memo not in _counted:
            _counted[memo] = memo.function, []
            memo.function = _counter(memo.function, _counted[memo][1])
        _, counters = _counted[memo]
        counters.append(computations)
    try:
        yield computations
    finally:
        with _lock:
            counters.remove(computations)
            if not counters:
                memo.function, _ = _counted.pop(memo)


def _counter(function: Callable[..., Any], counters: list[Computations]) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        led = leading.get()
        is_behind = led is not None and isinstance(led.flight, Renewal) and led.flight.behind
        for computations in list(counters):
            computations.note(is_behind=is_behind)
        return function(*args, **kwargs)

    return counted
