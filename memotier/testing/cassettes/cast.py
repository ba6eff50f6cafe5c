"""
Who a call is for (its scope), and on which instance it is made, as a tape tells them apart.

What a scope is would show who somebody is, and a digest of it could be guessed: user names are
few. An instance that is known only by itself has nothing that outlasts the process. So both are
numbers: the first is 1. In a replay nobody knows who was number 1, so an actor is the one who has
made such a call on the tape, and whom nobody was taken for yet. Of several instances, as of one
client for each request, it is the first.

What must never happen: a scope is given the results of another, because somebody guessed. If two
have made the call by which one of them is to be known, that is an error, at the end of the
recording already: the test gives them names.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ConfigError, ScopeMissing
from ...scopes import canonical
from .episodes import Cast, Episode
from .questions import Actor


class Casting:
    """
    Args:
        names: By scope, what it is called on the tape.
    """

    def __init__(self, names: Mapping[Any, str] | None = None) -> None:
        self._names = {canonical("cassette", one): name for one, name in (names or {}).items()}
        #: By kind and token, the number; of instances also who it is, for as long as it lives.
        self._taken: dict[tuple[str, Any], int] = {}
        self._living: dict[int, Any] = {}
        #: By call (function, key) and kind, the numbers that made it on the tape.
        self._made: dict[tuple[Any, ...], set[int]] = {}
        self._most: dict[str, int] = {}
        #: The same for what is being written; and the call with which each scope begins there.
        self._written: dict[tuple[Any, ...], set[int]] = {}
        self._begins: dict[int, tuple[Any, ...]] = {}

    def learn(self, episodes: Iterable[Episode]) -> None:
        """
        Who is on the tape.
        """
        for one in episodes:
            for kind, number in one.cast.items():
                if type(number) is int:
                    call = one.function, one.written["key"], kind
                    self._made.setdefault(call, set()).add(number)
                    self._most[kind] = max(self._most.get(kind, 0), number)
            self.wrote(one.function, one.written["key"], one.cast)

    def wrote(self, function: str, key: str, cast: Cast) -> None:
        """
        A line was written.
        """
        number, call = cast.get("scope"), (function, key, "scope")
        if type(number) is int:
            self._written.setdefault(call, set()).add(number)
            self._begins.setdefault(number, call)

    def check(self) -> None:
        """
        Whether a replay of what was written will know who is who.

        Raises:
            ConfigError: If not.
        """
        known: set[int] = set()
        for number, call in self._begins.items():
            if self._written[call] - known != {number}:
                raise _who(call[0])
            known.add(number)

    def of(self, actors: Iterable[Actor], function: str, key: str) -> Cast:
        """
        What *actors* of this call are on the tape.
        """
        return {one.kind: self._one(one, (function, key, one.kind)) for one in actors}

    def _one(self, actor: Actor, call: tuple[Any, ...]) -> int | str:
        if actor.kind == "scope" and actor.token in self._names:
            return self._names[actor.token]
        place = actor.kind, actor.token
        if actor.owner is not None and self._owner(actor.token) is not actor.owner:
            self._taken.pop(place, None)  # another one lived at that address
            self._living[actor.token] = _reference(actor.owner)
        number = self._taken.get(place)
        if number is None:
            number = self._taken[place] = self._choose(actor.kind, call)
        return number

    def _owner(self, token: int) -> Any:
        reference = self._living.get(token)
        return None if reference is None else reference()

    def _choose(self, kind: str, call: tuple[Any, ...]) -> int:
        free = self._made.get(call, set()) - {
            number for (one, _), number in self._taken.items() if one == kind
        }
        if kind == "scope" and len(free) > 1:
            raise _who(call[0])
        if free:
            return min(free)
        self._most[kind] = self._most.get(kind, 0) + 1
        return self._most[kind]


def _who(function: str) -> ConfigError:
    return ConfigError(
        f"two scopes have made a call of {function} with which one of them begins, so nobody can "
        "say on a cassette which is which: give them names there, as cassette(..., "
        "scopes={'u-17': 'alice', 'u-18': 'bob'})"
    )


def _reference(owner: Any) -> Any:
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner  # it has no weak references: it lives as long as the tape


def check_scopes(scopes: Any) -> Casting:
    """
    What ``scopes=`` of a cassette says.

    Raises:
        ConfigError: If it is no mapping of scopes to different names.
    """
    if scopes is None:
        return Casting()
    advice = "give a dict from scopes to different names, as scopes={'u-17': 'alice'}"
    if not isinstance(scopes, Mapping):
        raise ConfigError(f"cassette(): scopes= is a {type(scopes).__qualname__}: {advice}")
    names = list(scopes.values())
    if any(type(one) is not str or not one for one in names) or len(set(names)) < len(names):
        raise ConfigError(f"cassette(): the names in scopes= cannot be used: {advice}")
    try:
        return Casting(scopes)
    except ScopeMissing as error:
        raise ConfigError(f"cassette(): scopes= holds what is nobody's scope: {advice}") from error
