"""Layer time against the amount of one resource, with the knee of each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import (
    PALETTE,
    ROOF_COLOR,
    TEXT_COLOR,
    add_note,
    clean,
    handle,
    keep_visible_ticks,
    new_figure,
    note_empty,
    plain,
)
from dsprof.analysis.whatif.knee import Curve, Knee
from dsprof.analysis.whatif.resource import Resource, amount, scale_of
from dsprof.analysis.whatif.size_words import size_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 1.15  # beyond the curves, of both log axes


def knee_figure(
    curves: Sequence[Curve], knees: Sequence[Knee], *, title: str
) -> "Figure":
    """A line a layer on log axes; a dot marks its knee, a vertical line the machine.

    All curves are of one resource. A line that falls straight is limited by it.
    """
    figure = new_figure(10.0, 5.4)
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 2.75 / width,
        top=1 - 0.55 / height,
        bottom=0.85 / height,
    )
    axes: Axes = figure.subplots()
    clean(axes)
    if not curves:
        note_empty(axes, "No layer of this profile has a time.")
        return figure
    resource = curves[0].resource
    scale, unit = scale_of(resource)
    _set_axes(axes, curves, scale)
    axes.set_xlabel(plain(f"{resource.label} ({unit})"), fontsize=9.5)
    axes.set_ylabel("Time of one layer (ms)", fontsize=9.5)
    own = knees[0].own_value if knees else None
    if own is not None:
        axes.axvline(own / scale, color=ROOF_COLOR, linestyle="--", linewidth=1.1)
    handles = []
    for at, one in enumerate(curves):
        color = PALETTE[at % len(PALETTE)]
        axes.plot(one.values / scale, one.time_s * 1e3, color=color, linewidth=1.6)
        mark = next((knee for knee in knees if knee.layer is one.layer), None)
        words = _mark(axes, mark, scale, color) if mark else ()
        entry = handle("", color=color, linestyle="-")
        # Two lines: handle() itself would join them.
        entry.set_label("\n".join(map(plain, (size_words(one.layer), *words))))
        handles.append(entry)
    if own is not None:
        source = curves[0].layer.source.name
        handles.append(handle(source, color=ROOF_COLOR, linestyle="--"))
    _note(figure, resource, knees)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1 - 2.7 / width, 1 - 0.5 / height),
        frameon=False,
        fontsize=8.5,
        labelcolor=TEXT_COLOR,
        labelspacing=0.9,
    )
    figure.suptitle(plain(title), fontsize=13, y=1 - 0.14 / height)
    return figure


def _set_axes(axes: "Axes", curves: Sequence[Curve], scale: float) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    low = min(float(one.values.min()) for one in curves) / scale
    high = max(float(one.values.max()) for one in curves) / scale
    axes.set_xlim(low, high)
    least = min(float(one.time_s.min()) for one in curves) * 1e3
    most = max(float(one.time_s.max()) for one in curves) * 1e3
    axes.set_ylim(least / ROOM, most * ROOM)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    keep_visible_ticks(axes)
    axes.minorticks_off()


def _mark(axes: "Axes", knee: Knee, scale: float, color: str) -> tuple[str, ...]:
    """Draw the knee; words for the legend, also where there is none."""
    if knee.value is None or knee.time_s is None:
        never = "depends little on it" if knee.is_below_gain else "has no knee"
        return (never,)
    axes.plot(
        knee.value / scale,
        knee.time_s * 1e3,
        marker="o",
        markersize=7,
        color=color,
        markeredgecolor="white",
        zorder=5,
    )
    after = f"then {knee.next_limit.label}" if knee.next_limit else ""
    return f"knee at {amount(knee.resource, knee.value)}", *filter(None, [after])


def _note(figure: "Figure", resource: Resource, knees: Sequence[Knee]) -> None:
    if not knees:
        return
    more = "less" if resource is Resource.LAUNCH else "more"
    text = (
        f"Dot: the knee. Beyond it, 1 % {more} takes less than {knees[0].gain:g} % off "
        "the time. Then: what limits most of the time there."
    )
    add_note(figure, text, lines_of_room=1)
