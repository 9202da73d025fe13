"""Planted recordings of a model: a timeline, and counters of its kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dsprof.harness.captures import Capture, Gap
from dsprof.harness.counters import Counters
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from dsprof.harness.timeline import KernelTime, RangeTime, Timeline, TimelineTool
from tests.conftest import Factory

_GEMV_TYPES = "int, int, __nv_bfloat16, __nv_bfloat16, __nv_bfloat16, float"
GEMV = (
    f"std::enable_if<!T7, void>::type internal::gemvx::kernel<{_GEMV_TYPES}, (bool)0, "
    "(bool)1, (bool)1, (bool)0, (int)7, (bool)0, cublasGemvParamsEx<int, "
    "cublasGemvTensorStridedBatched<const __nv_bfloat16>, "
    "cublasGemvTensorStridedBatched<const __nv_bfloat16>, "
    "cublasGemvTensorStridedBatched<__nv_bfloat16>, float>>(T13)"
)
GEMM = "nvjet_tst_128x64_64x8_2x1_v_bz_TNT"
MULTIPLY = (
    "void at::native::vectorized_elementwise_kernel<(int)4, at::native::BinaryFunctor"
    "<c10::BFloat16, c10::BFloat16, c10::BFloat16, at::native::binary_internal::"
    "MulFunctor<float>>, std::array<char *, (unsigned long)3>>(int, T2, T3)"
)
CAST = (
    "void at::native::vectorized_elementwise_kernel<(int)4, "
    "at::native::bfloat16_copy_kernel_cuda(at::TensorIteratorBase &)::[lambda(float) "
    "(instance 1)], std::array<char *, (unsigned long)2>>(int, T2, T3)"
)
FLASH = (
    "void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<(int)128, (int)64, "
    "(int)128, (int)4, (bool)0, (bool)0, cutlass::bfloat16_t, Flash_kernel_traits"
    "<(int)128, (int)64, (int)128, (int)4, cutlass::bfloat16_t>>, (bool)0, (bool)0, "
    "(bool)0, (bool)0, (bool)1, (bool)0, (bool)1, (bool)0>(flash::Flash_fwd_params)"
)
OWN = 'my<"a,b">|`x`(int) <script>alert(1)</script>'
BLOCK = (128, 1, 1)
STREAMS: Mapping[str, float] = {"sm_pct": 12.0, "memory_pct": 72.0, "dram_pct": 72.0}
COMPUTES: Mapping[str, float] = {
    "sm_pct": 81.0,
    "tensor_pipe_pct": 81.0,
    "memory_pct": 25.0,
    "dram_pct": 15.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One kernel: launches of one time each, in a grid each, and counters of all."""

    name: str
    total_us: float
    instances: int = 10
    grids: Mapping[int, float] = field(default_factory=lambda: {100: 1.0})  # shares
    counters: Mapping[str, Any] | None = field(default_factory=lambda: STREAMS)
    gap: str = ""  # why ncu gave nothing


DECODE = (
    Planted(name=GEMV, total_us=500.0, instances=20),
    Planted(name=GEMM, total_us=200.0, instances=4, counters=COMPUTES),
    Planted(name=MULTIPLY, total_us=120.0, instances=60),
    Planted(name=CAST, total_us=80.0, instances=40),
    Planted(name=FLASH, total_us=60.0, instances=4),
    Planted(name=OWN, total_us=40.0, instances=8, counters=None),
)


def kernel_rows(planted: Planted, range_name: str) -> list[KernelTime]:
    """The row of the name, and one a launch configuration."""
    mean_ns = 1000 * planted.total_us / planted.instances

    def row(share: float, **sizes: Any) -> KernelTime:  # noqa: ANN401 -- grid and block
        count = round(planted.instances * share)
        return KernelTime(
            range=range_name,
            kernel_name=planted.name,
            instances=count,
            total_ns=round(1000 * planted.total_us * share),
            median_ns=mean_ns,
            min_ns=round(0.9 * mean_ns),
            max_ns=round(1.2 * mean_ns),
            stddev_ns=0.0,
            **sizes,
        )

    sizes = [
        row(share, grid=(grid, 1, 1), block=BLOCK)
        for grid, share in planted.grids.items()
    ]
    return [row(1.0), *sizes]


