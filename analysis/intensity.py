"""Arithmetic intensity of a merged point against the ridge, analytic and counted."""

import math
from dataclasses import dataclass

from dsprof.analysis.merge import Level, MergedPoint
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.records import Bound, Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """FLOP per byte against the ridge of the datapath that they ran on."""

    value: float
    ridge: float
    source: str
    datapath: Datapath

    @property
    def side(self) -> Bound:
        return Bound.MEMORY if self.value < self.ridge else Bound.COMPUTE

    @property
    def factor(self) -> float:
        """How far from the ridge: the factor between them, at least 1."""
        return factor_between(self.value, self.ridge)

    def __str__(self) -> str:
        return (
            f"AI = {self.value:.3g} FLOP/byte ({self.source}) against a "
            f"{self.datapath} ridge of {self.ridge:.3g}: {self.side} side"
        )


def analytic_intensity(point: MergedPoint, device: DeviceSpec) -> Intensity | None:
    row, ridge = point.measurement, _ridge(point, device)
    if row is None or not row.total_bytes or ridge is None:
        return None
    return Intensity(
        value=row.arithmetic_intensity,
        ridge=ridge,
        source="analytic",
        datapath=point.datapath,
    )


def counted_intensity(point: MergedPoint, device: DeviceSpec) -> Intensity | None:
    """Executed FLOP over DRAM bytes, where that tells the side of the ridge.

    Those bytes are all that the kernel needs only where it began with cold caches.
    Otherwise the intensity is an upper bound, which can tell the memory side alone.
    """
    value, ridge = point.intensity(Level.DRAM), _ridge(point, device)
    if value is None or ridge is None:
        return None
    if point.cache is not Cache.COLD and value >= ridge:
        return None
    source = "counted, cold" if point.cache is Cache.COLD else "counted, at most"
    return Intensity(value=value, ridge=ridge, source=source, datapath=point.datapath)


def _ridge(point: MergedPoint, device: DeviceSpec) -> float | None:
    """None where the device's peak is not known for the point's datapath."""
    if point.datapath not in device.flops_per_s or not device.hbm_bytes_per_s:
        return None
    return device.ridge_point(point.datapath)


def factor_between(value: float, other: float) -> float:
    """The factor between two values of one sign; infinite from or to 0."""
    low, high = sorted((value, other))
    return high / low if low > 0 else math.inf
