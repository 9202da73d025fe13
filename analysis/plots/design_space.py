"""A design space: latency over two resources, and the fronts worth building."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    PALETTE,
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    keep_visible_ticks,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.whatif.design_space import Design, Exploration
from dsprof.analysis.whatif.resource import Resource, amount, scale_of
from dsprof.analysis.whatif.size_words import size_words

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

WIDTH_IN, HEIGHT_IN = 12.0, 9.0
LEVELS = 9
MAP = "YlGnBu"
SPAN_SHOWN = 1.02  # a surface that varies less than this is flat
MOST_DOTS = 4000
SHORT_SPAN = 10  # a log axis shorter than that has more ticks a decade
DOT_COLOR, FRONT_COLOR, SOURCE_COLOR, CHOSEN_COLOR = (
    "#C9D3DA",
    PALETTE[0],
    PALETTE[1],
    PALETTE[6],
)


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
    _surfaces(figure, list(grid[0]), found, chosen)
    costs = [(design.latency_s, design.area_mm2) for design in found.cost_front]
    powers = [(design.latency_s, design.power_w) for design in found.power_front]
    _front(grid[1][0], found, found.area_mm2, costs)
    _front(grid[1][1], found, found.power_w, powers)
    for axes, one in ((grid[1][0], "area_mm2"), (grid[1][1], "power_w")):
        _marks(axes, found.source, chosen, one)
        _log_ticks(axes)
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


def _surfaces(
    figure: "Figure",
    panels: "Sequence[Axes]",
    found: Exploration,
    chosen: Design | None,
) -> None:
    """Both contours share their levels and one colour bar."""
    import numpy as np

    axes_of = [
        resource
        for resource, values in found.values.items()
        if resource is not Resource.ON_CHIP_CAPACITY and len(values) > 1
    ]
    shown = axes_of[:2]
    if len(shown) < len(panels):
        for axes in panels:
            clean(axes)
            note_empty(axes, "A surface needs ranges of two resources.")
        return
    capacities = found.values.get(Resource.ON_CHIP_CAPACITY)
    ends = [0, -1] if capacities is not None and len(capacities) > 1 else [0]
    surfaces = [_surface(found, shown, end) * 1e3 for end in ends]
    finite = [one[np.isfinite(one)] for one in surfaces]
    low = min((float(one.min()) for one in finite if one.size), default=1.0)
    high = max((float(one.max()) for one in finite if one.size), default=1.0)
    levels = np.geomspace(low, max(high, low * SPAN_SHOWN), LEVELS + 1)
    drawn = []
    for axes, end, surface in zip(panels, ends, surfaces, strict=False):
        drawn.append(_contour(axes, found, shown, surface, levels))
        axes.set_title(_title(found, capacities, end), fontsize=10, loc="left", y=1.0)
        _mark_surface(axes, found, shown, chosen, end if len(ends) > 1 else None)
        _log_ticks(axes)
    for axes in panels[len(ends) :]:
        axes.set_visible(False)
    last = panels[len(ends) - 1].get_position()
    place = figure.add_axes((0.945, last.y0, 0.012, last.height))
    bar = figure.colorbar(drawn[0], cax=place, format=lambda value, _: f"{value:.3g}")
    bar.set_ticks(list(levels[::3]))
    bar.minorticks_off()
    place.set_title("ms", fontsize=8.5, color=TEXT_COLOR)
    place.tick_params(labelsize=8, colors=TEXT_COLOR)


def _surface(found: Exploration, shown: Sequence[Resource], end: int) -> "Array":
    """Latency with rows by the second axis shown and columns by the first."""
    import numpy as np

    index: list[int | slice] = []
    for resource, values in found.values.items():
        if resource in shown:
            index.append(slice(None))
        elif resource is Resource.ON_CHIP_CAPACITY:
            index.append(end)
        else:
            own = found.source.values.get(resource, float(values[len(values) // 2]))
            index.append(int(np.abs(np.log(values / own)).argmin()))
    return np.asarray(found.latency_s[tuple(index)].T, dtype=np.float64)


def _contour(
    axes: "Axes",
    found: Exploration,
    shown: Sequence[Resource],
    surface: "Array",
    levels: "Array",
) -> "QuadContourSet":
    from matplotlib.colors import LogNorm

    (x_scale, x_unit), (y_scale, y_unit) = (scale_of(one) for one in shown)
    x, y = found.values[shown[0]] / x_scale, found.values[shown[1]] / y_scale
    norm = LogNorm(float(levels[0]), float(levels[-1]))
    drawn = axes.contourf(x, y, surface, levels=levels, cmap=MAP, norm=norm)
    axes.contour(x, y, surface, levels=levels, colors="white", linewidths=0.7)
    axes.set_xlabel(plain(f"{shown[0].label} ({x_unit})"), fontsize=9)
    axes.set_ylabel(plain(f"{shown[1].label} ({y_unit})"), fontsize=9)
    axes.tick_params(labelsize=8, colors=TEXT_COLOR, length=3)
    return drawn


def _title(found: Exploration, capacities: "Array | None", end: int) -> str:
    resource = Resource.ON_CHIP_CAPACITY
    value = found.layer.source.on_chip_bytes if capacities is None else capacities[end]
    return plain(f"Time of the layer with {amount(resource, float(value))} on chip")


def _mark_surface(
    axes: "Axes",
    found: Exploration,
    shown: Sequence[Resource],
    chosen: Design | None,
    end: int | None,
) -> None:
    """The source on both panels; the chosen design on that of the nearer capacity."""
    scales = [scale_of(one)[0] for one in shown]
    x_limits, y_limits = axes.get_xlim(), axes.get_ylim()
    for design, color, marker in (
        (found.source, SOURCE_COLOR, "*"),
        (chosen, CHOSEN_COLOR, "D"),
    ):
        if design is None or not all(one in design.values for one in shown):
            continue
        if design is chosen and end is not None and not _is_near(found, design, end):
            continue
        x, y = (design.values[one] / s for one, s in zip(shown, scales, strict=True))
        _mark(axes, x, y, color, marker)
    axes.set_xlim(x_limits)
    axes.set_ylim(y_limits)


def _is_near(found: Exploration, design: Design, end: int) -> bool:
    capacities = found.values[Resource.ON_CHIP_CAPACITY]
    own = design.values[Resource.ON_CHIP_CAPACITY]
    middle = (float(capacities[0]) * float(capacities[-1])) ** 0.5
    is_low = own <= middle
    return is_low if end == 0 else not is_low


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
    _mark(axes, source.latency_s * 1e3, getattr(source, measure), SOURCE_COLOR, "*")
    if chosen is not None:
        _mark(axes, chosen.latency_s * 1e3, getattr(chosen, measure), CHOSEN_COLOR, "D")


def _mark(axes: "Axes", x: float, y: float, color: str, marker: str) -> None:
    axes.plot(
        x,
        y,
        linestyle="",
        marker=marker,
        markersize=15 if marker == "*" else 8,
        color=color,
        markeredgecolor="white",
        zorder=6,
    )


def _log_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        is_short = high < low * SHORT_SPAN
        axis.set_major_locator(
            LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if is_short else (1, 2, 5))
        )
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.minorticks_off()
    keep_visible_ticks(axes)


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
