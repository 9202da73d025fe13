"""Places labels beside plotted points so that no two texts overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

# Rings of candidate places around a point, in typographic points, tried from near
# to far; on the left a place counts as further, since labels line up best on the
# right of a column of points.
RADII_PT = (9, 16, 24, 32, 40, 50, 60, 72, 86, 102, 120)
ANGLES_DEG = range(-170, 181, 10)
LEFT_COSTS = 1.8
MARKER_RADIUS_PT = 3.5
FONT_SIZE_PT = 8
TEXT_PAD_PT = 1.5
LEADER_FROM_PT = 20  # a label nearer than this needs no line to its point
LEADER_PARTS = 16  # a leader is kept clear as this many small boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLabel:
    """A text for the point at (x, y), in data coordinates."""

    text: str
    x: float
    y: float
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: "_Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def lies_in(self, other: "_Box") -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.bottom <= self.bottom
            and self.top <= other.top
        )


def place_labels(
    axes: "Axes",
    labels: Sequence[PointLabel],
    *,
    keep_clear: Sequence[tuple[float, float]],
    taken: Sequence["Bbox"] = (),
) -> list[PointLabel]:
    """Annotate each point where its text covers nothing that is drawn.

    ``keep_clear`` are all plotted points and sampled positions of the lines, in data
    coordinates; ``taken`` are boxes in pixels that texts already fill. The layout
    must be final. Returns the labels that fit nowhere, which are not drawn.
    """
    import numpy as np

    if not labels:
        return []
    pixels_per_pt = axes.figure.dpi / 72
    frame = _box(axes.get_window_extent())
    texts = [_box(bbox) for bbox in taken]
    drawn = _edges(
        [
            _around(position, MARKER_RADIUS_PT * pixels_per_pt)
            for position in _to_pixels(axes, keep_clear)
        ]
    )
    left_out = []
    for label in labels:
        size = _text_size(axes, label.text)
        anchor = _to_pixels(axes, [(label.x, label.y)])[0]
        for offset_pt in _offsets():
            box = _text_box(anchor, size, offset_pt, pixels_per_pt)
            leader = _leader(anchor, offset_pt, pixels_per_pt)
            if not box.lies_in(frame) or _hits(box, drawn):
                continue
            if _collide([box, *leader], texts):
                continue
            _annotate(axes, label, offset_pt)
            texts.append(box)
            drawn = np.concatenate([drawn, _edges(leader)])
            break
        else:
            left_out.append(label)
    return left_out


def _to_pixels(
    axes: "Axes", positions: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    if not positions:
        return []
    return [(float(x), float(y)) for x, y in axes.transData.transform(positions)]


def _collide(boxes: Sequence[_Box], others: Sequence[_Box]) -> bool:
    return any(box.overlaps(other) for box in boxes for other in others)


def _edges(boxes: Sequence[_Box]) -> "NDArray[np.float64]":
    """Left, bottom, right and top, a row a box."""
    import numpy as np

    edges = [(box.left, box.bottom, box.right, box.top) for box in boxes]
    return np.array(edges, dtype=np.float64).reshape(-1, 4)


def _hits(box: _Box, edges: "NDArray[np.float64]") -> bool:
    """True where the box overlaps any of many others."""
    left, bottom, right, top = edges.T
    return bool(
        (
            (box.left < right)
            & (left < box.right)
            & (box.bottom < top)
            & (bottom < box.top)
        ).any()
    )


def _around(position: Sequence[float], radius: float) -> _Box:
    x, y = position
    return _Box(left=x - radius, bottom=y - radius, right=x + radius, top=y + radius)


def _leader(
    anchor: Sequence[float], offset_pt: tuple[float, float], pixels_per_pt: float
) -> list[_Box]:
    """Boxes along the line from a point to its label; none where it has no line."""
    if math.hypot(*offset_pt) < LEADER_FROM_PT:
        return []
    return [
        _around(
            (
                anchor[0] + offset_pt[0] * pixels_per_pt * part / LEADER_PARTS,
                anchor[1] + offset_pt[1] * pixels_per_pt * part / LEADER_PARTS,
            ),
            1,
        )
        for part in range(LEADER_PARTS)
    ]


def _text_size(axes: "Axes", text: str) -> tuple[float, float]:
    probe = axes.text(0, 0, text, fontsize=FONT_SIZE_PT, transform=None)
    extent = probe.get_window_extent()
    probe.remove()
    return extent.width, extent.height


def _text_box(
    anchor: Sequence[float],
    size: tuple[float, float],
    offset_pt: tuple[float, float],
    pixels_per_pt: float,
) -> _Box:
    x = anchor[0] + offset_pt[0] * pixels_per_pt
    y = anchor[1] + offset_pt[1] * pixels_per_pt
    left = x if offset_pt[0] >= 0 else x - size[0]
    bottom = y - size[1] / 2
    pad = TEXT_PAD_PT * pixels_per_pt
    return _Box(
        left=left - pad,
        bottom=bottom - pad,
        right=left + size[0] + pad,
        top=bottom + size[1] + pad,
    )


def _annotate(axes: "Axes", label: PointLabel, offset_pt: tuple[float, float]) -> None:
    to_right = offset_pt[0] >= 0
    leader = {
        "arrowstyle": "-",
        "relpos": (0 if to_right else 1, 0.5),  # where on the text it ends
        "color": label.color,
        "linewidth": 0.6,
        "shrinkA": 1,
        "shrinkB": 2,
    }
    axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=offset_pt,
        textcoords="offset points",
        fontsize=FONT_SIZE_PT,
        color=label.color,
        horizontalalignment="left" if to_right else "right",
        verticalalignment="center",
        arrowprops=leader if math.hypot(*offset_pt) >= LEADER_FROM_PT else None,
        zorder=5,
    )


def _offsets() -> list[tuple[float, float]]:
    def cost(place: tuple[float, float]) -> tuple[float, float]:
        radius, angle = place
        to_left = abs(angle) > 90  # noqa: PLR2004 -- degrees
        return radius * (LEFT_COSTS if to_left else 1), abs(angle)

    return [
        (radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle)))
        for radius, angle in sorted(product(RADII_PT, ANGLES_DEG), key=cost)
    ]


def _box(bbox: "Bbox") -> _Box:
    return _Box(left=bbox.x0, bottom=bbox.y0, right=bbox.x1, top=bbox.y1)
