"""Builds the analytic account of a device out of the kernel files, for commands."""

import math
from collections.abc import Iterable, Iterator

from dsprof.analysis.analytic import AnalyticProfile, Crossing
from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.harness.analytic import analytic_row, analytic_rows
from dsprof.harness.device import DeviceSpec
from dsprof.harness.records import Call, Measurement, Phase, Point
from dsprof.harness.sweep import KV_LENS
from dsprof.kernels import deepseek
from dsprof.kernels.registry import kernel_files, load_kernels
from dsprof.kernels.spec import Kernel, Op, gemm_shape

# Beyond any batch: a GEMM's intensity is then its limit to nine digits.
ENDLESS_TOKENS = 2**45


def analytic_profile(device: DeviceSpec) -> AnalyticProfile:
    """The work of every kernel file at the reported sizes, under a device's roofs."""
    kernels = load_kernels()
    return AnalyticProfile(
        device=device,
        rows=tuple(
            analytic_row(kernel, point, device)
            for kernel in kernels
            for op in kernel.ops
            for point in _points(kernel, op)
        ),
        crossings=tuple(
            crossing(kernel, op, device)
            for kernel in kernels
            if kernel.shape is gemm_shape and Phase.DECODE in kernel.phases
            for op in kernel.ops
        ),
        missing=tuple(
            name for name, _, _ in deepseek.KERNELS if name not in kernel_files()
        ),
        notes={
            (kernel.name, op.name): op.note
            for kernel in kernels
            for op in kernel.ops
            if op.note
        },
    )


def crossing(kernel: Kernel, op: Op, device: DeviceSpec) -> Crossing:
    """Where the GEMM's intensity reaches its ridge point, found by halving."""
    rows = {
        tokens: analytic_row(kernel, _decode(kernel, op, tokens), device)
        for tokens in (1, ENDLESS_TOKENS)
    }
    roof = rows[1].roof
    ridge = math.nan if roof is None else roof.ridge_point
    low, high = 0, ENDLESS_TOKENS
    reaches = rows[high].arithmetic_intensity >= ridge
    while reaches and high - low > 1:
        middle = (low + high) // 2
        row = analytic_row(kernel, _decode(kernel, op, middle), device)
        low, high = (
            (low, middle) if row.arithmetic_intensity >= ridge else (middle, high)
        )
    return Crossing(
        kernel=kernel.name,
        op=op.name,
        n=rows[1].n,
        k=rows[1].k,
        least_intensity=rows[1].arithmetic_intensity,
        limit_intensity=rows[ENDLESS_TOKENS].arithmetic_intensity,
        ridge=ridge,
        tokens=high if reaches else None,
        is_taken=not kernel.limit_reason(kernel.workload(_decode(kernel, op, high))),
    )


def known_ops(
    wanted: Iterable[tuple[str, str]], device: DeviceSpec
) -> dict[tuple[str, str], Measurement]:
    """A row of each kernel and op that has a file: its category and its datapath."""
    size = REPORTED_SIZES[0].sized(KV_LENS[0])
    calls = {(kernel, op): Call(kernel=kernel, op=op) for kernel, op in wanted}
    rows = analytic_rows(calls.values(), size, device)
    return {key: rows[call] for key, call in calls.items() if call in rows}


def _points(kernel: Kernel, op: Op) -> Iterator[Point]:
    for size in REPORTED_SIZES:
        if size.phase not in kernel.phases:
            continue
        with_context = kernel.has_kv_axis and size.phase is Phase.DECODE
        for kv_len in KV_LENS if with_context else (None,):
            yield Point(
                kernel=kernel.name,
                op=op.name,
                phase=size.phase,
                batch_size=size.batch_size,
                seq_len=size.seq_len,
                kv_len=kv_len,
            )


def _decode(kernel: Kernel, op: Op, tokens: int) -> Point:
    return Point(
        kernel=kernel.name,
        op=op.name,
        phase=Phase.DECODE,
        batch_size=tokens,
        seq_len=1,
    )
