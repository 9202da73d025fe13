"""Least and measured time of routed experts over tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.moe.bounds import least_time_s
from dsprof.analysis.moe.observations import US
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.plots.moe_marks import (
    DASHES,
    LEAST_COLOR,
    OTHER_COLOR,
    OTHER_DASHES,
    ROOM,
    STEPS,
    draw_asked,
    draw_way,
    other_routing,
    set_log,
)
from dsprof.analysis.plots.style import GRID_COLOR, ROOF_COLOR, clean
from dsprof.analysis.roofs import RoofKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BESIDE = 1.3  # of the first and last T


def draw_times(axes: "Axes", study: Study, reached: Sequence[Reached]) -> None:
    """Least time at every roof and in both accounts of the routing, and the ways."""
    import numpy as np

    clean(axes)
    low, high = _token_range(study)
    tokens = [float(count) for count in np.geomspace(low, high, STEPS)]
    lines = {
        kind: [_least_us(study, kind, study.routing, count) for count in tokens]
        for kind in study.roofs
    }
    other = other_routing(study.routing)
    of_other = [_least_us(study, RoofKind.SPEC, other, count) for count in tokens]
    times = [us for line in (*lines.values(), of_other) for us in line]
    times += [one.point.time_us for one in reached]
    set_log(axes, (low / BESIDE, high * BESIDE), (min(times) / ROOM, max(times) * ROOM))
    axes.plot(tokens, of_other, color=OTHER_COLOR, linestyle=OTHER_DASHES, linewidth=1)
    for kind, line in lines.items():
        width = 1.6 if kind is RoofKind.SPEC else 1.0
        axes.plot(
            tokens, line, color=LEAST_COLOR, linestyle=DASHES[kind], linewidth=width
        )
    draw_asked(
        axes,
        study.tokens,
        [_least_us(study, RoofKind.SPEC, study.routing, t) for t in study.tokens],
    )
    for at, curve in enumerate(study.recorded.curves):
        points = [one.point for one in reached if one.curve is curve]
        draw_way(
            axes, at, [one.tokens for one in points], [one.time_us for one in points]
        )
    _mark_crossover(axes, study, (low, high))
    axes.set_xlabel("Tokens T", fontsize=9.5)
    axes.set_ylabel("Time (us)", fontsize=9.5)
    axes.set_title("Time against tokens", fontsize=10.5, loc="left")


def _mark_crossover(axes: "Axes", study: Study, span: tuple[float, float]) -> None:
    """Where the regime changes under the roof that the page tells regimes by."""
    crossover = study.crossover(study.main_kind)
    if not span[0] < crossover < span[1]:
        return
    axes.axvline(crossover, color=GRID_COLOR, linewidth=1.6, zorder=0.5)
    axes.annotate(
        f"T ~ {crossover:,.0f}",
        (crossover, 0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=ROOF_COLOR,
    )


def _token_range(study: Study) -> tuple[float, float]:
    tokens = [*study.tokens, *study.recorded.tokens]
    low, high = min(tokens), max(tokens)
    return (low, high) if low < high else (low / 2, high * 2)


def _least_us(study: Study, kind: RoofKind, routing: Routing, tokens: float) -> float:
    return least_time_s(study.work(tokens, routing), study.roofs[kind]) * US
