"""Share of the bounding roof that each op reaches at the reported sizes."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import plural
from dsprof.analysis.plots.style import (
    CACHE_COLORS,
    GRID_COLOR,
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    new_figure,
    plain,
)
from dsprof.analysis.sizes import REPORTED_SIZES, ProblemSize
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT_IN = 0.2
NAME_CHARACTER_IN = 0.066  # mean width at 8 pt
ROOF_PCT = 100
SHARES = [f"{cache}_peak_pct" for cache in Cache]
Names = list[tuple[str, str]]  # kernel and op
LeftOut = dict[tuple[str, str], str]  # and why
CACHE_MARKERS = {Cache.WARM: "o", Cache.COLD: "s"}


def share_figure(frame: "pd.DataFrame") -> "Figure":
    """Percent of the roof, warm and cold, a row an op and a panel a reported size.

    The axis is logarithmic and goes past 100: a warm point beyond the roof is
    served by L2. An op without a time says its status in its row; one without a
    time at any of the sizes is named under the panels instead. A size that the run
    did not plan has no panel, unless it planned none of them.
    """
    every_size = {size: _at(frame, size) for size in REPORTED_SIZES}
    planned = {size: found for size, found in every_size.items() if len(found)}
    at_sizes = planned or every_size
    rows, left_out = _row_names(at_sizes)
    names = [plain(f"{kernel} \N{MIDDLE DOT} {op}") for kernel, op in rows]
    figure = new_figure(13.5, 1.8 + ROW_HEIGHT_IN * max(len(rows), 4))
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=(0.4 + NAME_CHARACTER_IN * max(map(len, names), default=4)) / width,
        right=1 - 0.25 / width,
        top=1 - 1.0 / height,
        bottom=0.65 / height,
        wspace=0.06,
    )
    panels = figure.subplots(1, len(at_sizes), sharex=True, sharey=True, squeeze=False)[
        0
    ]
    low_pct, high_pct = _limits(at_sizes)
    for axes, (size, found) in zip(panels, at_sizes.items(), strict=True):
        axes.set_xscale("log")
        axes.set_xlim(low_pct, high_pct)
        _panel(axes, found, rows)
        axes.set_title(size.title, fontsize=10, color=TEXT_COLOR, y=1.0)
    panels[0].set_yticks(range(len(rows)), names)
    panels[0].set_ylim(max(len(rows), 1) - 0.4, -0.6)
    add_note(figure, _left_out_note(left_out), lines_of_room=0)
    height = figure.get_figheight()
    figure.suptitle("Share of the bounding spec roof", fontsize=13, y=1 - 0.3 / height)
    figure.supxlabel(
        "Share of the bounding spec roof (%), log scale",
        fontsize=10,
        y=figure.subplotpars.bottom - 0.49 / height,
    )
    _draw_legend(figure, y=1 - 0.42 / height)
    return figure


def _at(frame: "pd.DataFrame", size: ProblemSize) -> "pd.DataFrame":
    return frame[
        (frame["phase"] == size.phase.value)
        & (frame["batch_size"] == size.batch_size)
        & (frame["seq_len"] == size.seq_len)
    ]


def _name(row: "pd.Series") -> tuple[str, str]:
    import pandas as pd

    kv = "" if pd.isna(row["kv_len"]) else f" kv={row['kv_len']}"
    return str(row["kernel"]), f"{row['op']}{kv}"


def _row_names(at_sizes: dict[ProblemSize, "pd.DataFrame"]) -> tuple[Names, LeftOut]:
    """The ops with a time at any size, and the other ones by their first status."""
    timed: Names = []
    untimed: dict[tuple[str, str], str] = {}
    for found in at_sizes.values():
        for _, row in found.iterrows():
            untimed.setdefault(_name(row), _words(row["status"]))
            if _has_share(row):
                timed.append(_name(row))
    shown = set(timed)
    rows = [name for name in untimed if name in shown]
    return rows, {name: why for name, why in untimed.items() if name not in shown}


def _has_share(row: "pd.Series") -> bool:
    return not all(math.isnan(row[name]) for name in SHARES)


def _words(status: object) -> str:
    return str(status).replace("_", " ")


def _left_out_note(left_out: LeftOut) -> str:
    """How many ops have no row, and of which kernels, a status at a time."""
    if not left_out:
        return ""
    groups: dict[str, Counter[str]] = {}
    for (kernel, _), status in left_out.items():
        groups.setdefault(status, Counter())[kernel] += 1
    reasons = "; ".join(
        f"{status}: "
        + ", ".join(f"{plain(name)} ({count})" for name, count in kernels.items())
        for status, kernels in groups.items()
    )
    ops = plural(len(left_out), "op")
    return f"Left out, without a time at any of these sizes: {ops} ({reasons})."


def _limits(at_sizes: dict[ProblemSize, "pd.DataFrame"]) -> tuple[float, float]:
    shares = [
        share
        for found in at_sizes.values()
        for cache in Cache
        for share in found[f"{cache}_peak_pct"].dropna()
        if share > 0
    ]
    return min([*shares, 1.0]) / 2, max([*shares, ROOF_PCT]) * 2


def _panel(axes: "Axes", found: "pd.DataFrame", rows: list[tuple[str, str]]) -> None:
    clean(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda pct, _: f"{pct:g}")
    axes.axvline(ROOF_PCT, color=ROOF_COLOR, linewidth=1.2)
    axes.hlines(
        range(len(rows)),
        0,
        1,
        transform=axes.get_yaxis_transform(),
        color=GRID_COLOR,
        linewidth=0.6,
        zorder=0,
    )
    at = {_name(row): row for _, row in found.iterrows()}
    for y, name in enumerate(rows):
        if name not in at:
            _say(axes, y, "no row")
        elif not _has_share(at[name]):
            _say(axes, y, _words(at[name]["status"]))
    drawn = [y for y, name in enumerate(rows) if name in at and _has_share(at[name])]
    _draw_shares(axes, drawn, [[at[rows[y]][name] for name in SHARES] for y in drawn])


def _draw_shares(
    axes: "Axes", ys: Sequence[int], shares: Sequence[Sequence[float]]
) -> None:
    """A row's shares are in the order of Cache."""
    if not ys:
        return
    axes.hlines(
        ys, *zip(*shares, strict=True), color="#B0B0B0", linewidth=1.5, zorder=1
    )
    for cache, drawn in zip(Cache, zip(*shares, strict=True), strict=True):
        axes.plot(
            drawn,
            ys,
            marker=CACHE_MARKERS[cache],
            linestyle="",
            color=CACHE_COLORS[cache],
            markersize=5,
            zorder=3,
        )


def _say(axes: "Axes", y: int, text: str) -> None:
    axes.annotate(
        plain(text),
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color="#777777",
        backgroundcolor="white",
    )


def _draw_legend(figure: "Figure", y: float) -> None:
    figure.legend(
        handles=[
            *(
                handle(
                    f"{cache} L2",
                    color=CACHE_COLORS[cache],
                    marker=CACHE_MARKERS[cache],
                )
                for cache in Cache
            ),
            handle("roof", color=ROOF_COLOR, linestyle="-"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, y),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
