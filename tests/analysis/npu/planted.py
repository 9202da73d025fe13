"""Planted profiles of a two-call layer whose limiter is known."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeAlias

from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    LayerPath,
    Measurement,
    ModelParameter,
    Phase,
    Roof,
    Slot,
)
from tests.conftest import Factory

MODEL = tuple(
    ModelParameter(name=name, value=value, symbol=symbol)
    for name, value, symbol in (
        ("hidden_size", 7168, "H"),
        ("kv_lora_rank", 512, "Lkv"),
        ("qk_rope_head_dim", 64, "Dr"),
        ("n_routed_experts", 256, "E"),
        ("num_experts_per_tok", 8, "K"),
        ("num_hidden_layers", 61, "L"),
    )
)
Size: TypeAlias = tuple[Phase, int, int]  # batch and sequence length
SIZES: tuple[Size, ...] = (
    *((Phase.DECODE, batch, 1) for batch in (1, 8, 32, 128)),
    *((Phase.PREFILL, 1, seq_len) for seq_len in (256, 1024, 2048)),
)
LAUNCH_US = 2.0
N = K = 4096
# The toy GPU moves 5 MB and does 1 GFLOP of BF16 a microsecond.
BYTES_A_US, FLOPS_A_US = 5e6, 1e9


class Kind(StrEnum):
    """How the matrix product behaves."""

    MEMORY = "memory"  # moves 33.6 MB and 100 kB a row: 6.7 us and 0.02 us a row
    COMPUTE = "compute"  # does 20 GFLOP a row on 1 MB: 20 us a row


def gemm(
    make_measurement: Factory, make_timing: Factory, kind: Kind, size: Size
) -> Measurement:
    """The matrix product q_b_proj at one size, at its roof, 2 us of launch added."""
    phase, batch, seq_len = size
    rows = batch * seq_len
    weights = 2 * N * K + 100_000 * rows if kind is Kind.MEMORY else 1_000_000
    # 2 FLOP a weight and row are far below the ridge of 200 FLOP/byte only for few
    # rows, so the memory kind does less than its shape would.
    flops = rows * (2 * N if kind is Kind.MEMORY else int(20 * FLOPS_A_US))
    slowest_us = max(weights / BYTES_A_US, flops / FLOPS_A_US)
    row: Measurement = make_measurement(
        kernel="linear",
        op="q_b_proj",
        phase=phase,
        batch_size=batch,
        seq_len=seq_len,
        category="GEMM",
        dtype="bfloat16",
        m=rows,
        n=N,
        k=K,
        flops={Datapath.BF16_TENSOR: flops},
        bytes_read=weights,
        bytes_written=1000,
        roof=Roof(name="spec toy", flops_per_s=1e15, bytes_per_s=5e12),
        warm=make_timing(median_us=slowest_us + LAUNCH_US),
        cold=make_timing(median_us=slowest_us + LAUNCH_US),
    )
    return row


def norm(make_measurement: Factory, make_timing: Factory, size: Size) -> Measurement:
    """The norm behind it: a launch and little more."""
    phase, batch, seq_len = size
    moved = 4 * 7168 * batch * seq_len
    time_us = LAUNCH_US + moved / BYTES_A_US
    row: Measurement = make_measurement(
        phase=phase,
        batch_size=batch,
        seq_len=seq_len,
        m=batch * seq_len,
        bytes_read=moved // 2,
        bytes_written=moved // 2,
        flops={Datapath.FP32: 4 * 7168 * batch * seq_len},
        warm=make_timing(median_us=time_us),
        cold=make_timing(median_us=time_us),
    )
    return row


def planted_profile(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    kind: Kind = Kind.MEMORY,
    **changes: Any,  # noqa: ANN401 -- of the profile
) -> Profile:
    """A layer of one matrix product and one norm at seven sizes."""
    rows = [
        row
        for size in SIZES
        for row in (
            gemm(make_measurement, make_timing, kind, size),
            norm(make_measurement, make_timing, size),
        )
    ]
    slots = tuple(
        Slot(phase=phase, kernel=kernel, op=op, path=LayerPath.AS_SERVED)
        for phase in Phase
        for kernel, op in (("linear", "q_b_proj"), ("rmsnorm", "input_layernorm"))
    )
    profile: Profile = make_profile(measurements=tuple(rows), slots=slots, model=MODEL)
    return replace(profile, **changes)


def ceiling(pattern: Pattern, value: float, power_w: float) -> Ceiling:
    """A roof held for a second."""
    return Ceiling(
        pattern=pattern,
        duration=Duration.SUSTAINED,
        value=value,
        seconds=1.0,
        work="planted",
        sm_clock_mhz=1980,
        memory_clock_mhz=3201,
        power_w=power_w,
        throttle_reasons=(),
    )


def counted_rows(make_counters: Factory, profile: Profile, **changes: Any) -> Any:  # noqa: ANN401
    """One cold launch of each point, with these counters."""
    return tuple(
        make_counters(label=row.point.label, cache=Cache.COLD, **changes)
        for row in profile.measurements
    )
