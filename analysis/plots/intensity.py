"""Histogram of arithmetic intensity by time: what a layer's time is spent on."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import rated
from dsprof.analysis.plots.style import (
    PALETTE,
    ROOF_COLOR,
    TEXT_COLOR,
    clean,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.whatif.balance import Balance, IntensityPart
from dsprof.analysis.whatif.size_words import size_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 5.6, 2.3
ABOVE_IN, BELOW_IN = 0.75, 0.55
MOST_COLUMNS = 2
NO_FLOP_GAP = 3  # bars between calls without FLOP and the least intensity
LEAST_WORDS_PCT = 1.0
ROOM_ABOVE = 1.22


def intensity_figure(found: Sequence[Balance], *, title: str) -> "Figure":
    """A panel a layer: percent of its time by intensity, in powers of two.

    Calls without FLOP stand alone on the left. The dashed line is the balance of the
    source machine: what lies left of it is limited by HBM there, at rated limits.
    """
    columns = min(MOST_COLUMNS, max(len(found), 1))
    rows = max(1, math.ceil(len(found) / columns))
    figure = new_figure(
        PANEL_WIDTH_IN * columns, PANEL_HEIGHT_IN * rows + ABOVE_IN + BELOW_IN
    )
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.62 / width,
        right=1 - 0.2 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.08,
        hspace=0.42,
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    panels: list[Axes] = list(grid.flat)
    low, high = _exponents(found)
    if found:
        _set_axes(panels[0], found, low, high)
    for axes, one in zip(panels, found, strict=False):
        _panel(axes, one, low)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    if not found:
        panels[0].set_visible(True)
        clean(panels[0])
        note_empty(panels[0], "No layer of this profile has FLOP and a time.")
    for row in grid:
        row[0].set_ylabel("Layer time (%)", fontsize=9)
    figure.supxlabel("FLOP per compulsory byte", fontsize=9.5, y=0.12 / height)
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.15 / height)
    return figure


def _exponents(found: Sequence[Balance]) -> tuple[int, int]:
    """Of the least and the largest intensity, with room for the machine's balance."""
    keys = [_exponent(part) for one in found for part in one.parts if part.low]
    balances = [math.floor(math.log2(one.source_flop_per_byte)) for one in found]
    both = [*keys, *balances] or [0]
    return min(both), max(both) + 1


def _exponent(part: IntensityPart) -> int:
    return math.floor(math.log2(part.low))


def _set_axes(axes: "Axes", found: Sequence[Balance], low: int, high: int) -> None:
    left = low - NO_FLOP_GAP
    ticks = [left + 0.5, *range(low, high + 1, 2)]
    names = ["no FLOP", *(f"{2.0**key:g}" for key in ticks[1:])]
    axes.set_xlim(left - 0.3, high + 0.3)
    axes.set_xticks(ticks, names)
    most = max(part.share_pct for one in found for part in one.parts)
    axes.set_ylim(0, most * ROOM_ABOVE)


def _panel(axes: "Axes", one: Balance, low: int) -> None:
    clean(axes)
    axes.grid(visible=False, axis="x")
    axes.tick_params(labelbottom=True)
    for part in one.parts:
        left = _exponent(part) if part.low else low - NO_FLOP_GAP
        color = PALETTE[0] if part.low else "#8A8A8A"
        axes.bar(left + 0.5, part.share_pct, width=0.92, color=color, zorder=3)
        if part.share_pct >= LEAST_WORDS_PCT:
            axes.annotate(
                f"{part.share_pct:.0f}",
                (left + 0.5, part.share_pct),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=TEXT_COLOR,
            )
    at = math.log2(one.source_flop_per_byte)
    axes.axvline(at, color=ROOF_COLOR, linewidth=1.2, linestyle="--", zorder=4)
    machine = f"{rated(one.source_flop_per_byte)} FLOP/byte"
    datapath = one.datapath.partition("_")[0].upper()
    axes.set_title(
        plain(f"{size_words(one.layer)}; dashed: {machine} ({datapath})"),
        fontsize=9.5,
        loc="left",
        color=TEXT_COLOR,
        y=1.0,
    )
