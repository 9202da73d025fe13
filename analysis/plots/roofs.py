"""The rated roofs of a device on log axes: lines, ridge points and names."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import rated
from dsprof.analysis.plots.style import ROOF_COLOR
from dsprof.analysis.roofline import attainable_flops_per_s, ridge_points
from dsprof.harness.device import Datapath, DeviceSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

TERA = 1e12
ROOM_RIGHT_OF_RIDGE = 60  # the name of a roof is about this wide on the log axis


def draw_roofs(axes: "Axes", device: DeviceSpec) -> list["Text"]:
    """Draw and name the roofs and ridge points; return the texts."""
    draw_roof_lines(axes, device)
    x1 = axes.get_xlim()[1]
    texts = [_name_memory_roof(axes, device)]
    for path, ridge in ridge_points(device).items():
        peak = device.peak(path) / TERA
        name = f"{datapath_name(path)} {rated(peak)} TFLOP/s"
        texts += [
            _roof_text(axes, name, (x1, peak), (-2, 2)),
            _roof_text(axes, f"ridge {rated(ridge)} FLOP/byte", (ridge, peak), (-6, 1)),
        ]
    return texts


def draw_roof_lines(axes: "Axes", device: DeviceSpec) -> None:
    """The memory roof, the compute roofs and the ridge points, without a word."""
    from matplotlib.collections import LineCollection

    x0, x1 = axes.get_xlim()
    bandwidth = device.hbm_bytes_per_s / TERA
    ridges = ridge_points(device)
    top = max(ridges.values())
    roofs = [((x0, x0 * bandwidth), (top, top * bandwidth))]
    for path, ridge in ridges.items():
        peak = device.peak(path) / TERA
        roofs.append(((ridge, peak), (x1, peak)))
        axes.plot(ridge, peak, marker="D", color=ROOF_COLOR, markersize=4.5, zorder=4)
    axes.add_collection(LineCollection(roofs, colors=ROOF_COLOR, linewidths=1.2))


def datapath_name(path: Datapath) -> str:
    """For example ``FP8 tensor``."""
    return path.value.replace("_", " ").upper().replace("TENSOR", "tensor")


def _roof_text(
    axes: "Axes", text: str, at: tuple[float, float], offset_pt: tuple[float, float]
) -> "Text":
    return axes.annotate(
        text,
        at,
        xytext=offset_pt,
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=ROOF_COLOR,
    )


def _name_memory_roof(axes: "Axes", device: DeviceSpec) -> "Text":
    x0 = axes.get_xlim()[0] * 1.4
    bandwidth = device.hbm_bytes_per_s / TERA
    ends = axes.transData.transform([(x, x * bandwidth) for x in (x0, 10 * x0)])
    (left, bottom), (right, top) = ends
    return axes.annotate(
        f"HBM {rated(bandwidth * 1000)} GB/s",
        (x0, x0 * bandwidth),
        xytext=(0, 4),
        textcoords="offset points",
        rotation=math.degrees(math.atan2(top - bottom, right - left)),
        rotation_mode="anchor",
        va="bottom",
        fontsize=8,
        color=ROOF_COLOR,
    )


def roof_positions(axes: "Axes", device: DeviceSpec) -> list[tuple[float, float]]:
    """Positions along all roofs, close enough that no text fits between two."""
    import numpy as np

    xs = np.geomspace(*axes.get_xlim(), 200)
    return [
        (float(x), attainable_flops_per_s(device, path, float(x)) / TERA)
        for path in device.flops_per_s
        for x in xs
    ]
