"""Where a timed point lies under its roofs: pure arithmetic, nothing clipped."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.records import Bound, Cache, Measurement, Roof, Status


class Position(StrEnum):
    """How a point's rate compares with its bounding roof, and why if it is above."""

    UNDER = "under the roof"
    L2 = "served by L2"  # warm: the part HBM had no time for fits in L2
    WRITES_IN_L2 = "writes left in L2"  # cold: that part is no more than was written
    # Above a measured roof only: bytes and FLOP can be right.
    UNDER_SPEC = "under spec: a boost, or a better kernel than the roof's"
    ABOVE = "above the roof, unexplained"  # work, time or roof is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One timed point against its roof, which is that of ``measurement``.

    ``attainable_flops_per_s`` is the roof over the point's intensity; it is 0 for
    a kernel without FLOP, whose roof is bandwidth alone. ``share_pct`` is of the
    bounding roof and may exceed 100.
    """

    measurement: Measurement
    cache: Cache
    time_us: float
    intensity: float  # FLOP/byte
    achieved_flops_per_s: float
    achieved_bytes_per_s: float
    attainable_flops_per_s: float
    share_pct: float
    position: Position

    @property
    def headroom_us(self) -> float:
        """Time that would go if the point reached its roof: t * (1 - roof / t)."""
        return self.time_us - self.measurement.roof_time_us


def attainable_flops_per_s(
    device: DeviceSpec, datapath: Datapath, intensity: float
) -> float:
    """FLOP/s that the device's two roofs allow at an intensity in FLOP/byte."""
    return min(device.peak(datapath), intensity * device.hbm_bytes_per_s)


def ridge_points(device: DeviceSpec) -> dict[Datapath, float]:
    """FLOP/byte at which each datapath's roof meets the memory roof."""
    return {path: device.ridge_point(path) for path in device.flops_per_s}


def place(
    measurement: Measurement,
    cache: Cache,
    *,
    l2_bytes: int,
    roof: Roof | None = None,
) -> Placement | None:
    """Place a point; None where it has no time, no roof or no known traffic.

    Its roof is the rated one that it was recorded with, unless another is given.
    """
    rated = measurement.roof
    if roof is not None:
        measurement = replace(measurement, roof=roof)
    timing, roof = measurement.timing(cache), measurement.roof
    if timing is None or roof is None or not measurement.total_bytes:
        return None
    intensity = measurement.arithmetic_intensity
    return Placement(
        measurement=measurement,
        cache=cache,
        time_us=timing.median_us,
        intensity=intensity,
        achieved_flops_per_s=measurement.flops_per_s(cache),
        achieved_bytes_per_s=measurement.bytes_per_s(cache),
        attainable_flops_per_s=min(roof.flops_per_s, intensity * roof.bytes_per_s),
        share_pct=measurement.peak_pct(cache),
        position=_position(measurement, cache, l2_bytes=l2_bytes, rated=rated),
    )


def place_all(
    measurements: Iterable[Measurement], cache: Cache, *, l2_bytes: int
) -> list[Placement]:
    placed = (place(row, cache, l2_bytes=l2_bytes) for row in measurements)
    return [placement for placement in placed if placement is not None]


def _position(
    measurement: Measurement, cache: Cache, *, l2_bytes: int, rated: Roof | None
) -> Position:
    timing, roof = measurement.timing(cache), measurement.roof
    if timing is None or roof is None or measurement.peak_pct(cache) <= 100:  # noqa: PLR2004 -- percent
        return Position.UNDER
    if measurement.bound is Bound.MEMORY:
        # HBM can have moved no more than its peak times the time; L2 had the rest.
        from_l2_bytes = (
            measurement.total_bytes - roof.bytes_per_s * timing.median_us * 1e-6
        )
        if cache is Cache.WARM and from_l2_bytes <= l2_bytes:
            return Position.L2
        if cache is Cache.COLD and from_l2_bytes <= min(
            measurement.bytes_written, l2_bytes
        ):
            return Position.WRITES_IN_L2
    if replace(measurement, roof=rated).peak_pct(cache) <= 100:  # noqa: PLR2004
        return Position.UNDER_SPEC
    return Position.ABOVE


def by_bound(measurements: Iterable[Measurement]) -> dict[Bound, list[Measurement]]:
    """Timed points by the roof that their intensity points at."""
    groups: dict[Bound, list[Measurement]] = {bound: [] for bound in Bound}
    for row in measurements:
        if row.status is Status.OK and row.bound is not None:
            groups[row.bound].append(row)
    return groups


def by_op(
    measurements: Iterable[Measurement],
) -> dict[tuple[str, str], list[Measurement]]:
    """Points of each (kernel, op) in recorded order, smallest work first."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for row in measurements:
        groups.setdefault((row.point.kernel, row.point.op), []).append(row)
    for rows in groups.values():
        rows.sort(key=lambda row: (row.point.tokens, row.total_bytes))
    return groups


def opportunities(placements: Sequence[Placement]) -> list[Placement]:
    """Points with time above their roof, the most time to win first."""
    slow = [placement for placement in placements if placement.headroom_us > 0]
    return sorted(slow, key=lambda placement: -placement.headroom_us)


def share_of_time_pct(part: Iterable[float], whole: Iterable[float]) -> float:
    """Percent that the part's sum is of the whole's; NaN where there is no whole."""
    total = sum(whole)
    return 100 * sum(part) / total if total else math.nan
