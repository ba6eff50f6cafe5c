"""
Whose results they are: shelves and places.

A *shelf* is one decorated function, or one namespace of the cache object: its names, its
key digester, its codec, its counters. A *place* is one table of residents on a shelf: a
function has one, a method has one more for every instance that is known only by itself.

Inside a place, residents lie in ``shapes[types][values]`` when every argument is an exact
atom, so that ``1``, ``1.0`` and ``True`` never meet and no hook of an argument's class ever
runs; and in ``exact[canonical bytes]`` otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..durations import is_below
from ..entry import Resident
from ..keys.digest import Digester
from ..types import Codec, Guard, Name, Seconds
from . import names as naming
from .clocks import Clocks, Remembers, Windows
from .histogram import Histogram

Table = dict[Any, Resident]

_numbers = itertools.count()


class Place:
    """
    The residents of one function, one instance's method, or one namespace.
    """

    __slots__ = ("__weakref__", "exact", "has_name", "number", "owner", "shapes", "shelf")

    def __init__(self, shelf: Shelf, owner: Any = None, *, has_name: bool = False) -> None:
        self.shelf = shelf
        #: One that no other place of this process ever has.
        self.number = next(_numbers)
        #: Whether other processes know the owner too, because it is a class with a name. The
        #: results of any other owner exist in memory only.
        self.has_name = owner is None or has_name
        #: The weak reference to the instance or class it belongs to, with which it is gone.
        self.owner = owner
        self.shapes: dict[Any, Table] = {}
        self.exact: Table = {}

    def tables(self) -> list[Table]:
        return [*self.shapes.values(), self.exact]

    def residents(self) -> list[Resident]:
        return [resident for table in self.tables() for resident in list(table.values())]


class Shelf:
    """
    What all results of one function, or of one namespace, have in common.
    """

    __slots__ = (
        "__weakref__",
        "bypassed",
        "cache_if",
        "checks",
        "codec",
        "computed",
        "copy",
        "denied",
        "digester",
        "errors",
        "errors_returned",
        "errors_served",
        "evicted_asked",
        "evicted_computed",
        "evictions",
        "expirations",
        "failed",
        "former",
        "found_seconds",
        "heard",
        "hides",
        "hits_gone",
        "identity",
        "invalidations",
        "is_error",
        "is_veiled",
        "joined",
        "known",
        "l2_hits",
        "l2_misses",
        "label",
        "labels",
        "latencies",
        "ledger",
        "misses",
        "names",
        "namespace",
        "needs",
        "place",
        "places",
        "price_of",
        "price_paid",
        "price_saved",
        "refreshes",
        "remembers",
        "replacements",
        "saved",
        "stale_on_error",
        "stale_on_timeout",
        "stale_served",
        "tags",
        "timeouts",
        "ttl",
        "undeclared",
        "unshared",
        "version",
        "windows",
    )

    def __init__(
        self,
        *,
        namespace: str,
        identity: str,
        label: str,
        digester: Digester | None = None,
        codec: Codec | None = None,
        copy: Any = "auto",
        ttl: Seconds | Callable[..., Any] | None = None,
        tags: tuple[str, ...] = (),
        cache_if: Callable[[Any], Any] | None = None,
        windows: Windows | None = None,
        needs: tuple[Name, ...] = (),
        remembers: Remembers | None = None,
        refreshes: bool = False,
        price_of: Callable[[Any], Any] | None = None,
        is_error: Callable[[Any], Any] | None = None,
    ) -> None:
        self.namespace = namespace
        self.identity = identity
        #: How logs and errors call it.
        self.label = label
        #: None: the results never leave this process.
        self.digester = digester
        #: Digesters with keys that were in use before the present one.
        self.former: list[Digester] = []
        #: Whether its calls hide something from who reads the store; see keys/digest.py.
        self.hides = False
        #: Whether the values in its keys are shown to nobody.
        self.is_veiled = False
        self.codec = codec
        self.copy = copy
        self.ttl = ttl
        #: Tags that every entry has (those of the namespace's settings).
        self.tags = tags
        self.cache_if = cache_if
        #: What its results are good for when they are no longer fresh; None: nothing.
        self.windows = windows
        #: Names of other functions and of epochs that every entry depends on.
        self.needs = needs
        #: Which errors are raised again in place of a call; None: none.
        self.remembers = remembers
        #: Whether one call of its function brings one result, so that it can be refreshed.
        self.refreshes = refreshes
        #: What one result costs in money, tokens or the like; None: nobody says.
        self.price_of = price_of
        #: Whether a result is an error, which is never kept; None: nobody says.
        self.is_error = is_error
        #: Which hits are computed once more and compared (engine/checks.py); None: none.
        self.checks: Any = None
        self.names: tuple[Name, ...] = (
            naming.EVERYTHING,
            *naming.levels(namespace),
            *needs,
            naming.function(namespace, identity),
        )
        #: The labels of entries without tags of their own, made once; see engine/plan.py.
        self.labels: Any = None
        self.place = Place(self)
        #: Places of single instances, by id(instance); an entry is gone when its instance is.
        self.places: dict[int, Place] = {}
        #: The calls that memory could not answer (memotier/known.py); None: nobody lists them.
        self.known: Any = None
        #: Told, under the lock, when an entry left memory (``left``), and that this was because it
        #: was invalidated (``invalidated``); None: nobody.
        self.heard: Any = None
        self.hits_gone = 0  # hits of residents that have left
        #: Seconds saved by them, and by the second tier, less the time of asking that.
        self.saved = 0.0
        self.found_seconds = 0.0  # what was subtracted from that
        self.price_paid = 0.0  # what computations cost, by ``price_of``
        self.price_saved = 0.0  # and what was not paid because of those hits
        self.misses = 0  # look-ups that memory could not answer
        self.l2_hits = 0
        self.l2_misses = 0
        self.computed = 0
        self.joined = 0  # calls answered by somebody else's computation
        self.bypassed = 0
        self.errors = 0
        #: Of the function's code, until the second tier has a note of it (formerly.py).
        self.version = ""
        #: Whether its last result could not be stored below.
        self.unshared = False
        self.stale_served = 0  # calls answered with a stale result while it was refreshed
        self.stale_on_error = 0  # and those answered so because the function raised
        self.stale_on_timeout = 0  # or took too long
        self.timeouts = 0  # calls that were told so
        self.errors_served = 0  # calls that were given a remembered error
        self.failed = 0  # computations that raised
        self.undeclared = 0  # and those that did more than their function declares
        self.errors_returned = 0  # and those that returned an error
        self.denied = 0  # results that were found, and not handed out (authorize=)
        # Why its entries left memory.
        self.evictions = self.expirations = self.invalidations = self.replacements = 0
        #: Misses of memory whose entry had been evicted shortly before (departed.py), and of
        #: these those that nobody could answer.
        self.evicted_asked = self.evicted_computed = 0
        #: What each scope has, if the function has one (ledger.py); None: it has none.
        self.ledger: Any = None
        #: How long operations took, by the names of engine/meter.py.
        self.latencies: dict[str, Histogram] = {}

    @property
    def function_name(self) -> Name:
        return self.names[-1]

    def all_places(self) -> list[Place]:
        return [self.place, *list(self.places.values())]

    def residents(self) -> list[Resident]:
        return [resident for place in self.all_places() for resident in place.residents()]

    def in_use(self) -> bool:
        """
        Whether anything was ever looked up or stored here.
        """
        return bool(self.misses or self.hits_gone or self.residents())

    def is_below(self, namespace: str) -> bool:
        """
        Whether this shelf belongs to *namespace* or to one under it.
        """
        return is_below(self.namespace, namespace)


class Held(NamedTuple):
    """
    A snapshot that stays valid when its resident leaves.
    """

    value: Any
    thaw: Callable[[Any], Any] | None

    def hand_out(self) -> Any:
        """
        What the caller gets. Not under the lock: a copy may run code of the value's class.
        """
        return self.value if self.thaw is None else self.thaw(self.value)


class Stamp:
    """
    What the engine knows of a resident beyond what a hit touches.
    """

    __slots__ = (
        "address",
        "clocks",
        "created",
        "debt",
        "expired_at",
        "fresh",
        "holding",
        "names",
        "price",
        "seen",
        "tags",
        "tokens",
        "told_at",
        "weight",
        "world",
        "writer",
    )

    def __init__(
        self,
        *,
        names: tuple[Name, ...],
        tags: tuple[str, ...],
        created: Seconds,
        address: bytes | None = None,
        tokens: tuple[Any, ...] | None = None,
        writer: str | None = None,
    ) -> None:
        self.names = names
        self.tags = tags
        #: Wall seconds.
        self.created = created
        #: Where it lies in the second tier; None if it is in memory only.
        self.address = address
        #: Where removals by other processes are told, also of what is in memory only.
        self.told_at = address
        #: The tokens of *names* under which it was computed (shared tiers only).
        self.tokens = tokens
        #: Without tokens: the store's epoch that was last seen before it was computed.
        self.seen: Any = None
        #: Who computed it; None: this process.
        self.writer = writer
        #: What the files and variables it depends on were, if there are any; see worlds.py.
        self.world: bytes | None = None
        #: What it cost, if its function says so (``cost=``).
        self.price: float | None = None
        #: Seconds of freshness in the second tier, from *created*; None: for ever.
        self.fresh: Seconds | None = None
        #: Of what was found expired below: wall seconds of that; None: it is not.
        self.expired_at: Seconds | None = None
        #: Of functions that have windows: the moments of the entry in memory.
        self.clocks: Clocks | None = None
        #: Write-back: what the second tier does not have yet, until it does.
        self.debt: Debt | None = None
        #: Whose it is, where its function has a scope; see ledger.py.
        self.holding: Any = None
        #: Bytes of its record in the second tier, if that is known.
        self.weight = 0


class Debt:
    """
    What a delayed write needs to know.
    """

    __slots__ = ("beyond", "crossed", "epoch", "fingerprint", "guard", "paid", "until")

    def __init__(
        self,
        guard: Guard,
        fingerprint: bytes,
        epoch: int,
        until: Seconds | None,
        beyond: Seconds = 0.0,
    ) -> None:
        #: The condition of the write.
        self.guard = guard
        self.fingerprint = fingerprint
        #: In which it began to be computed.
        self.epoch = epoch
        #: The end of freshness in monotonic seconds, so that a clock which is set does not
        #: lengthen it; None: for ever.
        self.until = until
        #: Seconds after that for which the record is still of use.
        self.beyond = beyond
        #: Whether it has been written.
        self.paid = False
        #: How often something older was written to its place since it is owed.
        self.crossed = 0
