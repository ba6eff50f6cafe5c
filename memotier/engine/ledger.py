"""
Accounts of scopes: what each scope of one function has stored, was given and has computed.

A *ledger* belongs to a shelf whose function has a scope; an *account* to one scope, which is known
by the digest that its entries carry; a *holding* is one stored result of it that this process knows
of: in memory, or (where a quota bounds what is stored) in the second tier, or in both.

A quota on what is stored is held by taking away what the same scope has: the holding that was
unused for longest goes, from both tiers (``gone`` has to be dropped below). One on computations is
a bucket of tokens, kept as the moment at which the last computation is *paid*.

Bounded, whoever chooses the scopes: accounts with holdings by what memory holds and ``MOST_BELOW``,
the others by ``MOST_IDLE``. The account that was unused for longest is forgotten. A scope that
comes back then begins with no more tokens than those that were forgotten had left, but with one: so
nobody gains more than one computation by being forgotten, and nobody is refused because of others.

What must never happen: an entry of one scope is taken away because of another's quota; a call fails
because an account was forgotten; an account is found by anything but the digest. All methods are
called under the engine's lock, and do no I/O.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..entry import Resident
from ..stores.memory import overhead
from ..types import Address, Name, Seconds

if TYPE_CHECKING:
    from ..quota import Quota
    from .calls import Call
    from .engine import Engine
    from .places import Stamp

#: Accounts without holdings that are remembered, and holdings that are not in memory.
MOST_IDLE: Final = 10_000
MOST_BELOW: Final = 100_000
#: Bytes of a holding, and of an account with the names of its scope, which the first of its entries
#: counts as its own. Measured with tracemalloc over 20,000 entries of one scope, and of one each.
HOLDING: Final = 200
ACCOUNT: Final = 600
#: What is counted of an account, beside what it has now.
_COUNTED: Final = (
    *("hits_gone", "l2_hits", "joined", "misses"),
    *("computed", "refused", "evicted", "saved"),
)
#: Share of a token by which rounding may be off.
_TINY: Final = 1e-6


class Account:
    """
    One scope of one function.
    """

    __slots__ = (
        "below",
        "bytes",
        "computed",
        "entries",
        "evicted",
        "hits_gone",
        "holdings",
        "joined",
        "l2_hits",
        "ledger",
        "misses",
        "name",
        "paid_until",
        "refused",
        "saved",
    )

    def __init__(self, ledger: Ledger, name: Name) -> None:
        self.ledger = ledger
        self.name = name
        #: What it has, the longest unused first, as far as that is known.
        self.holdings: dict[Holding, None] = {}
        #: Of them those in memory: how many, and their bytes; and the bytes of records below.
        self.entries = self.bytes = self.below = 0
        #: Hits in memory of entries that have left it.
        self.hits_gone = self.l2_hits = self.joined = 0
        self.misses = self.computed = self.refused = self.evicted = 0
        #: Seconds that hits saved, without those of what is in memory now.
        self.saved = 0.0
        #: Until when the computations that were made are paid for, in monotonic seconds.
        self.paid_until: Seconds = ledger.floor

    def hits(self) -> tuple[int, float]:
        """
        Hits in memory, and the seconds that all hits saved.
        """
        hits, saved = self.hits_gone, self.saved
        for holding in list(self.holdings):  # it may leave while we count
            resident = holding.resident
            if resident is not None:
                hits += resident.hits
                saved += resident.hits * resident.cost
        return hits, saved

    def add(self, other: Account) -> None:
        """
        Count as its own what *other* counts, which has no holdings.
        """
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Holding:
    """
    One result that a scope has. Its entry's stamp refers to it.
    """

    __slots__ = ("account", "address", "hits", "resident", "room", "size", "weight")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.resident: Resident | None = None
        #: Where it lies in the second tier, if that is counted.
        self.address: Address | None = None
        #: Bytes in memory, and of the record below.
        self.size = self.weight = 0
        #: Hits of the entry when it was last passed over.
        self.hits: float = 0
        #: Bytes that the entry takes more because of it.
        self.room = HOLDING if account.holdings else HOLDING + ACCOUNT

    def left(self, resident: Resident, hits: int) -> None:
        """
        *resident* has left memory after *hits*.
        """
        account = self.account
        account.hits_gone += hits
        account.saved += hits * resident.cost
        if self.resident is not resident:
            return
        self.resident = None
        account.entries -= 1
        account.bytes -= self.size
        self.size = 0
        if self.address is None:
            self.drop()
        else:
            account.ledger.loosen(self)

    def drop(self) -> None:
        """
        It is in no tier any more.
        """
        account, ledger = self.account, self.account.ledger
        if self not in account.holdings:
            return
        del account.holdings[self]
        if self.resident is not None:
            self.resident = None
            account.entries -= 1
            account.bytes -= self.size
        account.below -= self.weight
        if self.address is not None and ledger.at.get(self.address) is self:
            del ledger.at[self.address]
        ledger.loose.pop(self, None)
        if not account.holdings:
            ledger.rest(account)


class Ledger:
    """
    The accounts of one function.
    """

    __slots__ = ("at", "busy", "floor", "gone", "idle", "loose", "others", "quota", "stores")

    def __init__(self, quota: Quota | None = None) -> None:
        self.quota = quota
        #: Whether what is stored is bounded, and so what lies below counted.
        self.stores = quota is not None and quota.is_of_storage
        #: The latest ``paid_until`` of an account that was forgotten.
        self.floor: Seconds = -math.inf
        #: Accounts with holdings; and without, the longest unused first.
        self.busy: dict[Name, Account] = {}
        self.idle: OrderedDict[Name, Account] = OrderedDict()
        #: Holdings by their address below; and those of them that are not in memory, the one that
        #: left it first before the others.
        self.at: dict[Address, Holding] = {}
        self.loose: OrderedDict[Holding, None] = OrderedDict()
        #: What those counted that were forgotten.
        self.others = Account(self, b"")
        #: Addresses of what the second tier is to have no longer.
        self.gone: list[Address] = []

    # -- accounts ------------------------------------------------------------------

    def account(self, call: Call) -> Account:
        """
        The account of the scope that *call* is of.
        """
        assert call.scoped is not None
        name = call.scoped.names[0]
        found = self.busy.get(name)
        if found is None:
            found = self.idle.pop(name, None) or Account(self, name)
            self.rest(found)
        return found

    def find(self, name: Name) -> Account | None:
        """
        The account of the scope with that digest, if there is one.
        """
        return self.busy.get(name) or self.idle.get(name)

    def accounts(self) -> list[Account]:
        return [*self.busy.values(), *self.idle.values()]

    def rest(self, account: Account) -> None:
        """
        *account* has no holdings, and was used just now.
        """
        if self.busy.get(account.name) is account:
            del self.busy[account.name]
        self.idle[account.name] = account
        while len(self.idle) > MOST_IDLE:
            _, oldest = self.idle.popitem(last=False)
            self.others.add(oldest)
            self.floor = max(self.floor, oldest.paid_until)

    # -- computations --------------------------------------------------------------

    def due_in(self, account: Account, now: Seconds) -> Seconds:
        """
        Seconds until *account* may have the function run; 0.0: now.
        """
        quota = self.quota
        if quota is None or quota.computations_per_second is None:
            return 0.0
        gap = 1 / quota.computations_per_second
        ahead = (quota.most_at_once - 1) * gap
        if not (account.computed or account.refused):
            # What others had left is no reason to refuse the first.
            account.paid_until = min(account.paid_until, now + ahead)
        left = account.paid_until - now - ahead
        return left if left > gap * _TINY else 0.0

    def pay(self, account: Account, now: Seconds) -> None:
        """
        *account* has the function run.
        """
        quota = self.quota
        if quota is not None and quota.computations_per_second is not None:
            account.paid_until = max(account.paid_until, now) + 1 / quota.computations_per_second

    def tokens(self, account: Account, now: Seconds) -> int | None:
        """
        How many computations *account* may have at once; None: no bound.
        """
        quota = self.quota
        if quota is None or quota.computations_per_second is None:
            return None
        owed = max(0.0, account.paid_until - now) * quota.computations_per_second
        return max(0, math.floor(quota.most_at_once - owed + _TINY))

    # -- what is stored ------------------------------------------------------------

    def takes(self, call: Call, size: int, stamp: Stamp | None) -> bool:
        """
        Whether memory may keep a value of *size* bytes for the scope of *call*: not if it is more
        than all that the scope may have.
        """
        if stamp is None:
            return True
        stamp.holding = Holding(self.account(call))  # which counts in the size of the entry
        quota = self.quota
        if quota is None or type(quota.bytes) is not int:
            return True
        return size + overhead(call.key, stamp) <= quota.bytes

    def note(
        self, engine: Engine, call: Call, stamp: Stamp | None, resident: Resident | None
    ) -> None:
        """
        There is a result of *call*, in place of any other: in memory, if there is a *resident*, and
        below, if its stamp has an address. Whatever is beyond the quota goes.
        """
        if stamp is None:
            return
        account = self.account(call)
        if self.at and call.address in self.at:
            self.at[call.address].drop()
        counts = self.stores and not engine.options.reads_only
        address: Address | None = stamp.address if counts else None
        if resident is None and address is None:
            return
        holding = Holding(account)
        stamp.holding = holding
        if resident is not None:
            holding.resident, holding.size = resident, resident.size
            account.entries += 1
            account.bytes += resident.size
        if address is not None:
            holding.address = address
            holding.weight = stamp.weight or holding.size
            account.below += holding.weight
            self.at[address] = holding
        account.holdings[holding] = None
        self.idle.pop(account.name, None)
        self.busy[account.name] = account
        if resident is None:
            self.loosen(holding)
        while self.is_over(account) and len(account.holdings) > 1:
            self._oust(engine, _unused(account, holding))

    def is_over(self, account: Account) -> bool:
        """
        Whether *account* has more than it may.
        """
        quota = self.quota
        if quota is None:
            return False
        if quota.entries is not None and len(account.holdings) > quota.entries:
            return True
        most = quota.bytes
        return type(most) is int and max(account.bytes, account.below) > most

    def loosen(self, holding: Holding) -> None:
        """
        *holding* is in the second tier only.
        """
        self.loose[holding] = None
        while len(self.loose) > MOST_BELOW:
            next(iter(self.loose)).drop()  # not counted any more; it stays where it is

    def forget(self, accounts: Sequence[Account | None] | None = None) -> None:
        """
        All that *accounts* (None: all of them) have is invalid.
        """
        for account in [*self.busy.values()] if accounts is None else accounts:
            for holding in [] if account is None else [*account.holdings]:
                holding.drop()

    def _oust(self, engine: Engine, holding: Holding) -> None:
        address, resident = holding.address, holding.resident
        holding.account.evicted += 1
        holding.drop()
        if address is not None:
            if address in engine.debts.unwritten:
                # What lies there is what it was to replace: not to be believed until it is gone.
                engine.versions.distrust(address, engine.clock.monotonic())
                engine.debts.forgive_at(address)
            else:
                self.gone.append(address)
        if resident is not None:
            engine.debts.forgive(resident)
            engine.memory.oust(resident, engine.clock.monotonic())


def _unused(account: Account, kept: Holding) -> Holding:
    """
    Of what *account* has beside *kept* the one to go: the first that had no hit since it was last
    passed over.
    """
    holdings = account.holdings
    for _ in range(2 * len(holdings)):
        holding = next(iter(holdings))
        hits = holding.hits if holding.resident is None else holding.resident.hits
        if holding is not kept and hits == holding.hits:
            return holding
        holding.hits = hits
        del holdings[holding]
        holdings[holding] = None
    # They are hit faster than we look.
    return next(one for one in holdings if one is not kept)
