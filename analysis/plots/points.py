"""One panel of points under a device's roofs, whatever the points come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.roofs import (
    ROOM_RIGHT_OF_RIDGE,
    TERA,
    draw_roofs,
    roof_positions,
)
from dsprof.analysis.plots.style import (
    add_note,
    category_colors,
    clean,
    handle,
    ink,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.device import DeviceSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "^", "D", "v", "P")  # squares are the categories


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotPoint:
    """A rate over an intensity, and the words that tell it from others."""

    kernel: str
    category: str  # decides the colour
    size: str  # decides the marker
    intensity: float  # FLOP/byte
    flops_per_s: float


def points_figure(
    points: Sequence[PlotPoint], device: DeviceSpec, *, title: str, y_label: str
) -> "Figure":
    """Points with positive intensity and rate; a label a kernel, where it fits.

    The note under the panel counts the points that a log axis has no place for.
    """
    drawn = [point for point in points if point.intensity > 0 and point.flops_per_s > 0]
    figure = new_figure(13.0, 7.4)
    figure.subplots_adjust(left=0.062, right=0.985, top=0.92, bottom=0.18)
    axes: Axes = figure.subplots()
    _set_axes(axes, drawn, device, y_label)
    colors = category_colors(point.category for point in points)
    sizes = list(dict.fromkeys(point.size for point in points))
    markers = {size: MARKERS[i % len(MARKERS)] for i, size in enumerate(sizes)}
    for point in drawn:
        axes.scatter(
            point.intensity,
            point.flops_per_s / TERA,
            marker=markers[point.size],
            s=26,
            color=colors[point.category],
            alpha=0.8,
            linewidths=0,
            zorder=3,
        )
    texts = draw_roofs(axes, device)
    unnamed = place_labels(
        axes,
        _labels(drawn, colors),
        keep_clear=[
            *((point.intensity, point.flops_per_s / TERA) for point in drawn),
            *roof_positions(axes, device),
        ],
        taken=[text.get_window_extent() for text in texts],
    )
    add_note(figure, _note(points, drawn, unnamed), lines_of_room=2)
    height = figure.get_figheight()
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.22 / height)
    handles = [
        *(handle(name, color=color, marker="s") for name, color in colors.items()),
        *(handle(size, marker=marker) for size, marker in markers.items()),
    ]
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, figure.subplotpars.bottom - 0.52 / height),
        ncols=min(max(len(handles), 1), 8),
        frameon=False,
        fontsize=9,
    )
    return figure


def _set_axes(
    axes: "Axes", drawn: Sequence[PlotPoint], device: DeviceSpec, y_label: str
) -> None:
    ridges = ridge_points(device).values()
    x = [*(point.intensity for point in drawn), *ridges]
    y = [
        *(point.flops_per_s / TERA for point in drawn),
        *(peak / TERA for peak in device.flops_per_s.values()),
    ]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(
        min(0.1, min(x) / 3), max(max(x) * 3, max(ridges) * ROOM_RIGHT_OF_RIDGE)
    )
    axes.set_ylim(min(0.1, min(y) / 3), max(y) * 3)
    axes.set_xlabel("Arithmetic intensity (FLOP per byte)", fontsize=10)
    axes.set_ylabel(plain(y_label), fontsize=10)
    clean(axes)
    if not drawn:
        note_empty(axes, "No point has both an intensity and a rate.")


def _labels(drawn: Sequence[PlotPoint], colors: dict[str, str]) -> list[PointLabel]:
    """One label a kernel, at its point of the highest intensity."""
    highest: dict[str, PlotPoint] = {}
    for point in drawn:
        known = highest.get(point.kernel)
        if known is None or point.intensity > known.intensity:
            highest[point.kernel] = point
    return [
        PointLabel(
            text=plain(point.kernel),
            x=point.intensity,
            y=point.flops_per_s / TERA,
            color=ink(colors[point.category]),
        )
        for point in sorted(highest.values(), key=lambda point: -point.flops_per_s)
    ]


def _note(
    points: Sequence[PlotPoint],
    drawn: Sequence[PlotPoint],
    unnamed: Sequence[PointLabel],
) -> str:
    left_out = len(points) - len(drawn)
    parts = []
    if left_out:
        parts.append(f"Not drawn: {plural(left_out, 'point')} without FLOP or rate.")
    if unnamed:
        names = ", ".join(label.text for label in unnamed)
        parts.append(f"No room to name {names}.")
    return " ".join(parts)
