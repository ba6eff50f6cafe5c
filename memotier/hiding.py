"""
Which functions hide something from who reads a store or a key: secrets among their arguments, or
for whom a call is. Their digests are keyed (keys/digest.py); what is shown of keys has no values.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from .engine.calls import Call
from .keys.digest import Digester
from .recording.signature import names_secret
from .wiring import Wiring

if TYPE_CHECKING:
    from .memo import Memo

_SALT: Final = secrets.token_bytes(32)


def is_veiled(memo: Memo) -> bool:
    """
    Whether what is shown of the keys of *memo* must not have the values in it.
    """
    counted = set(counted_in(memo))
    return bool(memo.scopes) or any(
        one.name in memo.options.redact
        or names_secret(one.name, of_number=one.annotation in (int, float, "int", "float"))
        for one in memo.parameters.all
        if one.name in counted
    )


def hides_something(memo: Memo, wiring: Wiring) -> bool:
    """
    Whether nobody may find out by trying what the calls of *memo* were given.

    What ``redact=`` names always counts. The name of a parameter and a scope count where keys are
    set: the user's own key is none that everybody has who shares a directory, and a parameter
    called ``max_tokens`` is no reason to miss what others have stored.
    """
    if not set(counted_in(memo)).isdisjoint(memo.options.redact):
        return True
    return bool(wiring.options.keys) and is_veiled(memo)


def counted_in(memo: Memo) -> tuple[str, ...]:
    """
    The parameters that may show in a key.
    """
    if memo.options.key is not None:
        return memo.parameters.names
    keyed = memo.keys.keyed
    return (memo.parameters.names[0], *keyed) if memo.keys.owner_counts else keyed


def key_of(memo: Memo, call: Call) -> str:
    """
    ``namespace:32 hex digits``: the address of *call*, whether or not there is a second tier.
    """
    namespace = memo.options.namespace
    digester = call.shelf.digester or memo.own_digester
    if digester is None:
        # What is in memory alone nobody else finds: the salt is of this process.
        digester = Digester(namespace, memo.identity.name, memo.version, salt=lambda: _SALT)
        memo.own_digester = digester
    if call.hides:
        digester.prepare()
    address = digester.address(call.canonical, hides=call.hides)
    owner = "" if call.place.has_name else f":instance-{id(call.place):x}"
    return f"{namespace}:{address.hex()}{owner}"
