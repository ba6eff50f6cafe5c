"""
The hit path: a function generated for one decorated function, with its exact parameters.

What each step costs on CPython 3.11 (``python benchmarks/hit.py``; a quiet moment of a 2-core
machine: ratios matter, not the digits), in ns:

    the function with its parameters             18
    table by type, then by value               + 23
    try and except                             +  1
    epoch unchanged?                           + 15
    count the hit                              +  8
    the clock, and not expired?                + 45
    time of use (LRU), copy if mutable         +  7
    wrapt's proxy around it                    + 22
    = as decorated                              139     functools.lru_cache(typed=True): 77

Why it is right without a lock:
- ``shapes`` holds only entries whose key values are exact atoms, in a table per combination
  of types. ``1``, ``1.0``, ``True`` and ``"1"`` are in different tables; a value of any
  other type finds no table, so none of its methods is ever called. (Its class is hashed: if
  that has a metaclass with a ``__hash__`` of its own, this runs, and may raise what it likes;
  one that also claims to be equal to ``int`` is believed.)
  Zeros and NaN of type ``float`` are never put there (0.0 equals -0.0, NaN equals nothing):
  they go the slow way.
- the value is read *before* epoch and freshness are checked; see stores/memory.py.
- the counters are plain additions: a lost update costs a count.

A value that cannot be copied for the caller goes the slow way too, where it is thrown away
and computed anew. The slow way begins outside of the ``except`` blocks, so that an error of
the function does not carry one of ours as its context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from .keys.bind import VAR_KEYWORD, VAR_POSITIONAL, Parameters, compile_function

#: From the values of a call to its result and None, or to anything and the plan that brings it.
Begin: TypeAlias = Callable[[tuple[Any, ...]], tuple[Any, Any]]


def can_be_native(parameters: Parameters, keyed: Sequence[str]) -> bool:
    """
    Whether calls may have a key made of their values: not if a keyed parameter collects.
    """
    kinds = {p.name: p.kind for p in parameters.all}
    return not any(kinds[name] in (VAR_POSITIONAL, VAR_KEYWORD) for name in keyed)


def generate(
    parameters: Parameters,
    keyed: Sequence[str],
    *,
    name: str,
    shapes: Any,
    places: Any,
    cells: Sequence[Any],
    watches: bool,
    monotonic: Callable[[], float],
    marks_use: bool,
    copies: bool,
    begin: Begin,
    run: Callable[[Any], Any],
    is_async: bool,
    reads: Callable[[], Any] | None = None,
    checks: bool = False,
) -> Callable[..., Any]:
    """
    Compile the hit path.

    Args:
        keyed: The parameters that make the key, without the instance.

        shapes: The tables of the function's own place.

        cells: See engine/versions.py.

        watches: Whether other processes may invalidate, and say so on a board.

        places: For a method, the places of its instances by id(instance); else None.

        monotonic: The clock. Always asked: even where nothing expires by its options, the
            function may say ``current().set_ttl(...)``.

        marks_use: Whether the policy wants to know when an entry was last used.

        copies: Whether a result may have to be copied for the caller.

        begin: Gets the values of a call that was not answered; see ``Begin``.

        run: Runs the plan; for a coroutine function it is awaited.

        reads: Tells the scope of the call, the last part of the key; what it raises, it raises
            again on the slow way, which says so. None: there is none, or the arguments tell it.

        checks: Whether some hits are checked (engine/checks.py): those go the slow way.
    """
    p = parameters.prefix
    if reads is not None:
        keyed = (*keyed, f"{p}_scope")
    types = [f"{p}_type({name})" for name in keyed]
    if len(keyed) == 1:
        shape, key = types[0], keyed[0]
    else:
        shape = "(" + "".join(f"{one}, " for one in types) + ")"
        key = "(" + "".join(f"{one}, " for one in keyed) + ")"
    tables = f"{p}_shapes"
    if places is not None:
        tables = f"{p}_places[{p}_id({parameters.names[0]})].shapes"

    entry, value, now = f"{p}_e", f"{p}_v", f"{p}_now"
    # The board before the epoch: whoever looks at the board moves the epoch first.
    valid = f"{p}_cells[2][0] == {p}_cells[1] and " if watches else ""
    valid += f"{entry}.epoch == {p}_cells[0] and "
    if checks:
        valid += f"{entry}.hits < {entry}.check_at and "
    valid += f"({now} := {p}_monotonic()) < {entry}.fresh_until"
    touch = [f"{entry}.hits += 1"]
    if marks_use:
        touch.append(f"{entry}.used = {now}")
    if copies:
        touch += [
            f"if {entry}.thaw is None:",
            f"    return {value}",
            "try:",
            f"    return {entry}.thaw({value})",
            f"except {p}_none:",
            "    pass",
        ]
    else:
        touch.append(f"return {value}")

    lines = [
        f"{'async ' if is_async else ''}def {p}_call({parameters.head()}):",
        "    try:",
        *([] if reads is None else [f"        {p}_scope = {p}_reads()"]),
        f"        {entry} = {tables}[{shape}][{key}]",
        f"    except {p}_none:",
        "        pass",
        "    else:",
        f"        {value} = {entry}.value",
        f"        if {valid}:",
        *(f"            {line}" for line in touch),
        *_otherwise(parameters, is_async=is_async),
    ]
    scope = {
        **parameters.defaults(),
        f"{p}_type": type,
        f"{p}_id": id,
        # Besides KeyError: whatever the metaclass of an argument does when its class is
        # hashed, and whatever the class of a result does when it is copied.
        f"{p}_none": Exception,
        f"{p}_shapes": shapes,
        f"{p}_places": places,
        f"{p}_reads": reads,
        f"{p}_cells": cells,
        f"{p}_monotonic": monotonic,
        f"{p}_begin": begin,
        f"{p}_run": run,
    }
    return _compiled(lines, p, scope, name, "hit path")


def generate_plain(
    parameters: Parameters,
    *,
    name: str,
    begin: Begin,
    run: Callable[[Any], Any],
    is_async: bool,
) -> Callable[..., Any]:
    """
    The same without a native key: every call goes the slow way, which looks in memory first.
    """
    p = parameters.prefix
    lines = [
        f"{'async ' if is_async else ''}def {p}_call({parameters.head()}):",
        *_otherwise(parameters, is_async=is_async),
    ]
    scope = {**parameters.defaults(), f"{p}_begin": begin, f"{p}_run": run}
    return _compiled(lines, p, scope, name, "call")


def _otherwise(parameters: Parameters, *, is_async: bool) -> list[str]:
    """
    The slow way. Spelt out, not called: a recursive function must not run out of frames.
    """
    p = parameters.prefix
    return [
        f"    {p}_v, {p}_plan = {p}_begin({parameters.values()})",
        f"    if {p}_plan is None:",
        f"        return {p}_v",
        f"    return {'await ' if is_async else ''}{p}_run({p}_plan)",
    ]


def _compiled(
    lines: Sequence[str], prefix: str, scope: Mapping[str, Any], name: str, what: str
) -> Callable[..., Any]:
    source = "\n".join(lines) + "\n"
    made = compile_function(source, f"{prefix}_call", scope, f"{what} of {name}")
    # Python's error for a wrong call names the function by this.
    made.__qualname__ = name
    return made  # type: ignore[no-any-return]
