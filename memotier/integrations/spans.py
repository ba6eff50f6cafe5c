"""
A span around every call that memory could not answer.

It begins when the function is about to run, with the time at which the call came, and is the
current span while the function runs: so spans of the function are its children, in a thread, in a
task, and apart from the caller. A call that another one or the second tier answers has its span
when that is known. A call that memory answers after all (it had to be looked at again, or was
stale and is refreshed in the background) has none. A call with many ids has one for all of them.

The attributes tell whose call it was and what became of it, never an argument, a key, a result or
the text of an error. Whatever goes wrong here is logged, and the call goes on without.
"""

from __future__ import annotations

import time
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Span, StatusCode, Tracer

from ..engine.around import Batch
from ..engine.background import Behind
from ..engine.calls import Call
from ..engine.drive import Plan
from ..engine.effects import Effect, Invoke
from ..engine.engine import Engine
from ..engine.events import kind_and_place, logger
from ..engine.flights import Failed

#: What an outcome is called, by who answered the call; and which tier that was.
_OUTCOMES: Final = {
    "l2": ("found", "l2"),
    "joined": ("joined", "call"),
    "computed": ("computed", "call"),
    "stale": ("stale", "l1"),
}


class Spans:
    """
    Is around all plans; see engine/around.py.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __call__(self, engine: Engine, call: Call | Batch, plan: Plan) -> Plan:
        miss = _Miss(self._tracer, engine, call)
        try:
            effect = plan.send(None)
            while True:
                runs = _runs(engine, effect)
                before = miss.enter() if runs else None
                try:
                    answer = yield effect
                except BaseException as error:
                    miss.leave(before)
                    effect = plan.throw(error)
                else:
                    miss.leave(before)
                    effect = plan.send(answer)
        except StopIteration as stop:
            miss.end(stop.value)
            return stop.value
        except BaseException as error:
            miss.interrupted(error)
            raise


def _runs(engine: Engine, effect: Effect) -> bool:
    """
    Whether the function runs while *effect* is obeyed, or begins to, and its caller waits.
    """
    if isinstance(effect, Behind):
        return effect.is_of(engine.timed)
    return isinstance(effect, Invoke)


class _Miss:
    """
    The span of one call, from when it is known to need one.
    """

    __slots__ = ("_began", "_call", "_engine", "_inside", "_span", "_tracer")

    def __init__(self, tracer: Tracer, engine: Engine, call: Call | Batch) -> None:
        self._tracer, self._engine, self._call = tracer, engine, call
        self._began = time.time_ns()
        self._span: Span | None = None
        self._inside: Any = None

    def enter(self) -> Any:
        """
        Make the span the current one; the context to go back to.
        """
        try:
            before = context.get_current()
            self._inside = trace.set_span_in_context(self._begun(), before)
            context.attach(self._inside)
            return before
        except Exception as error:
            _say(error)
            return None

    def leave(self, before: Any) -> None:
        # By value, and only where it is the current one: a coroutine may be closed from another
        # context than it ran in.
        if before is not None and context.get_current() is self._inside:
            context.attach(before)

    def end(self, result: Any) -> None:
        by = self._call.answered_by
        if result.__class__ is Failed:
            self._end("failed", "call", type(result.error))
        elif self._span is not None or by:
            self._end(*_OUTCOMES.get(by, ("bypassed", "call")))

    def interrupted(self, error: BaseException) -> None:
        if self._span is not None:
            self._end("interrupted", "call", type(error))

    def _begun(self) -> Span:
        if self._span is None:
            shelf = self._call.shelf
            self._span = self._tracer.start_span(
                f"memotier {shelf.label}",
                start_time=self._began,
                attributes={
                    "memotier.cache": self._engine.options.name,
                    "memotier.namespace": shelf.namespace,
                    "memotier.function": shelf.identity,
                },
            )
            if isinstance(self._call, Batch):
                self._span.set_attribute("memotier.items", self._call.items)
        return self._span

    def _end(self, outcome: str, tier: str, error: type[BaseException] | None = None) -> None:
        try:
            span = self._begun()
            span.set_attributes({"memotier.outcome": outcome, "memotier.tier": tier})
            if error is not None:
                span.set_attribute("error.type", error.__qualname__)
                span.set_status(StatusCode.ERROR)
            span.end()
        except Exception as failure:
            _say(failure)


def _say(error: Exception) -> None:
    logger.error("a span failed: %s", kind_and_place(error))
