"""Factories: each test states only the fields that it is about."""

import os
from dataclasses import replace
from typing import Any, Protocol

import pytest

from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.launch_span import LaunchSpan
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

if "PYTEST_XDIST_WORKER" in os.environ:
    # One process a core: more threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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
def make_counters() -> Factory:
    """Build rmsnorm's launch at make_measurement()'s point, cold, in round numbers."""

    def make(**changes: Any) -> Counters:  # noqa: ANN401 -- any field
        counters = Counters(
            label="rmsnorm/input_layernorm/decode/B=4,S=1",
            cache=Cache.COLD,
            kernel_name="void RMSNormKernel<8, __nv_bfloat16>(T2 *, T2 *, T2 *, int)",
            function_name="RMSNormKernel",
            grid=(4, 1, 1),
            block=(32, 28, 1),
            ranges=("dsprof:rmsnorm/input_layernorm/decode/B=4,S=1",),
            device_name="Toy GPU",
            compute_capability=(9, 0),
            duration_ns=10_000.0,
            sm_clock_hz=1.9e9,
            dram_clock_hz=3.2e9,
            passes=10.0,
            sm_pct=10.0,
            memory_pct=40.0,
            dram_pct=40.0,
            l1_pct=20.0,
            l2_pct=15.0,
            tensor_pipe_pct=0.0,
            memory_busy_pct=30.0,
            max_bandwidth_pct=35.0,
            l1_hit_pct=25.0,
            l2_hit_pct=50.0,
            memory_bytes_per_s=1e10,
            dram_bytes=100_000.0,
            dram_read_bytes=80_000.0,
            dram_write_bytes=20_000.0,
            l2_bytes=200_000.0,
            l1_bytes=150_000.0,
            l2_to_l1_bytes=100_000.0,
            achieved_occupancy_pct=50.0,
            theoretical_occupancy_pct=100.0,
            limit_registers_blocks=2.0,
            limit_shared_memory_blocks=16.0,
            limit_warps_blocks=2.0,
            limit_blocks_blocks=32.0,
            limit_barriers_blocks=32.0,
            registers_per_thread=32.0,
            shared_memory_static_bytes=128.0,
            shared_memory_dynamic_bytes=1024.0,
            waves_per_sm=2.0,
            fp32_flops=(4 * 7168 + 3) * 4.0,
        )
        return replace(counters, **changes)

    return make


@pytest.fixture
def make_launch() -> Factory:
    """Build the only launch of rmsnorm at make_measurement()'s point, cold."""

    def make(**changes: Any) -> LaunchSpan:  # noqa: ANN401 -- any field
        launch = LaunchSpan(
            label="rmsnorm/input_layernorm/decode/B=4,S=1",
            cache=Cache.COLD,
            index=0,
            function_name="RMSNormKernel",
            start_us=0.0,
            time_us=9.0,
            calls=20,
        )
        return replace(launch, **changes)

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
