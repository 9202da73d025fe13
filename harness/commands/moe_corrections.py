"""Recomputes the figures of the document about FP8 MoE on one of several GPUs."""

import math
from collections.abc import Iterator
from fractions import Fraction

from dsprof.analysis.numerals import scaled_bytes, scaled_flops, significant
from dsprof.analysis.report.corrections import Correction
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.kernels import deepseek as ds

MOE = "Roofline Analysis \N{EM DASH} DeepSeek-V3 FP8 MoE on B200"
LOCAL_EXPERTS = 32  # what the document holds on one GPU
SCALE_BLOCK = 128


def moe_corrections(b200: DeviceSpec, h200: DeviceSpec) -> Iterator[Correction]:
    """Figures about the experts that depend on which of them get a row."""
    expert_bytes = _expert_bytes(Datapath.FP8_TENSOR)
    for tokens in (1, 8, 128):
        touched = LOCAL_EXPERTS * (1 - (1 - ds.K / ds.E) ** tokens)
        read = touched * expert_bytes
        yield Correction(
            source=MOE,
            subject=f"Weight bytes read at T={tokens}, {LOCAL_EXPERTS} of "
            f"{ds.E} experts on the GPU",
            stated="1.410 GB, 176 us",
            recomputed=f"{scaled_bytes(read)}, "
            f"{significant(read / b200.hbm_bytes_per_s * 1e6)} us",
            how=f"{significant(touched)} experts get a row on average",
        )
    flops = 6 * ds.K * ds.H * ds.I
    yield Correction(
        source=MOE,
        subject=f"FLOP a token with {LOCAL_EXPERTS} of {ds.E} experts on the GPU",
        stated="704.6 MFLOP",
        recomputed=scaled_flops(flops * LOCAL_EXPERTS / ds.E),
        how=f"{ds.K} experts a token, of which {LOCAL_EXPERTS}/{ds.E} are local",
    )
    listed = ds.K * (ds.H + 2 * 2 * ds.I + ds.I + 2 * ds.H)
    yield Correction(
        source=MOE,
        subject="Activation bytes a token, the four terms listed",
        stated="278.0 KB",
        recomputed=f"{listed:,}; {listed + _unlisted_bytes():,} with token in, token "
        "out and FP32 scales",
        how=f"{ds.K} rows of FP8 input, BF16 up, FP8 activation and BF16 down",
    )
    for device, path in ((h200, Datapath.FP8_TENSOR), (b200, Datapath.FP4_TENSOR)):
        yield Correction(
            source=MOE,
            subject=f"Tokens from which on the MoE is compute-bound, all {ds.E} "
            f"experts, {path.value[:3].upper()}, {device.name}",
            stated="1446 (32 experts that get every row)",
            recomputed=f"{_moe_crossover(device, path):,}",
            how="FLOP / peak = (weights + token in and out) / HBM bytes/s",
        )


def _expert_bytes(path: Datapath) -> int:
    """Weights of one expert with their scales: FP32 a 128x128 block, or NVFP4."""
    elements = 3 * ds.H * ds.I
    if path is Datapath.FP4_TENSOR:
        return int(elements * Fraction(9, 16))  # 4 bits, and 8 for every 16 of them
    return elements + 4 * elements // SCALE_BLOCK**2


def _unlisted_bytes() -> int:
    """A token's FP8 input, its BF16 output, and one FP32 scale for 128 values."""
    values = ds.H + ds.K * ds.H + ds.K * ds.I
    return ds.H + 2 * ds.H + 4 * values // SCALE_BLOCK


def _moe_crossover(device: DeviceSpec, path: Datapath) -> int:
    """Tokens at which all experts' weights are read in the time of the FLOP.

    A token is read and written once in BF16; for FP4 its routing is counted as well,
    4 bytes an id and 4 a weight.
    """
    flops = 6 * ds.K * ds.H * ds.I
    moved = 4 * ds.H + (8 * ds.K if path is Datapath.FP4_TENSOR else 0)
    weights = ds.E * _expert_bytes(path)
    return math.ceil(weights / (flops / device.ridge_point(path) - moved))
