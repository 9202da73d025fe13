"""Factories: each test states only the fields that it is about."""

from dataclasses import replace
from typing import Any, Protocol

import pytest

from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
    Phase,
    Point,
    Roof,
    Status,
    Sweep,
    Timing,
    TimingState,
)

# Round numbers: the ridge is 200 FLOP/byte for bf16, 400 for fp8 and 10 for fp32.
TOY_GPU = DeviceSpec(
    id="toy",
    name="Toy GPU",
    match=("Toy GPU",),
    compute_capability=(9, 0),
    sms=100,
    l2_bytes=50_000_000,
    hbm_bytes_per_s=5e12,
    flops_per_s={
        Datapath.FP8_TENSOR: 2e15,
        Datapath.BF16_TENSOR: 1e15,
        Datapath.FP32: 5e13,
    },
    sources={"hbm_bytes_per_s": "invented", "flops_per_s": "invented"},
)


class Factory(Protocol):
    def __call__(self, **changes: Any) -> Any: ...  # noqa: ANN401 -- any field


@pytest.fixture
def toy_gpu() -> DeviceSpec:
    return TOY_GPU


@pytest.fixture
def make_timing() -> Factory:
    def make(**changes: Any) -> Timing:  # noqa: ANN401 -- any field
        median_us = changes.get("median_us", 10.0)
        timing = Timing(
            median_us=median_us,
            mad_us=0.01 * median_us,
            p05_us=0.98 * median_us,
            p95_us=1.03 * median_us,
            ci_low_us=0.998 * median_us,
            ci_high_us=1.002 * median_us,
            samples=100,
            calls_per_sample=25,
            overhead_us=2.0,
            sm_clock_mhz=1980,
            memory_clock_mhz=3201,
            power_w=250.0,
            throttle_reasons=(),
            state=TimingState.STABLE,
        )
        return replace(timing, **changes)

    return make


@pytest.fixture
def make_measurement(make_timing: Factory) -> Factory:
    """Build rmsnorm at 4 tokens on the toy GPU; point fields may be given directly."""

    def make(**changes: Any) -> Measurement:  # noqa: ANN401 -- any field
        identity = {
            "kernel": "rmsnorm",
            "op": "input_layernorm",
            "phase": Phase.DECODE,
            "batch_size": 4,
            "seq_len": 1,
            "kv_len": None,
        }
        point = Point(
            **{name: changes.pop(name, value) for name, value in identity.items()}
        )
        measurement = Measurement(
            point=point,
            status=Status.OK,
            source="sgl-kernel",
            category="Norm",
            provider="sgl_kernel 0.4.4",
            dtype="bfloat16",
            m=point.tokens,
            n=7168,
            k=0,
            flops={Datapath.FP32: (4 * 7168 + 3) * point.tokens},
            bytes_read=2 * 7168 * (point.tokens + 1),
            bytes_written=2 * 7168 * point.tokens,
            roof=Roof(name="spec toy", flops_per_s=5e13, bytes_per_s=5e12),
            error=0.002,
            error_limit=0.01,
            timer="graph",
            warm=make_timing(),
            cold=make_timing(median_us=12.0),
            command="dsprof time --kernels rmsnorm",
        )
        if changes.get("status", Status.OK) is not Status.OK:
            measurement = replace(measurement, warm=None, cold=None, error=None)
        return replace(measurement, **changes)

    return make


@pytest.fixture
def make_profile(make_measurement: Factory, toy_gpu: DeviceSpec) -> Factory:
    def make(**changes: Any) -> Profile:  # noqa: ANN401 -- any field
        profile = Profile(
            device=toy_gpu,
            environment={"torch": "2.11.0", "driver": "580.1", "nsys": None},
            commands=("dsprof time --kernels rmsnorm",),
            sweep=Sweep(
                kernels=("rmsnorm",),
                ops=(),
                phases=(Phase.DECODE, Phase.PREFILL),
                decode_batch_sizes=(1, 4),
                prefill_batch_sizes=(1,),
                seq_lens=(128,),
                kv_lens=(),
                caches=(Cache.WARM, Cache.COLD),
                timer="graph",
                warmups=10,
                replays=100,
                timeout_s=60.0,
            ),
            catalogue=(),
            slots=(),
            repeats=(),
            overheads_us={"warm": 2.0, "cold": 1.3},
            summary=None,
            measurements=(make_measurement(),),
        )
        return replace(profile, **changes)

    return make
