"""
The one table of settings: everything else (checks, variables, output, docs) is read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .kinds import (
    BOUND,
    DIRECTORY,
    DURATION,
    FLAG,
    MODULES,
    REDIS_URL,
    SIZE,
    TAGS,
    Kind,
    choice,
    count,
)

PREFIX: Final = "MEMOTIER_"
#: The name of the cache whose settings stand at the top level.
DEFAULT_CACHE: Final = "default"
#: What a cache may do, each less than the one before; see engine/modes.py.
MODES: Final = ("on", "readonly", "offline", "off")


@dataclass(frozen=True, slots=True)
class Option:
    """
    One setting: its dotted *key*, what it can hold, its default and what it does.
    """

    key: str
    kind: Kind
    default: Any
    help: str

    @property
    def section(self) -> str:
        """``"l1"`` of ``"l1.ttl"``; empty at the top level."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition(".")[2]

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.key.upper().replace(".", "__")


_UNBOUNDED: Final = "no limit"
_UNSET: Final = "not set"

_TABLE: Final = (
    Option(
        "directory",
        DIRECTORY.or_none("memory only"),
        None,
        "Where the second tier keeps its files. Relative to the file that says so, elsewhere to "
        "the working directory.",
    ),
    Option(
        "redis_url",
        REDIS_URL.or_none("no server"),
        None,
        "The Redis or Valkey that is the second tier, for several machines; needs "
        "memotier[redis]. With a password only in the variable or in configure().",
    ),
    Option(
        "encrypt",
        FLAG,
        False,
        "Whether what leaves the process (results, recorded calls) is encrypted, with the keys in "
        "MEMOTIER_KEY; needs memotier[crypto].",
    ),
    Option(
        "spill_directory",
        DIRECTORY.or_none("not kept"),
        None,
        "Where results are kept while the server of redis_url is away; for one cache.",
    ),
    Option("spill_max_age", DURATION, 30.0, "How long a result that is kept there is believed."),
    Option(
        "max_l1_age",
        BOUND,
        30.0,
        "With redis_url: how long memory is believed when no message of others can arrive.",
    ),
    Option(
        "default_ttl",
        DURATION.or_none(_UNSET),
        None,
        "How long results are fresh where neither the call nor its namespace says.",
    ),
    Option(
        "write_policy",
        choice("write_through", "write_back", "write_around"),
        "write_through",
        "Which tiers a new result goes to before the caller gets it: both, memory first, or the "
        "second tier only.",
    ),
    Option(
        "mode",
        choice(*MODES),
        "on",
        "Readonly: the second tier is read and not written. Offline: it is not used at all. Off: "
        "functions are called as if they were not decorated. What the top level says is the least "
        "for every cache.",
    ),
    Option(
        "flush_interval",
        DURATION,
        5.0,
        "How long write-back may keep a result in memory only.",
    ),
    Option(
        "max_value_bytes",
        SIZE,
        8 * 2**20,
        "Larger results stay in memory and are not written to the second tier.",
    ),
    Option(
        "snapshots",
        FLAG,
        True,
        "Whether processes leave their figures in the second tier, for memotier stats and top.",
    ),
    Option(
        "audit",
        choice("off", "report"),
        "off",
        "Report: what functions do while they are computed and have not declared with effects= "
        "(files, processes, sockets) is counted and told in the log. For development.",
    ),
    Option(
        "l1.max_size",
        count(0).or_none(_UNBOUNDED),
        1000,
        "Entries in memory; 0 leaves the memory tier out.",
    ),
    Option("l1.max_bytes", SIZE.or_none(_UNBOUNDED), 64 * 10**6, "Room of the entries in memory."),
    Option(
        "l1.ttl",
        DURATION.or_none(_UNSET),
        300.0,
        "How long results are fresh in memory where nothing above says.",
    ),
    Option(
        "l1.eviction",
        choice("lru", "lfu", "fifo", "ttl", "clock2q"),
        "lru",
        "Which entry leaves memory when there is no room.",
    ),
    Option("l2.max_size", count(1).or_none(_UNBOUNDED), 10_000, "Entries in the second tier."),
    Option("l2.max_bytes", SIZE, 10**9, "Room of the second tier."),
    Option(
        "l2.ttl",
        DURATION.or_none(_UNSET),
        3600.0,
        "How long results are fresh in the second tier where nothing above says.",
    ),
    Option(
        "l2.eviction",
        choice("lru", "lfu", "fifo", "ttl"),
        "ttl",
        "Which entry leaves the second tier when there is no room.",
    ),
    Option(
        "warming.record",
        FLAG,
        False,
        "Whether calls are recorded, with their arguments, so that warming can make them again; "
        "a function may say otherwise with record=.",
    ),
    Option(
        "warming.modules",
        MODULES,
        (),
        "The modules whose functions warming may call; nothing else is imported for it.",
    ),
    Option(
        "warming.history",
        DIRECTORY.or_none("with the cache"),
        None,
        "The directory where recorded calls are kept.",
    ),
    Option("warming.interval", DURATION, 30.0, "How often a process writes down what it recorded."),
    Option("warming.max_calls", count(1), 10_000, "Recorded calls that are remembered."),
    Option("warming.max_bytes", SIZE, 16 * 2**20, "Room of the recorded calls."),
    Option(
        "warming.max_age",
        DURATION,
        7 * 86_400.0,
        "How long a recorded call is remembered after its last use.",
    ),
    Option("warming.half_life", DURATION, 86_400.0, "After which time a recorded use counts half."),
)

#: The settings of a cache, by dotted key.
OPTIONS: Final = {option.key: option for option in _TABLE}

#: The settings of a namespace, ``[tool.memotier.namespaces.NAME]``.
NAMESPACE_OPTIONS: Final = {
    option.key: option
    for option in (
        Option("ttl", DURATION, None, "How long its results are fresh."),
        Option("tags", TAGS, (), "Tags that all its entries carry."),
    )
}

#: What one cache has for itself: another one with the same would be the same cache.
SINGLE: Final = ("directory", "redis_url", "spill_directory")

#: The tables inside a cache's table that hold fixed settings, and those that are of a tier.
SECTIONS: Final = tuple(dict.fromkeys(o.section for o in _TABLE if o.section))
TIERS: Final = ("l1", "l2")
