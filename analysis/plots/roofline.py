"""The roofline: rate against arithmetic intensity, under the device's rated roofs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
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
    keep_visible_ticks,
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
    from matplotlib.text import Text

MOST_NAMED_KERNELS = 16  # names of more would cross each other's lines
ROOM_RIGHT_OF_POINTS = 120  # for the names of roofs, where points lie along them
LEGEND_ENTRY_IN = 1.25
Limits = tuple[float, float, float, float]


def roofline_figure(
    frame: "pd.DataFrame",
    device: DeviceSpec,
    *,
    caches: Sequence[Cache] = (Cache.COLD, Cache.WARM),
    phase: Phase | None = None,
    ceilings: Sequence[Ceiling] = (),
) -> "Figure":
    """One panel a cache state; points coloured by category and shaped by phase.

    Rated roofs are solid, measured ones (``ceilings``) dashed.

    Up to MOST_NAMED_KERNELS kernels are named beside their points. A kernel without
    FLOP has no place on a log axis: the note under the panels counts and names those.
    """
    rows = frame if phase is None else frame[frame["phase"] == phase.value]
    drawn = drawn_rows(rows)
    named = names_kernels(rows)
    colors = category_colors(frame["category"])
    figure = new_figure(7.0 * len(caches), 6.9)
    figure.subplots_adjust(left=0.062, right=0.988, top=0.89, bottom=0.19, wspace=0.04)
    panels = figure.subplots(1, len(caches), sharey=True, squeeze=False)[0]
    right = 3 if named else ROOM_RIGHT_OF_POINTS
    limits = log_limits(drawn, device, caches, room_right=right)
    notes = [zero_flop_note(rows)]
    for axes, cache in zip(panels, caches, strict=True):
        _panel(axes, drawn, cache, limits, colors)
        texts, lines = _draw_roofs(axes, device, ceilings)
        if not named:
            continue
        unnamed = place_labels(
            axes,
            _kernel_labels(drawn, cache, colors),
            keep_clear=[*_point_positions(drawn, cache), *lines],
            taken=[text.get_window_extent() for text in texts],
        )
        if unnamed:
            names = ", ".join(label.text for label in unnamed)
            notes.append(f"No room, {cache} L2, to name {names}.")
    notes.append(measured_roofs_note(device, ceilings))
    panels[0].set_ylabel("Achieved rate (TFLOP/s)", fontsize=10)
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=2)
    where = "" if phase is None else f", {phase}"
    height = figure.get_figheight()
    figure.suptitle(
        plain(f"Roofline, {device.name}{where}"), fontsize=13, y=1 - 0.2 / height
    )
    _draw_legend(figure, drawn, colors)
    return figure


def names_kernels(frame: "pd.DataFrame") -> bool:
    """True where the kernels to draw are few enough to be named in one panel."""
    return drawn_rows(frame)["kernel"].nunique() <= MOST_NAMED_KERNELS


def drawn_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The timed rows that a log axis has a place for."""
    return frame[(frame["status"] == Status.OK.value) & (frame["flops"] > 0)]


def log_limits(
    drawn: "pd.DataFrame",
    device: DeviceSpec,
    caches: Iterable[Cache],
    *,
    room_right: float,
) -> Limits:
    """x0, x1, y0, y1 around points and roofs, with room right for the roofs' names.

    ``room_right`` is the factor between the highest intensity and the right edge.
    """
    ridges = ridge_points(device).values()
    x = [*drawn["intensity_flop_per_byte"], *ridges]
    y = [peak / TERA for peak in device.flops_per_s.values()]
    for cache in caches:
        y += [*(drawn[f"{cache}_flops_per_s"].dropna() / TERA)]
    return (
        min(0.1, min(x) / 10),
        max(max(x) * room_right, max(ridges) * ROOM_RIGHT_OF_RIDGE),
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
    axes.minorticks_off()
    keep_visible_ticks(axes)
    axes.set_title(f"{cache.capitalize()} L2", fontsize=11, color=TEXT_COLOR, y=1.0)
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


def _draw_roofs(
    axes: "Axes", device: DeviceSpec, ceilings: Sequence[Ceiling]
) -> "tuple[list[Text], list[tuple[float, float]]]":
    """Draw rated roofs with names, measured ones dashed; texts, and where lines are."""
    dashes = draw_measured_roofs(axes, ceilings)
    texts = draw_roofs(axes, device)
    for text in texts if dashes else ():
        back_with_white(text)
    return texts, [*roof_positions(axes, device), *dashes]


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
        width, height = figure.get_size_inches()
        figure.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, figure.subplotpars.bottom - 0.52 / height),
            ncols=min(len(handles), int(width / LEGEND_ENTRY_IN)),
            frameon=False,
            fontsize=9,
            columnspacing=1.6,
            handletextpad=0.3,
        )


def zero_flop_note(frame: "pd.DataFrame") -> str:
    """Which timed points are not drawn, and why."""
    timed = frame[frame["status"] == Status.OK.value]
    names = list(timed[timed["flops"] == 0]["kernel"].unique())
    points = int((timed["flops"] == 0).sum())
    if not names:
        return "Every timed point does FLOP and is drawn."
    return (
        f"Not drawn, because a log axis has no zero: {plural(points, 'timed point')} "
        f"without FLOP, of {', '.join(map(plain, names))}."
    )
