"""
Obeying a plan: in a thread, or in a task. The only sync/async twins of the engine.

A plan ends with a value or with ``Failed``; the error is raised here, outside the generator,
so that it is the very exception the function raised.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

from .effects import Effect
from .flights import Failed

Plan: TypeAlias = Generator[Effect, Any, Any]

# Through the type: an exception that is a frozen dataclass lets nobody assign to it.
_CONTEXT: Any = vars(BaseException)["__context__"]


def drive(plan: Plan) -> Any:
    """
    Run *plan* in this thread and return its result.
    """
    try:
        effect = plan.send(None)
        while True:
            try:
                answer = effect.now()
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(answer)
    except StopIteration as stop:
        result = stop.value
    except BaseException:
        # An interrupt may come between two steps: its plan must land now, not when somebody
        # lets go of the traceback.
        plan.close()
        raise
    if result.__class__ is Failed:
        return raise_as_is(result)
    return result


async def adrive(plan: Plan) -> Any:
    """
    Run *plan* in this task and return its result.
    """
    try:
        effect = plan.send(None)
        while True:
            try:
                answer = await effect.later()
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(answer)
    except StopIteration as stop:
        result = stop.value
    finally:
        # A task that is destroyed while it waits closes its plan, and so lands its flight.
        plan.close()
    if result.__class__ is Failed:
        return raise_as_is(result)
    return result


def raise_as_is(failed: Failed) -> Any:
    """
    Raise what the function raised, the very same for everyone.
    """
    error = failed.error
    context = error.__context__
    try:
        raise error
    finally:
        # Raising inside a caller's "except" would have changed it, for everyone who waits.
        _CONTEXT.__set__(error, context)
        # The error's traceback refers to this frame: do not make a circle of it.
        del error, context, failed
