"""One kernel under its roofs: every op and size, analytic and measured."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.measured_roofs import (
    draw_measured_roofs,
    measured_roofs_note,
)
from dsprof.analysis.plots.roofs import (
    ROOM_RIGHT_OF_RIDGE,
    TERA,
    draw_roofs,
    roof_positions,
)
from dsprof.analysis.plots.style import (
    PHASE_MARKERS,
    TEXT_COLOR,
    add_note,
    back_with_white,
    category_colors,
    clean,
    handle,
    ink,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.ceiling import Ceiling
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Cache, Phase, Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHER_MARKER = "D"
JOIN_POSITIONS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPoint:
    """One op at one size in one cache state, analytic or measured."""

    op: str
    size: str  # for example "decode B=1"
    phase: str
    cache: str
    intensity: float
    flops_per_s: float
    is_measured: bool

    @property
    def has_place(self) -> bool:
        return 0 < self.intensity < math.inf and self.flops_per_s > 0


def timed_points(frame: "pd.DataFrame") -> list[KernelPoint]:
    """Timed rows of a measurements_frame: analytic work over graph time."""
    rows = frame[frame["status"] == Status.OK.value]
    return [
        KernelPoint(
            op=row["op"],
            size=size_of(row),
            phase=row["phase"],
            cache=cache.value,
            intensity=row["intensity_flop_per_byte"],
            flops_per_s=row[f"{cache}_flops_per_s"],
            is_measured=False,
        )
        for _, row in rows.iterrows()
        for cache in Cache
    ]


def counted_points(frame: "pd.DataFrame") -> list[KernelPoint]:
    """Rows of a merged frame: counted FLOP over DRAM bytes and time."""
    return [
        KernelPoint(
            op=row["op"],
            size=size_of(row),
            phase=row["phase"],
            cache=row["cache"],
            intensity=row["intensity_dram"],
            flops_per_s=row["flops_per_s_measured"],
            is_measured=True,
        )
        for _, row in frame.iterrows()
    ]


def size_of(row: "pd.Series") -> str:
    """For example ``B=1``, ``B=1 S=1024`` or ``B=128 kv=4096``; empty without one."""
    import pandas as pd

    if row["phase"] not in set(Phase):
        return ""
    words = [f"B={row['batch_size']:g}"]
    if row["phase"] == Phase.PREFILL.value:
        words.append(f"S={row['seq_len']:g}")
    if not pd.isna(row["kv_len"]):
        words.append(f"kv={row['kv_len']:g}")
    return " ".join(words)


def kernel_figure(
    points: Sequence[KernelPoint],
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    *,
    kernel: str,
) -> "Figure":
    """A panel a cache state; colours are ops, hollow is analytic, filled measured.

    A line joins both places of a size. Sizes are written at the measured points, or
    at the analytic ones of a kernel without counters.
    """
    drawn = [point for point in points if point.has_place]
    found = {point.cache for point in drawn}
    states = [str(state) for state in (Cache.COLD, Cache.WARM, "") if state in found]
    figure = new_figure(7.0 * max(len(states), 1) + (0 if states else 1), 7.2)
    width = figure.get_figwidth()
    figure.subplots_adjust(
        left=0.85 / width, right=1 - 0.2 / width, top=0.86, bottom=0.14, wspace=0.04
    )
    panels = figure.subplots(1, max(len(states), 1), sharey=True, squeeze=False)[0]
    colors = category_colors(point.op for point in drawn)
    notes = [measured_roofs_note(device, ceilings)]
    for axes, state in zip(panels, states or [""], strict=True):
        here = [point for point in drawn if point.cache == state]
        _set_axes(axes, drawn, device, f"{state.capitalize()} L2" if state else "")
        unnamed = _draw(axes, here, device, ceilings, colors)
        if unnamed:
            sizes = ", ".join(dict.fromkeys(unnamed))
            notes.append(f"No room, {state} L2, for {sizes}.")
    if not drawn:
        note_empty(panels[0], "No point has FLOP, bytes and a time.")
    panels[0].set_ylabel("Rate (TFLOP/s)", fontsize=10)
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=2)
    _label(figure, drawn, colors, plain(f"{kernel}, {device.name}"))
    return figure


def _set_axes(
    axes: "Axes", drawn: Sequence[KernelPoint], device: DeviceSpec, title: str
) -> None:
    ridges = list(ridge_points(device).values())
    x = [*(point.intensity for point in drawn), *ridges, 1.0]
    y = [point.flops_per_s / TERA for point in drawn]
    y += [peak / TERA for peak in device.flops_per_s.values()]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(
        min(0.1, min(x) / 3),
        max(max(x) * 3, max(ridges, default=1) * ROOM_RIGHT_OF_RIDGE),
    )
    axes.set_ylim(min([*y, 0.2]) / 2, max([*y, 1]) * 3)
    axes.minorticks_off()
    axes.set_title(title, fontsize=11, color=TEXT_COLOR, y=1.0)
    axes.set_xlabel("Arithmetic intensity (FLOP per byte)", fontsize=10)
    clean(axes)


def _draw(
    axes: "Axes",
    points: Sequence[KernelPoint],
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    colors: dict[str, str],
) -> list[str]:
    """Draw a panel; return the sizes that had no room."""
    for first, second in _pairs(points):
        axes.plot(
            [first.intensity, second.intensity],
            [first.flops_per_s / TERA, second.flops_per_s / TERA],
            color=colors[first.op],
            linewidth=0.7,
            alpha=0.7,
            zorder=2,
        )
    for point in points:
        color = colors[point.op]
        axes.scatter(
            point.intensity,
            point.flops_per_s / TERA,
            marker=_marker(point.phase),
            s=26,
            facecolors=color if point.is_measured else "white",
            edgecolors=color,
            linewidths=0.9,
            zorder=3,
        )
    positions = [
        *((point.intensity, point.flops_per_s / TERA) for point in points),
        *draw_measured_roofs(axes, ceilings),
        *_join_positions(points),
    ]
    texts = []
    if device.flops_per_s:
        texts = draw_roofs(axes, device)
        positions += roof_positions(axes, device)
        for text in texts:  # a dashed roof may lie behind the name of a rated one
            back_with_white(text)
    left_out = place_labels(
        axes,
        _labels(points, colors),
        keep_clear=positions,
        taken=[text.get_window_extent() for text in texts],
    )
    return [label.text for label in left_out]


def _pairs(
    points: Sequence[KernelPoint],
) -> Iterator[tuple[KernelPoint, KernelPoint]]:
    """Analytic and measured points of the same op and size."""
    analytic = {
        (point.op, point.size, point.phase): point
        for point in points
        if not point.is_measured
    }
    for point in points:
        other = analytic.get((point.op, point.size, point.phase))
        if point.is_measured and other is not None:
            yield other, point


def _join_positions(points: Sequence[KernelPoint]) -> list[tuple[float, float]]:
    """Positions along the lines between the two places of a size."""
    import numpy as np

    return [
        (float(x), float(y) / TERA)
        for first, second in _pairs(points)
        for x, y in zip(
            np.geomspace(first.intensity, second.intensity, JOIN_POSITIONS),
            np.geomspace(first.flops_per_s, second.flops_per_s, JOIN_POSITIONS),
            strict=True,
        )
    ]


def _labels(points: Sequence[KernelPoint], colors: dict[str, str]) -> list[PointLabel]:
    """A label a measured point; of a kernel without any, the ends of each sweep."""
    named = [point for point in points if point.is_measured]
    if not named:
        sweeps: dict[tuple[str, str], list[KernelPoint]] = {}
        for point in points:
            sweeps.setdefault((point.op, point.phase), []).append(point)
        ends = ((sweep[0], sweep[-1]) for sweep in sweeps.values())
        named = [point for pair in ends for point in dict.fromkeys(pair)]
    return [
        PointLabel(
            text=plain(point.size),
            x=point.intensity,
            y=point.flops_per_s / TERA,
            color=ink(colors[point.op]),
        )
        for point in sorted(named, key=lambda one: -one.flops_per_s)
        if point.size
    ]


def _marker(phase: str) -> str:
    known = {one.value: marker for one, marker in PHASE_MARKERS.items()}
    return known.get(phase, OTHER_MARKER)


def _label(
    figure: "Figure", drawn: Sequence[KernelPoint], colors: dict[str, str], title: str
) -> None:
    height = figure.get_figheight()
    figure.suptitle(title, fontsize=13, y=1 - 0.15 / height)
    phases = [phase for phase in Phase if phase in {point.phase for point in drawn}]
    handles = [
        *(handle(op, color=color, marker="s") for op, color in colors.items() if op),
        *(handle(phase.value, marker=PHASE_MARKERS[phase]) for phase in phases),
    ]
    for is_measured, words in (
        (False, "analytic FLOP and bytes"),
        (True, "counted FLOP and DRAM bytes"),
    ):
        if any(point.is_measured is is_measured for point in drawn):
            made = handle(words, marker="o")
            if not is_measured:
                made.set_markerfacecolor("white")
            handles.append(made)
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.35 / height),
        ncols=max(len(handles), 1),
        frameon=False,
        fontsize=9,
        columnspacing=1.4,
        handletextpad=0.3,
    )
