"""
Values to bytes: equal values give equal bytes, different values or types different ones.

The grammar that makes this so is in wire.py; how each type is opened in plain.py,
containers.py and those that openers.py asks. Here is the walk: without recursion, so that no
argument can exhaust the stack, and within the limits of wire.py, so that none can keep us busy.

Codes are sorted where order means nothing: members of a set by their code, items of a dict by
the code of the key. Objects are never compared, hashed or printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UnkeyableArgument
from .containers import OPENERS, counted
from .numbers import FEW, packed
from .openers import opener_for
from .plain import ATOMS, LONG
from .refusals import place, unkeyable
from .wire import MAX_BYTES, MAX_DEPTH, VERSION, Budget, Raw, Refusal, leaf

_atom_of = ATOMS.get
_opener_of = OPENERS.get
_DICTS = [counted(b"m", count) for count in range(128)]


class _Frame:
    """
    A container whose plain children have their codes and whose others, the *holes*, wait.
    """

    __slots__ = ("codes", "head", "holes", "is_sorted", "places")

    def __init__(
        self,
        head: bytes,
        codes: list[bytes],
        holes: list[tuple[int, Any]],
        places: Sequence[Any] | None,
        is_sorted: bool = False,
    ) -> None:
        holes.reverse()  # the first is taken first, from the end
        self.head = head
        self.codes = codes
        self.holes = holes
        self.places = places
        self.is_sorted = is_sorted

    def close(self) -> bytes:
        if self.is_sorted:
            self.codes.sort()
        return self.head + b"".join(self.codes)


def encode(value: Any) -> bytes:
    """
    The canonical bytes of one value.

    Raises:
        UnkeyableArgument: If the value, or one inside it, has none.
    """
    return VERSION + _code(value, Budget(), None, "")


def encode_call(function: str, names: Sequence[str], values: Sequence[Any]) -> bytes:
    """
    The canonical bytes of a call: of its arguments, in the order of the parameters.

    Args:
        function: What the function is called, for the message of an error only.

        names: The names of the parameters, for the message only: which function it is, and
            so which parameters, is said before these bytes; see digest.py.

    Raises:
        UnkeyableArgument: If an argument, or a value inside one, has no stable key. The
            message names its place and type, never the value.
    """
    return joined(function, names, values, codes_of_call(function, names, values))


def codes_of_call(function: str, names: Sequence[str], values: Sequence[Any]) -> list[bytes]:
    """
    The same in pieces: what comes first, and the code of each argument.
    """
    codes = [counted(VERSION, len(values))]
    budget = None
    position = 0
    try:
        for position, value in enumerate(values):
            atom = _atom_of(type(value))
            code = atom(value) if atom is not None else None
            if code is None:
                budget = budget or Budget()
                code = _code(value, budget, function, names[position])
            codes.append(code)
    except UnkeyableArgument:
        raise
    except Exception as error:
        # The hash of a class is its metaclass's: not even its type can be looked up.
        why = Refusal("has a class that cannot be looked up")
        raise unkeyable(function, names[position], "", values[position], why) from error
    return codes


def joined(
    function: str, names: Sequence[str], values: Sequence[Any], codes: Sequence[bytes]
) -> bytes:
    """
    The canonical bytes of a call whose *codes* are known.
    """
    key = b"".join(codes)
    if len(key) > MAX_BYTES:
        why = Refusal(f"together with the others makes the key larger than {MAX_BYTES >> 20} MiB")
        raise unkeyable(function, names[-1], "", values[-1], why)
    return key


def _code(value: Any, budget: Budget, function: str | None, argument: str) -> bytes:
    """
    The code of a value of any type.
    """
    frames: list[_Frame] = []
    current = value
    try:
        opened = _open(value, budget)
        if type(opened) is bytes:
            return opened
        frames.append(opened)  # type: ignore[arg-type]
        while True:
            frame = frames[-1]
            if frame.holes:
                at, current = frame.holes[-1]
                opened = _open(current, budget)
                if type(opened) is bytes:
                    frame.codes[at] += opened
                    frame.holes.pop()
                    continue
                if len(frames) == MAX_DEPTH:
                    raise Refusal(f"is nested deeper than {MAX_DEPTH} levels, or contains itself")
                frames.append(opened)  # type: ignore[arg-type]
                continue

            code = frames.pop().close()
            if len(code) > MAX_BYTES:
                raise Refusal(f"makes the key larger than {MAX_BYTES >> 20} MiB")
            if not frames:
                return code
            at, current = frames[-1].holes.pop()
            frames[-1].codes[at] += code
    except Refusal as refusal:
        where = "".join(place(frame.places, frame.holes[-1][0]) for frame in frames if frame.holes)
        raise unkeyable(function, argument, where, current, refusal) from refusal.__cause__
    except Exception as error:
        where = "".join(place(frame.places, frame.holes[-1][0]) for frame in frames if frame.holes)
        why = Refusal(f"could not be read ({type(error).__name__})")
        raise unkeyable(function, argument, where, current, why) from error


def _open(value: Any, budget: Budget) -> bytes | _Frame:
    """
    The code of *value*, or a frame if other values are inside that must be opened first.
    """
    kind = type(value)
    if kind is dict:
        return _open_dict(value, budget)

    atom = _atom_of(kind)
    if atom is not None or kind in LONG:
        code = atom(value) if atom is not None else None
        return LONG[kind](value, budget) if code is None else code

    if kind is set or kind is frozenset:
        budget.spend_nodes(len(value))
        children: Sequence[Any] = list(value)
        head = counted(b"h" if kind is set else b"z", len(children))
        return _fill(head, children, (), budget, is_sorted=True)
    if kind is Raw:
        return _raw(value, budget)

    opener = _opener_of(kind)
    if opener is not None:
        budget.spend_nodes(len(value) if kind is not slice else 3)
    else:
        opener = opener_for(kind)
    head, children, places = opener(value)
    if (kind is list or kind is tuple) and len(children) >= FEW:
        numbers = packed(head, children)
        if numbers is not None:
            return leaf(*numbers, budget)
    return _fill(head, children, places, budget) if children else head


def _fill(
    head: bytes,
    children: Sequence[Any],
    places: Sequence[Any] | None,
    budget: Budget,
    is_sorted: bool = False,
) -> bytes | _Frame:
    codes: list[bytes] = []
    add = codes.append
    holes = None
    for child in children:
        atom = _atom_of(type(child))
        code = atom(child) if atom is not None else None
        if code is None:
            if holes is None:
                holes = [(len(codes), child)]
            else:
                holes.append((len(codes), child))
            code = b""
        add(code)

    if holes is not None:
        budget.spend_nodes(len(holes))
        return _Frame(head, codes, holes, places, is_sorted)
    if is_sorted:
        codes.sort()
    code = head + b"".join(codes)
    budget.spend_size(len(code))
    return code


def _open_dict(value: dict[Any, Any], budget: Budget) -> bytes | _Frame:
    budget.spend_nodes(2 * len(value))
    # A copy, because another thread may change the dict while it is read.
    items = value.copy().items()
    codes: list[bytes] = []
    add = codes.append
    holes = None
    for key, item in items:
        atom = _atom_of(type(key))
        code = atom(key) if atom is not None else None
        if code is not None:
            atom = _atom_of(type(item))
            if atom is not None:
                more = atom(item)
                if more is not None:
                    add(code + more)
                    continue
        if holes is None:
            holes = []
        if code is None:
            # The key's code comes first, so its item must wait for it, plain or not.
            holes.append((len(codes), key))
            code = b""
        holes.append((len(codes), item))
        add(code)

    count = len(codes)
    head = _DICTS[count] if count < 128 else counted(b"m", count)
    if holes is not None:
        return _Frame(head, codes, holes, [*items], True)
    codes.sort()
    whole = head + b"".join(codes)
    budget.spend_size(len(whole))
    return whole


def _raw(value: Raw, budget: Budget) -> bytes:
    data = memoryview(value.data).cast("B")
    budget.spend_array(data.nbytes)
    return leaf(b"#", data, data.nbytes, budget)
