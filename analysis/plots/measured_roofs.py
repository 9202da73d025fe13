"""Measured roofs as dashed lines, and the sentence that gives their rates."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from dsprof.analysis.numerals import rated
from dsprof.analysis.plots.roofs import TERA, datapath_name
from dsprof.analysis.plots.style import ROOF_COLOR
from dsprof.analysis.roofs import COMPUTE_PATTERNS, MEMORY_PATTERN
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import DeviceSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

GIGA = 1e9
POSITIONS = 200  # along a roof
Position: TypeAlias = tuple[float, float]


def ceiling(ceilings: Sequence[Ceiling], pattern: Pattern) -> Ceiling | None:
    """The measured roof of a pattern: the burst, or else the sustained one."""
    found = {one.duration: one for one in ceilings if one.pattern is pattern}
    return found.get(Duration.BURST) or found.get(Duration.SUSTAINED)


def draw_measured_roofs(
    axes: "Axes", ceilings: Sequence[Ceiling], *, with_l2: bool = False
) -> list[Position]:
    """Dashed HBM and compute roofs where they were measured; L2's if asked for.

    Returns positions along them, close enough that no text fits between two.
    """
    import numpy as np
    from matplotlib.collections import LineCollection

    lines = _lines(axes.get_xlim(), ceilings, with_l2=with_l2)
    axes.add_collection(
        LineCollection(
            lines, colors=ROOF_COLOR, linewidths=1.0, linestyles=(0, (4, 2.5))
        )
    )
    return [
        (float(x), float(y))
        for (x0, y0), (x1, y1) in lines
        for x, y in zip(
            np.geomspace(x0, x1, POSITIONS),
            np.geomspace(y0, y1, POSITIONS),
            strict=True,
        )
    ]


def name_l2_roof(axes: "Axes", ceilings: Sequence[Ceiling]) -> "list[Text]":
    """Write the measured rate of L2 along its roof, where it was measured."""
    found = ceiling(ceilings, Pattern.L2_READ)
    if found is None:
        return []
    start = axes.get_xlim()[0] * 1.4
    slope = found.value / TERA
    ends = axes.transData.transform([(x, x * slope) for x in (start, 10 * start)])
    (left, bottom), (right, top) = ends
    return [
        axes.annotate(
            f"L2, measured, {rated(found.value / GIGA)} GB/s",
            (start, start * slope),
            xytext=(0, 4),
            textcoords="offset points",
            rotation=math.degrees(math.atan2(top - bottom, right - left)),
            rotation_mode="anchor",
            va="bottom",
            fontsize=8,
            color=ROOF_COLOR,
        )
    ]


def _lines(
    limits: Position, ceilings: Sequence[Ceiling], *, with_l2: bool
) -> list[tuple[Position, Position]]:
    """Both ends of each roof: a bandwidth's ends at the highest compute roof."""
    x0, x1 = limits
    dense = [
        found.value
        for pattern in COMPUTE_PATTERNS.values()
        if (found := ceiling(ceilings, pattern))
    ]
    hbm = ceiling(ceilings, MEMORY_PATTERN)
    l2 = ceiling(ceilings, Pattern.L2_READ) if with_l2 else None
    lines: list[tuple[Position, Position]] = []
    for bandwidth in filter(None, (hbm, l2)):
        slope = bandwidth.value / TERA
        end = max(dense, default=x1 * bandwidth.value) / bandwidth.value
        lines.append(((x0, x0 * slope), (end, end * slope)))
    for peak in dense:
        start = x0 if hbm is None else peak / hbm.value
        lines.append(((start, peak / TERA), (x1, peak / TERA)))
    return lines


def measured_roofs_note(device: DeviceSpec, ceilings: Sequence[Ceiling]) -> str:
    """Rates of the dashed roofs, and the ridges that the measured bandwidth gives."""
    shown = [
        found
        for pattern in (MEMORY_PATTERN, Pattern.L2_READ, *COMPUTE_PATTERNS.values())
        if (found := ceiling(ceilings, pattern))
    ]
    if not shown:
        return ""
    rates = ", ".join(f"{_name(one)} {_rate(one)}" for one in shown)
    note = f"Dashed, measured: {rates}."
    bandwidth = ceiling(ceilings, MEMORY_PATTERN)
    if bandwidth is None:
        return note
    ridges = ", ".join(
        f"{datapath_name(path)} {rated(peak / bandwidth.value)}"
        for path, peak in device.flops_per_s.items()
    )
    return (
        f"{note} Ridge = P_peak (rated) / BW_eff (measured HBM read): "
        f"{ridges} FLOP/byte."
    )


def _name(one: Ceiling) -> str:
    words = {
        Pattern.HBM_READ: "HBM read",
        Pattern.L2_READ: "L2 read",
        **{pattern: datapath_name(path) for path, pattern in COMPUTE_PATTERNS.items()},
    }
    return f"{words[one.pattern]} ({one.duration})"


def _rate(one: Ceiling) -> str:
    if one.pattern.moves_bytes:
        return f"{rated(one.value / GIGA)} GB/s"
    return f"{rated(one.value / TERA)} TFLOP/s"
