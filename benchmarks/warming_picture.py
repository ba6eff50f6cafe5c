"""
The picture of ``warming.py``: how a cache fills after a restart, one line for each way.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Colour, width and dashes of each way; the bounds are without colour.
LOOKS: dict[str, tuple[str, float, Any]] = {
    "no restart": ("#222222", 1.2, (0, (1, 1.2))),
    "oracle": ("#222222", 1.2, "-"),
    "frequency": ("#1b6ac9", 1.6, "-"),
    "hybrid": ("#0f9d77", 1.6, "-"),
    "savings": ("#d1495b", 1.6, "-"),
    "recency": ("#e69f00", 1.6, "-"),
    "time_based": ("#8e5bb5", 1.6, "-"),
    "none": ("#9a9a9a", 2.6, "-"),
}
#: In this order, down the columns.
LEGEND = ("oracle", "no restart", "frequency", "hybrid", "recency", "time_based", "savings", "none")
PAPER, INK, GRID = "#ffffff", "#333333", "#e6e6e6"


def draw(found: Mapping[str, Sequence[Any]], file: Path) -> None:
    """
    One panel for each trace: the hit rate of all requests since the restart, over their number.
    """
    try:
        import matplotlib
        from PIL import Image
    except ImportError as error:
        raise SystemExit("--picture needs matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings = {
        "font.size": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": "#bbbbbb",
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with pyplot.rc_context(settings):
        columns = min(2, len(found))
        rows = -(-len(found) // columns)
        size = (4.15 * columns if columns > 1 else 6.0, 3.0 * rows + 0.9)
        figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
        figure.patch.set_facecolor(PAPER)
        for panel, (label, runs) in itertools.zip_longest(
            axes.flat, found.items(), fillvalue=("", ())
        ):
            if label:
                _panel(panel, label, runs)
            else:
                panel.set_visible(False)
        top = 1 - 0.62 / size[1]
        lines = {line.get_label(): line for line in axes[0][0].get_lines()}
        figure.legend(
            [lines[name] for name in LEGEND],
            LEGEND,
            loc="upper center",
            ncols=4,
            frameon=False,
            bbox_to_anchor=(0.5, 1.0),
            handlelength=2.2,
            columnspacing=2.2,
        )
        figure.supxlabel("requests since the restart", fontsize=9.5)
        figure.supylabel("of these, answered without computing", fontsize=9.5)
        figure.tight_layout(rect=(0, 0, 1, top), h_pad=1.4, w_pad=1.4)
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = io.BytesIO()
        figure.savefig(whole, dpi=200, metadata={"Software": None})
        pyplot.close(figure)
        # A few colours are enough for lines, and a quarter of the bytes.
        Image.open(whole).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(
            file, format="PNG", optimize=True
        )


def _panel(panel: Any, label: str, runs: Sequence[Any]) -> None:
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    count = len(runs[0].hits)
    first = max(10, count // 400)
    moments = sorted({round(first * (count / first) ** (n / 240)) for n in range(241)})
    by_name = {run.how: run for run in runs}
    for name in reversed(LOOKS):
        colour, width, dashes = LOOKS[name]
        sums = list(itertools.accumulate(by_name[name].hits))
        rates = [sums[at - 1] / at for at in moments]
        panel.plot(moments, rates, color=colour, linewidth=width, linestyle=dashes, label=name)
    panel.set_title(label, loc="left", fontsize=10.5, fontweight="bold")
    panel.set_xscale("log")
    panel.set_xlim(moments[0], count)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.grid(color=GRID, linewidth=0.7)
    panel.set_axisbelow(True)
    panel.set_ylim(bottom=0)
    panel.tick_params(which="both", length=0, labelsize=8.5)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
