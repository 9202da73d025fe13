"""Rooflines of counters: analytic beside measured, and one level of memory each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
from dsprof.analysis.plots.categories import name_compute_roofs, roofs_note
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.measured_roofs import (
    ceiling,
    draw_measured_roofs,
    measured_roofs_note,
    name_l2_roof,
)
from dsprof.analysis.plots.roofline import MOST_NAMED_KERNELS
from dsprof.analysis.plots.roofs import (
    ROOM_RIGHT_OF_RIDGE,
    TERA,
    draw_roof_lines,
    draw_roofs,
    roof_positions,
)
from dsprof.analysis.plots.style import (
    PALETTE,
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
from dsprof.harness.ceiling import Ceiling, Pattern
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLUMNS = 3
SMALL_IN, LARGE_IN = (4.0, 3.3), (6.3, 5.2)  # width and height of a panel
LEFT_IN, RIGHT_IN, ABOVE_IN, BELOW_IN = 0.8, 0.15, 0.95, 1.1
MOST_IN_LEGEND = 12  # kernels of a panel; the rest are counted
OTHER_COLOR = "#B5B5B5"
NO_CATEGORY = "no category"
NO_ROOFS = "The device's roofs are not known."
STATES = (Cache.COLD, Cache.WARM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One way to place a row of the merged frame, and how the point looks."""

    name: str
    intensity: str  # columns
    rate: str
    marker: str = ""  # empty: that of the row's phase
    is_hollow: bool = False


