"""Marks of counter rooflines: by which columns a merged row is placed, and drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.plots.roofs import TERA
from dsprof.analysis.plots.style import PHASE_MARKERS, handle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

OTHER_COLOR = "#B5B5B5"


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


def has_place(frame: "pd.DataFrame") -> bool:
    """True where counters place at least one row."""
    return bool(is_placed(frame, HIERARCHY).any())


def is_placed(frame: "pd.DataFrame", marks: Sequence[Mark]) -> "pd.Series[bool]":
    """Rows with at least one place on log axes."""
    import pandas as pd

    drawn = pd.Series(data=False, index=frame.index)
    for mark in marks:
        drawn |= has_mark(frame, mark)
    return drawn


def has_mark(frame: "pd.DataFrame", mark: Mark) -> "pd.Series[bool]":
    x, y = frame[mark.intensity], frame[mark.rate]
    return (x > 0) & (x < math.inf) & (y > 0)


def draw_points(
    axes: "Axes",
    rows: "pd.DataFrame",
    marks: Sequence[Mark],
    paints: "pd.Series[str]",
) -> list[tuple[float, float]]:
    """Draw all points and the lines that join a row's; return the points' positions."""
    from matplotlib.collections import LineCollection

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
        known = rows[has_mark(rows, mark)]
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
        zip(
            rows[mark.intensity],
            rows[mark.rate] / TERA,
            has_mark(rows, mark),
            strict=True,
        )
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


def mark_handle(mark: Mark) -> "Line2D":
    made = handle(mark.name, marker=mark.marker or "s")
    if mark.is_hollow:
        made.set_markerfacecolor("white")
    return made


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
