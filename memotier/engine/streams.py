"""
Streams: what a generator function yields, kept as it is produced, and everyone who reads it.

    running ──┬── complete    the source has ended; its items are stored as one result
              ├── failed      the source raised: all readers get the items so far, then the error
              └── abandoned   nobody reads it any more, or whoever drove it was interrupted

Only *complete* stores anything, and it goes the way of every other result: the plan of a leader
(engine/plan.py) is halted where it would call the function, and goes on when the source has
ended. So versions are noted before the first item, and compared when the last one is there.

Items are links of a chain. The stream holds its beginning for those who may yet join, a reader
the link he has reached; a stream that grows too large lets go of the beginning, and then its
memory is what the slowest reader has yet to read. A link that is there can be read by anyone
without a lock. What is mutable is copied when it comes and once more for every reader, also for
the first: no reader can change what the source, or another reader, goes on with.

What must never happen:
- part of a stream is taken for all of it: nothing but the end of the source stores it;
- a reader who came after an invalidation is given what began before it: he does not join;
- what a source makes of arguments that its readers have changed is kept under what they were;
- a source runs that nobody waits for: only who has read everything has it advanced, and when
  the last reader leaves, the source is closed;
- a reader waits for himself: what is asked for inside a source does not join its stream.

How a stream is advanced lies in engine/turns.py (threads) and engine/pumps.py (tasks).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import Any, NoReturn

from ..codecs.copies import isolate
from ..errors import NotIsolated, StreamInterrupted
from ..types import Seconds
from .calls import Call, Labels
from .drive import Plan
from .effects import Invoke
from .engine import Engine
from .events import kind_and_place, logger
from .flights import Failed, Flight
from .links import NOTHING, End, Link, Pair
from .places import Shelf

#: Bytes that a link takes besides its item.
LINK = 64


class State(Enum):
    """
    See the top of this file.
    """

    RUNNING = "the source has more, or nobody knows yet"
    COMPLETE = "the source has ended"
    FAILED = "the source raised"
    ABANDONED = "nobody reads it, or whoever drove it was interrupted"


class Reader:
    """
    Somebody who reads a stream: which one, and how far he has come.
    """

    __slots__ = ("at", "given", "has_joined", "stream")

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.at = Link(None)
        #: Whether he was given an item: then he cannot begin anew.
        self.given = False
        #: Whether it is somebody else's.
        self.has_joined = False

    def join(self, stream: Stream, at: Link) -> None:
        """
        Called under the lock.
        """
        self.stream, self.at = stream, at
        stream.readers.add(id(self))

    def begin_anew(self) -> None:
        """
        His stream is abandoned. Nothing is lost if he was given nothing.

        Raises:
            StreamInterrupted: If he was.
        """
        assert self.stream is not None
        stream, self.stream = self.stream, None
        if self.given:
            raise StreamInterrupted(
                f"{stream.shelf.label}: whoever drove this stream was interrupted, and with him "
                "its source. Call the function again to begin from the start"
            )
        if stream.flight.key is None or stream.flight.renews:
            return  # a stream past the cache, or a refresh: no miss was counted
        with stream.engine.lock:  # it will be counted again
            stream.shelf.misses -= 1
            stream.shelf.joined -= self.has_joined


class Stream:
    """
    One stream in the making. Its state is under the engine's lock; user code never is.
    """

    __slots__ = (
        "__weakref__",
        "as_asked",
        "engine",
        "flight",
        "halted",
        "head",
        "plan",
        "readers",
        "shelf",
        "size",
        "source",
        "state",
        "storing",
        "tail",
    )

    def __init__(
        self, engine: Engine, shelf: Shelf, flight: Flight, plan: Plan, *, keeps: bool = True
    ) -> None:
        self.engine = engine
        self.shelf = shelf
        self.flight = flight
        self.plan = plan
        #: Whether the arguments still have the key of the stream; None: they cannot change.
        self.as_asked: Callable[[], bool] | None = None
        #: Calls the function: what the plan asked for when it was halted.
        self.halted: Invoke | None = None
        self.source: Any = None
        self.state = State.RUNNING
        #: Whether the source has ended, and only the rest of the plan is to be done.
        self.storing = False
        self.tail = Link(None)
        #: The beginning, for those who join and for the store; None: neither.
        self.head: Link | None = self.tail if keeps else None
        self.size = 0
        #: By id, so that a reader who was lost keeps nothing alive.
        self.readers: set[int] = set()

    # -- joining -----------------------------------------------------------------

    def is_over(self, call: Call, labels: Labels) -> bool:
        """
        Whether nobody can join it any more. Called under the lock.
        """
        engine, flight = self.engine, self.flight
        if self.state is not State.RUNNING or self.head is None or not flight.wanted:
            return True
        if engine.is_outdated(call, flight, labels.names):
            flight.wanted = False
            return True
        return False

    def admits(self) -> bool:
        """
        Whether whoever is here may read it: not where he would wait for himself. Under the lock.
        """
        return not self.engine.flights.would_wait_for_itself(self.flight)

    def is_lost(self) -> bool:
        """
        Whether what would advance it is gone without a word. Called under the lock.
        """
        return False

    def look_at_arguments(self) -> None:
        """
        See whether they were changed while it is read. Runs code of their classes.
        """
        if self.head is None or self.as_asked is None or self.as_asked():
            return
        with self.engine.lock:
            self.flight.wanted = False  # what is there may be right
            self.release_head()
        label = self.shelf.label
        self.engine.events.say_once(
            label,
            "changed",
            f"{label}: arguments of a stream were changed while it was read; it was neither "
            "shared any longer nor stored",
        )

    # -- plans: what is done before the first item, and after the last ---------------

    def opening(self) -> Plan:
        """
        What comes before the source: look below, note versions. Whether the source is needed.
        """
        answer = yield from halting(self.plan, None)
        if isinstance(answer, Invoke):
            self.halted = answer
            return True
        if answer.__class__ is Failed:  # its scope may not have it computed now
            self.finish(State.FAILED, End(error=answer))
            return False
        # Somebody else had stored it. Who looked reads that, the others look again.
        self.finish(State.COMPLETE, End(again=True, found=(answer,)))
        return False

    def closing(self, outcome: Failed | Link) -> Plan:
        """
        What comes after the source: store, and let all readers see the end. They see it even if
        storing is interrupted.
        """
        answer: Any = outcome
        if isinstance(outcome, Failed):
            state, end = State.FAILED, End(error=outcome)
        else:
            state, end = State.COMPLETE, End(outcome.value, outcome.thaw, outcome.own)
            self.look_at_arguments()
            answer = self._result(outcome)
        try:
            yield from halting(self.plan, answer)
        except Exception as error:
            logger.error("storing a stream failed: %s", kind_and_place(error))
        finally:
            self.plan.close()
            self.finish(state, end)

    def _result(self, returned: Link) -> Pair:
        """
        All of it, as one value of our own.
        """
        link = self.head
        if link is not None:
            try:
                items = []
                while (link := link.following) is not None:
                    items.append(link.value if link.thaw is None else link.thaw(link.value))
                value = returned.value
                return items, value if returned.thaw is None else returned.thaw(value)
            except Exception as error:
                self._say_unkept(type(error).__name__)
        self.flight.skipped = True
        return NOTHING

    # -- items -------------------------------------------------------------------

    def link(self, item: Any) -> Link:
        """
        *item* as it is kept. Runs code of the item's class, if that says how it is copied.
        """
        if self.head is None and len(self.readers) < 2:
            return Link(item)  # nobody else will ever see it
        try:
            kept = isolate(item, self.shelf.copy)
            own = () if kept.thaw is None else (kept.thaw(kept.value),)
        except NotIsolated as error:
            self._say_unkept(str(error))
            return Link(None, self._refuse, (item,))
        except Exception as error:
            self._say_unkept(f"copying one raised {type(error).__name__}")
            return Link(None, self._refuse, (item,))
        self.size += kept.size + LINK
        return Link(kept.value, kept.thaw, own)

    def put(self, link: Link) -> None:
        """
        Let everyone read it.
        """
        with self.engine.lock:
            if self.state is not State.RUNNING:
                return
            self.tail.following = link
            self.tail = link
            if self.head is not None:
                if self.size > self.engine.options.max_value_bytes:
                    self.flight.skipped = True
                    self.release_head()
                elif not self.flight.wanted:
                    self.release_head()
            self.tell()

    def finish(self, state: State, end: End) -> None:
        """
        Nothing comes after this. A second end changes nothing.
        """
        with self.engine.lock:
            tail = self.tail
            while tail.following is not None:  # an interrupt came while it was put there
                tail = tail.following
            if not isinstance(tail, End):
                self.state = state
                self.release_head()
                self.source = self.halted = None
                tail.following = end
            self.tell()

    def release_head(self) -> None:
        """
        From now on nobody joins, and nothing is stored. Called under the lock.
        """
        self.head = None
        self.engine.streams.detach(self)

    def tell(self) -> None:
        """
        Wake whoever waits for the next link. Called under the lock.
        """
        raise NotImplementedError

    def abandon(self) -> None:
        """
        There is no end: the plan lands its flight, and nothing is stored.
        """
        self.finish(State.ABANDONED, End(again=True))
        self.plan.close()

    def part(self, reader: Reader) -> bool:
        """
        *reader* leaves; whether he was the last, and the source is to be closed.
        """
        with self.engine.lock:
            self.readers.discard(id(reader))
            if self.readers or self.storing or self.state is not State.RUNNING:
                return False
            self.release_head()  # nobody joins while it is on its way to be closed
            return True

    def _say_unkept(self, why: str) -> None:
        with self.engine.lock:
            self.flight.skipped = True
            self.release_head()
        self.engine.events.say_once(
            self.shelf.label,
            "isolated",
            f"{self.shelf.label}: its streams are neither shared nor stored: {why}",
        )

    def _refuse(self, _: Any) -> NoReturn:
        raise NotIsolated(
            f"{self.shelf.label}: an item of this stream is mutable and cannot be copied, and "
            "another reader has it; yield what can be copied, share it on purpose with "
            "copy=False, or let every caller read for himself with single_flight=None"
        )


def halting(plan: Plan, answer: Any) -> Generator[Any, Any, Any]:
    """
    Give *answer* to *plan* and obey it until it asks for the function (``Invoke``) or ends.
    """
    try:
        effect = plan.send(answer)
        while not isinstance(effect, Invoke):
            try:
                answer = yield effect
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(answer)
    except StopIteration as stop:
        return stop.value
    return effect


def work(flight: Flight, seconds: Seconds) -> None:
    """
    Count the time that the source took for an item: that is what a replay saves.
    """
    flight.worked = (flight.worked or 0.0) + seconds
