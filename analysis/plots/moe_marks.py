"""How both panels about routed experts show roofs, ways and axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.plots.style import PALETTE
from dsprof.analysis.roofs import RoofKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TERA = 1e12
ROOM = 1.6  # beyond the data, of every log axis
STEPS = 200  # of a line; enough for a curve to look like one
MARKERS = ("s", "^", "D", "v", "P")
LEAST_COLOR = "#000000"
OTHER_COLOR = PALETTE[-1]  # of the account of the routing that was not asked for
OTHER_DASHES: Literal["-."] = "-."
DASHES: dict[RoofKind, Literal["-", "--", ":"]] = {
    RoofKind.SPEC: "-",
    RoofKind.BURST: "--",
    RoofKind.SUSTAINED: ":",
}


def way_color(at: int) -> str:
    return PALETTE[at % len(PALETTE)]


def way_marker(at: int) -> str:
    return MARKERS[at % len(MARKERS)]


def other_routing(routing: Routing) -> Routing:
    (other,) = set(Routing) - {routing}
    return other


def draw_asked(axes: "Axes", xs: Sequence[float], ys: Sequence[float]) -> None:
    """A ring for each T that was asked for, on the rated roof."""
    axes.plot(
        xs,
        ys,
        linestyle="",
        marker="o",
        markersize=7,
        markerfacecolor="white",
        markeredgecolor=LEAST_COLOR,
        zorder=3,
    )


def draw_way(axes: "Axes", at: int, xs: Sequence[float], ys: Sequence[float]) -> None:
    """The points of the way of this number."""
    axes.plot(
        xs,
        ys,
        color=way_color(at),
        marker=way_marker(at),
        markersize=4.5,
        linewidth=1.1,
        zorder=4,
    )


def set_log(axes: "Axes", x: tuple[float, float], y: tuple[float, float]) -> None:
    """Log axes with these limits and plain numbers."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
