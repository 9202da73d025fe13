"""Recomputes the figures of the document about FP8 MoE on one of several GPUs."""

import math
from collections.abc import Iterator

from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import analytic_study
from dsprof.analysis.moe.work import activation_bytes, work
from dsprof.analysis.numerals import scaled_bytes, scaled_flops, significant
from dsprof.analysis.report.corrections import Correction
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.device import DeviceSpec
from dsprof.kernels import deepseek as ds

MOE = "Roofline Analysis \N{EM DASH} DeepSeek-V3 FP8 MoE on B200"
LOCAL_EXPERTS = 32  # what the document holds on one GPU


def moe_corrections(b200: DeviceSpec, h200: DeviceSpec) -> Iterator[Correction]:
    """Figures about the experts that depend on which of them get a row."""
    shared = _experts(NumberFormat.FP8, local=LOCAL_EXPERTS)
    for tokens in (1, 8, 128):
        done = work(shared, Routing.EXPECTED, tokens)
        read = done.weight_bytes
        yield Correction(
            source=MOE,
            subject=f"Weight bytes read at T={tokens}, {LOCAL_EXPERTS} of "
            f"{ds.E} experts on the GPU",
            stated="1.410 GB, 176 us",
            recomputed=f"{scaled_bytes(read)}, "
            f"{significant(read / b200.hbm_bytes_per_s * 1e6)} us",
            how=f"{significant(done.experts)} experts get a row on average",
        )
    yield Correction(
        source=MOE,
        subject=f"FLOP a token with {LOCAL_EXPERTS} of {ds.E} experts on the GPU",
        stated="704.6 MFLOP",
        recomputed=scaled_flops(work(shared, Routing.EXPECTED, 1).flops),
        how=f"{ds.K} experts a token, of which {LOCAL_EXPERTS}/{ds.E} are local",
    )
    listed = ds.K * (ds.H + 2 * 2 * ds.I + ds.I + 2 * ds.H)
    moved = sum(activation_bytes(shared, Routing.FORCED_LOCAL).values())
    yield Correction(
        source=MOE,
        subject="Activation bytes a token, the four terms listed",
        stated="278.0 KB",
        recomputed=f"{listed:,}; {moved:,} with token in, token out and FP32 scales",
        how=f"{ds.K} rows of FP8 input, BF16 up, FP8 activation and BF16 down",
    )
    for device, number_format in ((h200, NumberFormat.FP8), (b200, NumberFormat.FP4)):
        yield Correction(
            source=MOE,
            subject=f"Tokens from which on the MoE is compute-bound, all {ds.E} "
            f"experts, {number_format.upper()}, {device.name}",
            stated="1446 (32 experts that get every row)",
            recomputed=f"{_crossover(device, number_format):,}",
            how="FLOP / peak = (weights + token in and out) / HBM bytes/s",
        )


def _experts(number_format: NumberFormat, *, local: int = ds.E) -> Geometry:
    return Geometry(
        experts=ds.E,
        local_experts=local,
        top_k=ds.K,
        groups=ds.EXPERT_GROUPS,
        top_groups=ds.TOPK_GROUPS,
        hidden=ds.H,
        intermediate=ds.I,
        number_format=number_format,
        block_size=number_format.block_size,
    )


def _crossover(device: DeviceSpec, number_format: NumberFormat) -> int:
    """The least whole T at which computing takes longer, all experts on the GPU."""
    study = analytic_study(device, _experts(number_format), Routing.EXPECTED, (1,))
    return math.ceil(study.crossover(RoofKind.SPEC))
