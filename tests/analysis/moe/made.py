"""Experts, and a profile of two ways to run them, in numbers of these files' own."""

from dataclasses import replace
from typing import Any

from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Call,
    LayerPath,
    Measurement,
    ModelParameter,
    Phase,
    Slot,
)
from tests.conftest import Factory

DEEPSEEK = Geometry(
    experts=256,
    local_experts=256,
    top_k=8,
    groups=8,
    top_groups=4,
    hidden=7168,
    intermediate=2048,
    number_format=NumberFormat.FP8,
    block_size=128,
)
EXPERT_BYTES = 44_050_944  # 3 x 7168 x 2048 FP8 and 4 bytes for every 128 x 128

GATE = Call(kernel="gate", op="topk")
FUSED = Call(kernel="whole_moe", op="experts (fused)")
UP = Call(kernel="group_gemm", op="experts (gate_up)")
DOWN = Call(kernel="group_gemm", op="experts (down)")
WHOLE_WAY = Alternative(calls=(GATE, FUSED))
GEMM_WAY = Alternative(calls=(GATE, UP, DOWN), stands_in=True)

# Time of each call in us, cold, by tokens. 8 x 44 MB at 5 TB/s are 70.5 us.
TIMES_US = {
    1: {GATE: 10.0, FUSED: 131.0, UP: 80.0, DOWN: 40.0},
    128: {GATE: 10.0, FUSED: 2490.0, UP: 1700.0, DOWN: 860.0},
    8192: {GATE: 40.0, FUSED: 6000.0, UP: 4000.0, DOWN: 2160.0},
}
TOUCHED = {1: 8, 128: 251, 8192: 256}  # experts that got a row


def make_geometry(**changes: Any) -> Geometry:  # noqa: ANN401 -- any field
    return replace(DEEPSEEK, **changes)


def moe_profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    """The toy GPU (2 PFLOP/s, 5 TB/s), measured at three sizes, with burst roofs."""

    def row(call: Call, tokens: int) -> Measurement:
        matrices = {FUSED: 3, UP: 2, DOWN: 1}.get(call, 0)
        weights = matrices * EXPERT_BYTES // 3 * TOUCHED[tokens]
        time_us = TIMES_US[tokens][call]
        made: Measurement = make_measurement(
            kernel=call.kernel,
            op=call.op,
            phase=Phase.PREFILL if tokens > 128 else Phase.DECODE,
            batch_size=tokens,
            flops={
                Datapath.FP8_TENSOR if matrices else Datapath.FP32: max(
                    1, 2 * matrices * 7168 * 2048 * 8 * tokens
                )
            },
            bytes_read=weights + 14_336 * tokens,
            bytes_written=14_336 * tokens,
            warm=make_timing(median_us=0.9 * time_us),
            cold=make_timing(median_us=time_us),
        )
        return made

    profile: Profile = make_profile(
        measurements=tuple(
            row(call, tokens) for tokens, times in TIMES_US.items() for call in times
        ),
        slots=(
            Slot(
                phase=Phase.DECODE,
                kernel="fp4_moe",
                op="experts (fused)",
                path=LayerPath.AS_SERVED,
                alternatives=(
                    Alternative(calls=(Call(kernel="fp4_moe", op="experts (fused)"),)),
                    WHOLE_WAY,
                    GEMM_WAY,
                ),
            ),
        ),
        model=tuple(
            ModelParameter(name=name, value=value, symbol=name[0])
            for name, value in {
                "n_routed_experts": 256,
                "num_experts_per_tok": 8,
                "hidden_size": 7168,
                "moe_intermediate_size": 2048,
            }.items()
        ),
        ceilings=(
            _ceiling(Pattern.HBM_READ, 4e12),
            _ceiling(Pattern.FP8_DENSE, 1e15),
        ),
    )
    return profile


def _ceiling(pattern: Pattern, value: float) -> Ceiling:
    return Ceiling(
        pattern=pattern,
        duration=Duration.BURST,
        value=value,
        seconds=0.05,
        work="made",
        sm_clock_mhz=1980,
        memory_clock_mhz=3201,
        power_w=500.0,
        throttle_reasons=(),
    )
