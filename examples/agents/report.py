"""
What the cache did for the tools, as a table.

computed: the tool ran. memory: answered without it. joined: asked while the same was on its way.
"""

from __future__ import annotations

from tools import CACHED

HEAD = f"{'tool':<12}{'calls':>7}{'memory':>9}{'joined':>9}{'computed':>10}{'saved':>10}"
_before: dict[str, tuple[float, ...]] = {}


def table() -> str:
    """
    One line for each tool, of what happened since the last table.
    """
    lines, sums = [HEAD, "-" * len(HEAD)], [0.0] * 5
    for tool in CACHED:
        info = tool.cache_info()
        now = (info.hits + info.misses, info.l1_hits, info.joined, info.misses, info.seconds_saved)
        before = _before.get(tool.__name__, (0.0,) * 5)
        _before[tool.__name__] = now
        row = [one - other for one, other in zip(now, before, strict=True)]
        lines.append(_line(tool.__name__, row))
        sums = [one + other for one, other in zip(sums, row, strict=True)]
    return "\n".join([*lines, lines[1], _line("all", sums)])


def _line(name: str, row: list[float]) -> str:
    calls, memory, joined, computed, saved = row
    return f"{name:<12}{calls:>7.0f}{memory:>9.0f}{joined:>9.0f}{computed:>10.0f}{saved:>8.2f} s"
