"""Works and sweeps with known parameters, to be recovered by a fit."""

from dataclasses import replace
from typing import Any

from dsprof.analysis.whatif.kernel_fit import KernelFit
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import Term
from dsprof.analysis.whatif.work import Work
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement

# Round numbers: 1 MB takes 1 us of HBM and 0.25 us of L2, 1 GFLOP 1 us of bf16.
ROUND = Target(
    name="Round",
    flops_per_s={Datapath.BF16_TENSOR: 1e15, Datapath.FP32: 5e13},
    hbm_bytes_per_s=1e12,
    on_chip_bytes=50e6,
    on_chip_bytes_per_s=4e12,
    hbm_latency_s=1e-6,
    launch_latency_s=1e-6,
)
TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


def known_fit(**changes: Any) -> KernelFit:  # noqa: ANN401 -- any field
    """All terms at their rated values, and 4 us of fixed part."""
    fit = KernelFit(
        kernel="made",
        points=0,
        slowdown=dict.fromkeys((*Term,), 1.0),
        row_s=0.0,
        fixed_s=4e-6,
        not_identified=(),
    )
    return replace(fit, **changes)


def gemm_works(truth: KernelFit, row: Measurement) -> list[Work]:
    """4 MB of weights: HBM for the first tokens, tensor from about ten on."""
    works = []
    for tokens in TOKENS:
        moved = 4e6 + 4e5 * tokens
        work = Work(
            row=_at(row, tokens),
            time_s=1.0,
            tensor_flops={Datapath.BF16_TENSOR: 1.2e9 * tokens},
            vector_flops=0.0,
            rows=0,
            hbm_bytes=moved,
            on_chip_bytes=moved,
            launches=2,
        )
        works.append(replace(work, time_s=truth.time_s(work, ROUND)))
    return works


def row_works(truth: KernelFit, row: Measurement) -> list[Work]:
    """A kernel of many small rows: 1 KB each, of which HBM sees all."""
    works = []
    for tokens in TOKENS:
        work = Work(
            row=_at(row, tokens),
            time_s=1.0,
            tensor_flops={},
            vector_flops=100.0 * tokens,
            rows=tokens,
            hbm_bytes=1e3 * tokens,
            on_chip_bytes=1e3 * tokens,
            launches=1,
        )
        works.append(replace(work, time_s=truth.time_s(work, ROUND)))
    return works


def _at(row: Measurement, tokens: int) -> Measurement:
    return replace(row, point=replace(row.point, batch_size=tokens))
