"""The roofline with one roof for all: each point against its own datapath's."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.style import (
    PHASE_MARKERS,
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    ink,
    new_figure,
    note_empty,
    plain,
)
from dsprof.harness.records import Cache, Phase, Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In the order of the legend; the first three are told apart without red and green.
CLASS_COLORS = {
    "compute-bound": "#D55E00",
    "balanced": "#8A8A8A",
    "memory-bound": "#0072B2",
    "unknown": "#CC79A7",
}
MOST_NAMED = 16
OTHER_MARKER = "D"


def analytic_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Timed rows of a measurements_frame as normalized_figure wants them.

    The class is the analytic bound: the side of the ridge that the intensity is on.
    """
    import pandas as pd

    timed = frame[frame["status"] == Status.OK.value]
    parts = [
        pd.DataFrame(
            {
                "kernel": timed["kernel"],
                "phase": timed["phase"],
                "cache": cache.value,
                "class": timed["bound"] + "-bound",
                "x": timed["intensity_flop_per_byte"] / timed["ridge_flop_per_byte"],
                "y": timed[f"{cache}_flops_per_s"] / timed["roof_flops_per_s"],
            }
        )
        for cache in Cache
    ]
    return pd.concat(parts, ignore_index=True)


def counted_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a merged frame as normalized_figure wants them.

    A row's place is analytic where the work is known, else by counted FLOP and DRAM
    bytes.
    """
    import pandas as pd

    rates = frame["flops_per_s_analytic"].fillna(frame["flops_per_s_measured"])
    intensities = frame["intensity_analytic"].fillna(frame["intensity_dram"])
    return pd.DataFrame(
        {
            "kernel": frame["kernel"],
            "phase": frame["phase"],
            "cache": frame["cache"],
            "class": frame["class"],
            "x": intensities / frame["ridge_flop_per_byte"],
            "y": rates / frame["peak_flops_per_s"],
        }
    )


def normalized_figure(rows: "pd.DataFrame", *, title: str) -> "Figure":
    """Intensity over ridge against rate over peak; a panel a cache state.

    ``rows`` has kernel, phase, cache, class, x and y. Colours are classes. A row
    without FLOP or without a known roof has no place: the note counts and names it.
    """
    placed = rows[(rows["x"] > 0) & (rows["x"] < math.inf) & (rows["y"] > 0)]
    found = set(placed["cache"])
    states = [state for state in (Cache.COLD, Cache.WARM, "") if str(state) in found]
    figure = new_figure(7.0 * max(len(states), 1) + (0 if states else 1), 6.9)
    width = figure.get_figwidth()
    figure.subplots_adjust(
        left=0.85 / width, right=1 - 0.2 / width, top=0.86, bottom=0.15, wspace=0.04
    )
    panels = figure.subplots(1, max(len(states), 1), sharey=True, squeeze=False)[0]
    notes = [_left_out_note(rows, placed)]
    for axes, state in zip(panels, states, strict=False):
        here = placed[placed["cache"] == str(state)]
        _set_axes(axes, placed, f"{state.capitalize()} L2" if state else "")
        unnamed = _draw(axes, here)
        if unnamed:
            notes.append(f"No room to name {', '.join(unnamed)}.")
    if not states:
        _set_axes(panels[0], placed, "")
        note_empty(panels[0], "No point has both an intensity and a rate.")
    panels[0].set_ylabel("Rate over the peak of the point's datapath", fontsize=10)
    add_note(figure, " ".join(filter(None, notes)), lines_of_room=2)
    _label(figure, placed, plain(title))
    return figure


def _set_axes(axes: "Axes", placed: "pd.DataFrame", title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    x = [*placed["x"], 0.01, 10]
    y = [*placed["y"], 0.001, 1]
    x0, x1 = min(x) / 3, max(x) * 3
    y0 = min(y) / 3
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, max(y) * 3)
    axes.minorticks_off()
    axes.set_title(title, fontsize=11, color=TEXT_COLOR, y=1.0)
    axes.set_xlabel("Arithmetic intensity over the ridge point", fontsize=10)
    clean(axes)
    axes.plot([x0, 1, x1], [x0, 1, 1], color=ROOF_COLOR, linewidth=1.2, zorder=2)
    axes.axvline(1, color=ROOF_COLOR, linewidth=0.6, linestyle=":", zorder=1)


def _draw(axes: "Axes", rows: "pd.DataFrame") -> list[str]:
    """Draw and, where they are few, name kernels; return those without room."""
    import numpy as np

    for (name, phase), points in rows.groupby(["class", "phase"], sort=False):
        axes.scatter(
            points["x"],
            points["y"],
            marker=_marker(phase),
            s=20,
            color=CLASS_COLORS.get(str(name), TEXT_COLOR),
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
    if rows["kernel"].nunique() > MOST_NAMED:
        return []
    xs = np.geomspace(*axes.get_xlim(), 200)
    left_out = place_labels(
        axes,
        _labels(rows),
        keep_clear=[
            *zip(rows["x"], rows["y"], strict=True),
            *((float(x), min(1.0, float(x))) for x in xs),
        ],
    )
    return [label.text for label in left_out]


def _labels(rows: "pd.DataFrame") -> list[PointLabel]:
    """One label a kernel, at its point of the highest rate."""
    fastest = rows.loc[rows.groupby("kernel", sort=False)["y"].idxmax()]
    return [
        PointLabel(
            text=plain(row["kernel"]),
            x=row["x"],
            y=row["y"],
            color=ink(CLASS_COLORS.get(str(row["class"]), TEXT_COLOR)),
        )
        for _, row in fastest.sort_values("y", ascending=False).iterrows()
    ]


def _marker(phase: object) -> str:
    known = {one.value: marker for one, marker in PHASE_MARKERS.items()}
    return known.get(str(phase), OTHER_MARKER)


def _left_out_note(rows: "pd.DataFrame", placed: "pd.DataFrame") -> str:
    missing = rows[~rows.index.isin(placed.index)]
    if not len(missing):
        return ""
    names = ", ".join(plain(name) for name in missing["kernel"].unique())
    return (
        f"Not drawn: {plural(len(missing), 'point')} without FLOP, rate or roof, of "
        f"{names}."
    )


def _label(figure: "Figure", placed: "pd.DataFrame", title: str) -> None:
    height = figure.get_figheight()
    figure.suptitle(title, fontsize=13, y=1 - 0.15 / height)
    classes = [name for name in CLASS_COLORS if name in set(placed["class"])]
    phases: Sequence[Phase] = [
        phase for phase in Phase if phase.value in set(placed["phase"])
    ]
    handles = [
        *(handle(name, color=CLASS_COLORS[name], marker="s") for name in classes),
        *(handle(phase.value, marker=PHASE_MARKERS[phase]) for phase in phases),
        handle("roof", color=ROOF_COLOR, linestyle="-"),
    ]
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.35 / height),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
