"""Where a program's kernel time goes, by family of kernel and by library."""

from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.plots.style import (
    TEXT_COLOR,
    clean,
    new_figure,
    note_empty,
    plain,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN, ABOVE_IN, BELOW_IN = 0.34, 1.0, 0.6
LIBRARY_COLOR, FAMILY_COLOR = "#0072B2", "#009E73"
ROOM_FOR_WORDS = 1.55  # of the longest bar
LEAST_PART = 0.01  # of the longest bar: smaller kernels are not told apart


def families_figure(kernels: "pd.DataFrame", *, title: str) -> "Figure":
    """Share of the kernel time of a kernels_frame; a part of a bar is a kernel."""
    panels = (("family", "Family", FAMILY_COLOR), ("library", "Library", LIBRARY_COLOR))
    rows = max(*(kernels[by].nunique() for by, *_ in panels), 3)
    figure = new_figure(13.0, ABOVE_IN + BELOW_IN + ROW_IN * rows)
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=1.3 / width,
        right=1 - 0.2 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.38,
    )
    for axes, (by, heading, color) in zip(figure.subplots(1, 2), panels, strict=True):
        _panel(axes, kernels, by, color)
        axes.set_title(heading, fontsize=11, color=TEXT_COLOR, loc="left")
        axes.set_xlabel("Share of the kernel time (%)", fontsize=9)
        axes.set_ylim(rows - 0.4, -0.6)
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.2 / height)
    return figure


def _panel(axes: "Axes", kernels: "pd.DataFrame", by: str, color: str) -> None:
    clean(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if not len(kernels):
        note_empty(axes, "No kernel ran.")
        axes.set_yticks([])
        return
    groups = dict(list(kernels.groupby(by, sort=True)))
    order = sorted(groups, key=lambda name: -groups[name]["total_ns"].sum())
    longest = max(float(group["share_pct"].sum()) for group in groups.values())
    for y, name in enumerate(order):
        rows = groups[name]
        end = float(rows["share_pct"].sum())
        axes.barh(y, end, height=0.62, color=color, zorder=3)
        shown = rows["share_pct"] >= longest * LEAST_PART
        cuts = rows["share_pct"].cumsum()[shown]
        axes.vlines(cuts, y - 0.31, y + 0.31, colors="white", linewidths=0.8, zorder=4)
        axes.annotate(
            f"{significant(end)} %, {plural(len(rows), 'kernel')}",
            (end, y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=TEXT_COLOR,
        )
    axes.set_yticks(range(len(order)), [plain(name) for name in order], fontsize=9)
    axes.set_xlim(0, longest * ROOM_FOR_WORDS)
