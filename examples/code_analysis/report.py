"""
What the tools' caches did, as a table.

memory, disk: answered by that tier. joined: asked while somebody else's call with the same
arguments was on its way, and given the same answer. computed: the tool really ran. saved: the
seconds that the tool took when it ran, for each call that memory or disk answered.
"""

from __future__ import annotations

from tools import TOOLS

HEAD = f"{'tool':<12}{'calls':>7}{'memory':>9}{'disk':>7}{'joined':>8}{'computed':>10}{'saved':>10}"


def table() -> str:
    """
    One line for each tool: who answered its calls, and the seconds that this saved.
    """
    lines, sums = [HEAD, "-" * len(HEAD)], [0] * 5
    saved = 0.0
    for tool in TOOLS:
        info = tool.cache_info()
        numbers = [
            info.hits + info.misses,
            info.l1_hits,
            info.l2_hits,
            info.joined,
            info.misses,
        ]
        lines.append(_line(tool.__name__, numbers, info.seconds_saved))
        sums = [a + b for a, b in zip(sums, numbers, strict=True)]
        saved += info.seconds_saved
    return "\n".join([*lines, lines[1], _line("all", sums, saved)])


def _line(name: str, numbers: list[int], saved: float) -> str:
    calls, memory, disk, joined, computed = numbers
    return f"{name:<12}{calls:>7}{memory:>9}{disk:>7}{joined:>8}{computed:>10}{saved:>8.2f} s"
