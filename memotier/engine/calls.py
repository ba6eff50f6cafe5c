"""
One look-up: which table and key, where in the second tier, how to compute, what to attach.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..entry import Resident
from ..keys.hidden import holds_secret
from ..types import Address, Name, Seconds
from . import names as naming
from .places import Place, Table


class Watch(Protocol):
    """
    Looks at the world that a result depends on. Does I/O.
    """

    def __call__(self, prior: bytes | None, *, reads: bool, exact: bool = False) -> bytes | None:
        """
        What the world is now: *prior* itself, if it is still what that says.

        Args:
            reads: Whether files may be read. If not, and one has to be, the answer is None.

            exact: Whether a file that was written anew counts as changed whatever it holds.
        """


class Sight:
    """
    What one call depends on, and what it has seen of it; see worlds.py.
    """

    __slots__ = ("doubt", "looked_again", "names", "prior", "watch", "world")

    def __init__(self, names: tuple[Name, ...], watch: Watch | None) -> None:
        self.names = names
        self.watch = watch
        #: What it saw, and in view of what it looked.
        self.world: bytes | None = None
        self.prior: bytes | None = None
        #: In view of what it is to look again.
        self.doubt: bytes | None = None
        self.looked_again = False


class Scoped:
    """
    For whom a call is: the scope, as bytes, and the names its entry carries for it.
    """

    __slots__ = ("names", "text", "value")

    def __init__(self, value: Any, text: bytes, names: tuple[Name, ...]) -> None:
        self.value = value
        self.text = text
        self.names = names


class Call:
    """
    A key of one place. Made on the slow path only.
    """

    __slots__ = (
        "_address",
        "_canonical",
        "_hides",
        "answered_by",
        "args",
        "behind",
        "claim",
        "claims",
        "encode",
        "function",
        "gate",
        "is_as_asked",
        "key",
        "kwargs",
        "looked",
        "mark",
        "parts",
        "place",
        "scoped",
        "shelf",
        "sight",
        "table",
        "tags_of",
        "traced",
        "ttl",
    )

    def __init__(
        self,
        place: Place,
        table: Table,
        key: Any,
        encode: Callable[[], bytes],
        canonical: bytes | None = None,
    ) -> None:
        self.place = place
        self.shelf = place.shelf
        self.table = table
        self.key = key
        #: Makes the canonical bytes; only asked for when there is a second tier.
        self.encode = encode
        self._canonical = canonical
        self._address: Address | None = None
        #: What ``hides`` says; None: nobody has asked. (Atoms are no marked values.)
        self._hides: bool | None = self.shelf.hides if canonical is None else None
        self.function: Callable[..., Any] | None = None
        self.args: tuple[Any, ...] = ()
        self.kwargs: Mapping[str, Any] = {}
        #: Who had its result, if memory had not: "l2", "joined" (another call), "computed",
        #: or "stale" (what was kept for when computing fails or takes too long).
        self.answered_by = ""
        #: How far only one process is to compute it: "cluster" (as far as the second tier
        #: reaches), "machine", or None; its claim, from when somebody wants it; and what its
        #: claim's mark was before the second tier was last asked.
        self.claims: str | None = None
        self.claim: Any = None
        self.mark: bytes | None = None
        #: The flight of what is to be brought in the background because of it; see stale.py.
        self.behind: Any = None
        #: What a batch has seen of it in the second tier; see engine/looking.py.
        self.looked: Any = None
        #: Whether the arguments still have this key; None: they are atoms, or it does not matter.
        self.is_as_asked: Callable[[], bool] | None = None
        #: Tags that depend on the arguments.
        self.tags_of: Callable[[], tuple[str, ...]] | None = None
        #: Seconds of freshness that this call asks for; None: what the shelf says.
        self.ttl: Seconds | None = None
        #: Names and values of what makes its key, with their codes if they are known; None: of a
        #: key of the cache object.
        self.parts: tuple[tuple[str, ...], tuple[Any, ...], list[bytes] | None] | None = None
        #: Told where its result comes from (tracing.py); None: nobody wants to know.
        self.traced: Any = None
        #: What it depends on beside what all calls of its function do; see worlds.py.
        self.sight: Sight | None = None
        #: For whom it is; None: its function has no scope.
        self.scoped: Scoped | None = None
        #: Asked before a result is handed out that this call has not computed (gates.py); None:
        #: nobody is.
        self.gate: Any = None

    @property
    def hides(self) -> bool:
        """
        Whether it hides something from who reads the store.
        """
        if self._hides is None:
            self._hides = self.shelf.hides or holds_secret(self.canonical)
        return self._hides

    @property
    def watch(self) -> Watch | None:
        """
        Looks at the files and variables that the result depends on; None: on none.
        """
        return None if self.sight is None else self.sight.watch

    @property
    def world(self) -> bytes | None:
        """
        What it saw of them.
        """
        return None if self.sight is None else self.sight.world

    @property
    def own_needs(self) -> tuple[Name, ...]:
        """
        Names of epochs that depend on the arguments, of the scope, and of a call that others have
        at another address.
        """
        own = () if self.sight is None else self.sight.names
        if self.shelf.digester is not None and self.hides:
            own = (*own, *self._names_elsewhere())
        return own if self.scoped is None else (*own, *self.scoped.names)

    @property
    def names(self) -> tuple[Name, ...]:
        """
        What an entry of this call depends on, besides its tags.
        """
        names, own = self.shelf.names, self.own_needs
        return (*names, *own) if own else names

    @property
    def flight_key(self) -> tuple[int, Any]:
        return id(self.table), self.key

    @property
    def canonical(self) -> bytes:
        if self._canonical is None:
            self._canonical = self.encode()
        return self._canonical

    @property
    def address(self) -> Address | None:
        """
        Where the result lies in the second tier; None if it never leaves this process.
        """
        if self._address is None and self.place.has_name:
            digester = self.shelf.digester
            if digester is not None:
                self._address = digester.address(self.canonical, hides=self.hides)
        return self._address

    @property
    def addresses(self) -> tuple[Address, ...]:
        """
        The same, and where processes that have only a former key keep it.
        """
        address, digester = self.address, self.shelf.digester
        if address is None or digester is None:
            return ()
        if not self.hides:
            return (address,)
        former = [one.address(self.canonical, hides=True) for one in self.shelf.former]
        return (*digester.addresses(self.canonical), *former)

    @property
    def hidden_names(self) -> tuple[Name, ...]:
        """
        What to invalidate beside the addresses, because others keep a call that hides something at
        one that is not known here: those that have one more key, or a salt.
        """
        digester = self.shelf.digester
        if not self.hides or digester is None or self.address is None:
            return ()
        if digester.is_keyed:
            return tuple(one.name(self.canonical) for one in (digester, *self.shelf.former))
        return (digester.kin,) if digester.is_saltable and not digester.is_salted else ()

    def _names_elsewhere(self) -> tuple[Name, ...]:
        """
        By what others invalidate it that do not know its address.
        """
        digester = self.shelf.digester
        if digester is None or self.address is None:
            return ()
        if digester.is_salted:
            return (digester.kin,)
        return self.hidden_names if self.shelf.former else ()

    @property
    def fingerprint(self) -> bytes:
        digester = self.shelf.digester
        assert digester is not None
        return digester.fingerprint(self.canonical, hides=self.hides)

    def has_fingerprint(self, fingerprint: bytes) -> bool:
        """
        Whether *fingerprint* is of this call, under the present key or one before it.
        """
        return hmac.compare_digest(fingerprint, self.fingerprint) or any(
            hmac.compare_digest(fingerprint, former.fingerprint(self.canonical, hides=self.hides))
            for former in self.shelf.former
        )

    def resident(self) -> Resident | None:
        return self.table.get(self.key)


class Labels:
    """
    What an entry carries besides its value: tags with the names they stand for, and ttl.
    """

    __slots__ = ("draw", "names", "tags", "ttl")

    def __init__(
        self,
        base: tuple[Name, ...],
        tags: tuple[str, ...],
        ttl: Seconds | None = None,
        draw: float = 0.0,
    ) -> None:
        self.tags = tags
        self.names = (*base, *map(naming.tag, tags)) if tags else base
        #: Seconds; None: what the tiers say.
        self.ttl = ttl
        #: How much of the function's jitter the entry gets.
        self.draw = draw
