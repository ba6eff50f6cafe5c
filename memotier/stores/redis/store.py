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

import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from ...clock import SYSTEM, Clock
from ...errors import StoreUnavailable
from ...types import Address, Item, Lying, Name, Reading, Seconds, Token
from .. import forks
from ..offload import Offload
from .about import about
from .births import Births
from .board import LocalBoard
from .layout import BIRTH, Keys
from .leases import Leases
from .notices import RedisNotices
from .operations import Operations
from .requests import Steps
from .server import TIMEOUT, Server
from .watch import SENDER, Watch

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

        max_l1_age: Seconds for which memory is believed when no message can arrive.

        reads_only: Nothing is ever written: a server that has no epoch has none of our records.

        on_event: Hears ``store_replaced``, ``foreign_rows``, ``record_too_large`` and, from the
            thread that listens, ``store_reachable``; no lock is held.
    """

    kind = "redis"
    #: Other processes may invalidate, and are heard of on ``board``.
    watches = True
    #: How much of an epoch stays the same until tokens are lost.
    birth_bytes = BIRTH

    def __init__(
        self,
        target: Any,
        *,
        name: str,
        clock: Clock = SYSTEM,
        max_record_bytes: int = MAX_RECORD,
        max_l1_age: Seconds = 30.0,
        timeout: Seconds = TIMEOUT,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
        reads_only: bool = False,
    ) -> None:
        self._server = Server(target, timeout)
        self._keys = Keys(name, self._server.database)
        #: What the processes that use it tell of themselves.
        self.notices = RedisNotices(self._server, self._keys, clock)
        #: What the server says of itself.
        self.about = partial(about, self._server)
        #: Who we are, in the messages that others hear.
        self._sender = secrets.token_bytes(SENDER)
        #: For what must not be done in an event loop.
        self._offload = Offload()
        self._closed = False
        self._watching = False
        #: Where the engine sees what other processes invalidated.
        self.board = LocalBoard()
        #: Who computes what, of all processes that share the server.
        self.claims = Leases(self._server, self._keys)
        self._births = Births(
            self._server, self._keys, self.board, self._sender, on_event, reads_only=reads_only
        )
        self.watch = Watch(
            self.board,
            channel=self._keys.channel,
            sender=self._sender,
            # Not through this object, which the thread must not keep alive.
            subscription=self._server.subscription,
            last_number=_Weakly(self._births.last_number),
            renew=_Weakly(self._births.renew),
            tracked=self._keys.tokens,
            max_age=max_l1_age,
            place=self._server.place,
            also={self._keys.free: self.claims.bells.ring},
        )
        self._ask = Operations(
            self._keys,
            self._sender,
            place=self._server.place,
            clock=clock,
            most=max_record_bytes,
            leases=self.claims,
            births=self._births,
            numbers=self.watch.numbers,
            reads_only=reads_only,
            on_event=on_event,
        )
        forks.register(self)
        # Of a store that nobody closed; redis-py closes its own connections.
        weakref.finalize(self, self.watch.stop, waits=False)
        weakref.finalize(self, self._server.leave).atexit = False
        weakref.finalize(self, self.claims.abandon).atexit = False

    def __repr__(self) -> str:
        return f"<RedisStore {self._server.place}>"

    # -- in threads ------------------------------------------------------------------

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        reading = self._done(self._ask.get(addresses))
        assert reading is not None
        return reading

    def recall(self, name: Name) -> list[str]:
        """What was noted of *name* with its records (``Item.made_by``), the last first."""
        return self._done(self._ask.recall(name))

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

    def lying(self, group: str | None = None) -> Iterator[Lying]:
        """All unexpired records, of one namespace and those below it or of all, in no order."""
        pages = self._done(self._ask.pages())
        while (found := self._done(self._ask.lying(pages, group))) is not None:
            yield from found

    def usage(self) -> Mapping[str, Any]:
        """
        ``size`` (records that were stored and have not ended; the server may have evicted some),
        ``bytes`` (the room that they take, from a sample). The server makes room, so ``evictions``
        and ``expirations`` are none of ours; ``server`` has its own figures, of all who use it:
        ``maxmemory``, ``maxmemory_policy``, ``used_memory``, ``evicted_keys``, ``expired_keys``. It
        is empty if the user has not the right to ask (``INFO``).
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

    async def ausage(self) -> Mapping[str, Any]:
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
            self.claims.close()
            self.watch.stop()
            self._server.close()
            self._offload.close()

    def before_fork(self) -> None:
        """Nothing to take: the child begins anew."""

    def after_fork(self, in_child: bool) -> None:
        """A child has no thread, no connection, and does not know what it misses."""
        if in_child:
            self._watching = False
            self._sender = secrets.token_bytes(SENDER)
            self._ask.forget(self._sender)
            self._server.forget()
            self._births.forget(self._sender)
            self.claims.forget()
            self.board.forget_lock()
            self.board.mark_all()
            self.watch.forget(self._sender)

    def _begin(self) -> None:
        """Before anything is read: hear of what is invalidated from now on."""
        self._check_open()
        if self._watching:
            return
        self._server.prepare()
        self.watch.start(self._server.timeout)
        self._watching = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the Redis store is closed")


class _Weakly:
    """
    A method of something that goes with its store.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = weakref.WeakMethod(method)

    def __call__(self, *arguments: Any) -> Any:
        method = self._method()
        if method is None:
            raise StoreUnavailable("the Redis store is gone")
        return method(*arguments)
