"""The roofline with a small panel a category, for runs of many kernels."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import rated
from dsprof.analysis.plots.roofline import drawn_rows, log_limits, zero_flop_note
from dsprof.analysis.plots.roofs import TERA, datapath_name, draw_roof_lines
from dsprof.analysis.plots.style import (
    PHASE_MARKERS,
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    category_colors,
    clean,
    handle,
    keep_visible_ticks,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 4.5, 3.3
ABOVE_IN, BELOW_IN = 0.85, 1.0


def category_figure(frame: "pd.DataFrame", device: DeviceSpec) -> "Figure":
    """A panel a category on the same axes: kernels by colour, phases by shape.

    Shows cold L2, or warm L2 of a run without cold times. Each panel's legend names
    its kernels; the note under the panels gives the rates of the roofs.
    """
    drawn = drawn_rows(frame)
    cache = Cache.COLD if drawn["cold_us"].notna().any() else Cache.WARM
    drawn = drawn[drawn[f"{cache}_flops_per_s"].notna()]
    categories = list(drawn["category"].unique())
    columns = min(COLUMNS, max(1, len(categories)))
    rows = max(1, math.ceil(len(categories) / columns))
    figure = new_figure(
        PANEL_WIDTH_IN * columns + 0.5, PANEL_HEIGHT_IN * rows + ABOVE_IN + BELOW_IN
    )
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.05,
        hspace=0.14,
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    _set_axes(panels[0], drawn, device, cache)
    _fill(panels, drawn, device, cache)
    add_note(figure, f"{roofs_note(device)} {zero_flop_note(frame)}", lines_of_room=2)
    _label(figure, drawn, f"Roofline by category, {device.name}, {cache} L2")
    return figure


def _set_axes(
    axes: "Axes", drawn: "pd.DataFrame", device: DeviceSpec, cache: Cache
) -> None:
    x0, x1, y0, y1 = log_limits(drawn, device, [cache], room_right=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, y1)
    axes.minorticks_off()
    keep_visible_ticks(axes)


def _fill(
    panels: "Sequence[Axes]", drawn: "pd.DataFrame", device: DeviceSpec, cache: Cache
) -> None:
    groups = list(drawn.groupby("category", sort=False))
    for axes, (category, rows) in zip(panels, groups, strict=False):
        _panel(axes, rows, device, cache)
        axes.set_title(plain(category), fontsize=10, color=TEXT_COLOR, y=1.0)
    if not groups:
        clean(panels[0])
        note_empty(panels[0], "No point with FLOP has a time.")
    shown = max(len(groups), 1)
    for axes in panels[shown:]:
        axes.set_visible(False)
    columns = panels[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    # The panel above an empty place is the last of its column.
    for axes in panels[max(0, shown - columns) : shown]:
        axes.tick_params(labelbottom=True)


def _panel(
    axes: "Axes", rows: "pd.DataFrame", device: DeviceSpec, cache: Cache
) -> None:
    clean(axes)
    draw_roof_lines(axes, device)
    name_compute_roofs(axes, device)
    colors = category_colors(rows["kernel"])
    for (kernel, phase), points in rows.groupby(["kernel", "phase"], sort=False):
        axes.scatter(
            points["intensity_flop_per_byte"],
            points[f"{cache}_flops_per_s"] / TERA,
            marker=PHASE_MARKERS[Phase(str(phase))],
            s=14,
            color=colors[str(kernel)],
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
    axes.legend(
        handles=[
            handle(name, color=color, marker="s") for name, color in colors.items()
        ],
        loc="lower right",
        fontsize=7,
        markerscale=0.7,
        handletextpad=0.1,
        labelspacing=0.25,
        borderpad=0.3,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
    )


def name_compute_roofs(axes: "Axes", device: DeviceSpec) -> None:
    """A word a compute roof, left of its ridge point, where no point can lie."""
    for path, ridge in ridge_points(device).items():
        axes.annotate(
            datapath_name(path),
            (ridge, device.peak(path) / TERA),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=ROOF_COLOR,
        )


def roofs_note(device: DeviceSpec) -> str:
    ridges = ridge_points(device)
    roofs = ", ".join(
        f"{datapath_name(path)} {rated(device.peak(path) / TERA)} TFLOP/s "
        f"(ridge {rated(ridge)} FLOP/byte)"
        for path, ridge in ridges.items()
    )
    return f"Roofs: HBM {rated(device.hbm_bytes_per_s / 1e9)} GB/s, {roofs}."


def _label(figure: "Figure", drawn: "pd.DataFrame", title: str) -> None:
    width, height = figure.get_size_inches()
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.15 / height)
    middle = (figure.subplotpars.left + figure.subplotpars.right) / 2
    figure.supxlabel(
        "Arithmetic intensity (FLOP per byte)",
        fontsize=10,
        x=middle,
        y=figure.subplotpars.bottom - 0.5 / height,
    )
    figure.supylabel("Achieved rate (TFLOP/s)", fontsize=10, x=0.12 / width)
    phases = [Phase(phase) for phase in drawn["phase"].unique()]
    if phases:
        figure.legend(
            handles=[handle(one.value, marker=PHASE_MARKERS[one]) for one in phases],
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - 0.32 / height),
            ncols=len(phases),
            frameon=False,
            fontsize=9,
        )
