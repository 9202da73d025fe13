"""Rooflines of a model's kernels: numbered by rank, as large as their time."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.model_launches import counted_parts
from dsprof.analysis.numerals import significant
from dsprof.analysis.plots.kernel_roofline import KernelPoint, kernel_figure
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.measured_roofs import (
    draw_measured_roofs,
    measured_roofs_note,
)
from dsprof.analysis.plots.normalized import CLASS_COLORS
from dsprof.analysis.plots.roofs import (
    ROOM_RIGHT_OF_RIDGE,
    TERA,
    draw_roofs,
    roof_positions,
)
from dsprof.analysis.plots.style import (
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    back_with_white,
    clean,
    handle,
    ink,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.ceiling import Ceiling
from dsprof.harness.counters import Counters
from dsprof.harness.device import DeviceSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

WIDTH_IN, HEIGHT_IN, KEY_IN = 12.5, 7.2, 4.6
KEY_LETTERS = 44
LARGEST_PT2, LEAST_PT2 = 700, 14  # areas of points
NO_ROOFS = "The device's roofs are not known."


def physical_figure(
    top: "pd.DataFrame",
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    *,
    title: str,
) -> "Figure":
    """Counted FLOP over DRAM bytes against FLOP/s over the time in the program."""
    placed = _placed(top, top["intensity_dram"], top["flops_per_s_measured"] / TERA)
    figure, axes = _figure(placed)
    ridges = list(ridge_points(device).values())
    peaks = [peak / TERA for peak in device.flops_per_s.values()]
    axes.set_xlim(
        min([0.1, *placed["x"] / 3]),
        max([*placed["x"] * 3, max(ridges, default=10) * ROOM_RIGHT_OF_RIDGE]),
    )
    axes.set_ylim(min([0.1, *placed["y"] / 3]), max([*placed["y"], *peaks, 1]) * 3)
    axes.set_xlabel("Arithmetic intensity (FLOP per byte of DRAM)", fontsize=10)
    axes.set_ylabel("Rate (TFLOP/s)", fontsize=10)
    texts, lines = [], draw_measured_roofs(axes, ceilings)
    if device.flops_per_s:
        texts = draw_roofs(axes, device)
        lines += roof_positions(axes, device)
        for text in texts:
            back_with_white(text)
    boxes = [text.get_window_extent() for text in texts]
    unnamed = _draw(axes, placed, lines, boxes)
    notes = [
        "" if device.flops_per_s else NO_ROOFS,
        measured_roofs_note(device, ceilings),
        _left_out(top, placed),
        unnamed,
    ]
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=2)
    _finish(figure, placed, plain(title))
    return figure


def normalized_model_figure(top: "pd.DataFrame", *, title: str) -> "Figure":
    """Each kernel against the ridge and the peak of its own datapath."""
    placed = _placed(
        top,
        top["intensity_dram"] / top["ridge_flop_per_byte"],
        top["flops_per_s_measured"] / top["peak_flops_per_s"],
    )
    figure, axes = _figure(placed)
    axes.set_xlim(min([0.01, *placed["x"] / 3]), max([10, *placed["x"] * 3]))
    axes.set_ylim(min([0.001, *placed["y"] / 3]), max([3, *placed["y"] * 3]))
    axes.set_xlabel("Arithmetic intensity over the ridge point", fontsize=10)
    axes.set_ylabel("Rate over the peak of the kernel's datapath", fontsize=10)
    notes = [_draw(axes, placed, _one_roof(axes), []), _left_out(top, placed)]
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=2)
    _finish(figure, placed, plain(title))
    return figure


def one_kernel_figure(model: ModelKernels, rank: int) -> "Figure":
    """One kernel of ``model.top``, by its rank: a point a launch configuration."""
    row = model.top[model.top["rank"] == rank].iloc[0]
    profile = model.profile
    parts = counted_parts(
        profile.counters, model.timeline, model.range, str(row["kernel_name"])
    )
    launches = tuple(part.launch for part in parts)
    counted = merged_frame(replace(profile, measurements=(), counters=launches))
    points = []
    for part, (_, one) in zip(parts, counted.iterrows(), strict=True):
        time_us = part.total_ns / part.instances / 1000
        points.append(
            KernelPoint(
                op=_sizes(part.launch),
                size=f"{significant(time_us)} us",
                phase="",
                cache=str(one["cache"]),
                intensity=float(one["intensity_dram"]),
                flops_per_s=float(one["executed_flops"]) / time_us * 1e6,
                is_measured=True,
            )
        )
    return kernel_figure(
        points, profile.device, profile.ceilings, kernel=str(row["kernel"])
    )


def _sizes(launch: Counters) -> str:
    """For example ``grid 8x1x1, block 128x1x1``."""
    grid, block = ("x".join(map(str, sizes)) for sizes in (launch.grid, launch.block))
    return f"grid {grid}, block {block}"


def _placed(
    top: "pd.DataFrame", x: "pd.Series[float]", y: "pd.Series[float]"
) -> "pd.DataFrame":
    """Rows with a place on log axes."""
    rows = top.assign(x=x, y=y)
    return rows[(x > 0) & (x < math.inf) & (y > 0) & (y < math.inf)]


def _figure(placed: "pd.DataFrame") -> "tuple[Figure, Axes]":
    figure = new_figure(WIDTH_IN, HEIGHT_IN)
    figure.subplots_adjust(
        left=0.85 / WIDTH_IN,
        right=1 - KEY_IN / WIDTH_IN,
        top=1 - 0.85 / HEIGHT_IN,
        bottom=1.1 / HEIGHT_IN,
    )
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    clean(axes)
    if not len(placed):
        note_empty(axes, "No kernel has both counted FLOP and DRAM bytes.")
    return figure, axes


def _one_roof(axes: "Axes") -> list[tuple[float, float]]:
    import numpy as np

    (x0, x1) = axes.get_xlim()
    axes.plot([x0, 1, x1], [x0, 1, 1], color=ROOF_COLOR, linewidth=1.2, zorder=2)
    axes.axvline(1, color=ROOF_COLOR, linewidth=0.6, linestyle=":", zorder=1)
    return [(float(x), min(1.0, float(x))) for x in np.geomspace(x0, x1, 200)]


def _draw(
    axes: "Axes",
    placed: "pd.DataFrame",
    lines: Sequence[tuple[float, float]],
    taken: "Sequence[Bbox]",
) -> str:
    """Draw and number the points; return a note of those without room for it."""
    colors = [_color(name) for name in placed["class"]]
    areas = LARGEST_PT2 * placed["share_pct"] / max([*placed["share_pct"], 1.0])
    axes.scatter(
        placed["x"],
        placed["y"],
        s=areas.clip(lower=LEAST_PT2),
        color=colors,
        alpha=0.55,
        linewidths=0,
        zorder=3,
    )
    unnamed = place_labels(
        axes,
        [
            PointLabel(text=f"#{rank}", x=x, y=y, color=ink(color))
            for rank, x, y, color in zip(
                placed["rank"], placed["x"], placed["y"], colors, strict=True
            )
        ],
        keep_clear=[*zip(placed["x"], placed["y"], strict=True), *lines],
        taken=taken,
    )
    if not unnamed:
        return ""
    return f"No room to number {', '.join(label.text for label in unnamed)}."


def _color(name: object) -> str:
    return CLASS_COLORS.get(str(name), TEXT_COLOR)


def _left_out(top: "pd.DataFrame", placed: "pd.DataFrame") -> str:
    missing = top[~top["rank"].isin(placed["rank"])]
    if not len(missing):
        return ""
    ranks = ", ".join(f"#{rank}" for rank in missing["rank"])
    return f"Not drawn, without counted FLOP, DRAM bytes or a known peak: {ranks}."


def _finish(figure: "Figure", placed: "pd.DataFrame", title: str) -> None:
    """Title, classes above the panel, and the names of the ranks beside it."""
    width, height = figure.get_size_inches()
    figure.suptitle(title, fontsize=13, y=1 - 0.15 / height)
    classes = [name for name in CLASS_COLORS if name in set(placed["class"])]
    figure.legend(
        handles=[
            *(handle(name, color=CLASS_COLORS[name], marker="o") for name in classes),
            handle("roof", color=ROOF_COLOR, linestyle="-"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5 - KEY_IN / 2 / width, 1 - 0.4 / height),
        ncols=len(classes) + 1,
        frameon=False,
        fontsize=9,
    )
    step_in = min(0.27, (height - 1.6) / max(len(placed), 1))
    for line, (_, row) in enumerate(placed.iterrows()):
        name = str(row["kernel"])
        if len(name) > KEY_LETTERS:
            name = f"{name[: KEY_LETTERS - 3]}..."
        figure.text(
            1 - (KEY_IN - 0.2) / width,
            1 - (0.95 + step_in * line) / height,
            plain(f"{name}  {significant(row['share_pct'])} %"),
            fontsize=8.5,
            color=ink(_color(row["class"])),
            va="top",
        )
