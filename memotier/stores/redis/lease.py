"""
One lease: whose it is, and what it is for.
"""

from __future__ import annotations

import functools
import secrets
import socket
from enum import Enum
from hashlib import blake2b
from pathlib import Path

from ...types import Address


class State(Enum):
    NEW = "not ours, or nobody has said yet that it is"
    OURS = "to be renewed"
    OVER = "given back, lost, or not wanted any more"


class Lease:
    """
    What one computation claims. Its plan makes it before it asks, and gives it back in every way
    out, whatever came of asking.
    """

    __slots__ = ("address", "place", "state", "token")

    def __init__(self, address: Address, place: bytes) -> None:
        self.address = address
        #: Whose lease it is: the address, or the address on this machine.
        self.place = place
        self.token = secrets.token_bytes(16)
        self.state = State.NEW


def on_this_machine(address: Address) -> bytes:
    """
    The place of *address* that only processes of this machine have.
    """
    return blake2b(_machine() + address, digest_size=16, person=b"memotier-lease").digest()


@functools.cache
def _machine() -> bytes:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        boot = b""
    return blake2b(boot + socket.gethostname().encode(), digest_size=16).digest()