OVERLAY = (
    Mark(
        name="analytic FLOP and bytes",
        intensity="intensity_analytic",
        rate="flops_per_s_analytic",
        is_hollow=True,
    ),
    Mark(
        name="counted FLOP and DRAM bytes",
        intensity="intensity_dram",
        rate="flops_per_s_measured",
    ),
)
HIERARCHY = (
    Mark(
        name="DRAM bytes",
        intensity="intensity_dram",
        rate="flops_per_s_measured",
        marker="o",
    ),
    Mark(
        name="L2 bytes",
        intensity="intensity_l2",
        rate="flops_per_s_measured",
        marker="s",
    ),
    Mark(
        name="L1 bytes",
        intensity="intensity_l1",
        rate="flops_per_s_measured",
        marker="^",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    title: str
    rows: "pd.DataFrame"
    color_by: str  # column


def overlay_figure(
    frame: "pd.DataFrame",
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    *,
    title: str = "Analytic and measured roofline",
) -> "Figure":
    """Each row of the merged frame twice, joined by a line: analytic and measured."""
    return _figure(frame, device, ceilings, OVERLAY, title)


def hierarchy_figure(
    frame: "pd.DataFrame",
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    *,
    title: str = "Hierarchical roofline",
) -> "Figure":
    """Each row at its FLOP per byte of DRAM, of L2 and of L1, on one height."""
    return _figure(frame, device, ceilings, HIERARCHY, title)


def _figure(
    frame: "pd.DataFrame",
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    marks: Sequence[Mark],
    title: str,
) -> "Figure":
    """A panel a cache state, or of many kernels a panel a category, cold."""
    placed = _is_drawn(frame, marks)
    is_small = frame[placed]["kernel"].nunique() > MOST_NAMED_KERNELS
    if is_small:
        frame, where = _one_state(frame)
        placed = placed[frame.index]
    else:
        where = ""
    drawn = frame[placed]
    panels = _by_category(drawn) if is_small else _by_state(drawn)
    columns = min(COLUMNS, max(1, len(panels)))
    count = max(1, math.ceil(len(panels) / columns))
    panel_in = SMALL_IN if is_small else LARGE_IN
    figure = _new_figure(panel_in, columns, count)
    grid = figure.subplots(count, columns, sharex=True, sharey=True, squeeze=False)
    shown: list[Axes] = list(grid.flat)
    _set_limits(shown[0], drawn, device, ceilings, marks)
    unnamed: list[str] = []
    for axes, panel in zip(shown, panels, strict=False):
        left_out = _draw(axes, panel, device, ceilings, marks, is_small=is_small)
        unnamed += [f"No room, {panel.title}, to name {left_out}."] * bool(left_out)
    if not panels:
        clean(shown[0])
        note_empty(shown[0], "No point has a counted rate and intensity.")
        if device.flops_per_s:
            draw_roofs(shown[0], device)
    _hide_empty(shown, max(1, len(panels)), columns)
    notes = [
        roofs_note(device) if device.flops_per_s else NO_ROOFS,
        measured_roofs_note(device, ceilings),
        rate_note(drawn),
        _left_out_note(frame, drawn),
        *unnamed,
    ]
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=3)
    _label(figure, drawn, marks, plain(f"{title}, {device.name}{where}"))
    return figure


def has_place(frame: "pd.DataFrame") -> bool:
    """True where counters place at least one row."""
    return bool(_is_drawn(frame, HIERARCHY).any())


def _is_drawn(frame: "pd.DataFrame", marks: Sequence[Mark]) -> "pd.Series[bool]":
    """Rows with at least one place on log axes."""
    import pandas as pd

    drawn = pd.Series(data=False, index=frame.index)
    for mark in marks:
        drawn |= _has(frame, mark)
    return drawn


def _has(frame: "pd.DataFrame", mark: Mark) -> "pd.Series[bool]":
    x, y = frame[mark.intensity], frame[mark.rate]
    return (x > 0) & (x < math.inf) & (y > 0)


def _one_state(frame: "pd.DataFrame") -> tuple["pd.DataFrame", str]:
    """The cold rows, or those of the only state there is; and words for the title."""
    states = set(frame["cache"])
    state = next((str(one) for one in STATES if one in states), "")
    return frame[frame["cache"] == state], f", {state} L2" if state else ""


def _by_category(drawn: "pd.DataFrame") -> list[_Panel]:
    return [
        _Panel(title=str(category) or NO_CATEGORY, rows=rows, color_by="kernel")
        for category, rows in drawn.groupby("category", sort=False)
    ]


def _by_state(drawn: "pd.DataFrame") -> list[_Panel]:
    """Kernels have colours as far as there are; beyond that, categories have."""
    names_all = drawn["kernel"].nunique() <= len(PALETTE)
    return [
        _Panel(
            title=f"{state.capitalize()} L2" if state else "L2 state not recorded",
            rows=rows,
            color_by="kernel" if names_all else "category",
        )
        for state in (*STATES, "")
        if len(rows := drawn[drawn["cache"] == str(state)])
    ]


def _new_figure(panel_in: tuple[float, float], columns: int, rows: int) -> "Figure":
    figure = new_figure(
        max(panel_in[0] * columns, 8.0) + LEFT_IN + RIGHT_IN,
        panel_in[1] * rows + ABOVE_IN + BELOW_IN,
    )
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=LEFT_IN / width,
        right=1 - RIGHT_IN / width,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        wspace=0.05,
        hspace=0.14,
    )
    return figure


def _set_limits(
    axes: "Axes",
    drawn: "pd.DataFrame",
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    marks: Sequence[Mark],
) -> None:
    """Around points and roofs; right of both there is room for the roofs' names."""
    ridges = list(ridge_points(device).values())
    peaks = [peak / TERA for peak in device.flops_per_s.values()]
    l2 = ceiling(ceilings, Pattern.L2_READ)
    x, y = [*ridges, 1.0], [*peaks, 0.1]
    for mark in marks:
        rows = drawn[_has(drawn, mark)]
        x += [*rows[mark.intensity]]
        y += [*(rows[mark.rate] / TERA)]
    if l2 is not None and marks is HIERARCHY:
        x += [peak * TERA / l2.value for peak in peaks]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(
        min(0.1, min(x) / 3),
        max(max(x) * 3, max(ridges, default=1) * ROOM_RIGHT_OF_RIDGE),
    )
    axes.set_ylim(min(0.1, min(y) / 2), max(y) * 3)
    axes.minorticks_off()
    keep_visible_ticks(axes)


