"""
``@tiered_cache`` on generator functions and async generator functions.

A call returns a generator, as the function does, and nothing happens before its first ``next``.
Then it replays a stream that is stored, or reads one in the making from its start; see
engine/streams.py. A stream is stored as one result, the pair of its items and of what the
generator returned; options and attributes show the list of its items.

What is asked of the generator itself: ``close()`` and ``throw()`` end this reader and nobody
else, ``send()`` of anything but None is refused, because a stream that is stored or shared
cannot answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final

from . import asked
from .callables import innermost
from .durations import short
from .engine import tracing
from .engine.attend import Make, attend, pair_of, past
from .engine.calls import Call
from .engine.drive import Plan, adrive, drive, raise_as_is
from .engine.engine import Engine
from .engine.links import End, Pair
from .engine.modes import is_disabled
from .engine.pumps import AsyncStream
from .engine.streams import Reader
from .engine.turns import SyncStream
from .errors import ConfigError, UnkeyableArgument
from .hitpath import generate_plain
from .memo import Memo
from .options import FunctionOptions
from .tiered import Outer, Tiered
from .types import MISS

#: Items after which an async reader who never has to wait lets others run.
BREATHE: Final = 100
#: Options that need a result to fall back on, or a moment at which the function has returned.
NOT_FOR_STREAMS: Final = (
    *("stale_while_revalidate", "stale_if_error", "error_backoff", "refresh_ahead"),
    *("soft_timeout", "hard_timeout", "cache_exceptions", "error_ttl", "error_ttl_max"),
)

#: Brings a reader to his stream: a ``Pair``, or None.
Attend = Callable[[Reader], Plan]


def is_stream(function: Any) -> bool:
    """
    Whether calls of *function* return generators.
    """
    inner = innermost(function)
    call = getattr(inner, "__call__", None)  # noqa: B004
    return any(map(inspect.isgeneratorfunction, (inner, call))) or _is_async(function)


def _is_async(function: Any) -> bool:
    inner = innermost(function)
    call = getattr(inner, "__call__", None)  # noqa: B004
    return any(map(inspect.isasyncgenfunction, (inner, call)))


def check_stream(function: Any, label: str, options: dict[str, Any]) -> None:
    """
    Refuse what cannot be had of a stream.

    Raises:
        ConfigError: With the option and its value.
    """
    code = getattr(innermost(function), "__code__", None)
    if code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        raise ConfigError(
            f"{label} is a generator that is awaited (types.coroutine); write it with async def"
        )
    if options.get("record") is True:
        raise ConfigError(
            f"{label}: record=True cannot be used: {label} is a generator function, and to make "
            "its call again somebody has to read the stream. Leave it out"
        )
    for option in ("authorize", "verify", "equal"):
        if options.get(option) is not None:
            raise ConfigError(
                f"{label}: {option}={short(options[option])} cannot be used: {label} is a "
                "generator function, whose readers share a stream while it is made. Leave it out, "
                "or cache a function that returns a list"
            )
    for option in NOT_FOR_STREAMS:
        if options.get(option) not in (None, ()):
            raise ConfigError(
                f"{label}: {option}={short(options[option])} cannot be used: {label} is a "
                "generator function, whose stream is either complete or computed anew. Leave it "
                "out, or cache a function that returns a list"
            )


class StreamMemo(Memo):
    """
    The cached function behind a decorated generator function.
    """

    returns_generator = True
    no_map = "is a generator function: read its streams one by one"

    def __init__(
        self, function: Callable[..., Any], options: FunctionOptions, label: str, *, is_method: bool
    ) -> None:
        if options.needs is not None and options.needs.are_watched:
            raise ConfigError(
                f"{label}: depends_on= with file() or env() cannot be used for a generator "
                "function: its readers may see it change half-way. Pass what it reads as an "
                "argument, or give it an epoch(), which you bump"
            )
        super().__init__(function, _of_items(options), label, is_method=is_method)
        self.is_async = _is_async(function)
        self.run = adrive if self.is_async else drive
        self._make: Make = AsyncStream if self.is_async else SyncStream

    def entrance(self) -> Callable[..., Any]:
        return generate_plain(
            self.parameters, name=self.label, begin=self._begin, run=self.run, is_async=False
        )

    def _hit_path(self, engine: Engine, shelf: Any) -> Callable[..., Any]:
        return self.entrance()

    def _begin(self, values: tuple[Any, ...]) -> tuple[Any, None]:
        return self.reading(lambda reader: self._attend(values, reader)), None

    def reading(self, attend: Attend) -> Any:
        """
        The generator that reads what *attend* brings.
        """
        made: Any = (aread if self.is_async else read)(self.label, attend)
        made.__name__ = getattr(self.function, "__name__", self.label)
        made.__qualname__ = self.label
        return made

    def refreshing(self, values: tuple[Any, ...]) -> Any:
        return self.reading(lambda reader: self._attend(values, reader, renews=True))

    def bypassing(self, values: tuple[Any, ...]) -> Any:
        return self.reading(lambda reader: self._past(values, reader))

    def _attend(self, values: tuple[Any, ...], reader: Reader, *, renews: bool = False) -> Plan:
        engine, shelf = self.ready(), self.shelf
        if engine is None or shelf is None or is_disabled():
            return (yield from self._past(values, reader))
        try:
            call = self.equip(self.look_up(values), values)
            if call.resident() is None or tracing.open_traces:
                self.note(engine, call, values)
        except UnkeyableArgument as error:
            if self.options.on_unkeyable == "raise" or renews:
                raise
            with engine.lock:
                shelf.bypassed += 1
            engine.events.say_once(self.label, "unkeyable", f"{error} (called, not cached)")
            return (yield from self._past(values, reader))
        joins = self.options.single_flight is not None
        return (yield from attend(engine, call, reader, self._make, joins=joins, renews=renews))

    def equip(self, call: Call, values: tuple[Any, ...]) -> Call:
        super().equip(call, values)
        if call.table is call.place.exact:
            call.is_as_asked = lambda: self._has_key(call, values)
        return call

    def _past(self, values: tuple[Any, ...], reader: Reader) -> Plan:
        engine = self.engine or self.attach()
        assert self.shelf is not None
        past(engine, self.shelf, self.invoke(*self.spread(values)), reader, self._make)
        yield from ()


def _of_items(options: FunctionOptions) -> FunctionOptions:
    """
    *options*, whose callables are given the pair and pass on the list of items.
    """
    ttl, cache_if, cost = options.ttl, options.cache_if, options.cost
    is_error = options.is_error

    def ttl_of(pair: Pair, call: Any) -> Any:
        assert callable(ttl)
        return None if pair[0] is None else ttl(list(pair[0]), call)

    def wants(pair: Pair) -> Any:
        assert cache_if is not None
        return pair[0] is not None and cache_if(list(pair[0]))

    def has_error(pair: Pair) -> bool:
        assert is_error is not None
        items, returned = pair
        more = () if returned is None else (returned,)
        return items is not None and any(map(is_error, (*items, *more)))

    def cost_of(pair: Pair) -> Any:
        assert cost is not None
        return 0 if pair[0] is None else cost(list(pair[0]))

    return dataclasses.replace(
        options,
        ttl=ttl_of if callable(ttl) else ttl,
        cache_if=None if cache_if is None else wants,
        cost=None if cost is None else cost_of,
        is_error=None if is_error is None else has_error,
        # Whoever stops reading for a while would keep all other processes waiting.
        single_flight=None if options.single_flight is None else "process",
    )


# -- the generators ------------------------------------------------------------------


def read(label: str, attend: Attend) -> Generator[Any, Any, Any]:
    """
    What a call of a cached generator function returns.
    """
    reader = Reader()
    try:
        pair = drive(attend(reader))
        while pair is None:
            stream: Any = reader.stream
            link = reader.at.following or stream.pull(reader)
            if not isinstance(link, End):
                reader.at, reader.given = link, True
                _refuse_sent(label, (yield link.take()))
            elif not link.again:
                return link.take() if link.error is None else raise_as_is(link.error)
            else:
                pair = _first(stream, link)
                if pair is None:
                    reader.begin_anew()
                    pair = drive(attend(reader))
        items, returned = pair
        for item in items:
            _refuse_sent(label, (yield item))
        return returned
    finally:
        left: Any = reader.stream
        reader.stream = None
        if left is not None:
            left.leave(reader)


async def aread(label: str, attend: Attend) -> AsyncGenerator[Any, Any]:
    """
    What a call of a cached async generator function returns.
    """
    reader, since = Reader(), 0
    try:
        pair = await adrive(attend(reader))
        while pair is None:
            stream: Any = reader.stream
            link = reader.at.following
            if link is None:
                link, since = await stream.pull(reader), 0
            if not isinstance(link, End):
                since = await _breathe(since)
                reader.at, reader.given = link, True
                _refuse_sent(label, (yield link.take()))
            elif not link.again:
                if link.error is not None:
                    raise_as_is(link.error)
                return
            else:
                pair = _first(stream, link)
                if pair is None:
                    reader.begin_anew()
                    pair = await adrive(attend(reader))
        for item in pair[0]:
            since = await _breathe(since)
            _refuse_sent(label, (yield item))
    finally:
        left: Any = reader.stream
        reader.stream = None
        if left is not None:
            await left.leave(reader)


def _first(stream: Any, end: End) -> Pair | None:
    """
    What was found below, for the first who asks.
    """
    try:
        return pair_of(stream.shelf, end.found.pop())
    except IndexError:
        return None


async def _breathe(since: int) -> int:
    if since < BREATHE:
        return since + 1
    await asyncio.sleep(0)
    return 0


def _refuse_sent(label: str, sent: Any) -> None:
    if sent is not None:
        raise TypeError(
            f"{label}: send() of a {type(sent).__qualname__} cannot be answered by a stream that "
            f"is stored or shared; iterate over it, or call {label}.__wrapped__"
        )


# -- the decorated object --------------------------------------------------------------


class _OfItems:
    """
    The attributes that are about the result, for one that is a stream.
    """

    def refresh(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        A generator that computes the stream anew, and stores it once it is read to its end.
        """
        return self._self_memo.refreshing(self._self_bind(args, kwargs))

    def bypass(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        A generator that reads the function itself; nothing is looked up or stored.
        """
        return self._self_memo.bypassing(self._self_bind(args, kwargs))

    def peek(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        The list of the items if memory has them all, else ``MISS``.
        """
        memo = self._self_memo
        found = asked.peek(memo, self._self_bind(args, kwargs))
        return MISS if found is MISS else pair_of(memo.shelf, found)[0]

    def lookup(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        The ``Entry`` of this call, whose value is the list of the items, or None.
        """
        return self._self_run(_lookup, args, kwargs)

    def seed(self: Any, items: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        Store *items* as the stream of this call.
        """
        memo, values = self._self_memo, self._self_bind(args, kwargs)
        if isinstance(items, (str, bytes)):
            raise ConfigError(
                f"{memo.label} cannot be seeded with one {type(items).__name__}: give a list "
                "of items"
            )
        try:
            pair = list(items), None
        except TypeError:
            raise ConfigError(
                f"{memo.label} cannot be seeded with a {type(items).__qualname__}: give a list "
                "of items"
            ) from None
        return memo.run(asked.seed(memo, values, pair))

    @classmethod
    def _over_method(cls) -> type[Tiered]:
        return StreamOuter

    @classmethod
    def _below_method(cls) -> type[Tiered]:
        return StreamTiered


def _lookup(memo: Memo, values: tuple[Any, ...]) -> Plan:
    entry = yield from asked.lookup(memo, values)
    if entry is None:
        return None
    return dataclasses.replace(entry, value=pair_of(memo.shelf, entry.value)[0])  # type: ignore[arg-type]


class StreamTiered(_OfItems, Tiered):
    """
    A generator function whose streams are cached. See docs/guide/streams.md.
    """


class StreamOuter(_OfItems, Outer):
    """
    The same over a ``classmethod`` or ``staticmethod``.
    """