def timeline_of(
    kernels: Sequence[Planted],
    range_name: str = "decode",
    **changes: Any,  # noqa: ANN401
) -> Timeline:
    """A recording whose range is busy for 90 % of its wall time."""
    total_ns = round(1000 * sum(kernel.total_us for kernel in kernels))
    time = RangeTime(
        name=range_name,
        instances=1,
        wall_ns=round(total_ns / 0.9),
        busy_ns=total_ns,
        kernel_ns=total_ns,
        copy_ns=0,
        kernels=sum(kernel.instances for kernel in kernels),
    )
    timeline = Timeline(
        tool=TimelineTool.NSYS,
        tool_version="2025.3.1",
        program="python3 -P -m dsprof.harness.models.program deepseek-v3 --mode eager",
        range=range_name,
        wall_s=1.5,
        mode="eager",
        ranges=(replace(time, name=""), time) if range_name else (time,),
        seen_ranges=(range_name,),
        device_names=("Toy GPU",),
        kernels=tuple(
            row for kernel in kernels for row in kernel_rows(kernel, range_name)
        ),
    )
    return replace(timeline, **changes)


def counters_of(
    make_counters: Factory, planted: Planted, range_name: str = "decode"
) -> list[Counters]:
    """One launch of each configuration; work at 72 % of the DRAM roof, or of BF16."""
    if planted.counters is None:
        return []
    mean_us = planted.total_us / planted.instances
    is_gemm = planted.counters is COMPUTES
    work = {
        # The toy GPU reads 5 MB and does 1 GFLOP of BF16 a microsecond.
        "dram_bytes": (0.75e6 if is_gemm else 3.6e6) * mean_us,
        "fp32_flops": 0.0 if is_gemm else 1e6 * mean_us,
        "tensor_bf16_flops": 0.8e9 * mean_us if is_gemm else 0.0,
    }
    return [
        make_counters(
            **{
                "label": "",
                "cache": Cache.COLD,
                "launch": index,
                "kernel_name": planted.name,
                "function_name": "kernel",
                "grid": (grid, 1, 1),
                "block": BLOCK,
                "ranges": (f":{range_name}",) if range_name else (),
                "duration_ns": 1100 * mean_us,
            }
            | work
            | dict(planted.counters)
        )
        for index, grid in enumerate(planted.grids)
    ]


def model_profile(
    make_profile: Factory,
    make_counters: Factory,
    kernels: Sequence[Planted] = DECODE,
    **changes: Any,  # noqa: ANN401 -- of the profile
) -> Profile:
    """A profile of one recorded range and the counters of its kernels."""
    counters = [row for one in kernels for row in counters_of(make_counters, one)]
    gaps = tuple(
        Gap(label=one.name, status=Status.FAILED, reason=one.gap)
        for one in kernels
        if one.gap
    )
    capture = Capture(
        cache=Cache.COLD,
        command="ncu --metrics a,b python3 -m model",
        ncu_version="2025.3.1.0",
        started="2026-11-21T10:00:00Z",
        wall_s=42.0,
        points=len({row.kernel_name for row in counters}),
        launches=len(counters),
        max_passes=14,
        gaps=gaps,
    )
    values = {
        "measurements": (),
        "timelines": (timeline_of(kernels),),
        "counters": tuple(counters),
        "captures": (capture,) if counters or gaps else (),
        "commands": ("dsprof nsys --range decode --ncu -- python3 -m model",),
    }
    made: Profile = make_profile(**(values | changes))
    return made