def _draw(  # noqa: PLR0913 -- what to draw, and onto what
    axes: "Axes",
    panel: _Panel,
    device: DeviceSpec,
    ceilings: Sequence[Ceiling],
    marks: Sequence[Mark],
    *,
    is_small: bool,
) -> str:
    """Draw a panel; return the names of kernels that had no room."""
    clean(axes)
    axes.set_title(plain(panel.title), fontsize=10, color=TEXT_COLOR, y=1.0)
    colors = _colors(panel)
    positions = _draw_points(axes, panel, marks, colors)
    positions += draw_measured_roofs(axes, ceilings, with_l2=marks is HIERARCHY)
    _draw_keys(axes, panel, colors)
    if not device.flops_per_s:
        return ""
    if is_small:
        draw_roof_lines(axes, device)
        name_compute_roofs(axes, device)
        return ""
    texts = draw_roofs(axes, device)
    if marks is HIERARCHY:
        texts += name_l2_roof(axes, ceilings)
    for text in texts:  # a dashed roof may lie behind the name of a rated one
        back_with_white(text)
    if panel.color_by == "kernel":
        return ""
    unnamed = place_labels(
        axes,
        _names(panel, marks, colors),
        keep_clear=[*positions, *roof_positions(axes, device)],
        taken=[text.get_window_extent() for text in texts],
    )
    return ", ".join(label.text for label in unnamed)


def _colors(panel: _Panel) -> dict[str, str]:
    """The longest-running kernels get a colour of their own where there are many."""
    by_time = panel.rows.groupby(panel.color_by, sort=False)["duration_us"].sum()
    first = by_time.sort_values(ascending=False).index[:MOST_IN_LEGEND]
    names = [str(name) for name in by_time.index if name in set(first)]
    return category_colors(names)


def _draw_points(
    axes: "Axes", panel: _Panel, marks: Sequence[Mark], colors: dict[str, str]
) -> list[tuple[float, float]]:
    """Draw all points and the lines that join a row's; return the points' positions."""
    from matplotlib.collections import LineCollection

    rows = panel.rows
    paints = rows[panel.color_by].map(lambda name: colors.get(str(name), OTHER_COLOR))
    joins = _joins(rows, marks)
    axes.add_collection(
        LineCollection(
            list(joins.values()),
            colors=list(paints[list(joins)]),
            linewidths=0.6,
            alpha=0.6,
        )
    )
    positions: list[tuple[float, float]] = []
    for mark in marks:
        known = rows[_has(rows, mark)]
        for phase, points in known.groupby("phase", sort=False):
            x, y = points[mark.intensity], points[mark.rate] / TERA
            edges = paints[points.index]
            axes.scatter(
                x,
                y,
                marker=mark.marker or _phase_marker(phase),
                s=18,
                facecolors="white" if mark.is_hollow else list(edges),
                edgecolors=list(edges),
                linewidths=0.8 if mark.is_hollow else 0,
                alpha=0.85,
                zorder=3,
            )
            positions += zip(x, y, strict=True)
    return positions


def _joins(
    rows: "pd.DataFrame", marks: Sequence[Mark]
) -> dict[int, list[tuple[float, float]]]:
    """The line of each row through its marks in order, if it has two or more."""
    places = [
        zip(rows[mark.intensity], rows[mark.rate] / TERA, _has(rows, mark), strict=True)
        for mark in marks
    ]
    lines = {
        i: [(x, y) for x, y, has in found if has]
        for i, found in zip(rows.index, zip(*places, strict=True), strict=True)
    }
    return {i: line for i, line in lines.items() if len(line) > 1}


