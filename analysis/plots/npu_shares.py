"""Stacked bars, one a problem size: what takes a layer's time, or its energy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import significant
from dsprof.analysis.plots.style import (
    TEXT_COLOR,
    clean,
    handle,
    new_figure,
    note_empty,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN, ABOVE_IN, BELOW_IN, WIDTH_IN = 0.46, 0.95, 0.6, 10.0
# One colour a cause, whichever the figure.
COLORS = {
    "tensor": "#0072B2",
    "arithmetic": "#0072B2",
    "vector": "#56B4E9",
    "HBM": "#D55E00",
    "on-chip": "#E69F00",
    "fixed": "#8A8A8A",
    "static": "#8A8A8A",
}
ROOM_FOR_NUMBER_PCT = 5.0  # a narrower part has its number in the table alone
ROOM_FOR_WORDS_PCT = 24.0  # right of the bars
LIGHT = {"on-chip", "vector"}  # parts on which text is dark


def shares_figure(
    parts: Mapping[str, Mapping[str, float]],
    totals: Mapping[str, str],
    *,
    title: str,
    axis: str,
) -> "Figure":
    """Percent of each size's total by cause; ``totals`` stand right of the bars.

    Sizes and causes are in the order of the mappings.
    """
    rows = max(len(parts), 2)
    height = ABOVE_IN + BELOW_IN + ROW_IN * rows
    figure = new_figure(WIDTH_IN, height)
    figure.subplots_adjust(
        left=2.1 / WIDTH_IN,
        right=1 - 0.2 / WIDTH_IN,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
    )
    axes = figure.subplots()
    clean(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if parts:
        _bars(axes, parts, totals)
        causes = list(dict.fromkeys(name for one in parts.values() for name in one))
        _legend(figure, causes, height)
    else:
        note_empty(axes, "No layer has a time.")
        axes.set_yticks([])
    axes.set_xlabel(axis, fontsize=9)
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.15 / height)
    return figure


def _bars(
    axes: "Axes",
    parts: Mapping[str, Mapping[str, float]],
    totals: Mapping[str, str],
) -> None:
    for y, (size, shares) in enumerate(parts.items()):
        left = 0.0
        for cause, share in shares.items():
            axes.barh(y, share, left=left, height=0.66, color=COLORS[cause], zorder=3)
            if share >= ROOM_FOR_NUMBER_PCT:
                axes.text(
                    left + share / 2,
                    y,
                    significant(share, 2),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=TEXT_COLOR if cause in LIGHT else "white",
                    zorder=4,
                )
            left += share
        axes.text(
            101, y, plain(totals[size]), va="center", fontsize=8, color=TEXT_COLOR
        )
    axes.set_yticks(range(len(parts)), [plain(size) for size in parts], fontsize=9)
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, 100 + ROOM_FOR_WORDS_PCT)
    axes.set_xticks(range(0, 101, 20))
    axes.spines["bottom"].set_bounds(0, 100)


def _legend(figure: "Figure", causes: Sequence[str], height: float) -> None:
    figure.legend(
        handles=[handle(cause, color=COLORS[cause], marker="s") for cause in causes],
        loc="upper center",
        ncols=len(causes),
        bbox_to_anchor=(0.5, 1 - 0.42 / height),
        frameon=False,
        fontsize=9,
    )
