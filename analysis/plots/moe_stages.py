"""Stacked bars, one a number of tokens: what takes a whole pipeline's time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.moe.breakdown import GAPS, Breakdown
from dsprof.analysis.moe.curves import Curve
from dsprof.analysis.moe.stage_names import PipelineStage
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.plots.style import (
    TEXT_COLOR,
    clean,
    handle,
    new_figure,
    note_empty,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, PANEL_IN, ABOVE_IN, BETWEEN_IN, BELOW_IN = 12.0, 2.9, 1.05, 0.8, 0.7
BAR_WIDTH = 0.78  # of the room of a bar
# GEMMs are blue whatever is beside them, gaps grey; one colour a stage in every panel.
COLORS = {
    PipelineStage.GATE_UP: "#0072B2",
    PipelineStage.DOWN: "#56B4E9",
    PipelineStage.GATE: "#CC79A7",
    PipelineStage.SORT: "#D55E00",
    PipelineStage.SET_UP: "#7A5C1E",
    PipelineStage.QUANTISE: "#E69F00",
    PipelineStage.SHUFFLE: "#009E73",
    PipelineStage.ACTIVATION: "#F0E442",
    PipelineStage.REDUCE: "#000000",
    PipelineStage.ELEMENTWISE: "#8A8A8A",
    GAPS: "#C8C8C8",
}
OTHER_COLORS = ("#5C5C8A", "#8A5C5C", "#5C8A5C")  # of unknown launches
LEGEND_COLUMNS = 7
ROOM_FOR_NUMBER_PCT = 7.0  # a smaller part has its number in the table alone
LIGHT = {
    *(PipelineStage.DOWN, PipelineStage.ACTIVATION, PipelineStage.QUANTISE),
    GAPS,
}


def stages_figure(pipelines: Sequence[Curve], *, title: str) -> "Figure":
    """Percent of each call by stage, a panel a pipeline with recorded launches."""
    made = {
        curve.title: {
            point.tokens: one for point in curve.points if (one := point.breakdown)
        }
        for curve in pipelines
    }
    made = {name: of_size for name, of_size in made.items() if of_size}
    panels = max(len(made), 1)
    height = ABOVE_IN + BELOW_IN + PANEL_IN * panels + BETWEEN_IN * (panels - 1)
    figure = new_figure(WIDTH_IN, height)
    figure.subplots_adjust(
        left=0.65 / WIDTH_IN,
        right=1 - 0.2 / WIDTH_IN,
        top=1 - ABOVE_IN / height,
        bottom=BELOW_IN / height,
        hspace=BETWEEN_IN / PANEL_IN,
    )
    colors = _colors(made.values())
    drawn = figure.subplots(panels, 1, squeeze=False)[:, 0]
    sizes = sorted({tokens for of_size in made.values() for tokens in of_size})
    for axes, (name, of_size) in zip(drawn, made.items(), strict=False):
        _panel(axes, of_size, sizes, colors)
        axes.set_title(plain(name), fontsize=10.5, loc="left")
    if made:
        drawn[-1].set_xlabel("Tokens T; below them, us of one call", fontsize=9.5)
        _legend(figure, colors, height)
    else:
        note_empty(drawn[0], "No launches were recorded.")
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.12 / height)
    return figure


def _colors(made: Iterable[Mapping[int, Breakdown]]) -> dict[str, str]:
    """Of every part that is drawn, in the order of the stack: the gaps on top."""
    parts = dict.fromkeys(
        name for of_size in made for one in of_size.values() for name in one.shares
    )
    unknown = [name for name in parts if name not in COLORS]
    others = {
        name: OTHER_COLORS[at % len(OTHER_COLORS)] for at, name in enumerate(unknown)
    }
    known = {
        str(name): color
        for name, color in COLORS.items()
        if name in parts and name != GAPS
    }
    return {**known, **others, GAPS: COLORS[GAPS]}


def _panel(
    axes: "Axes",
    of_size: Mapping[int, Breakdown],
    sizes: Sequence[int],
    colors: Mapping[str, str],
) -> None:
    """Bars at the same place for a size in every panel; none where it has no call."""
    clean(axes)
    axes.grid(visible=False, axis="x")
    for x, tokens in enumerate(sizes):
        if tokens in of_size:
            _bar(axes, x, of_size[tokens], colors)
    calls = [of_size.get(tokens) for tokens in sizes]
    times = [significant(made.total_us) if made else MISSING for made in calls]
    labels = [f"{t:,}\n{time_us}" for t, time_us in zip(sizes, times, strict=True)]
    axes.set_xticks(range(len(sizes)), labels, fontsize=8)
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_ylim(0, 100)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("% of one call", fontsize=9.5)


def _bar(axes: "Axes", x: int, made: Breakdown, colors: Mapping[str, str]) -> None:
    """One call's parts, which are all of it."""
    bottom, shares = 0.0, made.shares
    for part, color in colors.items():
        share = 100 * shares.get(part, 0.0)
        if not share:
            continue
        axes.bar(x, share, bottom=bottom, width=BAR_WIDTH, color=color, zorder=3)
        if share >= ROOM_FOR_NUMBER_PCT:
            axes.text(
                x,
                bottom + share / 2,
                significant(share, 2),
                ha="center",
                va="center",
                fontsize=7.5,
                color=TEXT_COLOR if part in LIGHT else "white",
                zorder=4,
            )
        bottom += share


def _legend(figure: "Figure", colors: Mapping[str, str], height: float) -> None:
    figure.legend(
        handles=[handle(n, color=color, marker="s") for n, color in colors.items()],
        loc="upper center",
        ncols=LEGEND_COLUMNS,
        bbox_to_anchor=(0.5, 1 - 0.36 / height),
        frameon=False,
        fontsize=8.5,
        labelcolor=TEXT_COLOR,
    )
