"""
Advancing the stream of a generator function: readers take turns.

Who has read everything and wants more takes the *turn*, unless somebody has it, and advances the
source by one item in his own thread; the others wait for that item. The source always runs in
one context, a copy of that of whoever began the stream, so that context variables do not change
under it when another thread drives.

What must never happen:
- a turn that nobody gives back: the stream holds it weakly, it dies with the frame of its owner,
  and who waits looks now and then whether it lives;
- a thread waits for a turn that itself has, or that is held by somebody who waits for it.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import Context, copy_context
from typing import Any, NoReturn

from ..errors import StreamInterrupted
from .drive import drive
from .effects import LOOK_EVERY
from .flights import Failed, Led, leading, life_here
from .links import End, Link
from .streams import Reader, State, Stream, work


class Turn:
    """
    The right to advance a stream, in the hands of one thread.
    """

    __slots__ = ("__weakref__", "life")

    def __init__(self) -> None:
        self.life = life_here()


class SyncStream(Stream):
    """
    The stream of a generator function.
    """

    __slots__ = ("_context", "_has_news", "_turn")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turn: weakref.ref[Turn] | None = None
        self._has_news = threading.Condition(self.engine.lock)
        self._context: Context = copy_context()
        self._context.run(leading.set, Led(self.flight, leading.get()))

    def admits(self) -> bool:
        turn = None if self._turn is None else self._turn()
        return (turn is None or turn.life is not life_here()) and super().admits()

    def tell(self) -> None:
        self._has_news.notify_all()

    def pull(self, reader: Reader) -> Link:
        """
        The link after the one that *reader* has reached, which is the last so far.
        """
        at, turn, waits = reader.at, Turn(), leading.get() is not None
        try:
            if self._has_turn(at, turn, waits):
                self._advance()
            assert at.following is not None
            return at.following
        finally:
            with self.engine.lock:
                if self._turn is not None and self._turn() is turn:
                    self._turn = None
                    self._has_news.notify_all()
                    if waits:
                        self.engine.flights.leave(self.flight)

    def _has_turn(self, at: Link, turn: Turn, waits: bool) -> bool:
        """
        True: it is ours. False: there is no need, the next link has come.
        """
        engine, is_inside = self.engine, self.engine.is_inside()
        with engine.lock:
            while at.following is None:
                if self.state is not State.RUNNING:
                    at.following = End(again=True)  # not to be; but nobody would come
                elif self._turn is None:
                    self._turn = weakref.ref(turn)
                    if waits:
                        engine.flights.wait_for(self.flight)
                    return True
                elif (other := self._turn()) is None or other.life() is None:
                    self.abandon()  # whoever had it is gone in the middle of it
                elif is_inside or other.life is turn.life or not super().admits():
                    self._refuse_waiting()
                else:
                    self._wait(waits)
        return False

    def _wait(self, waits: bool) -> None:
        if waits:
            self.engine.flights.wait_for(self.flight)
        try:
            self._has_news.wait(LOOK_EVERY)
        finally:
            if waits:
                self.engine.flights.leave(self.flight)

    def _refuse_waiting(self) -> NoReturn:
        raise StreamInterrupted(
            f"{self.shelf.label}: the source of this stream asks for the stream's next item, for "
            "which it would wait for ever"
        )

    def _advance(self) -> None:
        """
        One item, or the end. The turn is ours.
        """
        try:
            if self.halted is None and not drive(self.opening()):
                return
            outcome = self._step()
            if outcome is not None:
                self.storing = True
                drive(self.closing(outcome))
        except BaseException:
            self._close()
            raise

    def _step(self) -> Failed | Link | None:
        assert self.halted is not None
        clock = self.engine.clock
        began = clock.monotonic()
        try:
            if self.source is None:
                self.source = iter(self._context.run(self.halted.call))
            item = self._context.run(next, self.source)
        except StopIteration as stop:
            return self.link(stop.value)
        except Exception as error:
            return Failed(error)
        finally:
            work(self.flight, clock.monotonic() - began)
        self.put(self.link(item))
        return None

    def leave(self, reader: Reader) -> None:
        """
        *reader* has read enough. May be called by the garbage collector.
        """
        if not self.engine.is_inside():
            self._leave(reader)
            return
        try:
            threading.Thread(target=self._leave, args=(reader,), daemon=True).start()
        except RuntimeError:
            pass  # the interpreter ends, and the source with it

    def _leave(self, reader: Reader) -> None:
        if self.part(reader):
            self._close()

    def _close(self) -> None:
        source = self.source
        self.abandon()
        close = getattr(source, "close", None)
        if close is not None:
            self._context.run(close)
