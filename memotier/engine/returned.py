"""
Errors that a function returned in place of raising them (``is_error=``).

    computed ── is it an error? ── no ── keep it, as always
                                └── yes ── an old result that may be served? ── that
                                                                            └── the error

So it is as if the function had raised, except that the caller gets what it returned: nothing is
kept, in neither tier, and what was there stays.
"""

from __future__ import annotations

from typing import Any

from . import evidence, stale
from .calls import Call, Labels
from .clocks import Renewal
from .drive import Plan
from .engine import Engine
from .flights import ALONE, Flight, Landing
from .tier2 import keep


def judge(engine: Engine, call: Call, value: Any) -> bool | None:
    """
    Whether *value* is an error, by what ``is_error=`` of its function says; None if that raised:
    then the caller's result is right, as far as anybody knows, and is not kept.
    """
    shelf = call.shelf
    assert shelf.is_error is not None
    try:
        return bool(shelf.is_error(value))
    except Exception as error:
        why = f"is_error= raised {type(error).__name__}"
    with engine.lock:
        engine.evidence.happened(engine, call, evidence.REFUSED, why)
    text = f"{shelf.label}: {why}; the result was returned but not stored"
    engine.events.say_once(shelf.label, "is_error", text)
    return None


def withhold(engine: Engine, call: Call, flight: Flight, labels: Labels, value: Any) -> Plan:
    """
    Land the old result, or the error if there is none that may be served: what the flight's caller
    gets.
    """
    shelf = call.shelf
    with engine.lock:
        shelf.computed += 1
        shelf.errors_returned += 1
        engine.evidence.happened(engine, call, evidence.ERROR)
    if isinstance(flight, Renewal):
        held = yield from stale.fall_back(engine, call, flight, "returned an error")
        if held is not None:
            return stale.hand_out(held, value)
    kept = None if flight.future is None else keep(engine, call, value)
    with engine.lock:
        # As with a result: who joined before an invalidation may have what he waited for.
        current = flight.wanted and not engine.is_outdated(call, flight, labels.names)
        landing = None
        if kept is not None:
            landing = Landing(kept.value, kept.thaw, current or not flight.wanted)
        engine.flights.land(flight, ALONE if landing is None else landing)
    engine.sweep()
    return value
