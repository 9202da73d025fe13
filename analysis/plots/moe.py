"""Routed experts in two panels: under their roofs, and time against tokens."""

from typing import TYPE_CHECKING

from dsprof.analysis.moe.study import Study
from dsprof.analysis.plots.moe_marks import (
    DASHES,
    LEAST_COLOR,
    OTHER_COLOR,
    OTHER_DASHES,
    other_routing,
    way_color,
    way_marker,
)
from dsprof.analysis.plots.moe_roofline import draw_roofline
from dsprof.analysis.plots.moe_times import draw_times
from dsprof.analysis.plots.style import (
    TEXT_COLOR,
    add_note,
    handle,
    new_figure,
    plain,
)
from dsprof.analysis.roofs import RoofKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def moe_figure(study: Study, *, title: str) -> "Figure":
    """Left, FLOP/s over intensity; right, least and measured time over tokens."""
    figure = new_figure(13.0, 5.9)
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.2 / width,
        top=1 - 0.75 / height,
        bottom=1.35 / height,
        wspace=0.16,
    )
    roofline, times = figure.subplots(1, 2)
    reached = study.reached()
    draw_roofline(roofline, study, reached)
    draw_times(times, study, reached)
    if study.recorded.why_none:
        add_note(figure, study.recorded.why_none, lines_of_room=1)
    height = figure.get_figheight()
    figure.legend(
        handles=_handles(study),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.3 / height),
        ncols=4,
        frameon=False,
        fontsize=8.5,
        labelcolor=TEXT_COLOR,
    )
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.12 / height)
    return figure


def _handles(study: Study) -> "list[Line2D]":
    asked = handle(
        f"rated roof: least time, {study.routing}",
        color=LEAST_COLOR,
        linestyle="-",
        marker="o",
    )
    asked.set_markerfacecolor("white")
    other = handle(
        f"rated roof: least time, {other_routing(study.routing)}", color=OTHER_COLOR
    )
    other.set_linestyle(OTHER_DASHES)
    entries = [asked, other]
    for kind in study.roofs:
        if kind is not RoofKind.SPEC:
            entry = handle(f"roof measured, {kind}", color=LEAST_COLOR)
            entry.set_linestyle(DASHES[kind])
            entries.append(entry)
    return entries + [
        handle(
            f"{curve.title}, {curve.cache}",
            color=way_color(at),
            marker=way_marker(at),
            linestyle="-",
        )
        for at, curve in enumerate(study.recorded.curves)
    ]
