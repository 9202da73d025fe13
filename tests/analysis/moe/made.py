"""Experts, and a profile of two ways to run them, in numbers of these files' own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.launch_span import LaunchSpan
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


# Of both pipelines: the graph's median, and each launch's name, gap before it and span.
LIBRARY, OURS = "library_moe", "our_moe"
PIPELINES_US = {
    LIBRARY: {1: 150.0, 128: 2600.0, 8192: 6500.0},
    OURS: {1: 100.0, 128: 2500.0, 8192: 7000.0},
}
LAUNCHES = {
    LIBRARY: (
        ("moe_fused_gate_kernel", 0.0, 10.0),
        ("device_kernel", 2.0, 80.0),
        ("act_and_mul_kernel", 2.0, 5.0),
        ("device_kernel", 1.0, 40.0),
    ),
    OURS: (
        ("moe_fused_gate_kernel", 0.0, 10.0),
        ("fused_moe_silu", -1.0, 60.0),  # begins before the gate ends
        ("fused_moe", 2.0, 25.0),
    ),
}


def pipeline_profile(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_launch: Factory,
) -> Profile:
    """moe_profile() with two whole pipelines, launches of their calls at one token."""

    def row(kernel: str, tokens: int) -> Measurement:
        is_large = tokens > 128
        timing = make_timing(
            median_us=PIPELINES_US[kernel][tokens],
            sm_clock_mhz=1500 if is_large else 1980,
            power_w=700.0 if is_large else 400.0,
            throttle_reasons=("sw_power_cap",) if is_large else (),
        )
        made: Measurement = make_measurement(
            kernel=kernel,
            op="routed experts",
            source="sgl-kernel" if kernel == LIBRARY else "triton",
            phase=Phase.PREFILL if is_large else Phase.DECODE,
            batch_size=tokens,
            flops={Datapath.FP8_TENSOR: 6 * 7168 * 2048 * 8 * tokens},
            bytes_read=EXPERT_BYTES * TOUCHED[tokens] + (14_336 + 1024) * tokens,
            bytes_written=14_336 * tokens,
            distinct_experts=TOUCHED[tokens],
            warm=timing,
            cold=timing,
        )
        return made

    profile = moe_profile(make_profile, make_measurement, make_timing)
    rows = [row(kernel, tokens) for kernel in PIPELINES_US for tokens in TOUCHED]
    return replace(
        profile,
        measurements=(*profile.measurements, *rows),
        launches=tuple(
            span
            for kernel, launches in LAUNCHES.items()
            for span in made_launches(
                make_launch, f"{kernel}/routed_experts/decode/B=1,S=1", launches
            )
        ),
        ceilings=(
            *profile.ceilings,
            _ceiling(Pattern.HBM_READ, 4e12, Duration.SUSTAINED, sm_clock_mhz=1980),
            _ceiling(Pattern.FP8_DENSE, 9e14, Duration.SUSTAINED, sm_clock_mhz=1455),
        ),
    )


def made_launches(
    make_launch: Factory, label: str, launches: Sequence[tuple[str, float, float]]
) -> list[LaunchSpan]:
    """One call's launches, each with its name, the gap before it and its span."""
    spans: list[LaunchSpan] = []
    end_us = 0.0
    for index, (name, gap_us, time_us) in enumerate(launches):
        start_us = end_us + gap_us
        end_us = start_us + time_us
        spans.append(
            make_launch(
                label=label,
                index=index,
                function_name=name,
                start_us=start_us,
                time_us=time_us,
            )
        )
    return spans


def _ceiling(
    pattern: Pattern,
    value: float,
    duration: Duration = Duration.BURST,
    sm_clock_mhz: int = 1980,
) -> Ceiling:
    return Ceiling(
        pattern=pattern,
        duration=duration,
        value=value,
        seconds=0.05,
        work="made",
        sm_clock_mhz=sm_clock_mhz,
        memory_clock_mhz=3201,
        power_w=500.0,
        throttle_reasons=(),
    )
