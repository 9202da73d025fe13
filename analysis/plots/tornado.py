"""Tornado chart: what half and twice of each resource do to a layer's time."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.whatif.resource import Resource, amount
from dsprof.analysis.whatif.sensitivity import Elasticity, Sensitivity
from dsprof.analysis.whatif.size_words import size_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_COLOR, DOUBLE_COLOR = "#D55E00", "#0072B2"
PANEL_WIDTH_IN, ROW_IN = 6.4, 0.34
ABOVE_IN, BELOW_IN, TITLE_IN, TICKS_IN = 0.85, 0.5, 0.36, 0.42
NAMES_IN = 2.35  # the longest name with its amount
MOST_COLUMNS = 2
LEAST_SHOWN_PCT = 0.05  # 0.0 at one decimal
ROOM_FOR_WORDS = 0.2  # of the span, on both sides


def tornado_figure(found: Sequence[Sensitivity], *, title: str) -> "Figure":
    """A panel a layer, a row a resource, the one that moves the time most on top.

    All panels share the axis. Resources without any effect in any of the layers are
    named in the note instead.
    """
    shown = [
        resource
        for resource in Resource
        if any(_is_seen(one.of(resource)) for one in found)
    ]
    columns = min(MOST_COLUMNS, max(len(found), 1))
    rows = max(1, math.ceil(len(found) / columns))
    row_in = TITLE_IN + TICKS_IN + ROW_IN * max(len(shown), 2)
    figure = new_figure(PANEL_WIDTH_IN * columns, ABOVE_IN + BELOW_IN + rows * row_in)
    width, height = figure.get_size_inches()
    drawn_in = row_in - TITLE_IN - TICKS_IN
    figure.subplots_adjust(
        left=NAMES_IN / width,
        right=1 - 0.2 / width,
        top=1 - (ABOVE_IN + TITLE_IN) / height,
        bottom=(BELOW_IN + TICKS_IN) / height,
        wspace=(NAMES_IN + 0.1) / (PANEL_WIDTH_IN - NAMES_IN - 0.2),
        hspace=(TITLE_IN + TICKS_IN) / drawn_in,
    )
    grid = figure.subplots(rows, columns, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    limits = _limits(found)
    for axes, one in zip(panels, found, strict=False):
        _panel(axes, one, shown, limits)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    if not found:
        panels[0].set_visible(True)
        clean(panels[0])
        note_empty(panels[0], "No layer of this profile has a time.")
    for axes in panels[max(0, len(found) - columns) : len(found)]:
        axes.set_xlabel("Change of the layer's time (%)", fontsize=9)
    add_note(figure, _note(found, shown), lines_of_room=1)
    height = figure.get_figheight()
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.14 / height)
    _draw_legend(figure, y=1 - 0.36 / height)
    return figure


def _is_seen(one: Elasticity) -> bool:
    return one.swing_pct >= LEAST_SHOWN_PCT


def _limits(found: Sequence[Sensitivity]) -> tuple[float, float]:
    changes = [
        change
        for one in found
        for elasticity in one.elasticities
        for change in (elasticity.half_pct, elasticity.double_pct)
    ]
    low, high = min([*changes, -1.0]), max([*changes, 1.0])
    room = ROOM_FOR_WORDS * (high - low)
    return low - room, high + room


def _panel(
    axes: "Axes",
    one: Sensitivity,
    shown: Sequence[Resource],
    limits: tuple[float, float],
) -> None:
    clean(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(*limits)
    axes.axvline(0, color=ROOF_COLOR, linewidth=0.9, zorder=4)
    ranked = [row for row in one.ranked if row.resource in shown]
    for y, row in enumerate(ranked):
        _bars(axes, y, row)
    names = [_name(row) for row in ranked]
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(max(len(names), 1) - 0.45, -0.55)
    axes.set_title(
        plain(f"{size_words(one.layer)}: {one.time_s * 1e3:.3g} ms"),
        fontsize=10,
        loc="left",
        color=TEXT_COLOR,
        y=1.0,
    )


def _bars(axes: "Axes", y: int, row: Elasticity) -> None:
    """Both bars from 0; where they point the same way the shorter is in front."""
    bars = [(row.half_pct, HALF_COLOR), (row.double_pct, DOUBLE_COLOR)]
    for length, color in sorted(bars, key=lambda bar: -abs(bar[0])):
        axes.barh(y, length, height=0.6, color=color, zorder=3)
    for side in (1, -1):
        length = max((side * change for change, _ in bars), default=0.0) * side
        if side * length < LEAST_SHOWN_PCT:
            continue
        axes.annotate(
            f"{length:+.1f}",
            (length, y),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=8,
            color=TEXT_COLOR,
        )


def _name(row: Elasticity) -> str:
    own = "" if row.value is None else f", {amount(row.resource, row.value)}"
    return plain(f"{row.resource.label}{own}")


def _note(found: Sequence[Sensitivity], shown: Sequence[Resource]) -> str:
    hidden = [resource.label for resource in Resource if resource not in shown]
    if not found or not hidden:
        return ""
    return f"Without effect on any of these layers: {', '.join(hidden)}."


def _draw_legend(figure: "Figure", y: float) -> None:
    figure.legend(
        handles=[
            handle("half of the resource", color=HALF_COLOR, marker="s"),
            handle("twice the resource", color=DOUBLE_COLOR, marker="s"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=2,
        frameon=False,
        fontsize=9,
    )
