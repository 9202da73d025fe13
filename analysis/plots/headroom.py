"""Time share of each kernel: what its roof needs, and what lies above the roof."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import significant
from dsprof.analysis.plots.style import (
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    new_figure,
    note_empty,
    plain,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN, ABOVE_IN, BELOW_IN = 0.29, 1.0, 0.8
ROOF_COLOR, HEADROOM_COLOR, UNKNOWN_COLOR = "#0072B2", "#E69F00", "#C4C4C4"
NAME_CHARACTER_IN = 0.072  # mean width at 8.5 pt
ROOM_FOR_WORDS = 1.25  # of the longest bar


def headroom_figure(top: "pd.DataFrame", *, title: str) -> "Figure":
    """A bar a kernel of ``ModelKernels.top``: time at the rated roof, then headroom.

    A grey bar has no roof time. A kernel above its roof is all roof.
    """
    names = [plain(name) for name in top["kernel"]]
    figure = new_figure(11.0, ABOVE_IN + BELOW_IN + ROW_IN * max(len(names), 3))
    width, height = figure.get_size_inches()
    letters = max(map(len, names), default=4)
    figure.subplots_adjust(
        left=min(0.3 + NAME_CHARACTER_IN * letters, 0.6 * width) / width,
        right=1 - 0.2 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
    )
    axes = figure.subplots()
    clean(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Share of the kernel time (%)", fontsize=9)
    if not len(top):
        note_empty(axes, "No kernel ran.")
    for y, (_, row) in enumerate(top.iterrows()):
        _bar(axes, y, row)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.set_xlim(0, max([*top["share_pct"], 1.0]) * ROOM_FOR_WORDS)
    add_note(figure, "Words: share of the rated roof that is reached.", lines_of_room=1)
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.2 / height)
    _draw_legend(figure, y=1 - 0.42 / height)
    return figure


def _bar(axes: "Axes", y: int, row: "pd.Series") -> None:
    whole, reached = float(row["share_pct"]), float(row["spec_roof_pct"])
    words = "no roof time"
    if math.isnan(reached):
        parts = [(whole, UNKNOWN_COLOR)]
    else:
        at_roof = whole * min(reached, 100.0) / 100
        parts = [(at_roof, ROOF_COLOR), (whole - at_roof, HEADROOM_COLOR)]
        words = f"{significant(reached)} %"
    start = 0.0
    for length, color in parts:
        axes.barh(y, length, left=start, height=0.62, color=color, zorder=3)
        start += length
    axes.annotate(
        words,
        (start, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=TEXT_COLOR,
    )


def _draw_legend(figure: "Figure", y: float) -> None:
    figure.legend(
        handles=[
            handle("time at the rated roof", color=ROOF_COLOR, marker="s"),
            handle("headroom above it", color=HEADROOM_COLOR, marker="s"),
            handle("not counted", color=UNKNOWN_COLOR, marker="s"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
