"""Time against tokens: one small log-log panel an op, all on the same axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    CACHE_COLORS,
    ROOF_COLOR,
    TEXT_COLOR,
    clean,
    handle,
    keep_visible_ticks,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns of panels, and the size and type of each."""

    columns: int
    width_in: float
    height_in: float
    title_pt: float
    marker_pt: float


FEW = Layout(columns=4, width_in=3.2, height_in=2.35, title_pt=8, marker_pt=3.5)
MANY = Layout(columns=6, width_in=2.25, height_in=1.75, title_pt=6.5, marker_pt=2)
MOST_LARGE_PANELS = 32
ABOVE_IN, BELOW_IN = 1.1, 0.62
# A roof time far under the fastest call says no more by being drawn; leaving it out
# keeps the measured times from being squeezed into a corner.
ROOM_BELOW = 6
CACHE_MARKERS = {Cache.WARM: "o", Cache.COLD: "s"}


def time_figure(frame: "pd.DataFrame") -> "Figure":
    """Median warm and cold times over tokens, and the roof time as a dashed floor.

    The roof leaves a panel downwards where it is far under every measured time.
    An op whose work is not a function of tokens alone has several thin lines.
    """
    series = token_series(frame)
    ops = _by_op(series)
    layout = FEW if len(ops) <= MOST_LARGE_PANELS else MANY
    columns = min(layout.columns, max(1, len(ops)))
    rows = max(1, math.ceil(len(ops) / columns))
    figure = _new_figure(layout, rows, columns)
    height = figure.get_figheight()
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    figure.suptitle("Time of one call against tokens", fontsize=13, y=1 - 0.3 / height)
    if series:
        _set_axes(panels[0], series)
        _fill(panels, ops, layout, columns)
        _draw_legend(figure, y=1 - 0.42 / height)
    else:
        clean(panels[0])
        note_empty(panels[0], "No point of this profile has a time.")
    figure.supxlabel(
        "Tokens (B in decode, B x S in prefill)", fontsize=10, y=0.12 / height
    )
    figure.supylabel("Median time (us)", fontsize=10, x=0.15 / figure.get_figwidth())
    return figure


def _by_op(series: Sequence[Series]) -> list[list[Series]]:
    ops: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        ops.setdefault((one.kernel, one.op), []).append(one)
    return list(ops.values())


def _new_figure(layout: Layout, rows: int, columns: int) -> "Figure":
    height = layout.height_in * rows + ABOVE_IN + BELOW_IN - 0.37
    figure = new_figure(layout.width_in * columns + 0.8, max(height, 4.0))
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.95 / width,
        right=1 - 0.15 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.1,
        hspace=0.32 if layout is FEW else 0.42,
    )
    return figure


def _set_axes(axes: "Axes", series: Sequence[Series]) -> None:
    """Scales, limits and formats, which all panels share with this one."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda tokens, _: _tokens(tokens))
    axes.yaxis.set_major_formatter(lambda time_us, _: f"{time_us:,g}")
    tokens = [size.tokens for one in series for size in one.sizes]
    times = list(_times_us(series))
    axes.set_xlim(min(tokens) / 1.6, max(tokens) * 1.6)
    axes.set_ylim(min(times) / ROOM_BELOW, max(times) * 2)
    keep_visible_ticks(axes)


def _times_us(series: Sequence[Series]) -> Iterator[float]:
    for one in series:
        for size in one.sizes:
            yield from (
                time_us for cache in Cache if (time_us := size.time_us(cache)) > 0
            )


def _fill(
    panels: "Sequence[Axes]",
    ops: Sequence[Sequence[Series]],
    layout: Layout,
    columns: int,
) -> None:
    for axes, variants in zip(panels, ops, strict=False):
        clean(axes)
        for one in variants:
            _draw(axes, one, layout, thin=len(variants) > 1)
        # A given y spares matplotlib a search for room above each panel.
        axes.set_title(
            _title(variants),
            fontsize=layout.title_pt,
            loc="left",
            color=TEXT_COLOR,
            pad=4,
            y=1.0,
        )
    for axes in panels[len(ops) :]:
        axes.set_visible(False)
    # The panel above an empty place is the last of its column.
    for axes in panels[max(0, len(ops) - columns) : len(ops)]:
        axes.tick_params(labelbottom=True)


def _draw(axes: "Axes", series: Series, layout: Layout, *, thin: bool) -> None:
    tokens = [size.tokens for size in series.sizes]
    roofs = [size.roof_us for size in series.sizes]
    axes.plot(
        tokens, roofs, linestyle="--", color=ROOF_COLOR, linewidth=0.6 if thin else 1
    )
    for cache in (Cache.COLD, Cache.WARM):
        axes.plot(
            tokens,
            [size.time_us(cache) for size in series.sizes],
            color=CACHE_COLORS[cache],
            marker=CACHE_MARKERS[cache],
            markersize=layout.marker_pt * (0.7 if thin else 1),
            linewidth=0.7 if thin else 1.2,
        )


def _title(variants: Sequence[Series]) -> str:
    """Kernel and op, and what tells the lines apart where there are several."""
    op = plain(variants[0].op)
    details = _details([one.detail for one in variants])
    return f"{plain(variants[0].kernel)}\n{op} {plain(details)}".rstrip()


def _details(details: Sequence[str]) -> str:
    """``prefill B=1`` and ``prefill B=2`` become ``prefill B=1, B=2``."""
    phases: dict[str, list[str]] = {}
    for detail in details:
        phase, _, rest = detail.partition(" ")
        phases.setdefault(phase, []).append(rest)
    return "; ".join(
        f"{phase} {', '.join(rests)}".strip() for phase, rests in phases.items()
    )


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
            handle("spec roof time", color=ROOF_COLOR, linestyle="--"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
