"""What a device's rated roofs allow each kernel: work by formula, nothing measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Bound, Measurement, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where a GEMM's intensity goes as its rows grow.

    ``tokens`` is the least M at which the intensity reaches the ridge point of the
    GEMM's datapath; None if it never does, or the device has no such datapath.
    ``is_taken`` says whether the kernel takes that many rows.
    """

    kernel: str
    op: str
    n: int
    k: int
    least_intensity: float  # at M = 1
    limit_intensity: float  # as M grows without end
    ridge: float  # NaN where the device has no such datapath
    tokens: int | None
    is_taken: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticProfile:
    """The work of every kernel at the reported sizes on one device.

    ``rows`` have no times. ``missing`` are kernels of the model without a file;
    ``notes``, by kernel and op, what a kernel file says of an op.
    """

    device: DeviceSpec
    rows: tuple[Measurement, ...]
    crossings: tuple[Crossing, ...]
    missing: tuple[str, ...]
    notes: Mapping[tuple[str, str], str]


def attainable(row: Measurement) -> float:
    """FLOP/s under the row's roof at its intensity; NaN without a roof."""
    if row.roof is None:
        return math.nan
    return min(row.roof.flops_per_s, row.arithmetic_intensity * row.roof.bytes_per_s)


def refusal(row: Measurement, device: DeviceSpec) -> str:
    """Why the row cannot be placed or run on the device, or nothing."""
    if row.roof is None:
        return f"{device.name} has no {row.datapath} datapath"
    return "" if row.status is Status.UNAVAILABLE else row.reason


def bound_names(rows: Sequence[Measurement], bound: Bound) -> list[str]:
    """Kernels and ops under a roof, with all that the device refuses left out."""
    return [
        f"{row.point.kernel} {row.point.op}"
        for row in rows
        if row.bound is bound and row.status is Status.UNAVAILABLE
    ]


def ridge_of(device: DeviceSpec, row: Measurement) -> float:
    """FLOP/byte at which the row's datapath meets the memory roof; NaN without one."""
    if row.datapath not in device.flops_per_s:
        return math.nan
    return device.ridge_point(row.datapath)
