"""Panels of counter rooflines: one a cache state, or of many kernels one a category."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import PALETTE, new_figure
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT_IN, RIGHT_IN, ABOVE_IN, BELOW_IN = 0.8, 0.15, 0.95, 1.1
NO_CATEGORY = "no category"
STATES = (Cache.COLD, Cache.WARM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    title: str
    rows: "pd.DataFrame"
    color_by: str  # column


def one_state(frame: "pd.DataFrame") -> tuple["pd.DataFrame", str]:
    """The cold rows, or those of the only state there is; and words for the title."""
    states = set(frame["cache"])
    state = next((str(one) for one in STATES if one in states), "")
    return frame[frame["cache"] == state], f", {state} L2" if state else ""


def by_category(drawn: "pd.DataFrame") -> list[Panel]:
    return [
        Panel(title=str(category) or NO_CATEGORY, rows=rows, color_by="kernel")
        for category, rows in drawn.groupby("category", sort=False)
    ]


def by_state(drawn: "pd.DataFrame") -> list[Panel]:
    """Kernels have colours as far as there are; beyond that, categories have."""
    names_all = drawn["kernel"].nunique() <= len(PALETTE)
    return [
        Panel(
            title=f"{state.capitalize()} L2" if state else "L2 state not recorded",
            rows=rows,
            color_by="kernel" if names_all else "category",
        )
        for state in (*STATES, "")
        if len(rows := drawn[drawn["cache"] == str(state)])
    ]


def panel_figure(panel_in: tuple[float, float], columns: int, rows: int) -> "Figure":
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


def hide_empty(shown: "Sequence[Axes]", used: int, columns: int) -> None:
    for axes in shown[used:]:
        axes.set_visible(False)
    # The panel above an empty place is the last of its column.
    for axes in shown[max(0, used - columns) : used]:
        axes.tick_params(labelbottom=True)
