"""
How an engine behaves: what the settings and arguments of a cache come down to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..codecs.sealed import Sealing, sealing_of
from ..types import Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    How an engine behaves; durations in seconds, sizes in bytes.

    Raises:
        ConfigError, MissingExtra: If it is to encrypt and cannot.
    """

    name: str = "default"
    #: "on", "readonly", "offline" or "off"; see stores/modes.py.
    mode: str = "on"
    write_policy: str = "write_through"
    l1_max_size: int | None = 1000
    l1_max_bytes: int | None = 64_000_000
    l1_ttl: Seconds = 300.0
    l2_ttl: Seconds = 3600.0
    max_value_bytes: int = 8 * 2**20
    flush_interval: Seconds = 5.0
    #: Keys that authenticate records of the second tier; empty: a checksum only.
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    #: Whether records are encrypted, with the same keys.
    encrypt: bool = False
    #: What *keys* and *encrypt* come down to.
    sealing: Sealing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sealing", sealing_of(self.keys, self.encrypt))

    @property
    def reads_only(self) -> bool:
        """
        Whether the second tier is read and not written.
        """
        return self.mode == "readonly"

    @property
    def is_offline(self) -> bool:
        """
        Whether there is a second tier that is not asked.
        """
        return self.mode == "offline"
