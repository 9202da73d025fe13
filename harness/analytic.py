"""Points with their analytic work under a device's roofs: nothing is run or imported.

Such a row has no time. Its status says what would keep the point from being timed on
that device, or that nobody has timed it.
"""

from collections.abc import Iterable
from dataclasses import replace

from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Call, Measurement, Phase, Point, Roof, Status
from dsprof.kernels.parallel import Division
from dsprof.kernels.registry import kernel_files, load_kernel
from dsprof.kernels.spec import Kernel

NOT_RUN = "analytic work only; nothing was run"
WHOLE = Division()


def analytic_row(
    kernel: Kernel, point: Point, device: DeviceSpec, division: Division = WHOLE
) -> Measurement:
    """A point's work, or that of one GPU's part of it, and the roof of its datapath.

    The roof is None where the device lacks the datapath that the kernel computes on.
    """
    work = kernel.workload(point)
    m, n, k = kernel.shape(work)
    cost = division.cost(kernel, point)
    status, reason = _standing(kernel, point, device)
    row = Measurement(
        point=point,
        status=status,
        reason=reason,
        source=kernel.source,
        category=kernel.category,
        dtype=kernel.dtype,
        m=m,
        n=n,
        k=k,
        flops=cost.flops,
        bytes_read=cost.bytes_read,
        bytes_written=cost.bytes_written,
    )
    return with_roof(row, device)


def analytic_rows(
    calls: Iterable[Call],
    size: Point,
    device: DeviceSpec,
    division: Division = WHOLE,
) -> dict[Call, Measurement]:
    """The rows of those calls that a kernel file declares, at the size of a point.

    A call that needs a context length has no row where the size has none.
    """
    rows = {}
    for call in calls:
        if call.kernel not in kernel_files():
            continue
        kernel = load_kernel(call.kernel)
        if call.op not in {op.name for op in kernel.ops}:
            continue
        has_kv = kernel.has_kv_axis and size.phase is Phase.DECODE
        if has_kv and size.kv_len is None:
            continue
        point = replace(
            size,
            kernel=call.kernel,
            op=call.op,
            kv_len=size.kv_len if has_kv else None,
        )
        rows[call] = analytic_row(kernel, point, device, division)
    return rows


def with_roof(row: Measurement, device: DeviceSpec) -> Measurement:
    """The row held against the device's rated roofs, where it has the datapath."""
    if row.datapath not in device.flops_per_s:
        return replace(row, roof=None)
    roof = Roof(
        name=f"spec {device.id}",
        flops_per_s=device.peak(row.datapath),
        bytes_per_s=device.hbm_bytes_per_s,
    )
    return replace(row, roof=roof)


def _standing(kernel: Kernel, point: Point, device: DeviceSpec) -> tuple[Status, str]:
    if reason := kernel.capability_reason(device.compute_capability):
        return Status.UNSUPPORTED, reason
    if reason := kernel.limit_reason(kernel.workload(point)):
        return Status.OUT_OF_LIMIT, reason
    return Status.UNAVAILABLE, NOT_RUN
