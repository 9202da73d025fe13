"""The look that all figures share: colours, markers, type, grid, file format."""

import textwrap
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text
    from numpy.typing import NDArray

# Okabe and Ito, "Color Universal Design" (2008), without its yellow, which is too
# pale for text on white; brown and grey are added, told apart by lightness.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),
    *("#7A5C1E", "#8A8A8A"),
)
CACHE_COLORS = {Cache.WARM: "#D55E00", Cache.COLD: "#0072B2"}
PHASE_MARKERS = {Phase.DECODE: "o", Phase.PREFILL: "^"}
TEXT_COLOR, ROOF_COLOR, GRID_COLOR = "#222222", "#444444", "#E4E4E4"
DPI = 150
NOTE_SIZE_PT, NOTE_LEFT_IN, NOTE_LINE_IN = 8.5, 0.15, 0.16
# Wider than the mean letter of the default typeface, so that a wrapped line fits.
LETTER_EM = 0.6
POINTS_PER_IN = 72


def plain(text: object) -> str:
    """Text that matplotlib draws as it is: a dollar sign starts no formula."""
    return " ".join(str(text).split()).replace("$", r"\$")


def category_colors(categories: Iterable[str]) -> dict[str, str]:
    """One colour a category in order of first appearance; a tenth starts over."""
    names = list(dict.fromkeys(categories))
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def ink(color: str) -> str:
    """The colour dark enough for small text on white."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(color)
    return to_hex((0.65 * red, 0.65 * green, 0.65 * blue))


def new_figure(width_in: float, height_in: float) -> "Figure":
    """A figure with its own Agg canvas; nothing is registered with pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def clean(axes: "Axes") -> None:
    """Hairline grid behind the data, no frame on top and right."""
    axes.grid(visible=True, color=GRID_COLOR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=TEXT_COLOR, length=3)


def back_with_white(text: "Text") -> None:
    """Give a text a white ground over lines and under points."""
    text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    text.set_zorder(2.5)  # lines have 1 and 2, points 3


def keep_visible_ticks(axes: "Axes") -> None:
    """Fix the major ticks, of all panels that share these axes, to those within.

    A log axis has two ticks beyond its limits, which cost as much to make as others.
    Limits and scales must be final.
    """
    from matplotlib.ticker import FixedLocator

    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        axis.set_major_locator(FixedLocator(ticks))


def handle(
    label: str,
    *,
    color: str = TEXT_COLOR,
    marker: str = "",
    linestyle: Literal["", "-", "--"] = "",
) -> "Line2D":
    """A legend entry that belongs to no axes."""
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        label=plain(label),
        color=color,
        marker=marker,
        linestyle=linestyle,
        markersize=6,
    )


def wrap_note(text: str, width_in: float) -> list[str]:
    """The lines of a footnote under a figure of this width; [] of an empty text."""
    letter_in = LETTER_EM * NOTE_SIZE_PT / POINTS_PER_IN
    letters = int((width_in - 2 * NOTE_LEFT_IN) / letter_in)
    return textwrap.wrap(text, max(letters, 1))


def add_note(figure: "Figure", text: str, *, lines_of_room: int) -> None:
    """A footnote wrapped to the figure's width; the figure grows for more lines.

    Growth is downwards: all panels keep their size, so texts that were placed stay
    where they are. Titles and legends of the figure are to be added afterwards.
    """
    width, height = figure.get_size_inches()
    lines = wrap_note(text, width)
    more_in = NOTE_LINE_IN * max(0, len(lines) - lines_of_room)
    if more_in:
        panels = figure.subplotpars
        figure.set_size_inches(width, height + more_in)
        figure.subplots_adjust(
            bottom=(panels.bottom * height + more_in) / (height + more_in),
            top=(panels.top * height + more_in) / (height + more_in),
        )
    figure.text(
        NOTE_LEFT_IN / width,
        0.08 / (height + more_in),
        "\n".join(lines),
        fontsize=NOTE_SIZE_PT,
        color=TEXT_COLOR,
        va="bottom",
    )


def note_empty(axes: "Axes", text: str) -> None:
    """Say in the middle of a panel why it is empty."""
    axes.text(
        0.5,
        0.5,
        plain(text),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=10,
        color=TEXT_COLOR,
    )


def to_png(figure: "Figure") -> bytes:
    """The figure as PNG; equal figures give equal bytes."""
    return encode(pixels(figure))


def pixels(figure: "Figure") -> "NDArray[np.uint8]":
    """The drawn figure: rows, columns, red green blue and alpha."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


def encode(image: "NDArray[np.uint8]") -> bytes:
    """Pixels as PNG: work for a second thread, since it needs no Python."""
    from matplotlib.image import imsave

    buffer = BytesIO()
    nothing: dict[str, Any] = {"Software": None}  # no version: equal bytes anywhere
    imsave(buffer, image, format="png", dpi=DPI, metadata=nothing)
    return buffer.getvalue()
