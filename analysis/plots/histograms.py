"""Histograms of counters: a panel a counter, cold and warm bars side by side."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.counter_columns import CounterGroup, ShownCounter
from dsprof.analysis.plots.style import (
    CACHE_COLORS,
    TEXT_COLOR,
    clean,
    handle,
    new_figure,
    note_empty,
)
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BINS = 20
LEAST_LOG_SPAN = 30  # beyond this ratio of most to least, bins grow with the value
OTHER_COLOR = "#8A8A8A"  # of points whose cache state nobody recorded
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 4.35, 2.55
COLUMNS = {4: 2, 5: 3}
ABOVE_IN, BELOW_IN = 0.95, 0.5


def histogram_figure(frame: "pd.DataFrame", group: CounterGroup) -> "Figure":
    """How many points of the merged frame have which value, a panel a counter.

    A dashed line marks each cache state's median. Percentages share the axis 0 to
    100, which grows for values above it; a point without the counter is in no bar.
    """
    count = len(group.counters)
    columns = COLUMNS.get(count, 3)
    rows = math.ceil(count / columns)
    panel_width = PANEL_WIDTH_IN * 3 / columns
    figure = new_figure(
        panel_width * columns, PANEL_HEIGHT_IN * rows + ABOVE_IN + BELOW_IN
    )
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.6 / width,
        right=1 - 0.2 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.14,
        hspace=0.46,
    )
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, counter in zip(panels.flat, group.counters, strict=False):
        _panel(axes, frame, counter)
    for axes in list(panels.flat)[count:]:
        axes.set_visible(False)
    for row in panels:
        row[0].set_ylabel("Points", fontsize=9)
    figure.suptitle(group.title, fontsize=13, y=1 - 0.15 / height)
    _draw_legend(figure, frame, y=1 - 0.32 / height)
    return figure


def _panel(axes: "Axes", frame: "pd.DataFrame", counter: ShownCounter) -> None:
    from matplotlib.ticker import MaxNLocator

    clean(axes)
    axes.grid(visible=False, axis="x")
    axes.set_title(counter.title, fontsize=10, color=TEXT_COLOR, loc="left", y=1.0)
    axes.set_xlabel(counter.unit, fontsize=9)
    values = {
        state: known
        for state, rows in frame.groupby("cache", sort=True)
        if len(known := rows[counter.column].dropna())
    }
    if not values:
        note_empty(axes, "No point has this counter.")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    edges, is_log = _edges(list(values.values()), is_percent="%" in counter.unit)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.minorticks_off()
    axes.hist(
        list(values.values()),
        bins=list(edges),
        color=[_color(state) for state in values],
        rwidth=0.9,
        zorder=3,
    )
    for state, known in values.items():
        axes.axvline(
            float(known.median()),
            color=_color(state),
            linewidth=1.3,
            linestyle="--",
            zorder=4,
        )
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))


def _edges(
    values: "list[pd.Series[float]]", *, is_percent: bool
) -> "tuple[NDArray[np.float64], bool]":
    """Bin edges that hold every value, and True where they are for a log axis."""
    import numpy as np

    least = min(float(known.min()) for known in values)
    most = max(float(known.max()) for known in values)
    if is_percent:
        step = 100 / BINS
        first = step * math.floor(min(least, 0) / step)
        last = step * math.ceil(max(most, 100) / step)
        return np.arange(first, last + step / 2, step), False
    if least > 0 and most / least > LEAST_LOG_SPAN:
        return np.geomspace(least / 1.05, most * 1.05, BINS + 1), True
    return np.linspace(min(least, 0), most * 1.02 or 1, BINS + 1), False


def _color(state: object) -> str:
    known = {cache.value: color for cache, color in CACHE_COLORS.items()}
    return known.get(str(state), OTHER_COLOR)


def _draw_legend(figure: "Figure", frame: "pd.DataFrame", y: float) -> None:
    states = sorted({str(state) for state in frame["cache"]})
    if not states:
        return
    known = {cache.value for cache in Cache}
    handles = [
        handle(
            f"{state} L2" if state in known else "L2 state not recorded",
            color=_color(state),
            marker="s",
        )
        for state in states
    ]
    handles.append(handle("median", linestyle="--"))
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
