"""Rooflines of counters: analytic beside measured, and one level of memory each."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
from dsprof.analysis.plots.categories import name_compute_roofs, roofs_note
from dsprof.analysis.plots.counter_marks import (
    HIERARCHY,
    OTHER_COLOR,
    OVERLAY,
    Mark,
    draw_points,
    has_mark,
    is_placed,
    mark_handle,
    rate_note,
)
from dsprof.analysis.plots.counter_panels import (
    Panel,
    by_category,
    by_state,
    hide_empty,
    one_state,
    panel_figure,
)
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
    PHASE_MARKERS,
    TEXT_COLOR,
    add_note,
    back_with_white,
    category_colors,
    clean,
    handle,
    ink,
    keep_visible_ticks,
    note_empty,
    plain,
)
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.ceiling import Ceiling, Pattern
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Phase

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
SMALL_IN, LARGE_IN = (4.0, 3.3), (6.3, 5.2)  # width and height of a panel
MOST_IN_LEGEND = 12  # kernels of a panel; the rest are counted
NO_ROOFS = "The device's roofs are not known."


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
    placed = is_placed(frame, marks)
    is_small = frame[placed]["kernel"].nunique() > MOST_NAMED_KERNELS
    if is_small:
        frame, where = one_state(frame)
        placed = placed[frame.index]
    else:
        where = ""
    drawn = frame[placed]
    panels = by_category(drawn) if is_small else by_state(drawn)
    columns = min(COLUMNS, max(1, len(panels)))
    count = max(1, math.ceil(len(panels) / columns))
    panel_in = SMALL_IN if is_small else LARGE_IN
    figure = panel_figure(panel_in, columns, count)
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
    hide_empty(shown, max(1, len(panels)), columns)
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
        rows = drawn[has_mark(drawn, mark)]
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
    panel: Panel,
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
    keys = panel.rows[panel.color_by]
    paints = keys.map(lambda name: colors.get(str(name), OTHER_COLOR))
    positions = draw_points(axes, panel.rows, marks, paints)
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


def _colors(panel: Panel) -> dict[str, str]:
    """The longest-running kernels get a colour of their own where there are many."""
    by_time = panel.rows.groupby(panel.color_by, sort=False)["duration_us"].sum()
    first = by_time.sort_values(ascending=False).index[:MOST_IN_LEGEND]
    names = [str(name) for name in by_time.index if name in set(first)]
    return category_colors(names)


def _draw_keys(axes: "Axes", panel: Panel, colors: dict[str, str]) -> None:
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
    panel: Panel, marks: Sequence[Mark], colors: dict[str, str]
) -> list[PointLabel]:
    """One label a kernel, at its point of the highest rate."""
    mark = marks[-1]
    known = panel.rows[has_mark(panel.rows, mark)]
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
    seen = [mark for mark in marks if has_mark(drawn, mark).any()]
    handles = [mark_handle(mark) for mark in seen]
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
