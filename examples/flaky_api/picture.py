"""
The timeline as a picture: a row for each way, a dot for each call. Needs matplotlib.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from report import milliseconds
from timeline import Seen, Timeline

INK, GREY, BLUE, RED = "#1f2933", "#7b8794", "#2b6cb0", "#d64545"
BANDS = {"healthy": "#ffffff", "slow": "#fff3cd", "failing": "#fde2e2", "recovered": "#ffffff"}
#: Below the shortest call there is room for a strip of ticks: the requests.
TICKS, BOTTOM, TOP = 6e-7, 2.5e-7, 1.2
SCALE = {1e-5: "10 µs", 1e-3: "1 ms", 1e-1: "100 ms"}


def draw(timeline: Timeline, file: Path) -> None:
    """
    Write the picture of *timeline* to *file*; its ending says the format.
    """
    figure = Figure(figsize=(9.6, 1.1 * len(timeline.seen) + 1.5), facecolor="white")
    rows = figure.subplots(len(timeline.seen), sharex=True)
    for axes, seen in zip(rows, timeline.seen, strict=True):
        draw_row(axes, seen, timeline)
    for begin, end, phase in timeline.phases:
        rows[0].text(
            (begin + end) / 2,
            1.42,
            f"server {phase.name}",
            transform=rows[0].get_xaxis_transform(),
            ha="center",
            color=INK,
            fontsize=9,
            fontweight="bold",
        )
    rows[-1].tick_params(axis="x", length=3, labelbottom=True)
    rows[-1].set_xlabel("seconds", color=GREY, fontsize=8.5)
    figure.suptitle(
        f"One server, {len(timeline.seen)} ways to ask it",
        x=0.075,
        y=0.988,
        ha="left",
        color=INK,
        fontsize=14,
        fontweight="bold",
    )
    figure.legend(
        handles=marks(),
        loc="upper right",
        bbox_to_anchor=(0.985, 0.995),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    figure.subplots_adjust(left=0.075, right=0.98, top=0.915, bottom=0.045, hspace=0.5)
    figure.savefig(file, dpi=100)


def draw_row(axes: Axes, seen: Seen, timeline: Timeline) -> None:
    for begin, end, phase in timeline.phases:
        axes.axvspan(begin, end, color=BANDS[phase.name], linewidth=0, zorder=0)
    for failed, color in ((False, BLUE), (True, RED)):
        calls = [call for call in seen.calls if (call.error is not None) is failed]
        axes.scatter(
            [call.at for call in calls],
            [call.took for call in calls],
            s=7,
            color=color,
            alpha=0.45,
            linewidths=0,
            zorder=2 + failed,
        )
    axes.vlines(seen.asked, BOTTOM, TICKS * 2, color=INK, linewidth=0.5, zorder=2)
    axes.set_yscale("log")
    axes.set_ylim(BOTTOM, max(TOP, 1.5 * max(one.took(1) for one in timeline.seen)))
    axes.set_xlim(0, timeline.phases[-1][1])
    axes.set_yticks(list(SCALE), list(SCALE.values()), color=GREY, fontsize=7.5)
    axes.tick_params(axis="both", which="both", length=0, colors=GREY, labelsize=7.5)
    axes.grid(axis="y", which="major", color="#cbd2d9", linewidth=0.5, zorder=1)
    axes.minorticks_off()
    for side in axes.spines.values():
        side.set_color("#cbd2d9")
    above = axes.transAxes
    name = axes.text(
        0, 1.08, seen.way.name, transform=above, color=INK, fontsize=9.5, fontweight="bold"
    )
    axes.annotate(
        seen.way.means,
        (1, 0),
        xytext=(8, 0),
        xycoords=name,
        textcoords="offset points",
        color=GREY,
        fontsize=8.5,
        va="bottom",
    )
    axes.text(1, 1.08, what_is_seen(seen), transform=above, color=INK, fontsize=8.5, ha="right")


def what_is_seen(seen: Seen) -> str:
    slowest = milliseconds(seen.took(0.99))
    return f"{len(seen.asked)} requests, {seen.errors} errors, p99 {slowest} ms"


def marks() -> list[Line2D]:
    """
    What the legend shows.
    """
    dot = {"linestyle": "", "marker": "o", "markersize": 4}
    return [
        Line2D([], [], color=BLUE, label="a call that was answered", **dot),
        Line2D([], [], color=RED, label="a call that raised", **dot),
        Line2D(
            [],
            [],
            color=INK,
            linestyle="",
            marker="|",
            markersize=8,
            label="a request to the server",
        ),
    ]
