"""A design space: latency over two resources, and the fronts worth building."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.design_surface import (
    CHOSEN_COLOR,
    SOURCE_COLOR,
    log_ticks,
    mark,
    surfaces,
)
from dsprof.analysis.plots.style import (
    PALETTE,
    add_note,
    clean,
    handle,
    new_figure,
    plain,
)
from dsprof.analysis.whatif.design_space import Design, Exploration
from dsprof.analysis.whatif.resource import Resource
from dsprof.analysis.whatif.size_words import size_words

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

WIDTH_IN, HEIGHT_IN = 12.0, 9.0
MOST_DOTS = 4000
DOT_COLOR, FRONT_COLOR = "#C9D3DA", PALETTE[0]


def design_space_figure(
    found: Exploration, *, target_s: float | None = None
) -> "Figure":
    """Latency over the first two axes at the least and the most on-chip memory; fronts.

    Other axes stand at the value nearest to the source's. The cheapest design that is
    as quick as ``target_s`` is marked, if there is one.
    """
    chosen = None if target_s is None else found.cheapest(target_s)
    figure = new_figure(WIDTH_IN, HEIGHT_IN)
    figure.subplots_adjust(
        left=0.075, right=0.93, top=0.87, bottom=0.105, wspace=0.24, hspace=0.36
    )
    grid = figure.subplots(2, 2)
    surfaces(figure, list(grid[0]), found, chosen)
    costs = [(design.latency_s, design.area_mm2) for design in found.cost_front]
    powers = [(design.latency_s, design.power_w) for design in found.power_front]
    _front(grid[1][0], found, found.area_mm2, costs)
    _front(grid[1][1], found, found.power_w, powers)
    for axes, one in ((grid[1][0], "area_mm2"), (grid[1][1], "power_w")):
        _marks(axes, found.source, chosen, one)
        log_ticks(axes)
    grid[1][0].set_ylabel("Area, or what costs as much (mm2)", fontsize=9)
    grid[1][1].set_ylabel("Mean power while the layer runs (W)", fontsize=9)
    grid[1][0].set_title("Latency against cost", fontsize=10, loc="left", y=1.0)
    grid[1][1].set_title("Latency against power", fontsize=10, loc="left", y=1.0)
    add_note(figure, _note(found), lines_of_room=1)
    height = figure.get_figheight()
    figure.suptitle(
        plain(f"Design space of an MoE layer, {size_words(found.layer)}"),
        fontsize=13,
        y=1 - 0.14 / height,
    )
    within_ms = None if chosen is None or target_s is None else target_s * 1e3
    _draw_legend(figure, found, within_ms, y=1 - 0.36 / height)
    return figure


def _front(
    axes: "Axes",
    found: Exploration,
    measure: "Array",
    front: Sequence[tuple[float, float]],
) -> None:
    """Dots for some designs, evenly taken, and the front as a line."""
    import numpy as np

    clean(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Time of the layer (ms)", fontsize=9)
    latency, other = found.latency_s.ravel(), measure.ravel()
    possible = np.flatnonzero(np.isfinite(latency))
    # A step prime to the axes' lengths, so that every axis is seen all along.
    taken = possible[:: max(1, len(possible) // MOST_DOTS) | 1]
    axes.plot(
        latency[taken] * 1e3,
        other[taken],
        linestyle="",
        marker=".",
        markersize=2.5,
        color=DOT_COLOR,
        zorder=1.5,
    )
    if front:
        xs, ys = zip(*front, strict=True)
        axes.plot(np.array(xs) * 1e3, ys, color=FRONT_COLOR, linewidth=2, zorder=3)


def _marks(axes: "Axes", source: Design, chosen: Design | None, measure: str) -> None:
    mark(axes, source.latency_s * 1e3, getattr(source, measure), SOURCE_COLOR, "*")
    if chosen is not None:
        mark(axes, chosen.latency_s * 1e3, getattr(chosen, measure), CHOSEN_COLOR, "D")


def _note(found: Exploration) -> str:
    named = [one for one in found.values if len(found.values[one]) > 1]
    others = [one.label for one in named[2:] if one is not Resource.ON_CHIP_CAPACITY]
    nearest = f" {', '.join(others)}: the value nearest to it." if others else ""
    file = found.costs.path.name
    return (
        f"{found.points:,} designs; star: {found.layer.source.name}.{nearest} Area and "
        f"power by the coefficients of {file}."
    )


def _draw_legend(
    figure: "Figure", found: Exploration, within_ms: float | None, y: float
) -> None:
    handles = [
        handle(found.layer.source.name, color=SOURCE_COLOR, marker="*"),
        handle("Pareto front", color=FRONT_COLOR, linestyle="-"),
        handle("a design", color=DOT_COLOR, marker="."),
    ]
    if within_ms is not None:
        words = f"cheapest within {within_ms:.3g} ms"
        handles.append(handle(words, color=CHOSEN_COLOR, marker="D"))
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
