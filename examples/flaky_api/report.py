"""
What callers and server saw, as a table and in sentences.

requests: calls that reached the server. burst: the most of them in 100 ms while it was healthy.
errors: calls that raised. p50, p99: half of the calls, and 99 of 100, were answered within that.
"""

from __future__ import annotations

from textwrap import fill

from timeline import Seen, Timeline

HEAD = (
    f"{'':<24}{'requests':>8}{'burst':>7}{'errors':>8}"
    f"{'threads p50':>14}{'p99':>8}{'tasks p50':>12}{'p99':>8}"
)


def script(timeline: Timeline) -> str:
    """
    What the server does, and what the callers do.
    """
    *days, last = [f"{phase.name} for {end - begin:.2g} s" for begin, end, phase in timeline.phases]
    calls = len(timeline.seen[0].calls)
    return (
        f"A server is {', '.join(days)} and {last}.\n"
        f"It is called {calls} times in each way, by threads and by tasks. Times in milliseconds."
    )


def table(timeline: Timeline) -> str:
    """
    One line for each way.
    """
    return "\n".join([HEAD, "-" * len(HEAD), *(_line(s, timeline.healthy) for s in timeline.seen)])


def _line(seen: Seen, healthy: float) -> str:
    times = [
        milliseconds(seen.took(share, from_thread=from_thread))
        for from_thread in (True, False)
        for share in (0.5, 0.99)
    ]
    numbers = f"{len(seen.asked):>8}{seen.burst(healthy):>7}{seen.errors:>8}"
    return f"{seen.way.name:<24}{numbers}{times[0]:>14}{times[1]:>8}{times[2]:>12}{times[3]:>8}"


def milliseconds(seconds: float) -> str:
    places = 0 if seconds >= 0.01 else 1 if seconds >= 0.001 else 3
    return f"{seconds * 1000:.{places}f}"


def legend(timeline: Timeline) -> str:
    """
    What each way is.
    """
    return "\n".join(f"{seen.way.name:<24}{seen.way.means}" for seen in timeline.seen)


def sentences(timeline: Timeline) -> str:
    """
    What is to be seen in the table; every name and number comes from it.
    """
    by_name = {seen.way.name: seen for seen in timeline.seen}
    bare, plain, spread = by_name["no cache"], by_name["ttl alone"], by_name["jitter"]
    cached = [seen for seen in timeline.seen if seen.way.options]
    fewest = min(cached, key=lambda seen: len(seen.asked))
    fastest = min(cached, key=lambda seen: seen.took(0.99))
    calm = [seen.way.name for seen in cached if not seen.errors]
    return "\n".join(
        fill(sentence, len(HEAD), subsequent_indent="  ")
        for sentence in (
            f"{len(bare.calls)} calls were {len(bare.asked)} requests without a cache, "
            f"{len(plain.asked)} with a ttl alone, and {len(fewest.asked)} with {fewest.way.name}.",
            f"With a ttl alone {plain.errors} callers saw an error; "
            f"nobody did with: {', '.join(calm) or 'nothing'}.",
            f"99 of 100 calls were answered within {shown(plain)} with a ttl alone, "
            f"within {shown(fastest)} with {fastest.way.name}.",
            f"The healthy server got up to {plain.burst(timeline.healthy)} requests in 100 ms with "
            f"a ttl alone, up to {spread.burst(timeline.healthy)} with jitter.",
        )
    )


def shown(seen: Seen) -> str:
    return f"{milliseconds(seen.took(0.99))} ms"
