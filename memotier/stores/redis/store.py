"""
The second tier of several machines: the ``Store`` protocol on a Redis or Valkey server.

Guards are compared in the script that stores, and an invalidation is made and told in one script.
How much room there is, and who leaves when it is full, is for the server to say (``maxmemory``):
what it evicts is a miss, and if it evicts the tokens, or loses them in a restart, everything older
is.

What is asked is said once, as steps (``operations.py``); here are the methods for threads, and
their twins for tasks, in the same order.

Nothing happens before the first call. That subscribes first (``watch.py``), then reads, so that
what is read and kept in memory cannot be invalidated unheard.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ...clock import SYSTEM, Clock
from ...errors import StoreUnavailable
from ...types import Address, Item, Name, Reading, Seconds, Token
from .. import forks
from ..offload import Offload
from .board import LocalBoard
from .layout import Keys
from .operations import Operations
from .requests import Steps
from .server import TIMEOUT, Server
from .watch import Watch

#: Seconds for which memory is believed when no message can arrive.
MAX_L1_AGE: Final[Seconds] = 30.0
MAX_RECORD: Final = 8 * 2**20  # bytes
#: Bytes of records that a task reads or sends; more than that would keep its event loop.
SMALL: Final = 16 * 1024

T = TypeVar("T")


class RedisStore:
    """
    The ``Store`` protocol on a server; see types.py for what each method promises.

    Args:
        target: A ``RedisUrl``, or a client of redis-py or valkey-py.

        name: The name of the cache: those of one name in one database share their records.

        max_record_bytes: A larger record is not stored (``set`` says False), and not read.

        max_l1_age: Seconds for which memory is believed while no message can arrive.

        on_event: Hears ``store_replaced``, ``record_too_large`` and, from the thread that listens,
            ``store_reachable``; no lock is held.
    """

    kind = "redis"
    #: Other processes may invalidate, and are heard of on ``board``.
    watches = True

    def __init__(
        self,
        target: Any,
        *,
        name: str,
        clock: Clock = SYSTEM,
        max_record_bytes: int = MAX_RECORD,
        max_l1_age: Seconds = MAX_L1_AGE,
        timeout: Seconds = TIMEOUT,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._server = Server(target, timeout)
        self._keys = Keys(name, self._server.database)
        self._on_event = on_event
        self._ask = Operations(
            self._keys,
            place=self._server.place,
            clock=clock,
            most=max_record_bytes,
            # Not this object's own methods: it is to go when nobody has it any more.
            on_loss=_Weakly(self._lost),
            on_event=_Weakly(self._tell),
        )
        #: For what must not be done in an event loop.
        self._offload = Offload()
        self._closed = False
        self._watching = False
        #: Where the engine sees what other processes invalidated.
        self.board = LocalBoard()
        self.watch = Watch(
            self.board,
            channel=self._keys.channel,
            sender=self._ask.sender,
            # Not through this object, which the thread must not keep alive.
            subscription=self._server.subscription,
            last_number=_Number(weakref.ref(self)),
            max_age=max_l1_age,
            place=self._server.place,
        )
        forks.register(self)
        # Of a store that nobody closed; redis-py closes its own connections.
        weakref.finalize(self, self.watch.stop, waits=False)
        weakref.finalize(self, self._server.leave).atexit = False

    def __repr__(self) -> str:
        return f"<RedisStore {self._server.place}>"

    # -- in threads ------------------------------------------------------------------

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        reading = self._done(self._ask.get(addresses))
        assert reading is not None
        return reading

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Store each item whose guard still holds, comparing and storing in one atomic step.

        Returns:
            For each item whether it was stored; False also for a record that is too large.
        """
        return self._done(self._ask.set(items))

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Remove records and give their slots fresh tokens, in one step.

        Returns:
            For each address whether an unexpired record was there.
        """
        return self._done(self._ask.delete(addresses))

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Note of records that they are not fresh from now on and give their slots fresh tokens,
        in one step. A record that was expired before keeps its first moment.

        Returns:
            For each address whether an unexpired record was there.
        """
        return self._done(self._ask.expire(addresses))

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record; no token changes."""
        self._done(self._ask.discard(address))

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""
        return self._done(self._ask.versions(names))

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """Give each name and the epoch a fresh token, in one step."""
        self._done(self._ask.bump(names, soft))

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many were unexpired."""
        return self._done(self._ask.clear(group))

    def clear(self) -> int:
        """Remove every record, keep the versions; how many unexpired records there were."""
        return self._done(self._ask.clear())

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""
        return self._done(self._ask.count(group))

    def usage(self) -> Mapping[str, int]:
        """
        ``size`` (records that were stored and have not ended; the server may have evicted some),
        ``bytes`` (the room that they take, from a sample). The server makes room, so ``evictions``
        and ``expirations`` are none of ours.
        """
        return self._done(self._ask.usage())

    def _done(self, steps: Steps[T]) -> T:
        self._begin()
        return self._server.drive(steps)

    # -- in tasks --------------------------------------------------------------------

    @property
    def has_twins(self) -> bool:
        """Whether tasks can call the twins below; not with a client that the user made."""
        return self._server.has_loops

    async def aget(self, addresses: Sequence[Address]) -> Reading:
        """``get``; large records are read by a thread."""
        reading = await self._adone(self._ask.get(addresses, SMALL))
        return await self._offload.run(self.get, addresses) if reading is None else reading

    async def aset(self, items: Sequence[Item]) -> list[bool]:
        """``set``; large records are sent by a thread."""
        if sum(len(item.record) for item in items) > SMALL:
            return await self._offload.run(self.set, items)
        return await self._adone(self._ask.set(items))

    async def adelete(self, addresses: Sequence[Address]) -> list[bool]:
        """``delete``"""
        return await self._adone(self._ask.delete(addresses))

    async def aexpire(self, addresses: Sequence[Address]) -> list[bool]:
        """``expire``"""
        return await self._adone(self._ask.expire(addresses))

    async def adiscard(self, address: Address) -> None:
        """``discard``"""
        await self._adone(self._ask.discard(address))

    async def aversions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """``versions``"""
        return await self._adone(self._ask.versions(names))

    async def abump(self, names: Sequence[Name], soft: bool = False) -> None:
        """``bump``"""
        await self._adone(self._ask.bump(names, soft))

    async def aclear_group(self, group: str) -> int:
        """``clear_group``"""
        return await self._adone(self._ask.clear(group))

    async def aclear(self) -> int:
        """``clear``"""
        return await self._adone(self._ask.clear())

    async def acount(self, group: str | None = None) -> int:
        """``count``"""
        return await self._adone(self._ask.count(group))

    async def ausage(self) -> Mapping[str, int]:
        """``usage``"""
        return await self._adone(self._ask.usage())

    async def _adone(self, steps: Steps[T]) -> T:
        self._check_open()
        if not self._watching:
            await Offload().run(self._begin)  # whose thread is not needed again
        return await self._server.adrive(steps)

    # -- beginning and ending --------------------------------------------------------

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""
        if not self._closed:
            self._closed = True
            self.watch.stop()
            self._server.close()
            self._offload.close()

    def before_fork(self) -> None:
        """Nothing to take: the child begins anew."""

    def after_fork(self, in_child: bool) -> None:
        """A child has no thread, no connection, and does not know what it misses."""
        if in_child:
            self._watching = False
            self._ask.forget()
            self._server.forget()
            self.board.forget_lock()
            self.board.mark_all()
            self.watch.forget(self._ask.sender)

    def _begin(self) -> None:
        """
        Before anything is read: hear of what is invalidated from now on.
        """
        self._check_open()
        if self._watching:
            return
        self._server.prepare()
        self.watch.start(self._server.timeout)
        self._watching = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the Redis store is closed")

    def last_number(self) -> int:
        """
        The number of the last message; for the thread that listens.
        """
        number = self._server.drive(self._ask.last_number())
        self._tell("store_reachable")
        return number

    def _lost(self) -> None:
        """
        The tokens are others than before: the server was emptied, or is another.
        """
        self.board.mark_all()
        self._tell("store_replaced", place=self._server.place)

    def _tell(self, event: str, **details: Any) -> None:
        if self._on_event is not None:
            self._on_event(event, details)


class _Number:
    """
    ``last_number`` of a store that may be gone.
    """

    def __init__(self, store: weakref.ref[RedisStore]) -> None:
        self._store = store

    def __call__(self) -> int:
        store = self._store()
        if store is None:
            raise StoreUnavailable("the Redis store is gone")
        return store.last_number()


class _Weakly:
    """
    A method of an object that may be gone; then nothing happens.
    """

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = weakref.WeakMethod(method)

    def __call__(self, *arguments: Any, **details: Any) -> None:
        method = self._method()
        if method is not None:
            method(*arguments, **details)
