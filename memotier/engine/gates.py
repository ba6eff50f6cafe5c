"""
What ``authorize=`` stands in front of: a result that the caller's own call has not computed.

    memory, second tier, another's flight, a stale one
        └── no gate ── handed out
        └── gate: yes ── handed out
                  no ── the function itself is called past the cache, and says what he gets
                  raised ── that is raised

So the cache never grants what the function would not, and never refuses what it would grant.

What must never happen:
- a result is handed out before the gate was asked, whatever way the plan came by it; nor an error
  that the function raised for somebody else;
- the gate, which is code of the user's, is asked under the lock, or while its caller leads a
  flight that somebody has to wait for, or has a claim: it may use caches itself. (A refresh that
  is due has its flight by then and begins afterwards; meanwhile all are given the old result.)
- who is turned away leaves anything behind: nothing is stored or refreshed for him.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ..entry import Resident
from . import quotas
from .calls import Call
from .clocks import Old, Renewal
from .drive import Plan
from .effects import Invoke
from .engine import Engine
from .flights import Failed, Flight, Landing, Signal
from .places import Stamp
from .tier2 import Found

if TYPE_CHECKING:
    from .ledger import Account

#: What a result was taken from; of a flight: that of somebody else.
Source: TypeAlias = Resident | Found | Old | Flight

#: The value of a call whose result is there, and not for this caller.
DENIED: Final = Signal("DENIED")


class Gate(Protocol):
    """
    What is asked before a result of somebody else is handed out.
    """

    def allows(self, engine: Engine, call: Call, value: Any, source: Source) -> Plan:
        """True, False, or ``Failed`` with what it raised. *value* is what the caller would get."""


class Consult:
    """
    Effect: call the user's *function*, which may be a coroutine function where the plan is driven
    in a task. The answer is what it returned, or ``Failed``.
    """

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def now(self) -> Any:
        try:
            return self._function(*self._arguments)
        except Exception as error:
            return Failed(error)

    async def later(self) -> Any:
        try:
            answer = self._function(*self._arguments)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            return Failed(error)


def is_allowed(engine: Engine, call: Call, value: Any, source: Source) -> Plan:
    """
    True, False, or ``Failed``; who is turned away is counted.
    """
    if call.gate is None:
        return True
    allowed = yield from call.gate.allows(engine, call, value, source)
    if allowed is False:
        turn_away(engine, call, source)
    return allowed


def pass_on(engine: Engine, call: Call, value: Any, source: Source) -> Plan:
    """
    What the caller gets where *value* was found for him.
    """
    allowed = yield from is_allowed(engine, call, value, source)
    return value if allowed is True else (yield from instead(engine, call, allowed))


def is_error_of_another(call: Call, flight: Flight, landing: Landing) -> bool:
    """
    Whether what *flight*, somebody else's, has landed is an error, raised or returned, that says
    nothing of what *call* would bring: there is a gate, and nothing that it could be asked about.
    """
    if call.gate is None:
        return False
    return landing.value.__class__ is Failed or (bool(flight.is_error) and flight.brought is None)


def may_have(engine: Engine, call: Call, flight: Flight, answer: Any) -> Plan:
    """
    As ``is_allowed``, of what the caller's own *flight* has brought: if it was computed for him he
    may. The flight has landed.
    """
    source = flight.brought
    if answer.__class__ is Failed or not isinstance(source, (Found, Old)):
        return True
    return (yield from is_allowed(engine, call, answer, source))


def instead(
    engine: Engine, call: Call, allowed: bool | Failed, flight: Flight | None = None
) -> Plan:
    """
    What he gets who was not allowed to have what was found; by *flight*, if it was his.
    """
    if allowed.__class__ is Failed:
        return allowed
    if isinstance(flight, Renewal) and flight.result is not None:
        (own,) = flight.result
        if own.__class__ is Failed or (flight.is_error and flight.unmodified is None):
            return own  # the function was asked already, and this is its error
    return (yield from bypass(engine, call))


def bypass(engine: Engine, call: Call) -> Plan:
    """
    Call the function as if there were no cache; a quota on computations holds all the same.
    """
    assert call.function is not None
    if call.shelf.ledger is not None and not engine.is_inside():
        refused = quotas.begin(engine, [call])
        if refused is not None:
            return refused
    call.shelf.bypassed += 1
    return (yield Invoke(Flight(call.flight_key, 0), call.function, call.args, call.kwargs))


def turn_away(engine: Engine, call: Call, source: Source) -> None:
    """
    What was counted as a hit is none: it saved nothing.
    """
    shelf = call.shelf
    with engine.lock:
        shelf.denied += 1
        account = None if shelf.ledger is None else shelf.ledger.account(call)
        if isinstance(source, Resident):
            _uncount(source, account)
        elif isinstance(source, Found):
            if source.stamp.debt is None:  # (what is owed was not counted)
                took = min(source.took, source.cost)
                shelf.l2_hits -= 1
                shelf.saved -= source.cost - took
                shelf.found_seconds -= took
                if shelf.price_of is not None:
                    shelf.price_saved -= source.stamp.price or 0.0
                if account is not None:
                    account.l2_hits -= 1
                    account.saved -= source.cost - took
        elif isinstance(source, Flight):
            shelf.joined -= 1
            shelf.price_saved -= source.price or 0.0
            if account is not None:
                account.joined -= 1
    call.answered_by = ""
    if call.traced is not None:
        call.traced.denied()


def _uncount(resident: Resident, account: Account | None) -> None:
    if resident.table is not None:
        resident.hits -= 1
        return
    shelf = resident.place.shelf  # it has left meanwhile, and its hits were added up
    shelf.hits_gone -= 1
    shelf.saved -= resident.cost
    if shelf.price_of is not None and isinstance(resident.stamp, Stamp):
        shelf.price_saved -= resident.stamp.price or 0.0
    if account is not None:
        account.hits_gone -= 1
        account.saved -= resident.cost
