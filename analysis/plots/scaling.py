"""Time against tokens: one small log-log panel an op, all on the same axes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    CACHE_COLORS,
    ROOF_COLOR,
    TEXT_COLOR,
    clean,
    handle,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.scaling import Series, token_series
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 3.2, 2.35
# A roof time far under the fastest call says no more by being drawn; leaving it out
# keeps the measured times from being squeezed into a corner.
ROOM_BELOW = 6
CACHE_MARKERS = {Cache.WARM: "o", Cache.COLD: "s"}


def time_figure(frame: "pd.DataFrame") -> "Figure":
    """Median warm and cold times over tokens, and the roof time as a dashed floor.

    The roof leaves a panel downwards where it is far under every measured time.
    An op whose work is not a function of tokens alone has a panel for each series.
    """
    series = token_series(frame)
    columns = min(COLUMNS, max(1, len(series)))
    rows = max(1, math.ceil(len(series) / columns))
    height = PANEL_HEIGHT_IN * rows + 1.35
    figure = new_figure(PANEL_WIDTH_IN * columns + 0.8, max(height, 4.0))
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.95 / width,
        right=1 - 0.15 / width,
        top=1 - 1.1 / height,
        bottom=0.62 / height,
        wspace=0.1,
        hspace=0.32,
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    figure.suptitle("Time of one call against tokens", fontsize=13, y=1 - 0.3 / height)
    if series:
        _fill(panels, series, columns)
        panels[0].set_ylim(bottom=_least_us(series) / ROOM_BELOW)
        _draw_legend(figure, y=1 - 0.42 / height)
    else:
        clean(panels[0])
        note_empty(panels[0], "No point of this profile has a time.")
    figure.supxlabel("Tokens (B in decode, B x S in prefill)", fontsize=10)
    figure.supylabel("Median time (us)", fontsize=10)
    return figure


def _least_us(series: Sequence[Series]) -> float:
    times = (
        size.time_us(cache) for one in series for size in one.sizes for cache in Cache
    )
    return min(time_us for time_us in times if time_us > 0)


def _fill(panels: Sequence["Axes"], series: Sequence[Series], columns: int) -> None:
    for axes, one in zip(panels, series, strict=False):
        _panel(axes, one)
    for axes in panels[len(series) :]:
        axes.set_visible(False)
    # The panel above an empty place is the last of its column.
    for axes in panels[max(0, len(series) - columns) : len(series)]:
        axes.tick_params(labelbottom=True)


def _panel(axes: "Axes", series: Series) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda tokens, _: _tokens(tokens))
    axes.yaxis.set_major_formatter(lambda time_us, _: f"{time_us:,g}")
    clean(axes)
    tokens = [size.tokens for size in series.sizes]
    roofs = [size.roof_us for size in series.sizes]
    axes.plot(tokens, roofs, linestyle="--", color=ROOF_COLOR, linewidth=1)
    for cache in (Cache.COLD, Cache.WARM):
        axes.plot(
            tokens,
            [size.time_us(cache) for size in series.sizes],
            color=CACHE_COLORS[cache],
            marker=CACHE_MARKERS[cache],
            markersize=3.5,
            linewidth=1.2,
        )
    axes.set_title(_title(series), fontsize=8, loc="left", color=TEXT_COLOR, pad=4)


def _title(series: Series) -> str:
    name = plain(series.kernel)
    detail = plain(" ".join(filter(None, (series.op, series.detail))))
    return f"{name}\n{detail}"


def _tokens(tokens: float) -> str:
    return f"{tokens / 1024:g}k" if tokens >= 1024 else f"{tokens:g}"  # noqa: PLR2004 -- 2**10


def _draw_legend(figure: "Figure", y: float) -> None:
    figure.legend(
        handles=[
            *(
                handle(
                    f"{cache} L2",
                    color=CACHE_COLORS[cache],
                    marker=CACHE_MARKERS[cache],
                    linestyle="-",
                )
                for cache in Cache
            ),
            handle("roof time", color=ROOF_COLOR, linestyle="--"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
