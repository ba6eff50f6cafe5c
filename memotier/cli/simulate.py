"""
What memory would do with another size, policy or ttl, tried on a trace.

TRACE is a file that record_trace() wrote, or a plain one: keys as unsigned 32-bit
little-endian integers, NAME.u32 or NAME.u32.xz. Each option may be given several times or
with commas; all combinations are tried. Without any, sizes around the present one and all
policies are.

The first line is how it was. If "as it was" and "measured" differ much, something happened
that no trace has, such as invalidations, and the rest is to be doubted as well.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from ..analytics.simulation import Outcome, Setup, recorded_setup, setups, simulate_all
from ..analytics.traces import Trace, read_trace
from ..durations import seconds, short, show_seconds
from ..errors import ConfigError
from ..policies import POLICIES
from .frame import argument, as_command, json_option, option
from .progress import Bar
from .table import Row, Section, has_colour, lines

#: Of the present size, and of the number of keys of a plain trace.
_FACTORS: Final = (0.5, 2, 4, 8)
_SHARES: Final = (0.01, 0.05, 0.1, 0.5)


@as_command("simulate", "try other sizes, policies and ttls on a recorded trace", __doc__)
@argument("trace", metavar="TRACE")
@option("--size", "sizes", multiple=True, metavar="N", help="Entries, such as 1000,4000.")
@option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help=f"{', '.join(POLICIES)}; or all.",
)
@option("--ttl", "ttls", multiple=True, metavar="TIME", help="Of every entry, such as 5m,1h.")
@json_option()
def command(
    trace: str,
    sizes: tuple[str, ...],
    policies: tuple[str, ...],
    ttls: tuple[str, ...],
    as_json: bool,
) -> int:
    chosen = [_size(one) for one in _split(sizes)]
    named = [*_split(policies)]
    lasting = [seconds(one, what="--ttl") for one in _split(ttls)]
    found = read_trace(trace)
    base = recorded_setup(found)
    tried = _tried(found, base, chosen, [*POLICIES] if "all" in named else named, lasting)
    bar, done = Bar(sys.stderr, shown=not as_json), [0]

    def told() -> None:
        done[0] += 1
        bar.show(done[0], len(tried))

    try:
        outcomes = simulate_all(found, tried, told)
    finally:
        bar.clear()
    if as_json:
        print(json.dumps(_as_data(found, outcomes), indent=2))
    else:
        print(
            "\n".join(lines(_sections(found, outcomes), colour=has_colour(sys.stdout, os.environ)))
        )
    return 0


def _split(given: Iterable[str]) -> Iterable[str]:
    return (one.strip() for text in given for one in text.split(",") if one.strip())


def _size(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise ConfigError(
            f"--size {short(text)} cannot be used: give a number of entries, such as 4000"
        ) from None


def _tried(
    trace: Trace, base: Setup, sizes: list[int], policies: list[str], ttls: list[float]
) -> list[Setup]:
    """
    What to try, first how it was.
    """
    if sizes or policies or ttls:
        wanted = setups(base, sizes=sizes, policies=policies, ttls=ttls)
    elif trace.l1:
        around = [] if base.max_size is None else _around(base.max_size)
        wanted = setups(base, sizes=around) if around else []
        wanted += setups(base, policies=POLICIES)
    else:
        known = len(trace.sizes)
        around = [max(10, round(known * share)) for share in _SHARES]
        wanted = setups(base, sizes=around, policies=POLICIES)
    return [*dict.fromkeys([base, *wanted] if trace.l1 else wanted)]


def _around(size: int) -> list[int | None]:
    return [*dict.fromkeys(max(1, round(size * factor)) for factor in _FACTORS)]


def _as_data(trace: Trace, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "cache": trace.cache,
        "accesses": trace.accesses,
        "keys": round(len(trace.sizes) / trace.rate),
        "rate": trace.rate,
        "seconds": trace.lasted,
        "measured_hit_rate": trace.measured_hit_rate,
        "outcomes": [
            {
                "max_size": one.setup.max_size,
                "max_bytes": one.setup.max_bytes,
                "policy": one.setup.policy,
                # JSON has no infinity: then nothing expires.
                "ttl": None if one.setup.ttl in (None, math.inf) else one.setup.ttl,
                "expires": one.setup.ttl != math.inf,
                **{
                    name: getattr(one, name)
                    for name in (
                        *("hit_rate", "hits", "accesses", "seconds_saved"),
                        *("seconds_saved_per_hour", "evictions", "expirations"),
                        *("entries", "bytes"),
                    )
                },
            }
            for one in outcomes
        ],
    }


def _sections(trace: Trace, outcomes: list[Outcome]) -> list[Section]:
    rows = [Row(("size", "policy", "ttl", "hit rate", "saved per hour", "room", ""), quiet=True)]
    measured = trace.measured_hit_rate
    for one in outcomes:
        note = ""
        if trace.l1 and one is outcomes[0]:
            note = "as it was" + ("" if measured is None else f"; measured {measured:.1%}")
        rows.append(_row(one, note))
    title = f"{trace.accesses:,} accesses to {round(len(trace.sizes) / trace.rate):,} keys"
    note = f"in {show_seconds(round(trace.lasted))}" if trace.l1 else ""
    if trace.rate < 1:
        note += f"; {trace.rate:.2g} of the keys are in the trace"
    return [Section(title, rows, note)]


def _row(one: Outcome, note: str) -> Row:
    setup = one.setup
    return Row(
        (
            "no bound" if setup.max_size is None else f"{setup.max_size:,}",
            setup.policy,
            "as it was" if setup.ttl is None else show_seconds(setup.ttl),
            f"{one.hit_rate:.1%}",
            f"{one.seconds_saved_per_hour:,.3g} s",
            f"{one.bytes / 1e6:,.3g} MB" if one.bytes else "",
            note,
        )
    )
