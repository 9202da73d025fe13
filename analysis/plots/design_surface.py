"""Latency over two resources of a design space, a panel an on-chip size."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    PALETTE,
    TEXT_COLOR,
    clean,
    keep_visible_ticks,
    note_empty,
    plain,
)
from dsprof.analysis.whatif.design_space import Design, Exploration
from dsprof.analysis.whatif.resource import Resource, amount, scale_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEVELS = 9
MAP = "YlGnBu"
SPAN_SHOWN = 1.02  # a surface that varies less than this is flat
SHORT_SPAN = 10  # a log axis shorter than that has more ticks a decade
SOURCE_COLOR, CHOSEN_COLOR = PALETTE[1], PALETTE[6]


def surfaces(
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
        log_ticks(axes)
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
        mark(axes, x, y, color, marker)
    axes.set_xlim(x_limits)
    axes.set_ylim(y_limits)


def _is_near(found: Exploration, design: Design, end: int) -> bool:
    capacities = found.values[Resource.ON_CHIP_CAPACITY]
    own = design.values[Resource.ON_CHIP_CAPACITY]
    middle = (float(capacities[0]) * float(capacities[-1])) ** 0.5
    is_low = own <= middle
    return is_low if end == 0 else not is_low


def mark(axes: "Axes", x: float, y: float, color: str, marker: str) -> None:
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


def log_ticks(axes: "Axes") -> None:
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