def _phase_marker(phase: object) -> str:
    known = {one.value: marker for one, marker in PHASE_MARKERS.items()}
    return known.get(str(phase), "D")


def _draw_keys(axes: "Axes", panel: _Panel, colors: dict[str, str]) -> None:
    handles = [handle(name, color=color, marker="s") for name, color in colors.items()]
    more = panel.rows[panel.color_by].nunique() - len(colors)
    if more:
        handles.append(handle(f"{more:,} more", color=OTHER_COLOR, marker="s"))
    axes.legend(
        handles=handles,
        loc="lower right",
        fontsize=7,
        markerscale=0.6,
        handletextpad=0.1,
        labelspacing=0.2,
        borderpad=0.3,
        framealpha=0.85,
        edgecolor="none",
    )


def _names(
    panel: _Panel, marks: Sequence[Mark], colors: dict[str, str]
) -> list[PointLabel]:
    """One label a kernel, at its point of the highest rate."""
    mark = marks[-1]
    known = panel.rows[_has(panel.rows, mark)]
    fastest = known.loc[known.groupby("kernel", sort=False)[mark.rate].idxmax()]
    return [
        PointLabel(
            text=plain(row["kernel"]),
            x=row[mark.intensity],
            y=row[mark.rate] / TERA,
            color=ink(colors.get(str(row[panel.color_by]), OTHER_COLOR)),
        )
        for _, row in fastest.sort_values(mark.rate, ascending=False).iterrows()
    ]


def _hide_empty(shown: "Sequence[Axes]", used: int, columns: int) -> None:
    for axes in shown[used:]:
        axes.set_visible(False)
    # The panel above an empty place is the last of its column.
    for axes in shown[max(0, used - columns) : used]:
        axes.tick_params(labelbottom=True)


def rate_note(drawn: "pd.DataFrame") -> str:
    """Which time the counted FLOP of merged rows are divided by."""
    timed = int(drawn["graph_us"].notna().sum())
    if not len(drawn):
        return ""
    if timed == len(drawn):
        return "Rates are over graph time."
    if not timed:
        return "Rates are over the time under ncu: no graph time is there."
    return "Rates are over graph time, or over the time under ncu where there is none."


def _left_out_note(frame: "pd.DataFrame", drawn: "pd.DataFrame") -> str:
    missing = frame[~frame.index.isin(drawn.index)]
    if not len(missing):
        return ""
    names = ", ".join(plain(name) for name in missing["kernel"].unique())
    return (
        f"Not drawn: {plural(len(missing), 'row')} whose FLOP or bytes are 0 or were "
        f"not counted, of {names}."
    )


def _label(
    figure: "Figure", drawn: "pd.DataFrame", marks: Sequence[Mark], title: str
) -> None:
    width, height = figure.get_size_inches()
    figure.suptitle(title, fontsize=13, y=1 - 0.15 / height)
    middle = (figure.subplotpars.left + figure.subplotpars.right) / 2
    figure.supxlabel(
        "Arithmetic intensity (FLOP per byte)",
        fontsize=10,
        x=middle,
        y=figure.subplotpars.bottom - 0.5 / height,
    )
    figure.supylabel("Rate (TFLOP/s)", fontsize=10, x=0.12 / width)
    phases = [Phase(phase) for phase in drawn["phase"].unique() if phase in set(Phase)]
    seen = [mark for mark in marks if _has(drawn, mark).any()]
    handles = [_mark_handle(mark) for mark in seen]
    if any(not mark.marker for mark in seen):
        handles += [handle(one.value, marker=PHASE_MARKERS[one]) for one in phases]
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.34 / height),
        ncols=max(len(handles), 1),
        frameon=False,
        fontsize=9,
    )


def _mark_handle(mark: Mark) -> "Line2D":
    made = handle(mark.name, marker=mark.marker or "s")
    if mark.is_hollow:
        made.set_markerfacecolor("white")
    return made
