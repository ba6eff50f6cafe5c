"""
Functions that have timeouts: their callers may go on while they still run.

Such a function is run apart from its caller, in a thread or a task that goes on whatever the
caller does, and everyone waits for it as for somebody else's flight. What it brings is kept.
"""

from __future__ import annotations

from typing import Any

from ..durations import show_seconds
from ..errors import ComputeTimeout
from ..types import Seconds
from .background import MOST_TIMED, Behind
from .calls import Call
from .clocks import Old, Renewal
from .drive import Plan
from .effects import Wait
from .engine import Engine
from .flights import AGAIN, LATE, Failed, Flight, Signal
from .places import Held
from .stale import valid_in

#: The answer of ``apart`` if there is nobody to run it.
INLINE = Signal("INLINE")


def apart(engine: Engine, call: Call, flight: Renewal, plan: Plan, old: Old | None) -> Plan:
    """
    Have *plan* bring *flight*, and wait for as long as the options say: the result, ``Failed``,
    ``Held`` of *old*, AGAIN, or INLINE (then *flight* is still the caller's).
    """
    with engine.lock:
        if engine.timed.closed:
            return INLINE
        if engine.timed.running >= MOST_TIMED:
            call.shelf.timeouts += 1
            why = f"{MOST_TIMED} computations that took too long are still running"
            engine.flights.land(flight, AGAIN)
            return Failed(ComputeTimeout(f"{call.shelf.label}: {why}"))
        engine.flights.wait_for(flight)
    try:
        if not (yield Behind(engine.timed, flight, plan)):
            return INLINE
        landing = yield from wait(engine, call, flight, old)
    finally:
        with engine.lock:
            engine.flights.leave(flight)
    if landing.__class__ is Failed:
        return landing
    if landing.__class__ is Held:
        return landing
    result = flight.result
    is_signal = landing.__class__ is Signal
    if result is not None and (is_signal or not _is_replaced(flight, result[0])):
        return result[0]  # whoever asked for it gets the thing itself, as without timeouts
    if is_signal:
        return AGAIN
    if landing.value.__class__ is Failed:
        return landing.value
    return Held(landing.value, landing.thaw).hand_out()


def _is_replaced(flight: Renewal, result: Any) -> bool:
    """
    Whether an old result has landed in place of *result*, which is an error, or may have.
    """
    return result.__class__ is Failed or (bool(flight.is_error) and flight.brought is not None)


def wait(engine: Engine, call: Call, flight: Flight, old: Old | None) -> Plan:
    """
    How *flight* landed; or ``Held`` of the old value, or ``Failed``, if it takes too long.
    """
    windows = call.shelf.windows
    if windows is None or not windows.is_timed:
        return (yield Wait(flight))
    hard = float("inf") if windows.hard is None else windows.hard
    waited: Seconds = 0.0
    if old is not None and windows.soft is not None:
        # Who comes later does not wait as long as the first: the function had its time.
        late = engine.clock.monotonic() - flight.began if isinstance(flight, Renewal) else 0.0
        waited = min(hard, max(0.0, windows.soft - late))
        landing = yield Wait(flight, waited)
        if landing is not LATE:
            return landing
        held = yield from instead(engine, call, flight, old)
        if held is not None:
            return held
    landing = yield Wait(flight, hard - waited)
    if landing is not LATE:
        return landing
    held = None if old is None else (yield from instead(engine, call, flight, old))
    if held is not None:
        return held
    with engine.lock:
        call.shelf.timeouts += 1
        _leave_alone(flight)
    return Failed(
        ComputeTimeout(
            f"{call.shelf.label} did not return within hard_timeout={show_seconds(hard)}; it goes "
            "on in the background, and what it returns will be kept"
        )
    )


def instead(engine: Engine, call: Call, flight: Flight, old: Old) -> Plan:
    """
    ``Held`` of the old value for a caller who does not wait any longer, if it may be served.
    """
    while True:
        epoch = yield from valid_in(engine, call, flight, old)
        if epoch is None:
            return None
        with engine.lock:
            engine.look()
            if engine.versions.epoch != epoch:
                continue  # something happened since
            if engine.clock.monotonic() >= old.clocks.served_until:
                return None
            call.shelf.stale_on_timeout += 1
            call.answered_by = "stale"
            _leave_alone(flight)
        if call.traced is not None:
            call.traced.old(old)
        return Held(old.value, old.thaw)


def _leave_alone(flight: Flight) -> Any:
    if isinstance(flight, Renewal):
        # From now on its arguments may change, and its error is heard by nobody.
        flight.behind = True
