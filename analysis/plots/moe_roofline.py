"""Routed experts under their roofs: FLOP/s over intensity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.numerals import rated
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.moe_marks import (
    DASHES,
    LEAST_COLOR,
    ROOM,
    STEPS,
    TERA,
    draw_asked,
    draw_way,
    set_log,
)
from dsprof.analysis.plots.style import ROOF_COLOR, clean
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Roof

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_STEP = 1.5  # in intensity, between names


def draw_roofline(axes: "Axes", study: Study, reached: Sequence[Reached]) -> None:
    """Roofs of the format's datapath, the asked T on the rated one, and the ways."""
    clean(axes)
    asked = [study.work(tokens).intensity for tokens in study.tokens]
    rates = [_attainable(study.rated, x) for x in asked]
    _set_axes(axes, study, reached, asked)
    _draw_roofs(axes, study)
    draw_asked(axes, asked, rates)
    for at, curve in enumerate(study.recorded.curves):
        points = [one for one in reached if one.curve is curve]
        draw_way(
            axes,
            at,
            [one.done.intensity for one in points],
            [one.flops_per_s / TERA for one in points],
        )
    axes.set_xlabel("Arithmetic intensity (FLOP/byte)", fontsize=9.5)
    axes.set_ylabel("TFLOP/s", fontsize=9.5)
    axes.set_title(
        f"{study.geometry.number_format.upper()} roofline", fontsize=10.5, loc="left"
    )
    _label_tokens(axes, study, reached)


def _set_axes(
    axes: "Axes", study: Study, reached: Sequence[Reached], asked: Sequence[float]
) -> None:
    xs = [*asked, *(one.done.intensity for one in reached)]
    ridges = [roof.ridge_point for roof in study.roofs.values()]
    ys = [_attainable(study.rated, x) for x in asked]
    ys += [one.flops_per_s / TERA for one in reached]
    peak = study.rated.flops_per_s / TERA
    set_log(
        axes,
        (min(xs) / ROOM, max(*xs, *ridges) * 2 * ROOM),
        (min(ys) / ROOM, peak * 2 * ROOM),
    )


def _draw_roofs(axes: "Axes", study: Study) -> None:
    """Every roof, and of the rated one both numbers and where they meet."""
    x0, x1 = axes.get_xlim()
    for kind, roof in study.roofs.items():
        peak = roof.flops_per_s / TERA
        axes.plot(
            [x0, roof.ridge_point, x1],
            [_attainable(roof, x0), peak, peak],
            color=ROOF_COLOR,
            linestyle=DASHES[kind],
            linewidth=1.3 if kind is RoofKind.SPEC else 1.0,
        )
    roof = study.rated
    peak = roof.flops_per_s / TERA
    axes.annotate(
        f"{rated(peak)} TFLOP/s, {rated(roof.bytes_per_s / 1e9)} GB/s, "
        f"ridge {rated(roof.ridge_point)} FLOP/byte",
        (roof.ridge_point, peak),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=ROOF_COLOR,
    )


def _label_tokens(axes: "Axes", study: Study, reached: Sequence[Reached]) -> None:
    """Name the asked T, but for those too near to the one before."""
    import numpy as np

    axes.figure.canvas.draw()
    labels: list[PointLabel] = []
    drawn = [(one.done.intensity, one.flops_per_s / TERA) for one in reached]
    for tokens in study.tokens:
        x = study.work(tokens).intensity
        y = _attainable(study.rated, x)
        drawn.append((x, y))
        if not labels or x >= labels[-1].x * LABEL_STEP:
            text = f"T={tokens:,}"
            labels.append(PointLabel(text=text, x=x, y=y, color=LEAST_COLOR))
    drawn += [
        (float(x), _attainable(roof, float(x)))
        for roof in study.roofs.values()
        for x in np.geomspace(*axes.get_xlim(), STEPS)
    ]
    place_labels(axes, labels, keep_clear=drawn)


def _attainable(roof: Roof, intensity: float) -> float:
    """TFLOP/s under the roof."""
    return min(roof.flops_per_s, intensity * roof.bytes_per_s) / TERA
