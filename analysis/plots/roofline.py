"""The roofline: rate against arithmetic intensity, under the device's rated roofs."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural, rated
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.style import (
    PHASE_MARKERS,
    ROOF_COLOR,
    TEXT_COLOR,
    category_colors,
    clean,
    handle,
    ink,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import attainable_flops_per_s, ridge_points
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Cache, Phase, Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

TERA = 1e12
ROOM_RIGHT_OF_RIDGE = 60  # the name of a roof is about this wide on the log axis
Limits = tuple[float, float, float, float]


def roofline_figure(
    frame: "pd.DataFrame",
    device: DeviceSpec,
    *,
    caches: Sequence[Cache] = (Cache.COLD, Cache.WARM),
    phase: Phase | None = None,
) -> "Figure":
    """One panel a cache state; points coloured by category and shaped by phase.

    A kernel without FLOP has no place on a log axis: the note under the panels
    counts and names those.
    """
    rows = frame if phase is None else frame[frame["phase"] == phase.value]
    timed = rows[rows["status"] == Status.OK.value]
    drawn = timed[timed["flops"] > 0]
    colors = category_colors(frame["category"])
    figure = new_figure(7.0 * len(caches), 6.9)
    figure.subplots_adjust(left=0.062, right=0.988, top=0.89, bottom=0.19, wspace=0.04)
    panels = figure.subplots(1, len(caches), sharey=True, squeeze=False)[0]
    where = "" if phase is None else f", {phase}"
    figure.suptitle(plain(f"Roofline, {device.name}{where}"), fontsize=13, y=0.97)
    limits = _limits(drawn, device, caches)
    notes = [_zero_flop_note(timed)]
    for axes, cache in zip(panels, caches, strict=True):
        _panel(axes, drawn, cache, limits, colors)
        texts = draw_roofs(axes, device)
        unnamed = place_labels(
            axes,
            _kernel_labels(drawn, cache, colors),
            keep_clear=[
                *_point_positions(drawn, cache),
                *roof_positions(axes, device),
            ],
            taken=[text.get_window_extent() for text in texts],
        )
        if unnamed:
            names = ", ".join(label.text for label in unnamed)
            notes.append(f"No room, {cache} L2, to name {names}.")
    panels[0].set_ylabel("Achieved rate (TFLOP/s)", fontsize=10)
    _draw_legend(figure, drawn, colors)
    figure.text(0.012, 0.012, " ".join(notes), fontsize=8.5, color=TEXT_COLOR)
    return figure


def _limits(
    drawn: "pd.DataFrame", device: DeviceSpec, caches: Iterable[Cache]
) -> Limits:
    """x0, x1, y0, y1 around points and roofs, with room right for the roofs' names."""
    ridges = ridge_points(device).values()
    x = [*drawn["intensity_flop_per_byte"], *ridges]
    y = [peak / TERA for peak in device.flops_per_s.values()]
    for cache in caches:
        y += [*(drawn[f"{cache}_flops_per_s"].dropna() / TERA)]
    return (
        min(0.1, min(x) / 10),
        max(max(x) * 3, max(ridges) * ROOM_RIGHT_OF_RIDGE),
        min(0.1, min(y) / 2),
        max(y) * 3,
    )


def _panel(
    axes: "Axes",
    drawn: "pd.DataFrame",
    cache: Cache,
    limits: Limits,
    colors: dict[str, str],
) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*limits[:2])
    axes.set_ylim(*limits[2:])
    axes.set_title(f"{cache.capitalize()} L2", fontsize=11, color=TEXT_COLOR)
    axes.set_xlabel("Arithmetic intensity (FLOP per byte)", fontsize=10)
    clean(axes)
    groups = drawn.groupby(["category", "phase"], sort=False)
    for (category, phase), rows in groups:
        axes.scatter(
            rows["intensity_flop_per_byte"],
            rows[f"{cache}_flops_per_s"] / TERA,
            marker=PHASE_MARKERS[Phase(str(phase))],
            s=20,
            color=colors[str(category)],
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
    if drawn[f"{cache}_flops_per_s"].notna().sum() == 0:
        note_empty(axes, f"No point with FLOP has a {cache} time.")


def _kernel_labels(
    drawn: "pd.DataFrame", cache: Cache, colors: dict[str, str]
) -> list[PointLabel]:
    """One label a kernel, at its point with the most work; the fastest first."""
    rate = f"{cache}_flops_per_s"
    timed = drawn[drawn[rate].notna()]
    largest = timed.loc[timed.groupby("kernel", sort=False)["flops"].idxmax()]
    return [
        PointLabel(
            text=plain(row["kernel"]),
            x=row["intensity_flop_per_byte"],
            y=row[rate] / TERA,
            color=ink(colors[row["category"]]),
        )
        for _, row in largest.sort_values(rate, ascending=False).iterrows()
    ]


def _point_positions(drawn: "pd.DataFrame", cache: Cache) -> list[tuple[float, float]]:
    rate = f"{cache}_flops_per_s"
    timed = drawn[drawn[rate].notna()]
    return list(zip(timed["intensity_flop_per_byte"], timed[rate] / TERA, strict=True))


def _draw_legend(
    figure: "Figure", drawn: "pd.DataFrame", colors: dict[str, str]
) -> None:
    phases = [Phase(phase) for phase in drawn["phase"].unique()]
    categories = list(drawn["category"].unique())
    handles = [
        *(handle(name, color=colors[name], marker="s") for name in categories),
        *(handle(phase.value, marker=PHASE_MARKERS[phase]) for phase in phases),
    ]
    if handles:
        figure.legend(
            handles=handles,
            loc="lower center",
            bbox_to_anchor=(0.5, 0.045),
            ncols=min(len(handles), 9),
            frameon=False,
            fontsize=9,
            columnspacing=1.6,
            handletextpad=0.3,
        )


def _zero_flop_note(timed: "pd.DataFrame") -> str:
    names = list(timed[timed["flops"] == 0]["kernel"].unique())
    points = int((timed["flops"] == 0).sum())
    if not names:
        return "Every timed point does FLOP and is drawn."
    return (
        f"Not drawn, because a log axis has no zero: {plural(points, 'timed point')} "
        f"without FLOP, of {', '.join(map(plain, names))}."
    )
