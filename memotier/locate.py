"""
From the values of a call to the table it belongs in and its key there.

A call whose values are all exact atoms has a native key: the values themselves, in a table
per combination of types. Every other call is known by its canonical bytes. A method of an
instance that is known only by itself has a place of its own, gone with the instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .engine.calls import Call
from .engine.engine import Engine
from .engine.instances import adopt
from .engine.places import Place, Shelf
from .errors import UnkeyableArgument
from .hitpath import can_be_native
from .keys.bind import Parameters, Spread
from .keys.canonical import codes_of_call, encode_call, joined
from .owners import is_declared_value

#: Length beyond which memory keeps a digest of a str or bytes argument instead of itself.
LONGEST_ATOM = 4096

Locate: TypeAlias = Callable[[Engine, Shelf, tuple[Any, ...]], Call]


class Locator:
    """
    Which of the values of a call make its key, and where that key lies.

    Args:
        key: The user's callable that is given the arguments and returns what counts.

        ignore: Names of parameters that do not count.

        is_method: Whether the first parameter is the instance (or the class) it is bound to.
    """

    #: Tells the scope of a call, where that is none of its arguments; see scoped.py.
    reads: Callable[[], Any] | None = None

    def __init__(
        self,
        label: str,
        parameters: Parameters,
        spread: Spread,
        *,
        key: Callable[..., Any] | None,
        ignore: Sequence[str],
        is_method: bool,
    ) -> None:
        names = parameters.names
        self._label = label
        self._spread = spread
        self._key = key
        self.is_method = is_method and bool(names)
        self._owner_name = names[0] if self.is_method else ""
        #: Whether the instance is part of the key.
        self.owner_counts = self.is_method and self._owner_name not in ignore
        first = 1 if is_method else 0
        self.keyed = tuple(name for name in names[first:] if name not in ignore)
        self._counted_names = self.keyed
        self._names = names
        self._at = tuple(names.index(name) for name in self.keyed)
        self._takes_all = self._at == tuple(range(len(names)))
        self.native = key is None and can_be_native(parameters, self.keyed)

    def locate(self, engine: Engine, shelf: Shelf, values: tuple[Any, ...]) -> Call:
        """
        The look-up for a call with these values.

        Raises:
            UnkeyableArgument: If an argument has no stable key.
        """
        place, names = shelf.place, self._counted_names
        if self._key is not None:
            return exact(place, self._label, ("key",), (self.asked(values),))

        keyed = values if self._takes_all else tuple([values[at] for at in self._at])
        if self.owner_counts:
            owner = values[0]
            own = shelf.places.get(id(owner)) or self._place_of(engine, shelf, owner)
            if own is None:
                return exact(place, self._label, (self._owner_name, *names), (owner, *keyed))
            place = own
        named, counted = names, keyed
        if place.owner is not None and place.has_name:
            named, counted = (self._owner_name, *names), (values[0], *keyed)
        if not (self.native and are_atoms(keyed)):
            call = exact(place, self._label, named, counted)
            if named is not names:  # the place says it already
                codes = call.parts[2]  # type: ignore[index]
                call.parts = names, keyed, [codes[0], *codes[2:]]  # type: ignore[index]
            return call

        shape: Any = tuple(map(type, keyed))
        key: Any = keyed
        if len(keyed) == 1:
            (shape,), (key,) = shape, keyed
        table = place.shapes.get(shape)
        if table is None:
            table = place.shapes.setdefault(shape, {})
        call = Call(place, table, key, lambda: encode_call(self._label, named, counted))
        call.parts = names, keyed, None
        return call

    def for_batch(self) -> Locate:
        """
        ``locate`` for several calls of one caller.
        """
        return self.locate

    def guarded(self, call: Call, function: Callable[..., Any]) -> Callable[..., Any]:
        """
        What computes *call*; see scoped.py.
        """
        return function

    def scope_of(self, values: tuple[Any, ...]) -> Any:
        """
        For whom a call with these values is, made here and now; see scoped.py.
        """
        return None

    def counted(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """
        By name, the arguments without which the call could not be made again with this key.
        """
        if self._key is not None:
            return dict(zip(self._names, values, strict=True))
        # (A scope of the moment is one more position, behind those of the parameters.)
        counted = {name: values[at] for name, at in zip(self.keyed, self._at, strict=False)}
        if self.owner_counts:
            counted[self._owner_name] = values[0]
        return counted

    def asked(self, values: tuple[Any, ...]) -> Any:
        """
        What the user's ``key=`` says of a call.
        """
        assert self._key is not None
        args, kwargs = self._spread(values)
        try:
            return self._key(*args, **kwargs)
        except Exception as error:
            raise UnkeyableArgument(
                f"{self._label}() cannot be cached: its key= raised {type(error).__qualname__}"
            ) from error

    def _place_of(self, engine: Engine, shelf: Shelf, owner: Any) -> Place | None:
        """
        The place of an instance that is known only by itself; None if its content is its key.
        """
        try:
            encode_call(self._label, (self._owner_name,), (owner,))
        except UnkeyableArgument:
            if is_declared_value(type(owner)):
                raise
        else:
            # A class never changes its name, so it need not be looked at in every call.
            return adopt(engine, shelf, owner, has_name=True) if isinstance(owner, type) else None
        try:
            return adopt(engine, shelf, owner)
        except TypeError:
            name = self._owner_name
            raise UnkeyableArgument(
                f"{self._label}() cannot be cached: {name!r} is a {type(owner).__qualname__}, "
                "which has neither a stable key nor weak references. Give the class a "
                "__cache_key__(), add '__weakref__' to its __slots__, or share on purpose with "
                f"ignore=({name!r},)"
            ) from None


def are_atoms(values: tuple[Any, ...]) -> bool:
    """
    Whether the values themselves may be a key: exact atoms, no zero or NaN, nothing long.
    """
    for value in values:
        kind = type(value)
        if kind is float:
            if value == 0.0 or value != value:
                return False
        elif kind is str or kind is bytes:
            if len(value) > LONGEST_ATOM:
                return False
        elif kind is int:
            if value.bit_length() > 8 * LONGEST_ATOM:
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def exact(place: Place, label: str, names: tuple[str, ...], keyed: tuple[Any, ...]) -> Call:
    """
    The look-up by canonical bytes, of which memory keeps a digest if they are many.

    Raises:
        UnkeyableArgument: If one of *keyed* has no stable key.
    """
    codes = codes_of_call(label, names, keyed)
    canonical = joined(label, names, keyed, codes)
    key = canonical
    if len(canonical) > LONGEST_ATOM:
        from hashlib import blake2b

        key = blake2b(canonical, digest_size=32, person=b"memotier-l1").digest()
    call = Call(place, place.exact, key, lambda: canonical, canonical)
    call.parts = names, keyed, codes
    if place.shelf.digester is not None and call.hides:
        place.shelf.digester.prepare()
    return call
